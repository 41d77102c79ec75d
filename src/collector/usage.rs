//! A command line that cannot be used: what is wrong, and how to do it right, a line each.

use clap::error::ErrorKind;

/// A command line or a setting that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{wrong}\n  {right}")]
pub(crate) struct UsageError {
    wrong: String,
    right: String,
}

impl UsageError {
    /// What is wrong, and how to do it right: a line each.
    pub(crate) fn new(wrong: impl Into<String>, right: impl Into<String>) -> Self {
        Self { wrong: wrong.into(), right: right.into() }
    }

    /// What the parser found, if it is an error and neither help nor a version.
    pub(crate) fn of(error: &clap::Error) -> Option<Self> {
        let is_answer = matches!(
            error.kind(),
            ErrorKind::DisplayHelp
                | ErrorKind::DisplayVersion
                | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        );
        (!is_answer).then(|| Self::parsed(&error.render().to_string()))
    }

    /// The parser's text, of which the first paragraph says what is wrong and another may say what
    /// was perhaps meant.
    fn parsed(text: &str) -> Self {
        let mut paragraphs = text.split("\n\n").map(one_line);
        let wrong = paragraphs.next().unwrap_or_default();
        let wrong = wrong.strip_prefix("error: ").unwrap_or(&wrong).to_owned();
        let tip = paragraphs.find_map(|line| line.strip_prefix("tip: ").map(str::to_owned));
        let right = match tip {
            Some(tip) => format!("{tip}; {}", help(text)),
            None => help(text),
        };
        Self { wrong, right }
    }
}

/// The lines of a paragraph as one: what a colon introduces is separated by commas.
fn one_line(paragraph: &str) -> String {
    let (head, listed) = paragraph.split_once(":\n").unwrap_or((paragraph, ""));
    let join = |text: &str, by: &str| text.lines().map(str::trim).collect::<Vec<_>>().join(by);
    match listed {
        "" => join(head, " "),
        listed => format!("{}: {}", join(head, " "), join(listed, ", ")),
    }
    .trim()
    .to_owned()
}

/// Where the help that fits is: of the command that the parser shows the use of.
fn help(text: &str) -> String {
    let usage = text.lines().find_map(|line| line.strip_prefix("Usage: "));
    let Some(usage) = usage else { return "see --help of the command".to_owned() };
    let is_name = |word: &&str| word.bytes().all(|byte| byte.is_ascii_lowercase());
    let names: Vec<_> = usage.split(' ').take_while(is_name).collect();
    format!("see `{} --help`", names.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> String {
        UsageError::parsed(text).to_string()
    }

    #[test]
    fn an_error_of_the_parser_has_two_lines() {
        let unknown = "error: unexpected argument '--repiar' found\n\n  \
            tip: a similar argument exists: '--repair'\n\n\
            Usage: collector audit --start <TIME>\n\nFor more information, try '--help'.\n";
        assert_eq!(
            lines(unknown),
            "unexpected argument '--repiar' found\n  \
             a similar argument exists: '--repair'; see `collector audit --help`"
        );
        let missing = "error: the following required arguments were not provided:\n  \
            --start <TIME>\n  --end <TIME>\n\nUsage: collector audit\n\nFor more information\n";
        assert_eq!(
            lines(missing),
            "the following required arguments were not provided: --start <TIME>, --end <TIME>\n  \
             see `collector audit --help`"
        );
    }
}
