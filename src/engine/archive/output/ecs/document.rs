//! A document: the fields of the mapping, filled from one event.

use super::copy::{self, Copied, Found};
use super::fit::{is_within, write_text, write_time};
use super::mapping::{Ecs, Mapping, Node};
use super::table::{Column, Kind, Listed, Rule, Source};
use crate::json::ndjson::Json;
use crate::time;

/// The inputs of a document.
pub(super) struct Document<'a> {
    mapping: &'a Mapping,
    ecs: Ecs,
    /// The event as JumpCloud sent it.
    original: &'a [u8],
    /// The event without lone surrogates, on one line.
    event: &'a [u8],
    copied: Copied,
    /// The entry of `event_types.txt` for the event's type, if there is one.
    listed: Option<&'a Listed>,
    at_ms: i64,
    /// What could not be represented, as messages.
    problems: Vec<String>,
}

impl<'a> Document<'a> {
    pub(super) fn new(
        mapping: &'a Mapping,
        ecs: Ecs,
        original: Json<'a>,
        event: &'a [u8],
        at_ms: i64,
    ) -> Self {
        let table = &mapping.table;
        let slots = table.names.len();
        let copied = copy::copy(event, &table.members, slots, ecs.keep_duplicates);
        let mut problems = Vec::new();
        if copied.is_none() {
            problems.push("the event is not a JSON object".to_owned());
        }
        if original.has_lone_surrogate {
            problems.push("a text has half of a surrogate pair, replaced by U+FFFD".to_owned());
        }
        let copied = copied.unwrap_or_else(|| Copied {
            body: Vec::new(),
            found: vec![Found::default(); slots],
            unfit: 0,
        });
        let listed = None;
        let original = original.text;
        let mut document = Self { mapping, ecs, original, event, copied, listed, at_ms, problems };
        document.listed = document.listing();
        if document.copied.unfit > 0 {
            document.problems.extend(document.misfits());
        }
        document
    }

    /// Appends the document.
    pub(super) fn write(&self, line: &mut Vec<u8>) {
        line.push(b'{');
        for node in &self.mapping.shape {
            self.write_node(node, line);
        }
        if !self.copied.body.is_empty() {
            separate(line);
            line.extend_from_slice(b"\"jumpcloud\":{\"event\":");
            line.extend_from_slice(&self.copied.body);
            line.push(b'}');
        }
        line.push(b'}');
    }

    /// Appends a field, or an object that is not empty, preceded by a comma if needed.
    fn write_node(&self, node: &Node, line: &mut Vec<u8>) {
        let start = line.len();
        separate(line);
        let is_there = match node {
            Node::Object(key, nodes) => {
                line.extend_from_slice(key.as_bytes());
                let inside = line.len();
                for node in nodes {
                    self.write_node(node, line);
                }
                let is_there = line.len() > inside;
                line.push(b'}');
                is_there
            }
            Node::Field(key, place) => {
                line.extend_from_slice(key.as_bytes());
                let rule = &self.mapping.table.rules[*place];
                self.applies(rule) && self.write_value(rule, line).is_some()
            }
        };
        if !is_there {
            line.truncate(start);
        }
    }

    /// Appends the value of a field; `None` if there is none.
    fn write_value(&self, rule: &Rule, line: &mut Vec<u8>) -> Option<()> {
        match &rule.source {
            Source::First(slots) if rule.kind == Kind::Date => self.write_date(slots, line),
            Source::First(slots) => {
                line.extend_from_slice(self.first(slots).and_then(|slot| self.held(slot, rule))?);
            }
            Source::All(slots) => self.write_list(slots, rule, line)?,
            Source::Joined([first, second]) => {
                let (first, second) = (self.held(*first, rule)?, self.held(*second, rule)?);
                line.extend_from_slice(&first[..first.len() - 1]);
                line.push(b'-');
                line.extend_from_slice(&second[1..]);
            }
            Source::Point([latitude, longitude]) => {
                let (latitude, longitude) = self.point(*latitude, *longitude)?;
                line.extend_from_slice(b"{\"lat\":");
                line.extend_from_slice(latitude);
                line.extend_from_slice(b",\"lon\":");
                line.extend_from_slice(longitude);
                line.push(b'}');
            }
            Source::Outcome(slots) => line.extend_from_slice(self.outcome(slots)),
            Source::Listed(Column::Kind) if !self.problems.is_empty() => {
                line.extend_from_slice(b"\"pipeline_error\"");
            }
            Source::Listed(Column::Kind) => {
                let kind = self.listed.map_or("\"event\"", |listed| &listed.kind);
                line.extend_from_slice(kind.as_bytes());
            }
            Source::Listed(Column::Category) => {
                line.extend_from_slice(self.listed?.category.as_bytes());
            }
            Source::Listed(Column::Type) => line.extend_from_slice(self.listed?.types.as_bytes()),
            Source::Constant(json) => line.extend_from_slice(json.as_bytes()),
            Source::Original => {
                self.keeps_original().then(|| write_text(line, self.original))?;
            }
            Source::Problems => {
                let is_any = !self.problems.is_empty();
                is_any.then(|| write_text(line, self.problems.join("; ").as_bytes()))?;
            }
            Source::Tags => line.extend_from_slice(self.tags()?.as_bytes()),
        }
        Some(())
    }

