//! A daily snapshot of an organization's users: its progress and its completion record. Pure.
//!
//! JumpCloud lists users in pages, and the directory may change while they are read. A user is
//! written once per day, also if rows move. If the list's total differs from the number of users at
//! the end, or changed meanwhile, the list is read once more.

use serde::{Deserialize, Serialize};

use crate::limits::LIST_PASSES_MAX;
use crate::page::{ListWalk, Next};
use crate::stream::StreamId;
use crate::users::{Fields, Projection};
use crate::{json, time};

/// Members that snapshots leave out by default: an audit trail does not need them, and every reader
/// of the archive would see them.
pub const EXCLUDED: [&str; 4] = ["public_key", "ssh_keys", "phoneNumbers", "addresses"];

/// The default selection of members.
#[must_use]
pub fn usual() -> Projection {
    Projection { only: None, without: Fields::parse(&EXCLUDED).unwrap_or_default() }
}

/// The progress of the snapshot of one UTC day, which is part of the reading state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The UTC day, in whole days since 1970-01-01.
    pub day: i64,
    /// The number of the current pass through the list, from 1.
    pub pass: u32,
    /// Rows received in this pass so far.
    pub skip: u64,
    /// The list's total in the last page of this pass; `None` before the first page.
    pub total: Option<u64>,
    /// Whether the list changed during this pass, or ended before its total.
    pub changed: bool,
    /// Users written so far, each once.
    pub users: u64,
    /// Rows put into quarantine so far.
    pub quarantined: u64,
    /// The parts decided so far, in the order of their numbers.
    pub parts: Vec<Part>,
    /// Its end; `None` while it is unfinished.
    pub ended: Option<SnapshotEnd>,
}

/// One part of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its key in the archive.
    pub key: String,
    /// The number of its lines.
    pub users: u64,
    /// SHA-256 of its bytes, hex.
    pub sha256: String,
}

/// How a snapshot ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotEnd {
    /// When it ended, UTC milliseconds.
    pub at_ms: i64,
    /// Whether the number of users agreed with the list's total.
    pub complete: bool,
}

/// What to do after a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Request another page, of this pass or the next.
    Page,
    /// Stop: the list was read to its end.
    End {
        /// Whether the number of users agrees with the list's total.
        complete: bool,
    },
}

/// The completion record, which shows whether a snapshot is complete.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    version: u32,
    stream: &'a StreamId,
    day: String,
    complete: bool,
    users: u64,
    total_count: u64,
    quarantined: u64,
    passes: u32,
    parts: &'a [Part],
    ended_at: String,
}

impl Snapshot {
    /// The snapshot of a day before its first page.
    #[must_use]
    pub fn of_day(day: i64) -> Self {
        Self { day, pass: 1, ..Self::default() }
    }

    /// Records a page of `rows` rows of a list that now has `total` rows. The users of the page
    /// must have been counted before.
    pub fn take(&mut self, rows: usize, total: u64) -> Step {
        self.changed |= self.total.is_some_and(|before| before != total);
        self.total = Some(total);
        let mut walk = ListWalk { skip: self.skip };
        let next = walk.take(rows, total);
        self.skip = walk.skip;
        match next {
            Ok(Next::Page) => return Step::Page,
            Ok(Next::End) => {}
            Err(_) => self.changed = true,
        }
        let complete = !self.changed && self.users + self.quarantined == total;
        if complete || self.pass >= LIST_PASSES_MAX {
            return Step::End { complete };
        }
        (self.pass, self.skip, self.total, self.changed) = (self.pass + 1, 0, None, false);
        Step::Page
    }

    /// The day as it is written in keys: `2026-11-24`.
    #[must_use]
    pub fn date(&self) -> String {
        time::rfc3339(self.first_ms())[..10].to_owned()
    }

    /// The day's first millisecond.
    #[must_use]
    pub fn first_ms(&self) -> i64 {
        self.day * crate::limits::DAY_MS
    }

