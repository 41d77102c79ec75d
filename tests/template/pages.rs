//! The pages: links lead somewhere, and what is said about a reader is cited.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::reading::path;

/// Every page of `docs/` and `infra/`, and the README.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![path("README.md")];
    for folder in ["docs", "docs/siem", "infra"] {
        let files = fs::read_dir(path(folder)).unwrap().map(|file| file.unwrap().path());
        pages.extend(files.filter(|file| file.extension().is_some_and(|end| end == "md")));
    }
    pages
}

/// The targets of a page's links, in order.
fn links(page: &str) -> Vec<&str> {
    let ends = page.split("](").skip(1);
    ends.filter_map(|rest| rest.split_once(')').map(|(target, _)| target)).collect()
}

/// A page's headings, as links name them.
pub(crate) fn headings(page: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(page).unwrap();
    let headings = text.lines().filter_map(|line| line.strip_prefix("## "));
    let named = |heading: &str| {
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        heading.trim().to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
    };
    headings.map(named).collect()
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut dead = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text).into_iter().filter(|link| !link.starts_with("http")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target =
                if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let is_there =
                target.is_file() && (heading.is_empty() || headings(&target).contains(heading));
            if !is_there {
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert_eq!(dead, Vec::<String>::new());
}

/// What a page says of its reader, whether it is known or not.
const SAID: [&str; 6] = [
    "**`s3:TestEvent`**",
    "**Long lines**",
    "efused lines",
    "**Snapshots of users**",
    "**Late events**",
    "**The first object**",
];

/// What could not be read in a reader's own documentation is left out, and named.
#[test]
fn every_setting_of_a_reader_cites_its_documentation() {
    let mut uncited = Vec::new();
    for page in pages().iter().filter(|page| page.parent().unwrap().ends_with("siem")) {
        let name = page.file_name().unwrap().to_str().unwrap();
        if name == "README.md" {
            continue;
        }
        let text = fs::read_to_string(page).unwrap();
        let rows = text
            .lines()
            .filter(|line| line.starts_with("| ") && !line.contains("where it is documented"));
        for row in rows {
            let cited =
                ["](http", "the same page", "the page above"].iter().any(|by| row.contains(by));
            if !cited {
                uncited.push(format!("{name}: {row}"));
            }
        }
        assert!(text.contains("**Left out**"), "{name} does not say what it leaves out");
        for word in SAID {
            assert!(text.contains(word), "{name} does not say anything of {word}");
        }
        let tried =
            ["**Tried** on 20", "**Not tried**"].iter().filter(|by| text.contains(**by)).count();
        assert_eq!(tried, 1, "{name} does not say whether it was tried");
        let index = fs::read_to_string(path("docs/siem/README.md")).unwrap();
        assert!(index.contains(&format!("({name})")), "{name} is in no list");
    }
    assert_eq!(uncited, Vec::<String>::new());
}
