//! The pages about readers: what is said about one is cited.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::reading::path;

/// Every page about a reader.
fn pages() -> Vec<PathBuf> {
    let files = fs::read_dir(path("docs/siem")).unwrap().map(|file| file.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|end| end == "md")).collect()
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
    for page in pages() {
        let name = page.file_name().unwrap().to_str().unwrap();
        if name == "README.md" {
            continue;
        }
        let text = fs::read_to_string(&page).unwrap();
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