    fn keeps_original(&self) -> bool {
        self.ecs.keep_original || !self.problems.is_empty()
    }

    fn tags(&self) -> Option<&'static str> {
        match (self.keeps_original(), self.ecs.keep_duplicates) {
            (true, true) => {
                Some(r#"["preserve_original_event","preserve_duplicate_custom_fields"]"#)
            }
            (true, false) => Some(r#"["preserve_original_event"]"#),
            (false, true) => Some(r#"["preserve_duplicate_custom_fields"]"#),
            (false, false) => None,
        }
    }

    fn found(&self, slot: usize) -> &Found {
        &self.copied.found[slot]
    }

    /// The bytes of a member; empty if the event does not have it.
    fn value(&self, slot: usize) -> &'a [u8] {
        self.event.get(self.found(slot).range.clone()).unwrap_or_default()
    }

    /// The first of the members that the event has.
    fn first(&self, slots: &[usize]) -> Option<usize> {
        slots.iter().copied().find(|slot| !self.value(*slot).is_empty())
    }

    /// A member that the event has and whose type the rule's field allows.
    fn held(&self, slot: usize, rule: &Rule) -> Option<&'a [u8]> {
        let value = self.value(slot);
        let does_fit = match rule.kind {
            // Another field of the same member may have stricter requirements.
            Kind::Keyword | Kind::MatchOnlyText => value.starts_with(b"\""),
            _ => self.found(slot).fits,
        };
        (does_fit && !value.is_empty()).then_some(value)
    }

    fn write_date(&self, slots: &[usize], line: &mut Vec<u8>) {
        match self.first(slots).filter(|slot| self.found(*slot).fits) {
            Some(slot) => write_time(line, self.value(slot)),
            None => {
                line.push(b'"');
                line.extend_from_slice(time::rfc3339(self.at_ms).as_bytes());
                line.push(b'"');
            }
        }
    }

    fn write_list(&self, slots: &[usize], rule: &Rule, line: &mut Vec<u8>) -> Option<()> {
        let held = || slots.iter().filter_map(|slot| self.held(*slot, rule));
        line.push(b'[');
        let inside = line.len();
        for (at, value) in held().enumerate() {
            if held().take(at).all(|before| before != value) {
                if line.len() > inside {
                    line.push(b',');
                }
                line.extend_from_slice(value);
            }
        }
        let is_any = line.len() > inside;
        line.push(b']');
        is_any.then_some(())
    }

    /// Both numbers, if they are valid coordinates.
    fn point(&self, latitude: usize, longitude: usize) -> Option<(&'a [u8], &'a [u8])> {
        let do_fit = self.found(latitude).fits && self.found(longitude).fits;
        let (latitude, longitude) = (self.value(latitude), self.value(longitude));
        let is_place = do_fit && is_within(latitude, 90.0) && is_within(longitude, 180.0);
        is_place.then_some((latitude, longitude))
    }

    fn outcome(&self, slots: &[usize]) -> &'static [u8] {
        let outcomes = slots.iter().filter_map(|slot| match self.value(*slot) {
            b"true" => Some(&b"\"success\""[..]),
            b"false" => Some(b"\"failure\""),
            _ => None,
        });
        outcomes.into_iter().next().unwrap_or(b"\"unknown\"")
    }

    /// The entry of `event_types.txt` for the event's type, which is the value of `event.action`.
    fn listing(&self) -> Option<&'a Listed> {
        let table = &self.mapping.table;
        let is_action = |rule: &&Rule| rule.field == "event.action";
        let Source::First(slots) = &table.rules.iter().find(is_action)?.source else { return None };
        let name = self.first(slots).and_then(|slot| inner(self.value(slot)))?;
        table.event_types.get(name)
    }

    /// Whether the rule's condition is true.
    fn applies(&self, rule: &Rule) -> bool {
        rule.when.as_ref().is_none_or(|(slot, texts)| {
            inner(self.value(*slot)).is_some_and(|own| texts.iter().any(|text| text == own))
        })
    }

    /// A message for each member whose type its field does not allow.
    fn misfits(&self) -> Vec<String> {
        let table = &self.mapping.table;
        let mut misfits = Vec::new();
        let mut known = Vec::new();
        for rule in table.rules.iter().filter(|rule| self.applies(rule)) {
            let unfit = match &rule.source {
                Source::First(slots) => {
                    self.first(slots).filter(|slot| self.held(*slot, rule).is_none())
                }
                Source::Point(slots) => slots
                    .iter()
                    .copied()
                    .find(|slot| !self.value(*slot).is_empty() && self.held(*slot, rule).is_none()),
                _ => None,
            };
            if let Some(slot) = unfit.filter(|slot| !known.contains(slot)) {
                let (member, field) = (&table.names[slot], &rule.field);
                known.push(slot);
                misfits.push(format!("`{member}` is not allowed in {field}"));
            }
        }
        misfits
    }
}

/// A comma, unless an object begins here.
fn separate(line: &mut Vec<u8>) {
    if line.last() != Some(&b'{') {
        line.push(b',');
    }
}

/// The characters between the quotes of a JSON string.
fn inner(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value.strip_prefix(b"\"")?.strip_suffix(b"\"")?).ok()
}
