//! The texts that pages quote: messages of the log, errors, and the names of kinds of errors. Each
//! is one that the program has, so that a search of the log for it finds something.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex_lite::Regex;

use crate::source::Source;
use crate::{assert_none, closing, product, repository};

/// The pages that people read when something is wrong.
const PAGES: [&str; 5] = [
    "docs/operate.md",
    "docs/organizations.md",
    "docs/past-days.md",
    "docs/runbook.md",
    "docs/tasks.md",
];

/// Code with words that is not a text of the program: how it begins.
const OTHER_CODE: [&str; 11] = [
    "aws ",
    "collector ",
    "filter ",
    "git ",
    "sam ",
    "-",
    "\"",
    "{",
    "<",
    "WORK_CONCURRENCY - ",
    "ValidateOnDeploy=",
];

/// Texts that others say.
const OF_OTHERS: [&str; 2] = ["unknown service", "not authorized to perform: kms:…"];

/// What Lambda calls an invocation that ended without an answer.
const OF_LAMBDA: [&str; 2] = ["Runtime.ExitError", "Sandbox.Timedout"];

/// What a literal of Rust says, with `…` for what is filled in.
fn said(literal: &str) -> String {
    static BREAK: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\\\n\s*").unwrap());
    static FILLED: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\{[^{}]*\}").unwrap());
    FILLED.replace_all(&BREAK.replace_all(literal, ""), "…").replace("\\\"", "\"")
}

fn literals(source: &Source) -> impl Iterator<Item = (usize, String)> {
    source.literals.iter().map(|(from, to)| (*from, said(&source.text[*from..*to])))
}

/// Every text of the program.
fn texts() -> BTreeSet<String> {
    product().filter(|source| !is_mock(source)).flat_map(literals).map(|(_, text)| text).collect()
}

/// What the mock of JumpCloud says, the program does not.
fn is_mock(source: &&Source) -> bool {
    source.is_below("src/mock/")
}

/// The texts within calls and attributes that begin with this code.
fn texts_within(opening: &str) -> BTreeSet<String> {
    let sources = product().filter(|source| !is_mock(source));
    let texts = sources.flat_map(|source| {
        let calls: Vec<_> = source
            .find(opening)
            .into_iter()
            .map(|(start, found)| start..closing(&source.code, start + found.len()))
            .collect();
        literals(source).filter(move |(at, _)| calls.iter().any(|call| call.contains(at)))
    });
    texts.map(|(_, text)| text).collect()
}

/// Whether one of the texts is what a page quotes: the whole of it, or if the quote leaves
/// something out (`…`, `<key>`), what it does not leave out, in order.
fn is_said(quote: &str, texts: &BTreeSet<String>) -> bool {
    static LEFT_OUT: LazyLock<Regex> = LazyLock::new(|| Regex::new("<[^>]+>").unwrap());
    let quote = LEFT_OUT.replace_all(quote, "…");
    if !quote.contains('…') {
        return texts.contains(&*quote);
    }
    let has_all = |text: &String| {
        let mut rest = &**text;
        quote.split('…').all(|part| {
            let found = rest.split_once(part.trim()).map(|(_, after)| after);
            rest = found.unwrap_or_default();
            found.is_some()
        })
    };
    // A text behind its place, as in `index/…: it is empty`, is of another literal than the place.
    let is_place = |place: &str| place.contains('/') || !place.contains(char::is_lowercase);
    let text = quote.split_once(": ").filter(|(place, _)| is_place(place));
    texts.iter().any(has_all) || text.is_some_and(|(_, text)| is_said(text, texts))
}

/// Code with words between the backticks of a page, over whatever white space.
fn quotes(page: &str) -> Vec<String> {
    let blocks = Regex::new("(?s)```.*?```").unwrap();
    let code = Regex::new("`([^`]+)`").unwrap();
    let page = blocks.replace_all(page, "");
    let quotes = code.captures_iter(&page);
    let quotes = quotes.map(|it| it[1].split_whitespace().collect::<Vec<_>>().join(" "));
    let is_other = |quote: &String| OTHER_CODE.iter().any(|begin| quote.starts_with(begin));
    quotes.filter(|quote| quote.contains([' ', '…']) && !is_other(quote)).collect()
}

