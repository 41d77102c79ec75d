//! The mapping's table, read once, and the shape of the documents made with it.

use std::sync::LazyLock;

use super::table::{Rule, Table};

/// What of an event its document holds besides ECS fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ecs {
    /// `jumpcloud.event` holds what ECS fields hold, too.
    pub keep_duplicates: bool,
    /// `event.original` holds the event as it came.
    pub keep_original: bool,
}

/// The table, and the shape of a document made of it.
pub(super) struct Mapping {
    pub(super) table: Table,
    pub(super) shape: Vec<Node>,
}

/// An object of a document or one of its fields.
pub(super) enum Node {
    /// `"key":{`, and what stands in it.
    Object(String, Vec<Self>),
    /// `"key":`, and the place of its rule.
    Field(String, usize),
}

/// Read once, by the first event; raw output never needs it.
#[expect(clippy::unwrap_used, reason = "the files are constants, read by every test")]
pub(super) static MAPPING: LazyLock<Mapping> = LazyLock::new(|| {
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
