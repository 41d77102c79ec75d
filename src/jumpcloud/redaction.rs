//! Removes credentials from texts of JumpCloud. Such a text has a type of its own, which can only be
//! read through a [`Redaction`].

use std::collections::HashSet;
use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

use crate::limits::{QUOTED_CHARS_MAX, SECRET_FORMS_MAX, SECRET_RUN_BYTES};

/// How many layers of escapes are decoded.
const DECODINGS_MAX: usize = 4;

/// Replaces a secret. Because no secret contains these quotation marks, the replacement and the text
/// around it never form a part of a secret.
const REMOVED: &str = "«secret»";

/// A text of JumpCloud, or of a firewall or proxy. It may quote a credential, so only a [`Redaction`]
/// can read it.
pub(super) struct Foreign(String);

impl Foreign {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether it contains `phrase`, which is in lower case. Case is ignored.
    pub(super) fn contains(&self, phrase: &str) -> bool {
        self.0.to_ascii_lowercase().contains(phrase)
    }
}

impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Foreign({} bytes)", self.0.len())
    }
}

/// Every form of the credentials that an answer may quote: of those the request was sent with, and
/// of earlier ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Redaction {
    /// Oldest first, without repetition.
    forms: Vec<SecretString>,
}

impl Redaction {
    /// Adds forms of a credential. Only the newest [`SECRET_FORMS_MAX`] are kept.
    pub(super) fn learn(&mut self, forms: impl IntoIterator<Item = SecretString>) {
        for form in forms {
            self.forms.retain(|known| known.expose_secret() != form.expose_secret());
            self.forms.push(form);
        }
        let excess = self.forms.len().saturating_sub(SECRET_FORMS_MAX);
        self.forms.drain(..excess);
    }

    /// The whole text without secrets. Used for the error messages of libraries.
    pub(super) fn clean(&self, foreign: &Foreign) -> String {
        self.remove(&foreign.0)
    }

    /// The text in quotation marks, on one line and without secrets. It is shortened last.
    pub(super) fn quote(&self, foreign: &Foreign) -> String {
        // Control characters are removed first, because that can join two parts of a secret.
        let line: String = foreign.0.chars().filter(|c| !c.is_control()).collect();
        let shown: String = self.remove(&line).chars().take(QUOTED_CHARS_MAX).collect();
        format!("“{shown}”")
    }

    /// `text` without any [`SECRET_RUN_BYTES`] consecutive characters of a form, as they are or as
    /// escapes of JSON or of a URL; a form that is shorter is removed where it is whole.
    fn remove(&self, text: &str) -> String {
        let parts = Parts::of(&self.forms);
        let mut is_secret = vec![false; text.len()];
        let mut units: Vec<Unit> = text
            .bytes()
            .enumerate()
            .map(|(at, byte)| Unit { byte, from: at, to: at + 1 })
            .collect();
        for _ in 0..=DECODINGS_MAX {
            parts.mark(&units, &mut is_secret);
            let decoded = decode(&units);
            if decoded.len() == units.len() {
                break;
            }
            units = decoded;
        }
        let mut kept = String::with_capacity(text.len());
        let mut was_secret = false;
        for (at, character) in text.char_indices() {
            match (is_secret[at], was_secret) {
                (false, _) => kept.push(character),
                (true, false) => kept.push_str(REMOVED),
                (true, true) => {}
            }
            was_secret = is_secret[at];
        }
        kept
    }
}

/// One byte of a text, decoded, and the range of the text's own bytes that it stands for.
#[derive(Clone, Copy)]
struct Unit {
    byte: u8,
    from: usize,
    to: usize,
}

/// Undoes one layer of escapes. Characters outside of ASCII, which no secret has, become `0xff`.
fn decode(units: &[Unit]) -> Vec<Unit> {
    let mut decoded = Vec::with_capacity(units.len());
    let mut rest = units;
    while let [first, ..] = rest {
        let (byte, length) = escape(rest).unwrap_or((first.byte, 1));
        let (escaped, after) = rest.split_at(length);
        let to = escaped.last().map_or(first.to, |last| last.to);
        decoded.push(Unit { byte, from: first.from, to });
        rest = after;
    }
    decoded
}

/// The byte that an escape at the front of `units` stands for, and the escape's length: `%2b`,
/// `\u002b`, or a backslash before the character itself.
fn escape(units: &[Unit]) -> Option<(u8, usize)> {
    let hex = |from: usize, to: usize| {
        units
            .get(from..to)?
            .iter()
            .try_fold(0_u32, |number, unit| Some(number * 16 + char::from(unit.byte).to_digit(16)?))
    };
    let ascii = |number| u8::try_from(number).ok().filter(u8::is_ascii).unwrap_or(0xff);
    match (units.first()?.byte, units.get(1)?.byte) {
        (b'%', _) => hex(1, 3).map(|number| (ascii(number), 3)),
        (b'\\', b'u') => hex(2, 6).map(|number| (ascii(number), 6)),
        (b'\\', mark) if mark.is_ascii_punctuation() => Some((mark, 2)),
        _ => None,
    }
}

/// What is looked for.
struct Parts<'a> {
    /// Every run of [`SECRET_RUN_BYTES`] of every form.
    runs: HashSet<&'a [u8]>,
    /// Forms that are shorter.
    short: Vec<&'a [u8]>,
}

impl<'a> Parts<'a> {
    fn of(forms: &'a [SecretString]) -> Self {
        let forms = || forms.iter().map(|form| form.expose_secret().as_bytes());
        let runs = forms().flat_map(|form| form.windows(SECRET_RUN_BYTES)).collect();
        let is_short = |form: &&[u8]| !form.is_empty() && form.len() < SECRET_RUN_BYTES;
        Self { runs, short: forms().filter(is_short).collect() }
    }

    /// Marks the bytes of the text that `units` stand for where they are part of a secret.
    fn mark(&self, units: &[Unit], is_secret: &mut [bool]) {
        let bytes: Vec<u8> = units.iter().map(|unit| unit.byte).collect();
        for at in 0..bytes.len() {
            let rest = &bytes[at..];
            let is_run = rest.get(..SECRET_RUN_BYTES).is_some_and(|run| self.runs.contains(run));
            let short = self.short.iter().filter(|form| rest.starts_with(form));
            let length = short.map(|form| form.len()).max().unwrap_or(0);
            let length = if is_run { SECRET_RUN_BYTES } else { length };
            for unit in &units[at..at + length] {
                is_secret[unit.from..unit.to].fill(true);
            }
        }
    }
}

#[cfg(test)]
mod tests;
