//! Writes JSON objects in a chosen key order.

use std::fmt::Write as _;

/// An object being written; it is closed when [`object`] returns.
pub(super) struct Object<'a> {
    text: &'a mut String,
    is_empty: bool,
}

/// Writes one object to the end of a text.
pub(super) fn object(text: &mut String, fill: impl FnOnce(&mut Object<'_>)) {
    text.push('{');
    let mut inner = Object { text, is_empty: true };
    fill(&mut inner);
    text.push('}');
}

impl Object<'_> {
    fn key(&mut self, key: &str) {
        if !std::mem::take(&mut self.is_empty) {
            self.text.push(',');
        }
        push_text(self.text, key);
        self.text.push(':');
    }

    /// A string.
    pub(super) fn text(&mut self, key: &str, value: &str) -> &mut Self {
        self.key(key);
        push_text(self.text, value);
        self
    }

    /// A number, a boolean, or whatever displays as JSON.
    pub(super) fn plain(&mut self, key: &str, value: impl std::fmt::Display) -> &mut Self {
        self.key(key);
        // Writing to a string cannot fail.
        let _ = write!(self.text, "{value}");
        self
    }

    /// An object.
    pub(super) fn object(&mut self, key: &str, fill: impl FnOnce(&mut Object<'_>)) -> &mut Self {
        self.key(key);
        object(self.text, fill);
        self
    }

    /// A list of objects, one for each item.
    pub(super) fn list<T>(
        &mut self,
        key: &str,
        items: impl IntoIterator<Item = T>,
        mut fill: impl FnMut(&mut Object<'_>, T),
    ) -> &mut Self {
        self.key(key);
        self.text.push('[');
        for (number, item) in items.into_iter().enumerate() {
            if number > 0 {
                self.text.push(',');
            }
            object(self.text, |inner| fill(inner, item));
        }
        self.text.push(']');
        self
    }

    /// A list of strings.
    pub(super) fn texts<'t>(
        &mut self,
        key: &str,
        values: impl IntoIterator<Item = &'t str>,
    ) -> &mut Self {
        self.key(key);
        self.text.push('[');
        for (number, value) in values.into_iter().enumerate() {
            if number > 0 {
                self.text.push(',');
            }
            push_text(self.text, value);
        }
        self.text.push(']');
        self
    }
}

/// Writes a string; UTF-8 stays as it is, as in the real service.
fn push_text(text: &mut String, value: &str) {
    text.push('"');
    for letter in value.chars() {
        match letter {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            control if control < ' ' => {
                let _ = write!(text, "\\u{:04x}", u32::from(control));
            }
            other => text.push(other),
        }
    }
    text.push('"');
}
