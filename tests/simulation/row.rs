//! A row of JumpCloud's as a line of a written schedule.
//!
//! ```text
//! -0:04:59.001 +2345 4711 sso 0 = {"id":"00c0ffee00c0ffee",@o,@s,@t,"n":512}
//! ```
//!
//! Where it lies, as a trace counts; how many milliseconds later it appears; what breaks ties;
//! service and organization; by how many nanoseconds its own time differs from where it lies (`=`
//! if by none, `none` if it has none that can be read); what else it is; its bytes, with `@o`, `@s`
//! and `@t` for organization, service and time.

use std::fmt::Write as _;

use crate::draw::{NS_A_MS, timestamp};
use crate::schedule::ORGANIZATIONS;
use crate::trace::clock;
use crate::truth::Event;

/// So many `x` in a row and more are written as their number.
const RUN_MIN: usize = 16;

/// Writes a row of a schedule that begins at `start_ms`.
pub(crate) fn write(event: &Event, start_ms: i64) -> String {
    let Event { place_ms, visible_ms, doc, service, time_ns, .. } = event;
    let organization = ORGANIZATIONS.iter().position(|id| *id == event.organization).unwrap();
    let time = time_ns.map(|ns| ns - i128::from(*place_ms) * NS_A_MS);
    let time = match time {
        None => "none".to_owned(),
        Some(0) => "=".to_owned(),
        Some(differs) => format!("{differs:+}"),
    };
    let what = match event {
        Event { is_broken: true, .. } => "broken ",
        Event { is_giant: true, .. } => "giant ",
        _ => "",
    };
    format!(
        "{} {:+} {doc} {} {organization} {time} {what}{}",
        clock(place_ms - start_ms),
        visible_ms - place_ms,
        if service.is_empty() { "-" } else { service },
        shorten(event),
    )
}

/// Reads what `write` has written.
pub(crate) fn read(line: &str, start_ms: i64) -> Option<Event> {
    let mut parts = line.splitn(7, ' ');
    let place_ms = start_ms + read_clock(parts.next()?)?;
    let visible_ms = place_ms + parts.next()?.parse::<i64>().ok()?;
    let doc = parts.next()?.parse().ok()?;
    let service = match parts.next()? {
        "-" => "",
        // For as long as the tests run.
        service => service.to_owned().leak(),
    };
    let organization = *ORGANIZATIONS.get(parts.next()?.parse::<usize>().ok()?)?;
    let place_ns = i128::from(place_ms) * NS_A_MS;
    let time_ns = match parts.next()? {
        "none" => None,
        "=" => Some(place_ns),
        differs => Some(place_ns + differs.parse::<i128>().ok()?),
    };
    let text = parts.next()?;
    let (is_broken, text) = without(text, "broken ");
    let (is_giant, text) = without(text, "giant ");
    let mut event = Event {
        place_ms,
        doc,
        visible_ms,
        raw: Vec::new(),
        organization,
        service,
        time_ns,
        class: 0,
        is_broken,
        is_giant,
        served: false,
    };
    event.raw = lengthen(text, &event)?.into_bytes();
    Some(event)
}

fn without<'a>(text: &'a str, word: &str) -> (bool, &'a str) {
    text.strip_prefix(word).map_or((false, text), |rest| (true, rest))
}

/// What a row says of itself, and what is written for it.
fn names(event: &Event) -> Vec<(&'static str, String)> {
    let Event { organization, service, time_ns, .. } = event;
    let mut names = vec![
        ("@o", format!(r#""organization":"{organization}""#)),
        ("@s", format!(r#""service":"{service}""#)),
    ];
    names.extend(time_ns.map(|ns| ("@t", format!(r#""timestamp":"{}""#, timestamp(ns)))));
    names
}

fn shorten(event: &Event) -> String {
    let mut raw = String::from_utf8(event.raw.clone()).unwrap();
    for (short, long) in names(event) {
        raw = raw.replacen(&long, short, 1);
    }
    let mut text = String::new();
    let mut rest = raw.as_str();
    while let Some(next) = rest.chars().next() {
        let xs = rest.len() - rest.trim_start_matches('x').len();
        if xs >= RUN_MIN {
            write!(text, "\\x{xs};").unwrap();
            rest = &rest[xs..];
            continue;
        }
        match next {
            '\\' | '\0'..' ' => write!(text, "\\u{};", u32::from(next)).unwrap(),
            _ => text.push(next),
        }
        rest = &rest[next.len_utf8()..];
    }
    text
}

fn lengthen(text: &str, event: &Event) -> Option<String> {
    let mut parts = text.split('\\');
    let mut raw = parts.next()?.to_owned();
    for part in parts {
        let (escape, rest) = part.split_once(';')?;
        let (kind, number) = escape.split_at_checked(1)?;
        match kind {
            "x" => raw.push_str(&"x".repeat(number.parse().ok()?)),
            "u" => raw.push(char::from_u32(number.parse().ok()?)?),
            _ => return None,
        }
        raw.push_str(rest);
    }
    for (short, long) in names(event) {
        raw = raw.replacen(short, &long, 1);
    }
    Some(raw)
}

/// Milliseconds of `-1:02:03.004`.
fn read_clock(text: &str) -> Option<i64> {
    let (is_before, text) = without(text, "-");
    let mut parts = text.split([':', '.']).map(|part| part.parse::<i64>().ok());
    let mut next = || parts.next()?;
    let ms = ((next()? * 60 + next()?) * 60 + next()?) * 1_000 + next()?;
    Some(if is_before { -ms } else { ms })
}
