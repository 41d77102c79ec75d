//! What a line of the archive holds.

mod custom;
pub mod raw;

pub use custom::CustomFields;

/// How an event becomes a line.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// Added to every line.
    pub custom: CustomFields,
}

impl Output {
    /// Appends the line of `event`, which is a JSON object in UTF-8, and the line feed behind it.
    pub fn write_line(&self, line: &mut Vec<u8>, event: &[u8]) {
        let start = line.len();
        raw::write(line, event);
        self.custom.append(line, start);
        line.push(b'\n');
    }
}
