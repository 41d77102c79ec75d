//! The lines of a part until they are compressed: the position of each in memory, and their order.
//!
//! Most lines are an event's own bytes. They stay in the page of the event, and are copied only
//! once, into the buffer that is compressed.

use std::borrow::Cow;
use std::ops::Range;

use crate::archive::quarantine::Quarantined;
use crate::page::{Extract, Page, Row};

/// A line to be added.
#[derive(Clone, Copy, Debug)]
pub enum NewLine<'a> {
    /// A row's own bytes, which stay in their page.
    Row(&'a Page, &'a Row),
    /// A line that differs from the row's bytes; see [`NewLine::written`].
    Written(Written<'a>),
    /// The line of a row that is quarantined.
    Quarantined(Quarantined<'a>),
}

/// A line with its line feed, and whether it has a lone surrogate, which is needed several times.
#[derive(Clone, Copy, Debug)]
pub struct Written<'a> {
    text: &'a [u8],
    has_lone_surrogate: bool,
}

impl<'a> NewLine<'a> {
    /// A line of these bytes, which must end with a line feed, and whether they contain an escape of
    /// a lone surrogate.
    #[must_use]
    pub fn written(text: &'a [u8], has_lone_surrogate: bool) -> Self {
        Self::Written(Written { text, has_lone_surrogate })
    }

    /// Length of the line, its line feed included.
    #[must_use]
    pub fn line_bytes(&self) -> usize {
        match self {
            Self::Row(page, row) => page.bytes(row).len() + 1,
            Self::Written(line) => line.text.len(),
            Self::Quarantined(row) => row.line_bytes(),
        }
    }

    /// Whether it is the line of a row that is quarantined.
    #[must_use]
    pub fn is_quarantined(&self) -> bool {
        matches!(self, Self::Quarantined(_))
    }

    /// Whether the line has an escape of a lone surrogate, for which strict JSON parsers reject it.
    #[must_use]
    pub fn has_lone_surrogate(&self) -> bool {
        match self {
            Self::Row(_, row) => row.has_lone_surrogate,
            Self::Written(line) => line.has_lone_surrogate,
            Self::Quarantined(_) => false,
        }
    }
}

/// The lines of one part, in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    lines: Vec<Line>,
    /// The number of lines whose pages were left.
    left: usize,
}

#[derive(Debug)]
struct Line {
    /// Its time, in nanoseconds.
    order_ns: i128,
    text: Text,
}

/// The position of a line in memory.
#[derive(Debug)]
enum Text {
    /// In a page, without a line feed.
    Page(Extract),
    /// In the buffer of written lines, with its line feed.
    Written(Range<usize>),
}

/// Properties of a part's lines after they were sorted.
#[derive(Debug, Default)]
pub(crate) struct Ordered {
    /// The number of lines.
    pub(crate) count: usize,
    /// Time of the first one, in nanoseconds.
    pub(crate) first_ns: i128,
    /// Time of the last one, in nanoseconds.
    pub(crate) last_ns: i128,
}

impl Lines {
    /// Adds a line. If it is not a row's own bytes, it is appended to `written`.
    pub(crate) fn add(&mut self, order_ns: i128, line: NewLine<'_>, written: &mut Vec<u8>) {
        let text = match line {
            NewLine::Row(page, row) => Text::Page(page.extract(row)),
            NewLine::Written(line) => Text::written(written, |to| to.extend_from_slice(line.text)),
            NewLine::Quarantined(row) => Text::written(written, |to| row.write(to)),
        };
        self.lines.push(Line { order_ns, text });
    }

    /// Bytes of the lines that are in the page that was not left yet.
    pub(crate) fn bytes_in_page(&self) -> usize {
        let bytes = |line: &Line| match &line.text {
            Text::Page(extract) => extract.bytes().len(),
            Text::Written(_) => 0,
        };
        self.lines[self.left..].iter().map(bytes).sum()
    }

