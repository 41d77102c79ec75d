//! The mutants that only the engine's own tests show.

use crate::list::Mutant;

/// Those that take months, or more hours than a schedule of the simulation has: the engine's own tests
/// must show them.
pub(crate) const AGING_MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a slot whose base has expired read as empty",
        breaks: "P12",
        edits: &[(
            "src/engine/task/verify/slots.rs",
            "                return Ok(None);",
            "                return Ok(Some(SlotIds::empty(slot)));",
        )],
    },
    Mutant {
        name: "unplaced records of the day of a clock that was set back",
        breaks: "P2",
        edits: &[(
            "src/engine/journal/index.rs",
            "let day = day.max(self.newest_day());",
            "let _ = self.newest_day();",
        )],
    },
    Mutant {
        name: "known hours that take places",
        breaks: "P1",
        edits: &[(
            "src/engine/read/comparison.rs",
            "HOURS_KEPT_MAX.saturating_sub(hours.len());",
            "HOURS_KEPT_MAX.saturating_sub(hours.len() + state.known_hours.len());",
        )],
    },
    Mutant {
        name: "a lane finished without being read since it was opened",
        breaks: "P1",
        edits: &[(
            "src/engine/read/window.rs",
            "cursor.opened_ms.unwrap_or(i64::MIN);",
            "cursor.opened_ms.map_or(i64::MIN, |_| i64::MIN);",
        )],
    },
    Mutant {
        name: "a lane that was read due at every run",
        breaks: "P14",
        edits: &[(
            "src/engine/read/window.rs",
            "let next_ms = last_ms.min(query.read_at_ms + late_horizon_ms / 2);",
            "let next_ms = last_ms.min(query.read_at_ms);",
        )],
    },
    Mutant {
        name: "lanes that take every place of the queue",
        breaks: "P9",
        edits: &[(
            "src/engine/fleet/dispatch.rs",
            "fleet.concurrency.saturating_sub(1)",
            "fleet.concurrency.saturating_sub(0)",
        )],
    },
    Mutant {
        name: "a lane run again at once after it was finished",
        breaks: "P14",
        edits: &[(
            "src/engine/fleet/lanes.rs",
            "return !is_noted || lease::is_retired(item, now_ms);",
            "return true;",
        )],
    },
    Mutant {
        name: "a finished lane that is asked for again for ever",
        breaks: "P14",
        edits: &[(
            "src/engine/collect/run.rs",
            "opened_ms.filter(|_| was_long_over)",
            "opened_ms.filter(|_| !was_long_over)",
        )],
    },
    Mutant {
        name: "a lane taken out although it was opened again",
        breaks: "P1",
        edits: &[(
            "src/engine/cursor/open_lanes.rs",
            ".filter(|date| self.0.get(*date) == Some(&opened_ms))",
            ".filter(|date| self.0.get(*date) >= Some(&opened_ms))",
        )],
    },
    Mutant {
        name: "a stream that is gone recovered at every pass",
        breaks: "P14",
        edits: &[(
            "src/engine/cursor/lease.rs",
            "    !is_done || item.contains_key(attribute::LEASE_OWNER)",
            "    !is_done || !item.is_empty()",
        )],
    },
    Mutant {
        name: "a pass at every run",
        breaks: "P14",
        edits: &[(
            "src/engine/cursor/pass.rs",
            "self.after.is_some() || !self.started_ms.is_some_and(is_recent)",
            "self.after.is_some() || self.started_ms.is_some_and(is_recent)",
        )],
    },
    Mutant {
        name: "readings of what may have left the index",
        breaks: "P2",
        edits: &[(
            "src/engine/read/window.rs",
            "None => cursor.origin_ms.max(now_ms - READ_BACK_MS_MAX),",
            "None => cursor.origin_ms.max(now_ms - 4 * READ_BACK_MS_MAX),",
        )],
    },
    Mutant {
        name: "`unplaced` dated by a clock that was set back",
        breaks: "P2",
        edits: &[(
            "src/engine/collect/decide.rs",
            "let decided_ms = self.engine.now_ms().max(state.frontier_ms);",
            "let decided_ms = self.engine.now_ms();",
        )],
    },
    Mutant {
        name: "added names read by the horizon of now",
        breaks: "P1",
        edits: &[(
            "src/engine/read/sweep.rs",
            "    if query.unread_before_ms.is_some() {
        return cursor.origin_ms;",
            "    if query.unread_before_ms.is_some() && query.sweep.is_some() {
        return cursor.origin_ms;",
        )],
    },
    Mutant {
        name: "an entry that was deleted taken for expired",
        breaks: "P12",
        edits: &[(
            "src/engine/task/verify/age.rs",
            "decided_ms <= now_ms + AUDITOR_CLOCK_MS_MAX - STATE_KEPT_MS",
            "decided_ms <= now_ms + 168 * AUDITOR_CLOCK_MS_MAX - STATE_KEPT_MS",
        )],
    },
    Mutant {
        name: "a gap that is told for ever because its hour is not listed any more",
        breaks: "P13",
        edits: &[(
            "src/engine/read/comparison.rs",
            "            self.hours.entry(hour_ms).or_default();",
            "            let _ = hour_ms;",
        )],
    },
    Mutant {
        name: "an audit that is clean because an hour was read again",
        breaks: "P13",
        edits: &[(
            "src/engine/task/audit.rs",
            "line.differing.iter().all(|hour| hour.left == Some(0))",
            "line.differing.iter().all(|hour| hour.left.is_some())",
        )],
    },
    Mutant {
        name: "a corrected count that stays a gap",
        breaks: "P13",
        edits: &[(
            "src/engine/read/comparison.rs",
            "            state.known_hours.remove(&hour_ms);
            continue;",
            "            continue;",
        )],
    },
];
