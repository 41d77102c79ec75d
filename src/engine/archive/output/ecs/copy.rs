//! One pass over an event that copies what `jumpcloud.event` keeps of it, and finds the members
//! that fill ECS fields.
//!
//! The event is valid JSON, because its page was read to its end. Invalid JSON would only give a
//! wrong result. Nothing recurses, so nesting may have any depth.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use super::fit::fits;
use super::table::{Fit, Member};
use crate::json;

/// The copy of an event, and the members that were found in it.
pub(super) struct Copied {
    /// The JSON for `jumpcloud.event`; empty if nothing is left.
    pub(super) body: Vec<u8>,
    /// The members found, by slot.
    pub(super) found: Vec<Found>,
    /// The number of members of another type than their fields allow.
    pub(super) unfit: usize,
}

/// A member of the event.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// The position of its value in the event; empty if the event does not have the member.
    pub(super) range: Range<usize>,
    /// Whether its fields can hold it.
    pub(super) fits: bool,
}

struct Copier<'a> {
    event: &'a [u8],
    at: usize,
    keeps_duplicates: bool,
    copied: Copied,
    /// The objects and lists that are open.
    open: Vec<Open<'a>>,
    /// The keys of the objects that are open.
    keys: Vec<Key<'a>>,
}

struct Open<'a> {
    is_object: bool,
    /// Its entry in the table, and where it begins in the event.
    member: Option<&'a Member>,
    start: usize,
    /// Where it begins in the copy, its key included, and its first member.
    began: usize,
    inside: usize,
    /// Its first key, and what did not fit before it.
    keys: usize,
    unfit: usize,
}

struct Key<'a> {
    name: Cow<'a, [u8]>,
    /// A hash of the name: equal for equal names, and rarely for others.
    mark: u64,
    /// Where its member begins in the copy.
    began: usize,
}

/// Copies `event`, which must be a JSON object, without empty values; `None` if it is not a JSON
/// object.
///
/// `null`, `""`, and objects and lists of which nothing is left are empty. If a key appears several
/// times, its last value counts.
pub(super) fn copy(
    event: &[u8],
    members: &Member,
    slots: usize,
    keeps_duplicates: bool,
) -> Option<Copied> {
    let copied = Copied {
        body: Vec::with_capacity(event.len()),
        found: vec![Found::default(); slots],
        unfit: 0,
    };
    let (open, keys) = (Vec::with_capacity(8), Vec::with_capacity(64));
    let mut copier = Copier { event, at: 0, keeps_duplicates, copied, open, keys };
    copier.skip_space();
    if copier.peek() != Some(b'{') {
        return None;
    }
    copier.open(Some(members), 0);
    while !copier.open.is_empty() {
        copier.skip_space();
        match copier.peek()? {
            b',' => copier.at += 1,
            b'}' | b']' => copier.close()?,
            _ => copier.member()?,
        }
    }
    Some(copier.copied)
}

impl<'a> Copier<'a> {
    fn peek(&self) -> Option<u8> {
        self.event.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// The text that begins here, with its quotes, and whether it has escapes.
    fn text(&mut self) -> Option<(&'a [u8], bool)> {
        let (start, mut has_escapes) = (self.at, false);
        let mut at = start + 1;
        loop {
            at += memchr::memchr2(b'"', b'\\', self.event.get(at..)?)?;
            if self.event[at] == b'"' {
                self.at = at + 1;
                return Some((&self.event[start..=at], has_escapes));
            }
            has_escapes = true;
            at += 2;
        }
    }

    /// The text, number, `true`, `false` or `null` that begins here.
    fn scalar(&mut self) -> Option<&'a [u8]> {
        if self.peek()? == b'"' {
            return self.text().map(|(text, _)| text);
        }
        let rest = &self.event[self.at..];
        let is_end = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r');
        let value = &rest[..rest.iter().position(is_end).unwrap_or(rest.len())];
        self.at += value.len();
        (!value.is_empty()).then_some(value)
    }

    /// One member of the innermost open object, or one element of the list.
    fn member(&mut self) -> Option<()> {
        let parent = self.open.last()?;
        let (mut key, mut member) = (None, None);
        let began = self.copied.body.len();
        if parent.is_object {
            let parent = parent.member;
            let (text, has_escapes) = self.text()?;
            let name = decoded(text, has_escapes);
            member = parent.and_then(|parent| parent.get(&name));
            if let Some(member) = member {
                member.for_each_slot(&mut |slot| self.copied.found[slot] = Found::default());
            }
            let renamed = member.and_then(|member| member.renamed.as_deref());
            key = Some((text, renamed));
            let name = renamed.map_or(name, |renamed| Cow::Owned(renamed.as_bytes().to_vec()));
            self.keys.push(Key { mark: mark(&name), name, began });
            self.skip_space();
            if self.peek()? != b':' {
                return None;
            }
            self.at += 1;
            self.skip_space();
        }
        if let b'{' | b'[' = self.peek()? {
            self.write_key(key);
            self.open(member, began);
            return Some(());
        }
        let start = self.at;
        let value = self.scalar()?;
        let is_empty = value == b"null" || value == b"\"\"";
        if !is_empty && self.is_kept(member, value, start) {
            self.write_key(key);
            self.copied.body.extend_from_slice(value);
        }
        Some(())
    }

