//! The format of a line of the archive.

mod custom;
mod ecs;

use crate::archive::NewLine;
use crate::json::{ndjson::Json, surrogates};
use crate::page::{Page, Row};
pub use custom::CustomFields;
pub use ecs::Ecs;

/// Makes the line of an event.
#[derive(Clone, Debug, Default)]
pub struct Output {
    format: Format,
    custom: CustomFields,
}

/// `OUTPUT_FORMAT`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The event's own JSON, byte for byte.
    #[default]
    Raw,
    /// A document of the Elastic Common Schema.
    Ecs(Ecs),
}

impl Output {
    /// Lines of this format with these members added, except those whose names a document of the
    /// format may use itself.
    #[must_use]
    pub fn new(format: Format, mut custom: CustomFields) -> Self {
        if let Format::Ecs(_) = format {
            custom.leave_out(Ecs::names());
        }
        Self { format, custom }
    }

    /// The line of an event that is a row of a page. `buffer` is overwritten if the line is not the
    /// row's own bytes.
    pub fn line<'a>(
        &self,
        page: &'a Page,
        row: &'a Row,
        at_ms: i64,
        buffer: &'a mut Vec<u8>,
    ) -> NewLine<'a> {
        if row.is_line && self.format == Format::Raw && self.custom.is_empty() {
            return NewLine::Row(page, row);
        }
        buffer.clear();
        let has_lone_surrogate = self.write(buffer, page.json(row), at_ms);
        NewLine::written(buffer, has_lone_surrogate)
    }

    /// Appends the line of `event`, which must be a JSON object in UTF-8, and a line feed. `at_ms`
    /// is the event's time or, if it has none that can be read, the time of its collection, in UTC
    /// milliseconds. Returns whether the line has an escape of a lone surrogate.
    pub fn write_line(&self, line: &mut Vec<u8>, event: &[u8], at_ms: i64) -> bool {
        self.write(line, Json::of(event), at_ms)
    }

    fn write(&self, line: &mut Vec<u8>, event: Json<'_>, at_ms: i64) -> bool {
        let start = line.len();
        match self.format {
            Format::Raw => event.write(line),
            Format::Ecs(ecs) => ecs.write(line, event, at_ms),
        }
        self.custom.append(line, start);
        line.push(b'\n');
        // Neither a document nor custom fields can have one.
        let has_lone_surrogate = self.format == Format::Raw && event.has_lone_surrogate;
        debug_assert_eq!(has_lone_surrogate, surrogates::lone(&line[start..]).next().is_some());
        has_lone_surrogate
    }
}
