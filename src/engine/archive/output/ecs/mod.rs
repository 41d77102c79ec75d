//! `OUTPUT_FORMAT=ecs`: one document of the Elastic Common Schema (ECS) 8.11 a line.
//!
//! What stands where is said by `fields.txt` and `event_types.txt`, which a person can read and
//! change. What they do not name stays in `jumpcloud.event`. A member of another type than its
//! field holds stays there, too; the document says so (`event.kind: pipeline_error`,
//! `error.message`) and holds the event as it came (`event.original`). No event is lost.

mod copy;
mod document;
mod fit;
mod mapping;
mod table;

use self::document::Document;
use self::mapping::MAPPING;

pub use self::mapping::Ecs;

impl Ecs {
    /// Appends the document of `event`, which is a JSON object in UTF-8. `at_ms` is its time where
    /// the event does not tell one: UTC milliseconds.
    pub fn write(self, line: &mut Vec<u8>, event: &[u8], at_ms: i64) {
        let (without_lone_surrogates, has_lone_surrogates) = fit::without_lone_surrogates(event);
        Document::new(&MAPPING, self, event, &without_lone_surrogates, has_lone_surrogates, at_ms)
            .write(line);
    }

    /// The names a document's members may have.
    pub fn names() -> impl Iterator<Item = &'static str> {
        MAPPING.table.top_level().chain(["jumpcloud"])
    }
}

#[cfg(test)]
mod tests;
