//! A message in plain words, and the error from which it came.

use std::error::Error;
use std::fmt;

/// A message for people, written as a lowercase fragment, with the error from which it came, if
/// there is one.
pub struct Cause {
    text: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Cause {
    /// The message `text`, caused by `source`.
    pub fn new(text: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { text: text.into(), source: Some(source.into()) }
    }

    /// The text of an error as the message, and the error itself as its source.
    pub fn of(source: impl Error + Send + Sync + 'static) -> Self {
        Self::new(source.to_string(), source)
    }

    /// The message.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Shows the message only: a source may contain a whole answer, and an answer may contain a secret.
impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

impl From<String> for Cause {
    fn from(text: String) -> Self {
        Self { text, source: None }
    }
}

impl From<&str> for Cause {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}