    /// The bytes of the completion record; `None` while the snapshot is unfinished.
    #[must_use]
    pub fn record(&self, stream: &StreamId) -> Option<Vec<u8>> {
        let ended = self.ended?;
        let record = Record {
            version: 1,
            stream,
            day: self.date(),
            complete: ended.complete,
            users: self.users,
            total_count: self.total.unwrap_or(0),
            quarantined: self.quarantined,
            passes: self.pass,
            parts: &self.parts,
            ended_at: time::rfc3339(ended.at_ms),
        };
        // A struct of texts and numbers always serialises.
        let mut bytes = json::encode(&record).into_bytes();
        bytes.push(b'\n');
        Some(bytes)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// 2026-11-24.
    const DAY: i64 = 20_781;

    fn page(snapshot: &mut Snapshot, rows: usize, new: u64, total: u64) -> Step {
        snapshot.users += new;
        snapshot.take(rows, total)
    }

    #[test]
    fn a_quiet_list_is_gone_through_once() {
        let mut snapshot = Snapshot::of_day(DAY);
        assert_eq!(page(&mut snapshot, 100, 100, 150), Step::Page);
        assert_eq!(page(&mut snapshot, 50, 50, 150), Step::End { complete: true });
        assert_eq!(Snapshot::of_day(DAY).take(0, 0), Step::End { complete: true }, "no user");
    }

    #[test]
    fn what_moved_is_found_by_one_more_pass_and_no_third() {
        for (found, complete) in [(1, true), (0, false)] {
            let mut snapshot = Snapshot::of_day(DAY);
            assert_eq!(page(&mut snapshot, 100, 99, 100), Step::Page);
            assert_eq!((snapshot.pass, snapshot.skip), (2, 0));
            assert_eq!(page(&mut snapshot, 100, found, 100), Step::End { complete });
        }
    }

    /// One user was removed and so another one missed: the numbers agree, the users do not.
    #[test]
    fn a_total_that_changed_on_the_way_is_a_disagreement() {
        let mut snapshot = Snapshot::of_day(DAY);
        assert_eq!(page(&mut snapshot, 100, 100, 200), Step::Page);
        assert_eq!(page(&mut snapshot, 99, 99, 199), Step::Page);
        assert_eq!(snapshot.pass, 2);
        assert_eq!(page(&mut snapshot, 100, 0, 199), Step::Page);
        assert_eq!(page(&mut snapshot, 99, 1, 199), Step::End { complete: false });
        assert_eq!((snapshot.users, snapshot.total), (200, Some(199)), "and the record says so");
    }

    #[test]
    fn a_list_that_ends_early_is_gone_through_once_more() {
        let mut snapshot = Snapshot::of_day(DAY);
        assert_eq!(page(&mut snapshot, 100, 100, 150), Step::Page);
        assert_eq!(page(&mut snapshot, 0, 0, 150), Step::Page);
        assert_eq!(page(&mut snapshot, 0, 0, 150), Step::End { complete: false });
    }

    /// Readers hold on to this form; it does not change under its version.
    #[test]
    fn the_record_of_a_day_is_this() {
        let mut snapshot = Snapshot::of_day(DAY);
        assert_eq!(snapshot.record(&StreamId::own()), None);
        snapshot.parts.push(Part { key: "a".to_owned(), users: 2, sha256: "ff".to_owned() });
        (snapshot.users, snapshot.total) = (2, Some(2));
        snapshot.ended = Some(SnapshotEnd { at_ms: DAY * 86_400_000, complete: true });
        let record = String::from_utf8(snapshot.record(&StreamId::own()).unwrap()).unwrap();
        insta::assert_snapshot!(record, @r#"{"version":1,"stream":"self","day":"2026-11-24","complete":true,"users":2,"totalCount":2,"quarantined":0,"passes":1,"parts":[{"key":"a","users":2,"sha256":"ff"}],"endedAt":"2026-11-24T00:00:00.000Z"}"#);
    }

    /// Cursors and entries hold this form.
    #[test]
    fn what_is_stored_is_this() {
        let stored = r#"{"day":20781,"pass":2,"skip":100,"total":150,"changed":true,"users":99,"quarantined":1,"parts":[{"key":"a","users":99,"sha256":"ff"}],"ended":null}"#;
        let snapshot: Snapshot = serde_json::from_str(stored).unwrap();
        assert_eq!(snapshot.date(), "2026-11-24");
        assert_eq!(serde_json::to_string(&snapshot).unwrap(), stored);
    }
}