/// The messages that queries of the log ask for.
fn asked_for(text: &str) -> Vec<String> {
    let filter = Regex::new(r"\bfilter message (?:= ('[^']*')|in \[([^\]]*)\])").unwrap();
    let asked = filter.captures_iter(text).filter_map(|it| it.get(1).or(it.get(2)));
    asked.flat_map(|it| it.as_str().split('\'').skip(1).step_by(2)).map(str::to_owned).collect()
}

#[test]
fn every_text_that_a_page_quotes_is_one_of_the_program() {
    let texts = texts();
    let mut unknown = Vec::new();
    for (name, page) in repository() {
        if !PAGES.contains(&&*name) {
            continue;
        }
        let quotes = quotes(&page);
        assert!(name != "docs/runbook.md" || quotes.len() > 20, "{quotes:?}");
        let quotes = quotes.into_iter().filter(|quote| !OF_OTHERS.contains(&&**quote));
        let wrong = quotes.filter(|quote| !is_said(quote, &texts));
        unknown.extend(wrong.map(|quote| format!("{name}: {quote}")));
    }
    assert_none("quoted, and said by nothing", unknown);
}

#[test]
fn every_message_that_a_query_asks_for_is_logged() {
    let logged = texts_within(r"\btracing::(debug|info|warn|error)!\(");
    let is_read = |name: &str| name.ends_with(".md") || name == "template.yaml";
    let files = repository().into_iter().filter(|(name, _)| is_read(name));
    let asked: BTreeSet<_> = files.flat_map(|(_, text)| asked_for(&text)).collect();
    assert!(asked.len() > 4, "{asked:?}");
    assert_none("asked for, and never logged", asked.difference(&logged));
}

/// The names of the errors with which an invocation can fail.
fn kinds() -> BTreeSet<String> {
    let given = Regex::new(r#"error_type: (?:"(\w+)"|error\.name\(\))?"#).unwrap();
    let named = Regex::new(r#"Self::[^\n]+ => "(\w+)""#).unwrap();
    let mut kinds = BTreeSet::new();
    for source in product() {
        let is_named = source.path == "src/handler.rs";
        let names = named.captures_iter(&source.text).filter(|_| is_named);
        for found in given.captures_iter(&source.text).chain(names) {
            assert!(
                !found[0].ends_with(' '),
                "{}: which one?",
                source.at(found.get(0).unwrap().start())
            );
            kinds.extend(found.get(1).map(|name| name.as_str().to_owned()));
        }
    }
    kinds
}

#[test]
fn every_kind_of_error_is_in_the_runbook() {
    let pages = repository();
    let (_, runbook) = pages.iter().find(|(name, _)| name == "docs/runbook.md").unwrap();
    let (_, table) = runbook.split_once("| type | what to do |\n|---|---|\n").unwrap();
    let rows = table.lines().map_while(|row| row.strip_prefix("| ")?.split_once(" |"));
    let listed = rows.flat_map(|(types, _)| types.split('`').skip(1).step_by(2));
    let listed: BTreeSet<_> =
        listed.filter(|kind| !OF_LAMBDA.contains(kind)).map(str::to_owned).collect();
    let kinds = kinds();
    assert!(kinds.len() > 5, "{kinds:?}");
    assert_none("in one of the two only", listed.symmetric_difference(&kinds));
}

#[test]
fn a_text_that_nothing_says_is_found() {
    let texts = ["run ended", "damaged: {key}: {cause}; nothing", "it is \\\n    empty, {seq}"];
    let texts = texts.iter().map(|text| said(text)).collect();
    let page = "`run ended`, `damaged:\n…; nothing`, `index/<stream>/: it is empty, …`,\n\
        `sam deploy x`\n```\n`not this`\n```\n`run`, `run end`, `… ended now`, `nothing … damaged: …`";
    let wrong: Vec<_> = quotes(page).into_iter().filter(|quote| !is_said(quote, &texts)).collect();
    assert_eq!(wrong, ["run end", "… ended now", "nothing … damaged: …"]);
    let query = "`filter message = 'a b' | sort`, \"filter message in ['c', 'd e'] | limit 5\"";
    assert_eq!(asked_for(query), ["a b", "c", "d e"]);
}