    /// Leaves the page that the last lines are in. If they are copied to `written`, it is no longer
    /// kept in memory.
    pub(crate) fn leave(&mut self, is_copied: bool, written: &mut Vec<u8>) {
        let unleft = self.lines[self.left..].iter_mut().filter(|_| is_copied);
        for line in unleft {
            if let Text::Page(extract) = &line.text {
                line.text = Text::written(written, |to| put(extract, to));
            }
        }
        self.left = self.lines.len();
    }

    /// Joins the lines, sorted by time; lines of the same time keep the order in which they were
    /// added.
    pub(crate) fn gather(mut self, written: &[u8]) -> (Cow<'_, [u8]>, Ordered) {
        // Usually they are already in order, because JumpCloud sorts by millisecond.
        self.lines.sort_by_key(|line| line.order_ns);
        let ns = |line: Option<&Line>| line.map_or(0, |line| line.order_ns);
        let (first_ns, last_ns) = (ns(self.lines.first()), ns(self.lines.last()));
        let ordered = Ordered { count: self.lines.len(), first_ns, last_ns };
        if let [Line { text: Text::Written(range), .. }] = self.lines.as_slice() {
            // A line may be larger than all others together.
            return (Cow::Borrowed(&written[range.clone()]), ordered);
        }
        let length = self.lines.iter().map(|line| line.text.len()).sum();
        let mut text = Vec::with_capacity(length);
        for line in &self.lines {
            match &line.text {
                Text::Page(extract) => put(extract, &mut text),
                Text::Written(range) => text.extend_from_slice(&written[range.clone()]),
            }
        }
        (Cow::Owned(text), ordered)
    }
}

impl Text {
    fn written(written: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let start = written.len();
        write(written);
        Self::Written(start..written.len())
    }

    /// Length in bytes, including the line feed.
    fn len(&self) -> usize {
        match self {
            Self::Page(extract) => extract.bytes().len() + 1,
            Self::Written(range) => range.len(),
        }
    }
}

fn put(extract: &Extract, line: &mut Vec<u8>) {
    line.extend_from_slice(extract.bytes());
    line.push(b'\n');
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::page::PageHeaders;

    fn page(body: &str) -> Page {
        Page::parse(body.as_bytes().to_vec(), PageHeaders::default()).unwrap()
    }

    /// The lines of both rows of `page`, and one that was written between them.
    fn lines(page: &Page, written: &mut Vec<u8>) -> Lines {
        let [first, second] = page.rows() else { unreachable!("two rows") };
        let mut lines = Lines::default();
        lines.add(2, NewLine::Row(page, first), written);
        lines.add(1, NewLine::written(b"w\n", false), written);
        lines.add(1, NewLine::Row(page, second), written);
        lines
    }

    fn gathered(lines: Lines, written: &[u8]) -> (String, Ordered) {
        let (text, ordered) = lines.gather(written);
        (String::from_utf8(text.into_owned()).unwrap(), ordered)
    }

    #[test]
    fn lines_are_put_in_order_wherever_they_lie() {
        let (page, mut written) = (page(r#"[{"n":1},{"n":2}]"#), Vec::new());
        let lines = lines(&page, &mut written);
        let (text, ordered) = gathered(lines, &written);
        assert_eq!(text, "w\n{\"n\":2}\n{\"n\":1}\n");
        assert_eq!((ordered.count, ordered.first_ns, ordered.last_ns), (3, 1, 2));
    }

    #[test]
    fn a_page_that_is_left_is_no_longer_shared() {
        let (page, other) = (page(r#"[{"n":1},{"n":2}]"#), page(r#"[{"n":3},{"n":4}]"#));
        let mut written = Vec::new();
        let mut lines = lines(&page, &mut written);
        assert_eq!(lines.bytes_in_page(), 14);
        lines.leave(true, &mut written);
        lines.add(0, NewLine::Row(&other, &other.rows()[0]), &mut written);
        assert_eq!(lines.bytes_in_page(), 7);
        lines.leave(false, &mut written);
        assert_eq!(lines.bytes_in_page(), 0);
        assert_eq!([&page, &other].map(Page::is_shared), [false, true]);
        assert_eq!(gathered(lines, &written).0, "{\"n\":3}\nw\n{\"n\":2}\n{\"n\":1}\n");
    }
}
