//! The commands of the pages: every line of a block of commands, and in the pages that a person
//! follows step by step also those within a sentence.

use std::fs;
use std::path::{Path, PathBuf};

/// A command of a page, as a person would copy it.
#[derive(Clone, Debug)]
pub struct Command {
    /// From the top of the repository.
    pub page: String,
    /// Of its first line, from 1.
    pub line: usize,
    pub text: String,
}

/// What the fences of blocks of commands say.
const LANGUAGES: [&str; 5] = ["sh", "bash", "console", "sql", "python"];
/// What other blocks hold.
const OTHERS: [&str; 6] = ["", "json", "mermaid", "xml", "yaml", "text"];
/// Pages whose sentences hold steps.
const PROCEDURES: [&str; 2] = ["docs/operate.md", "docs/runbook.md"];
/// Programs that a person calls.
const PROGRAMS: [&str; 8] = ["aws", "cargo", "collector", "curl", "git", "infra", "python3", "sam"];

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The paths of the pages, each with its text.
pub fn pages() -> Vec<(String, String)> {
    let mut pages = vec!["README.md".to_owned(), "infra/README.md".to_owned()];
    find_pages("docs", &mut pages);
    pages.sort();
    let read = |page: &String| fs::read_to_string(root().join(page)).unwrap();
    pages.into_iter().map(|page| (page.clone(), read(&page))).collect()
}

/// All commands, page by page.
pub fn commands() -> Vec<Command> {
    pages().iter().flat_map(|(page, text)| commands_of(page, text)).collect()
}

fn find_pages(folder: &str, pages: &mut Vec<String>) {
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            find_pages(&path, pages);
        } else if path.ends_with(".md") {
            pages.push(path);
        }
    }
}

/// The commands of a page. A block in Python or SQL is one.
pub fn commands_of(page: &str, text: &str) -> Vec<Command> {
    let mut found = Vec::new();
    let mut lines = text.lines().zip(1..);
    let mut add = |line: usize, text: String| {
        found.push(Command { page: page.to_owned(), line, text });
    };
    while let Some((line, number)) = lines.next() {
        let Some(language) = line.trim_start().strip_prefix("```") else {
            if PROCEDURES.contains(&page) {
                spans(line)
                    .filter(|span| is_command(span))
                    .for_each(|span| add(number, span.to_owned()));
            }
            continue;
        };
        let block: Vec<_> =
            lines.by_ref().take_while(|(line, _)| !line.trim_start().starts_with("```")).collect();
        match language {
            "sh" | "bash" | "console" => {
                for (number, text) in joined(&block) {
                    add(number, text);
                }
            }
            language if LANGUAGES.contains(&language) => {
                let text: Vec<_> = block.iter().map(|(line, _)| *line).collect();
                add(number + 1, text.join("\n"));
            }
            language => {
                assert!(OTHERS.contains(&language), "{page}:{number}: {language} is not known");
                let hidden = block.iter().find(|(line, _)| language.is_empty() && is_command(line));
                assert!(hidden.is_none(), "{page}: a command in a block that is none: {hidden:?}");
            }
        }
    }
    found
}

/// The lines of a block, continued ones joined, without those that say nothing.
fn joined(block: &[(&str, usize)]) -> Vec<(usize, String)> {
    let mut commands: Vec<(usize, String)> = Vec::new();
    let mut is_continued = false;
    for (line, number) in block {
        let is_empty = line.trim().is_empty() || line.trim_start().starts_with('#');
        match commands.last_mut() {
            Some((_, text)) if is_continued => *text += &format!("\n{line}"),
            _ if is_empty => continue,
            _ => commands.push((*number, (*line).to_owned())),
        }
        is_continued = line.ends_with('\\');
    }
    commands
}

/// What is between backticks.
fn spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// A call with arguments, and not the name of a program alone.
fn is_command(text: &str) -> bool {
    let Some((program, arguments)) = text.trim().split_once(' ') else { return false };
    let program = program.split('/').next().unwrap_or(program);
    let has_arguments = ["-", "&&", "s3://"].iter().any(|part| arguments.contains(part));
    PROGRAMS.contains(&program) && has_arguments
}

#[test]
fn blocks_and_steps_are_found() {
    let page = "Run `collector status --to x`, or `collector verify`.\n\
        ```sh\n# why\ncollector a --b \\\n  --c\n\nsam d\n```\n```json\n{}\n```\n```sql\nSELECT 1\n```\n";
    let texts = |page: &str, text: &str| -> Vec<(usize, String)> {
        commands_of(page, text).into_iter().map(|it| (it.line, it.text)).collect()
    };
    let block = [(4, "collector a --b \\\n  --c"), (7, "sam d"), (13, "SELECT 1")];
    let block = block.map(|(line, text)| (line, text.to_owned()));
    assert_eq!(texts("docs/tasks.md", page), block);
    assert_eq!(texts("docs/runbook.md", page)[0], (1, "collector status --to x".to_owned()));
}
