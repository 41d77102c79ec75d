//! `OUTPUT_FORMAT=ecs`: one document of the Elastic Common Schema (ECS) 8.11 a line.
//!
//! What stands where is said by `fields.txt` and `event_types.txt`, which a person can read and
//! change. What they do not name stays in `jumpcloud.event`. A member of another type than its
//! field holds stays there, too; the document says so (`event.kind: pipeline_error`,
//! `error.message`) and holds the event as it came (`event.original`). No event is lost.

mod copy;
mod document;
mod fit;
mod table;

use std::sync::LazyLock;

use self::document::Document;
use self::table::{Rule, Table};

/// What of an event its document holds besides ECS fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ecs {
    /// `jumpcloud.event` holds what ECS fields hold, too.
    pub keep_duplicates: bool,
    /// `event.original` holds the event as it came.
    pub keep_original: bool,
}

/// The table, and the shape of a document made of it.
struct Mapping {
    table: Table,
    shape: Vec<Node>,
}

/// An object of a document or one of its fields.
enum Node {
    /// `"key":{`, and what stands in it.
    Object(String, Vec<Self>),
    /// `"key":`, and the place of its rule.
    Field(String, usize),
}

/// Read once, by the first event; raw output never needs it.
#[expect(clippy::unwrap_used, reason = "the files are constants, read by every test")]
static MAPPING: LazyLock<Mapping> = LazyLock::new(|| {
    let table = Table::read(include_str!("fields.txt"), include_str!("event_types.txt")).unwrap();
    Mapping { shape: shape(&table.rules), table }
});

/// Where the rules' fields stand. Objects stand where their first field does.
fn shape(rules: &[Rule]) -> Vec<Node> {
    let mut shape = Vec::new();
    for (place, rule) in rules.iter().enumerate() {
        let (mut nodes, mut rest) = (&mut shape, rule.field.as_str());
        while let Some((name, below)) = rest.split_once('.') {
            let key = format!("\"{name}\":{{");
            let is_it = |node: &Node| matches!(node, Node::Object(known, _) if *known == key);
            let at = nodes.iter().position(is_it).unwrap_or_else(|| {
                nodes.push(Node::Object(key.clone(), Vec::new()));
                nodes.len() - 1
            });
            let Node::Object(_, inner) = &mut nodes[at] else { unreachable!("found as an object") };
            (nodes, rest) = (inner, below);
        }
        nodes.push(Node::Field(format!("\"{rest}\":"), place));
    }
    shape
}

impl Ecs {
    /// Appends the document of `event`, which is a JSON object in UTF-8. `at_ms` is its time where
    /// the event does not tell one: UTC milliseconds.
    pub fn write(self, line: &mut Vec<u8>, event: &[u8], at_ms: i64) {
        let (mended, has_halves) = fit::mended(event);
        Document::new(&MAPPING, self, event, &mended, has_halves, at_ms).write(line);
    }

    /// The names a document's members may have.
    pub fn names() -> impl Iterator<Item = &'static str> {
        MAPPING.table.top_level().chain(["jumpcloud"])
    }
}

#[cfg(test)]
mod tests;
