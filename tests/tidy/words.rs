//! Phrases that do not occur in code, comments, logs, pages, template and help, because a reader has
//! to decode them or because they have too many meanings.

use std::collections::HashMap;

use crate::{assert_none, repository};

/// A phrase, word by word, and what to write instead. `a|b` is either word, `*` any word, and `!a|b`
/// any word but these. The first is neither of the last two.
const PHRASES: [(&str, &str); 15] = [
    ("tick|ticks", "scheduled run, schedule interval"),
    ("mend|mends|mended|mending", "correct, repair"),
    ("of|by chance", "random"),
    ("rests|resting", "depends on, is suspended"),
    ("go|goes|going|gone|went on", "continue, resume"),
    ("bear|bears|bore", "have, create"),
    ("hold|holds|held up", "delay, block"),
    ("hold|holds|held * up", "delay, block"),
    ("standing", "status, position"),
    ("stands !for", "is, is written"),
    ("stand|stood in|still|behind|alone", "be written, be paused, follow, be the only one"),
    ("standin", "mock, emulator"),
    ("anew", "again"),
    ("that|which|what is|are no !longer|more", "is not a"),
    // "A line a stream" for "one line per stream".
    (
        "a|an|one|each line|message|item|lane|bar|object|document|event|file|call|part a|an \
         stream|lane|service|organization|hour|query|run|day|line|change|process|reader|alarm|part|\
         row|minute|month|user|request|message|page|event|file|object|batch|invocation",
        "one per",
    ),
];

/// Where a phrase is unavoidable: files whose path begins so, the phrase, and the reason.
const GIVEN: [(&str, &str, &str); 2] = [
    ("src/collector/", "tick", "methods of indicatif's progress bars have this name"),
    ("tests/tidy/words.rs", "", "has the phrases and examples of them"),
];

/// One word of a phrase.
enum Part {
    Any,
    OneOf(Vec<&'static str>),
    NoneOf(Vec<&'static str>),
}

impl Part {
    fn read(text: &'static str) -> Self {
        match text.strip_prefix('!') {
            _ if text == "*" => Self::Any,
            Some(others) => Self::NoneOf(others.split('|').collect()),
            None => Self::OneOf(text.split('|').collect()),
        }
    }

    fn allows(&self, word: &str) -> bool {
        let is_word = word.chars().all(char::is_alphanumeric);
        match self {
            Self::Any => is_word,
            Self::OneOf(words) => words.contains(&word),
            Self::NoneOf(words) => is_word && !words.contains(&word),
        }
    }
}

/// Phrases by their first words.
struct Phrases(HashMap<&'static str, Vec<(Vec<Part>, &'static str)>>);

impl Phrases {
    fn read() -> Self {
        let mut phrases: HashMap<_, Vec<_>> = HashMap::new();
        for (phrase, instead) in PHRASES {
            let (first, _) = phrase.split_once(' ').unwrap_or((phrase, ""));
            for word in first.split('|') {
                let parts = phrase.split(' ').map(Part::read).collect();
                phrases.entry(word).or_default().push((parts, instead));
            }
        }
        Self(phrases)
    }

    /// The phrases in a file, each with its line and what to write instead.
    fn find(&self, name: &str, text: &str) -> Vec<String> {
        let words = words(name, text);
        let mut found = Vec::new();
        for at in 0..words.len() {
            for (parts, instead) in self.0.get(&*words[at].0).into_iter().flatten() {
                let Some(said) = words.get(at..at + parts.len()) else { continue };
                if !said.iter().zip(parts).all(|((word, _), part)| part.allows(word)) {
                    continue;
                }
                let said: Vec<_> = said.iter().map(|(word, _)| &**word).collect();
                let said = said.join(" ");
                let is_given = GIVEN.iter().any(|(path, given, _)| {
                    name.starts_with(path) && (given.is_empty() || *given == said)
                });
                if !is_given {
                    found.push(format!("{name}:{}: \"{said}\": write {instead}", words[at].1));
                }
            }
        }
        found
    }
}

/// The words of a text in lower case, each with the number of its line. Names are split into their
/// words, the marks of comments are left out, and a punctuation mark is a word of its own, so that no
/// phrase reaches over it.
fn words(name: &str, text: &str) -> Vec<(String, usize)> {
    let is_rust = name.ends_with(".rs");
    let mut words = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim_start();
        let line = if is_rust { line.trim_start_matches(['/', '!']) } else { line };
        let mut word = String::new();
        let mut was_lower = false;
        for character in line.chars().chain([' ']) {
            let is_letter = character.is_alphanumeric();
            if !word.is_empty() && (!is_letter || (character.is_uppercase() && was_lower)) {
                words.push((std::mem::take(&mut word), number));
            }
            was_lower = is_letter && !character.is_uppercase();
            if is_letter {
                word.extend(character.to_lowercase());
            } else if ".,:;!?()[]{}\"`|".contains(character) {
                words.push((character.to_string(), number));
            }
        }
    }
    words
}

#[test]
fn phrases_that_have_to_be_decoded_do_not_occur() {
    let phrases = Phrases::read();
    let files = repository().into_iter();
    assert_none("phrases", files.flat_map(|(name, text)| phrases.find(&name, &text)));
}

#[test]
fn a_phrase_is_found_in_comments_names_and_texts() {
    let bad = "/// What goes\n/// on. It rests on a line a stream.\nfn each_tick() { fail(\"MendIt\") }\n\
        let a_row_that_is_no_event = \"held it up\"; // stands in keys, an order of chance\n";
    let found = Phrases::read().find("src/bad.rs", bad);
    let found: Vec<_> = found.iter().map(|it| &it[..it.find(": write").unwrap()]).collect();
    assert_eq!(
        found,
        [
            "src/bad.rs:1: \"goes on\"",
            "src/bad.rs:2: \"rests\"",
            "src/bad.rs:2: \"a line a stream\"",
            "src/bad.rs:3: \"tick\"",
            "src/bad.rs:3: \"mend\"",
            "src/bad.rs:4: \"that is no event\"",
            "src/bad.rs:4: \"held it up\"",
            "src/bad.rs:4: \"stands in\"",
            "src/bad.rs:4: \"of chance\"",
        ]
    );
    let good =
        "It stands for a stream. It goes. On a stream that is no longer there, restarts go to it.";
    assert!(Phrases::read().find("docs/good.md", good).is_empty());
}
