//! `OUTPUT_FORMAT=ecs`: one document of the Elastic Common Schema (ECS) 8.11 per line.
//!
//! The mapping is in `fields.txt` and `event_types.txt`, which can be edited. Members that they do
//! not name are in `jumpcloud.event`. A member of another type than its field allows is there, too;
//! the document then has `event.kind: pipeline_error`, an `error.message`, and the event as
//! JumpCloud sent it in `event.original`. No event is lost.

mod copy;
mod document;
mod fit;
mod mapping;
mod table;

use self::document::Document;
use self::mapping::MAPPING;
use crate::json::ndjson::Json;

pub use self::mapping::Ecs;

impl Ecs {
    /// Appends the document of `event`, which must be a JSON object in UTF-8. `at_ms` is its time
    /// if the event has none that can be read, in UTC milliseconds. A document has no escape of a
    /// lone surrogate.
    pub fn write(self, line: &mut Vec<u8>, event: Json<'_>, at_ms: i64) {
        let whole = fit::without_lone_surrogates(event);
        Document::new(&MAPPING, self, event, &whole, at_ms).write(line);
    }

    /// The names that a document's members may have.
    pub fn names() -> impl Iterator<Item = &'static str> {
        MAPPING.table.top_level().chain(["jumpcloud"])
    }
}

#[cfg(test)]
mod tests;
