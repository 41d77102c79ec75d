//! What JumpCloud is asked for, and what is taken of its answers.

use crate::list::Mutant;

pub(crate) const READING: &[Mutant] = &[
    Mutant {
        name: "sweep from now minus horizon",
        breaks: "P1",
        edits: &[(
            "src/engine/read/sweep.rs",
            "let from_ms = sweep_from_ms(cursor, query, settings).max(earliest_ms);",
            "let from_ms = (now_ms - settings.late_horizon_ms).max(earliest_ms);",
        )],
    },
    Mutant {
        name: "`at` past the last decided row",
        breaks: "P1",
        edits: &[(
            "src/engine/read/window.rs",
            "let at_ms = at_ms.max(reading.at_ms);",
            "let at_ms = (at_ms + 1).max(reading.at_ms);",
        )],
    },
    Mutant {
        name: "a last page recognised by `<=`",
        breaks: "P1",
        edits: &[(
            "src/engine/read/paging.rs",
            "let is_full = rows >= full;",
            "let is_full = rows > full;",
        )],
    },
    Mutant {
        name: "a foreseen page kept whatever its predecessor was",
        breaks: "P11",
        edits: &[(
            "src/engine/collect/pages.rs",
            "foreseen.filter(|foreseen| foreseen.ask == walk.ask());",
            "foreseen.filter(|_| walk.ask().token.is_some());",
        )],
    },
    Mutant {
        name: "readings not cut at the origin",
        breaks: "P7",
        edits: &[
            (
                "src/engine/read/window.rs",
                "None => cursor.origin_ms.max(now_ms - READ_BACK_MS_MAX),",
                "None => now_ms - READ_BACK_MS_MAX,",
            ),
            (
                "src/engine/read/sweep.rs",
                "(query.sweep_mark_ms - settings.late_horizon_ms).max(cursor.origin_ms)",
                "query.sweep_mark_ms - settings.late_horizon_ms",
            ),
            ("src/engine/collect/admit.rs", "_ => cursor.origin_ms,", "_ => i64::MIN,"),
        ],
    },
    Mutant {
        name: "sweep without its own share",
        breaks: "P9",
        edits: &[
            (
                "src/engine/collect/read.rs",
                "end_ms - if is_more_due { left_ms / 4 } else { 0 }",
                "end_ms - if is_more_due { left_ms / 4_000 } else { 0 }",
            ),
            (
                "src/engine/collect/read.rs",
                "            let urgency = self.compare(counted).await?;",
                "            if self.report.pages >= self.pages_per_run() {
                return Ok(turns.ended()?);
            }
            let urgency = self.compare(counted).await?;",
            ),
        ],
    },
    Mutant {
        name: "a query's progress shared",
        breaks: "P1",
        edits: &[(
            "src/engine/read/window.rs",
            "            if let Some(query) = state.query_mut(&reading.query) {
                query.read_at_ms",
            "            for query in &mut state.queries {
                query.read_at_ms",
        )],
    },
    Mutant {
        name: "a query's refusal ends the run",
        breaks: "P9",
        edits: &[(
            "src/engine/collect/heads.rs",
            "                Err(Stop::Failed(RunError::Query(error))) => error,",
            "                Err(Stop::Failed(RunError::Query(error))) if turns.is_empty() => error,",
        )],
    },
    Mutant {
        name: "the higher position counts where queries join",
        breaks: "P1",
        edits: &[(
            "src/engine/read/queries.rs",
            "query.read_at_ms = query.read_at_ms.min(other.read_at_ms);
            query.read_to_ms = query.read_to_ms.min(other.read_to_ms);
            query.sweep_mark_ms = query.sweep_mark_ms.min(other.sweep_mark_ms);",
            "query.read_at_ms = query.read_at_ms.max(other.read_at_ms);
            query.read_to_ms = query.read_to_ms.max(other.read_to_ms);
            query.sweep_mark_ms = query.sweep_mark_ms.max(other.sweep_mark_ms);",
        )],
    },
    Mutant {
        name: "new names without a past",
        breaks: "P1",
        edits: &[(
            "src/engine/read/queries.rs",
            "let unread_before_ms = (!is_lane).then_some(from_ms);
            let new = QueryProgress::new(names, from_ms, swept_ms);",
            "let unread_before_ms = None;
            let new = QueryProgress::new(names, from_ms, now_ms.max(swept_ms));",
        )],
    },
    Mutant {
        name: "expiry taken for emptiness",
        breaks: "P2",
        edits: &[(
            "src/engine/read/window.rs",
            "None => cursor.origin_ms.max(now_ms - READ_BACK_MS_MAX),",
            "None => cursor.origin_ms.max(now_ms - 4 * READ_BACK_MS_MAX),",
        )],
    },
    Mutant {
        name: "a reading ahead resumed where it was, although the index may have expired there",
        breaks: "P2",
        edits: &[(
            "src/engine/read/future.rs",
            "Reading { query, at_ms: start_ms, ..kept.clone() }",
            "Reading { query, at_ms: kept.at_ms.min(start_ms), ..kept.clone() }",
        )],
    },
    Mutant {
        name: "a page larger than is configured by now",
        breaks: "P11",
        edits: &[(
            "src/engine/read/page_size.rs",
            "rows: rows.clamp(1, configured),",
            "rows: rows.max(1),",
        )],
    },
    Mutant {
        name: "positions counted on when a walk begins again",
        breaks: "P10",
        edits: &[(
            "src/engine/read/paging.rs",
            "        self.skipped = (i64::MIN, 0);
        Step::Next",
            "        Step::Next",
        )],
    },
    Mutant {
        name: "a page that cannot be fetched asked for at the same size for ever",
        breaks: "P9",
        edits: &[(
            "src/engine/read/page_size.rs",
            "        self.rows /= 2;",
            "        self.rows = self.rows.max(1);",
        )],
    },
    Mutant {
        name: "an old token sent with another size",
        breaks: "P11",
        edits: &[(
            "src/engine/read/paging.rs",
            "            Some(token) if !has_grown => {",
            "            Some(token) => {",
        )],
    },
    Mutant {
        name: "a row skipped after one answer",
        breaks: "P10",
        edits: &[(
            "src/engine/read/paging.rs",
            "let is_same = behind.is_some() && before == behind;",
            "let is_same = behind.is_some();",
        )],
    },
    Mutant {
        name: "a row that cannot be read placed where one outside of the window lies",
        breaks: "P1",
        edits: &[(
            "src/engine/read/position.rs",
            "place = own.filter(inside).unwrap_or(place);",
            "place = own.unwrap_or(place);",
        )],
    },
    Mutant {
        name: "a short page without X-Limit taken for the last one",
        breaks: "P1",
        edits: &[(
            "src/engine/read/paging.rs",
            "let may_be_full = in_force.is_none() && rows > 0 && new_token.is_some();",
            "let may_be_full = in_force.is_none() && rows > 0 && new_token.is_none();",
        )],
    },
    Mutant {
        name: "a full sweep of all that was ever archived",
        breaks: "P14",
        edits: &[(
            "src/engine/read/sweep.rs",
            "(query.sweep_mark_ms - settings.late_horizon_ms).max(cursor.origin_ms)",
            "(query.sweep_mark_ms - 900 * settings.late_horizon_ms).max(cursor.origin_ms)",
        )],
    },
];
