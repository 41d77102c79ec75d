//! DynamoDB in memory: items, conditional updates, and what must hold of a cursor after each.
//!
//! Holds P5 and P8.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use engine::cursor::attribute::OPEN_LANES;
use engine::cursor::{Condition, Item, OpenLanes, Update, Value, number, text};
use engine::stream::StreamId;

use crate::promise::Promise;
use crate::schedule::DAY;
use crate::store::Store;
use crate::tally::Step;

/// Snapshots kept of a cursor, to restore one.
const SNAPSHOTS_MAX: usize = 12;
/// How long the table's backups are kept.
const BACKUP_MS_MAX: i64 = 35 * DAY;

/// The cursors.
#[derive(Debug, Default)]
pub(crate) struct Table {
    items: BTreeMap<StreamId, Item>,
    /// Each with when it was made.
    snapshots: BTreeMap<StreamId, Vec<(i64, Item)>>,
    /// The furthest each frontier has been since the cursor was last lost or restored.
    frontiers: BTreeMap<StreamId, i64>,
    /// Whose run has released its own lease since that was last asked.
    released: BTreeSet<StreamId>,
    /// Whose item has been made an older one.
    restored: BTreeSet<StreamId>,
    /// The whole table as it was once, and when.
    backup: Option<(i64, BTreeMap<StreamId, Item>)>,
}

/// The items as they are now.
impl Hash for Table {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        format!("{:?}", self.items).hash(hasher);
    }
}

impl Table {
    pub(crate) fn get(&self, stream: &StreamId) -> Option<&Item> {
        self.items.get(stream)
    }

    /// Makes an update if its conditions hold; tells what must not be.
    pub(crate) fn update(
        &mut self,
        now_ms: i64,
        stream: &StreamId,
        update: &Update,
        store: &Store,
    ) -> (Option<Item>, Result<(), String>) {
        let mut item = self.items.get(stream).cloned().unwrap_or_default();
        if !update.allows(&item) {
            return (None, Ok(()));
        }
        update.apply(&mut item);
        if update.remove.contains(&"lease_owner") {
            self.released.insert(stream.clone());
        }
        let sound = self.check(stream, &item, store);
        self.items.insert(stream.clone(), item.clone());
        if update.set.iter().any(|(name, _)| *name == "frontier_ms") {
            let kept = self.snapshots.entry(stream.clone()).or_default();
            if kept.len() == SNAPSHOTS_MAX {
                kept.remove(0);
            }
            kept.push((now_ms, item.clone()));
        }
        (Some(item), sound)
    }

    /// Whether a run has released its own lease since the last call.
    pub(crate) fn take_released(&mut self, stream: &StreamId) -> bool {
        self.released.remove(stream)
    }

    /// The lease of whoever has one is over.
    pub(crate) fn end_lease(&mut self, stream: &StreamId) {
        let item = self.items.get_mut(stream);
        if let Some(until) = item.and_then(|item| item.get_mut("lease_until_ms")) {
            *until = Value::N(0);
        }
    }

    /// The item is gone.
    pub(crate) fn lose(&mut self, stream: &StreamId) -> bool {
        self.frontiers.remove(stream);
        self.items.remove(stream).is_some()
    }

    /// The item is an older one.
    pub(crate) fn restore(&mut self, now_ms: i64, stream: &StreamId, which: u64) -> bool {
        let kept = self.snapshots.get(stream).map(Vec::as_slice).unwrap_or_default();
        let kept = &kept[kept.partition_point(|(ms, _)| *ms < now_ms - BACKUP_MS_MAX)..];
        if kept.is_empty() {
            return false;
        }
        let mut item = kept[which as usize % kept.len()].1.clone();
        // Which lanes are open was asked for, and is asked for again by who restores a table.
        let open = self.items.get(stream).and_then(|item| item.get(OPEN_LANES)).cloned();
        item.remove(OPEN_LANES);
        item.extend(open.map(|open| (OPEN_LANES.to_owned(), open)));
        self.restored.insert(stream.clone());
        self.frontiers.remove(stream);
        self.items.insert(stream.clone(), item);
        true
    }

    /// Keeps the whole table as it is.
    pub(crate) fn keep(&mut self, now_ms: i64) {
        self.backup = Some((now_ms, self.items.clone()));
    }

