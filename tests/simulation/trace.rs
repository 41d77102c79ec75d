//! What happens in a schedule, line by line, with requests and answers as a person reads them.

use std::cell::RefCell;
use std::fmt;

use engine::cursor::{Condition, Item, Update, Value};
use engine::ports::PageRequest;

use crate::request::{Answer, Request};
use crate::schedule::SECOND;

/// Where the lines of a schedule go.
#[derive(Debug)]
pub(crate) enum Trace {
    /// Nowhere: they are not made.
    Off,
    /// To the terminal.
    Printed,
    /// Into memory.
    Kept(RefCell<Vec<String>>),
}

impl Trace {
    /// Adds what happened `ms` after the schedule began.
    #[expect(clippy::print_stdout, reason = "a schedule that is replayed tells what happens")]
    pub(crate) fn add(&self, ms: i64, what: impl FnOnce() -> String) {
        if matches!(self, Self::Off) {
            return;
        }
        let line = format!("{:>13}  {}", clock(ms), what());
        match self {
            Self::Kept(lines) => lines.borrow_mut().push(line),
            _ => println!("{line}"),
        }
    }

    /// The lines that were kept.
    pub(crate) fn lines(&self) -> Vec<String> {
        match self {
            Self::Kept(lines) => lines.take(),
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { bucket, key, body, .. } => {
                write!(f, "create {bucket}/{} ({} bytes)", short(key), body.len())
            }
            Self::Get { bucket, key } => write!(f, "get {bucket}/{}", short(key)),
            Self::Sha256 { bucket, key } => write!(f, "head {bucket}/{}", short(key)),
            Self::List { bucket, prefix, after, .. } => {
                write!(f, "list {bucket}/{} after `{}`", short(prefix), short(after))
            }
            Self::Item { stream } => write!(f, "read cursor {stream}"),
            Self::Update { stream, update } => {
                write!(f, "update cursor {stream}: {}", Change(update))
            }
            Self::Page(request) => write!(f, "page {}", RequestText(request)),
            Self::Body(request) => write!(f, "body {}", RequestText(request)),
            Self::Count(request) => write!(f, "count {}", RequestText(request)),
            Self::Hourly(request) => write!(f, "hourly counts {}", RequestText(request)),
            Self::Services(request) => write!(f, "services {}", RequestText(request)),
            Self::Listed(request) => write!(f, "list {:?} from {}", request.list, request.skip),
            Self::Send(bodies) => write!(f, "send {}", bodies.join(" ")),
            Self::Sleep(ms) => write!(f, "sleep {ms} ms"),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created(Ok(created)) => write!(f, "{created:?}"),
            Self::Bytes(Ok(found)) => match found {
                Some(bytes) => write!(f, "{} bytes", bytes.len()),
                None => write!(f, "none"),
            },
            Self::Sha256(Ok(found)) => {
                write!(f, "{}", if found.is_some() { "there" } else { "none" })
            }
            Self::Keys(Ok(keys)) => {
                let keys: Vec<_> = keys.iter().map(|key| short(key)).collect();
                write!(f, "[{}]", keys.join(", "))
            }
            Self::Item(Ok(item)) => match item {
                Some(item) => write!(f, "{}", Cursor(item)),
                None => write!(f, "none"),
            },
            Self::Page(page) => match page.as_ref() {
                Ok(page) => {
                    let token =
                        page.headers.token.as_ref().map(|token| token.json().get().to_owned());
                    write!(f, "{} rows, token {}", page.rows().len(), token.unwrap_or_default())
                }
                Err(error) => write!(f, "error: {error}"),
            },
            Self::Body(body) => match body.as_ref() {
                Ok(None) => write!(f, "whole"),
                Ok(Some(page)) => write!(f, "asked again: {} rows", page.rows().len()),
                Err(error) => write!(f, "error: {error}"),
            },
            Self::Count(Ok(count)) => write!(f, "{count}"),
            Self::Hourly(Ok(counts)) => write!(f, "{:?}", counts.values().collect::<Vec<_>>()),
            Self::Services(Ok(names)) => write!(f, "{names:?}"),
            Self::Listed(Ok(page)) => {
                write!(f, "{} rows of {}", page.rows.rows().len(), page.total)
            }
            Self::Sent(Ok(left)) => write!(f, "all but {}", left.len()),
            Self::Slept => write!(f, "slept"),
            Self::Sent(Err(e))
            | Self::Created(Err(e))
            | Self::Bytes(Err(e))
            | Self::Sha256(Err(e))
            | Self::Keys(Err(e))
            | Self::Item(Err(e)) => write!(f, "error: {e}"),
            Self::Count(Err(e))
            | Self::Hourly(Err(e))
            | Self::Services(Err(e))
            | Self::Listed(Err(e)) => write!(f, "error: {e}"),
        }
    }
}

/// Hours, minutes, seconds and milliseconds.
pub(crate) fn clock(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let (s, ms) = (ms.abs() / SECOND, ms.abs() % SECOND);
    format!("{sign}{}:{:02}:{:02}.{ms:03}", s / 3600, s / 60 % 60, s % 60)
}

struct RequestText<'a>(&'a PageRequest);

impl fmt::Display for RequestText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PageRequest { query, ask, .. } = self.0;
        let token = ask.token.as_ref().map_or("", |token| token.json().get());
        let (start, end, limit) = (ask.window.start_ms, ask.window.end_ms, ask.limit);
        write!(f, "{} [{start}, {end}) limit {limit} after `{token}`", query.join(","))
    }
}

struct Change<'a>(&'a Update);

impl fmt::Display for Change<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Update { conditions, set, add, remove } = self.0;
        write!(f, "if")?;
        for condition in conditions {
            match condition {
                Condition::Is(name, value) => write!(f, " {name}={}", Shown(value))?,
                other => write!(f, " {other:?}")?,
            }
        }
        write!(f, " set")?;
        set.iter().try_for_each(|(name, value)| write!(f, " {name}={}", Shown(value)))?;
        add.iter().try_for_each(|(name, by)| write!(f, " {name}+={by}"))?;
        if remove.is_empty() { Ok(()) } else { write!(f, " remove {}", remove.join(" ")) }
    }
}

struct Cursor<'a>(&'a Item);

impl fmt::Display for Cursor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = ["seq", "fence", "frontier_ms", "queries", "lease_until_ms"];
        write!(f, "{{")?;
        for name in names {
            if let Some(value) = self.0.get(name) {
                write!(f, " {name}={}", Shown(value))?;
            }
        }
        write!(f, " }}")
    }
}

struct Shown<'a>(&'a Value);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::N(n) => write!(f, "{n}"),
            Value::S(text) if text.len() == 64 => write!(f, "{}…", &text[..8]),
            Value::S(text) => write!(f, "{text}"),
        }
    }
}

/// A key without the zeros in front of its numbers.
fn short(key: &str) -> String {
    key.replace("0000000000000000", "…")
}
