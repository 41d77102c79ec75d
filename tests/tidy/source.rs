//! Source files taken apart: code, comments and text literals told from each other.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex_lite::Regex;

/// A source file, taken apart.
pub(crate) struct Source {
    pub(crate) path: String,
    /// As it is, without the trailing tests of a file of `src`.
    pub(crate) text: String,
    /// `text` with blanks in place of comments and of the contents of quotes.
    pub(crate) code: String,
    /// Where the text literals are in `text`, without their quotes.
    pub(crate) literals: Vec<(usize, usize)>,
}

impl Source {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("a source file is text");
        let path = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        let text = if path.starts_with("src/") { without_tests(&text) } else { text };
        let (code, literals) = take_apart(&text);
        Self { path, text, code, literals }
    }

    pub(crate) fn is_below(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }

    /// Where a match in this file is.
    pub(crate) fn at(&self, position: usize) -> String {
        format!("{}:{}", self.path, self.text[..position].matches('\n').count() + 1)
    }

    /// Places in the code where `pattern` is found, and what was found.
    pub(crate) fn find(&self, pattern: &str) -> Vec<(usize, &str)> {
        let pattern = Regex::new(pattern).unwrap();
        pattern.find_iter(&self.code).map(|found| (found.start(), found.as_str())).collect()
    }

    /// The same, as findings.
    pub(crate) fn complaints(&self, pattern: &str) -> Vec<String> {
        let found = self.find(pattern).into_iter();
        found.map(|(position, what)| format!("{}: {what}", self.at(position))).collect()
    }
}

/// Everything before `#[cfg(test)]` on a `mod tests`.
fn without_tests(text: &str) -> String {
    static TESTS: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?m)^#\[cfg\(test\)\]\n(#\[[^\]]*\]\n)*mod tests\b").unwrap()
    });
    TESTS.find(text).map_or(text, |tests| &text[..tests.start()]).to_owned()
}

/// Blanks comments and literals; finds the literals.
fn take_apart(text: &str) -> (String, Vec<(usize, usize)>) {
    let (mut code, mut literals, mut at) = (text.as_bytes().to_vec(), Vec::new(), 0);
    while at < text.len() {
        let Some((length, literal)) = token(&text.as_bytes()[at..]) else {
            at += 1;
            continue;
        };
        literals.extend(literal.map(|(from, to)| (at + from, at + to)));
        for byte in code[at..at + length].iter_mut().filter(|byte| **byte != b'\n') {
            *byte = b' ';
        }
        at += length;
    }
    (String::from_utf8(code).expect("whole tokens are blanked"), literals)
}

/// The comment, literal or word that begins here: its length, and where the text in it lies.
/// Words are left as they are, since an `r` or `b` at their end begins no literal.
fn token(rest: &[u8]) -> Option<(usize, Option<(usize, usize)>)> {
    let until = |from: usize, end: &[u8]| {
        let found = rest[from..].windows(end.len()).position(|bytes| bytes == end);
        from + found.expect("what is opened is closed")
    };
    match rest {
        [b'/', b'/', ..] => {
            Some((rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len()), None))
        }
        [b'/', b'*', ..] => Some((until(2, b"*/") + 2, None)),
        [b'"', ..] => {
            let mut at = 1;
            while rest[at] != b'"' {
                at += 1 + usize::from(rest[at] == b'\\');
            }
            Some((at + 1, Some((1, at))))
        }
        [b'r', marks @ ..] if marks.starts_with(b"\"") || marks.starts_with(b"#") => {
            let marks = marks.iter().take_while(|byte| **byte == b'#').count();
            if rest.get(1 + marks) != Some(&b'"') {
                return None;
            }
            let end = [b"\"".as_slice(), &rest[1..=marks]].concat();
            let to = until(marks + 2, &end);
            Some((to + end.len(), Some((marks + 2, to))))
        }
        [b'\'', b'\\', _, ..] => Some((until(3, b"'") + 1, None)),
        // A character of one to four bytes; anything else is the name of a lifetime.
        [b'\'', ..] => {
            let end = rest.iter().skip(2).take(4).position(|byte| *byte == b'\'')? + 2;
            let is_one = std::str::from_utf8(&rest[1..end]).is_ok_and(|c| c.chars().count() == 1);
            is_one.then_some((end + 1, None))
        }
        _ => None,
    }
}

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file, read once for all tests.
pub(crate) static ALL: LazyLock<Vec<Source>> = LazyLock::new(|| {
    let mut sources = Vec::new();
    let mut folders = vec![root().join("src"), root().join("tests")];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(folder).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push(Source::read(&path));
            }
        }
    }
    sources
});

#[test]
fn the_scanner_tells_code_from_text() {
    let text = "let a = \"//no\"; // \"yes\"\nlet b = '\"'; let c = r#\"x\"y\"#; 'l: loop {}";
    let (code, literals) = take_apart(text);
    assert_eq!(code.split_whitespace().collect::<String>(), "leta=;letb=;letc=;'l:loop{}");
    let found: Vec<_> = literals.iter().map(|(from, to)| &text[*from..*to]).collect();
    assert_eq!(found, ["//no", "x\"y"]);
}
