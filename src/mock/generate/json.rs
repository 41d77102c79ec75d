//! Writes JSON objects in a chosen key order, which a map would not keep.

use serde::Serialize;

/// An object being written; it is closed when [`object`] returns.
pub(super) struct Object<'a> {
    text: &'a mut Vec<u8>,
    is_empty: bool,
}

/// Writes one object to the end of a text.
pub(super) fn object(text: &mut Vec<u8>, fill: impl FnOnce(&mut Object<'_>)) {
    text.push(b'{');
    let mut inner = Object { text, is_empty: true };
    fill(&mut inner);
    text.push(b'}');
}

fn push(text: &mut Vec<u8>, value: impl Serialize) {
    // Texts and numbers are always JSON, and writing to memory cannot fail.
    let _ = serde_json::to_writer(text, &value);
}

impl Object<'_> {
    fn key(&mut self, key: &str) {
        if !std::mem::take(&mut self.is_empty) {
            self.text.push(b',');
        }
        push(self.text, key);
        self.text.push(b':');
    }

    /// Any value; `()` is `null`.
    pub(super) fn put(&mut self, key: &str, value: impl Serialize) -> &mut Self {
        self.key(key);
        push(self.text, value);
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
        self.text.push(b'[');
        for (number, item) in items.into_iter().enumerate() {
            if number > 0 {
                self.text.push(b',');
            }
            object(self.text, |inner| fill(inner, item));
        }
        self.text.push(b']');
        self
    }
}