    /// Records the position of a member's value, and returns whether it is part of the copy.
    fn is_kept(&mut self, member: Option<&Member>, value: &[u8], start: usize) -> bool {
        let Some(member) = member else { return true };
        let mut does_fit = true;
        if let Some(slot) = member.slot {
            does_fit = fits(value, member.fit);
            self.copied.unfit += usize::from(!does_fit);
            self.copied.found[slot] = Found { range: start..self.at, fits: does_fit };
        }
        !member.is_left_out(false) || !does_fit || self.keeps_duplicates
    }

    fn write_key(&mut self, key: Option<(&[u8], Option<&str>)>) {
        let body = &mut self.copied.body;
        if self.open.last().is_some_and(|parent| body.len() > parent.inside) {
            body.push(b',');
        }
        match key {
            Some((_, Some(renamed))) => {
                body.push(b'"');
                body.extend_from_slice(renamed.as_bytes());
                body.extend_from_slice(b"\":");
            }
            Some((text, None)) => {
                body.extend_from_slice(text);
                body.push(b':');
            }
            None => {}
        }
    }

    /// Opens the object or list that begins here.
    fn open(&mut self, member: Option<&'a Member>, began: usize) {
        let brace = self.event[self.at];
        self.copied.body.push(brace);
        self.open.push(Open {
            is_object: brace == b'{',
            member,
            start: self.at,
            began,
            inside: self.copied.body.len(),
            keys: self.keys.len(),
            unfit: self.copied.unfit,
        });
        self.at += 1;
    }

    /// Closes the innermost object or list.
    fn close(&mut self) -> Option<()> {
        let closed = self.open.pop()?;
        if (self.peek()? == b'}') != closed.is_object {
            return None;
        }
        self.at += 1;
        let keys = self.keys.split_off(closed.keys.min(self.keys.len()));
        if has_equal(&keys) {
            keep_last(&keys, &mut self.copied.body, closed.inside);
        }
        let is_empty = self.copied.body.len() == closed.inside;
        let is_kept = match closed.member {
            _ if is_empty => false,
            Some(Member { slot: Some(slot), fit, .. }) => {
                self.copied.unfit += usize::from(*fit != Fit::Any);
                self.copied.found[*slot] = Found { range: closed.start..self.at, fits: false };
                true
            }
            Some(member) if member.is_left_out(closed.is_object) => {
                self.keeps_duplicates || closed.unfit != self.copied.unfit
            }
            _ => true,
        };
        if is_kept {
            self.copied.body.push(if closed.is_object { b'}' } else { b']' });
        } else {
            self.copied.body.truncate(closed.began);
        }
        Some(())
    }
}

fn decoded(text: &[u8], has_escapes: bool) -> Cow<'_, [u8]> {
    let inner = Cow::Borrowed(&text[1..text.len() - 1]);
    if !has_escapes {
        return inner;
    }
    json::text(text).unwrap_or(inner)
}

/// Computed from both ends and the length of the name, which differ for most keys of an object.
fn mark(name: &[u8]) -> u64 {
    let word = |bytes: &[u8]| {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(word)
    };
    let length = name.len().min(8);
    let (first, last) = (word(&name[..length]), word(&name[name.len() - length..]));
    first ^ last.rotate_left(29) ^ ((name.len() as u64) << 56)
}

/// Whether two keys may be equal.
fn has_equal(keys: &[Key<'_>]) -> bool {
    if keys.len() <= 16 {
        let mut rest = keys;
        while let [key, others @ ..] = rest {
            if others.iter().any(|other| other.mark == key.mark) {
                return true;
            }
            rest = others;
        }
        return false;
    }
    let mut marks: Vec<_> = keys.iter().map(|key| key.mark).collect();
    marks.sort_unstable();
    marks.windows(2).any(|pair| pair[0] == pair[1])
}

/// Removes all but the last of equal keys from the object whose members begin at `inside`.
fn keep_last(keys: &[Key<'_>], body: &mut Vec<u8>, inside: usize) {
    let last: HashMap<&[u8], usize> =
        keys.iter().enumerate().map(|(at, key)| (&*key.name, at)).collect();
    if last.len() == keys.len() {
        return;
    }
    let members = body.split_off(inside);
    let ends = keys.iter().skip(1).map(|key| key.began).chain([inside + members.len()]);
    for ((at, key), end) in keys.iter().enumerate().zip(ends) {
        if last.get(&*key.name) == Some(&at) {
            let member = &members[key.began - inside..end - inside];
            let is_first = body.len() == inside;
            body.extend_from_slice(
                member.strip_prefix(b",").filter(|_| is_first).unwrap_or(member),
            );
        }
    }
}