    /// The whole table is as it was kept. Which lanes were opened since then is asked for again, so that
    /// it is not restored to before a stream that has some.
    pub(crate) fn restore_all(&mut self, now_ms: i64) -> bool {
        let is_kept = |backup: &(i64, BTreeMap<StreamId, Item>)| {
            let has_lanes = |(_, item): &(_, &Item)| item.contains_key(OPEN_LANES);
            let mut live = self.items.iter().filter(has_lanes);
            let is_born = |live| backup.1.get(live).is_some_and(|item| item.contains_key("seq"));
            now_ms - backup.0 <= BACKUP_MS_MAX && live.all(|(live, _)| is_born(live))
        };
        let Some((_, items)) = self.backup.take().filter(is_kept) else { return false };
        let before = std::mem::replace(&mut self.items, items);
        for (stream, item) in before {
            let lanes = OpenLanes::read(&item).unwrap_or_default();
            if let Some(restored) = self.items.get_mut(&stream).filter(|_| !lanes.is_empty()) {
                let mut open = OpenLanes::read(restored).unwrap_or_default();
                lanes.of(&stream).iter().for_each(|(lane, ms)| open.open(lane, *ms));
                open.replace(restored).apply(restored);
            }
            self.restored.insert(stream);
        }
        self.restored.extend(self.items.keys().cloned());
        self.frontiers.clear();
        true
    }

    /// Whether the item has ever been made an older one.
    pub(crate) fn was_restored(&self, stream: &StreamId) -> bool {
        self.restored.contains(stream)
    }

    fn check(&mut self, stream: &StreamId, item: &Item, store: &Store) -> Result<(), String> {
        let Ok(seq) = number(item, "seq") else { return Ok(()) };
        let frontier_ms = number(item, "frontier_ms").map_err(|e| Promise::Forward.broken(e))?;
        if let Some(before_ms) = self
            .frontiers
            .insert(stream.clone(), frontier_ms)
            .filter(|before| *before > frontier_ms)
        {
            let how =
                format_args!("that of {stream} was lowered from {before_ms} to {frontier_ms}");
            return Err(Promise::Forward.broken(how));
        }
        let decided = |how: &str| Promise::Decided.broken(how);
        let seq = u64::try_from(seq).map_err(|e| decided(&e.to_string()))?;
        let head = store
            .head_hash(stream, seq)
            .ok_or_else(|| decided(&format!("{stream} is at {seq}, which is not there")))?;
        if text(item, "head_hash") != Ok(&head) {
            return Err(decided(&format!("{stream} is at {seq} with another entry's hash")));
        }
        // A rebuilt cursor is one behind the last entry, which may be anything but decided.
        store
            .check_published(stream, seq)
            .map_err(|e| decided(&format!("{stream} is at {seq}, {e}")))
    }
}

/// The protocol's step an update is, and whether it was allowed.
pub(crate) fn steps(update: &Update, allowed: bool) -> Vec<Step> {
    let has = |wanted: fn(&Condition) -> bool| update.conditions.iter().any(wanted);
    let sets = |name: &str| update.set.iter().find(|(set, _)| *set == name).map(|(_, value)| value);
    let or = |yes, no| if allowed { yes } else { no };
    let mut steps = Vec::new();
    let is_swept = |value: &Value| matches!(value, Value::S(text) if text.contains(r#""sweep":{"#));
    if sets("queries").is_some_and(is_swept) {
        steps.push(Step::Swept);
    }
    if sets("hours").is_some() {
        steps.push(Step::HourReadAgain);
    }
    if !update.add.is_empty() {
        steps.push(or(Step::Claimed, Step::ClaimRefused));
    } else if has(|c| *c == Condition::Absent("seq")) && allowed {
        let is_new = sets("seq") == Some(&Value::N(0));
        steps.push(if is_new { Step::CursorCreated } else { Step::CursorRebuilt });
    } else if sets("seq").is_some() {
        steps.push(or(Step::Advanced, Step::AdvancedByAnother));
    } else if has(|c| matches!(c, Condition::AtMost("frontier_ms", _))) {
        steps.push(or(Step::Progressed, Step::ProgressRefused));
    }
    if sets("finished_ms").is_some() && allowed {
        steps.push(Step::Finished);
    }
    if update.remove.contains(&"lease_owner") && allowed {
        steps.push(if sets("last_error").is_some() {
            Step::ReleasedAfterFailure
        } else {
            Step::Released
        });
    }
    steps
}
