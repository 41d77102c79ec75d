//! The mapping, which is read once, and the structure of the documents made with it.

use std::sync::LazyLock;

use super::table::{Rule, Table};

/// What a document contains besides ECS fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ecs {
    /// Whether `jumpcloud.event` also contains members that ECS fields contain.
    pub keep_duplicates: bool,
    /// Whether `event.original` contains the event as JumpCloud sent it.
    pub keep_original: bool,
}

/// The table, and the structure of a document made with it.
pub(super) struct Mapping {
    pub(super) table: Table,
    pub(super) shape: Vec<Node>,
}

/// An object of a document, or one of its fields.
pub(super) enum Node {
    /// `"key":{`, and the content of the object.
    Object(String, Vec<Self>),
    /// `"key":`, and the index of its rule.
    Field(String, usize),
}

/// Read for the first event; raw output never needs it.
#[expect(clippy::unwrap_used, reason = "the files are constants, read by every test")]
pub(super) static MAPPING: LazyLock<Mapping> = LazyLock::new(|| {
    let table = Table::read(include_str!("fields.txt"), include_str!("event_types.txt")).unwrap();
    Mapping { shape: shape(&table.rules), table }
});

/// The structure for the rules' fields. An object is at the position of its first field.
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
