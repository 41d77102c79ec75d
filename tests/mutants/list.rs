//! The mutants, and what each breaks.

/// A change that must not survive.
pub(crate) struct Mutant {
    pub(crate) name: &'static str,
    /// File, a text that occurs in it once, and its replacement.
    pub(crate) edits: &'static [(&'static str, &'static str, &'static str)],
}

pub(crate) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "create without the condition",
        edits: &[(
            "tests/simulation/store.rs",
            "if let Some(found) = self.bucket(bucket).get(key) {",
            "if let Some(found) = self.bucket(bucket).get(key).filter(|_| false) {",
        )],
    },
    Mutant {
        name: "sweep from now minus horizon",
        edits: &[(
            "src/engine/read/sweep.rs",
            "let from_ms = sweep_from_ms(cursor, query, settings).max(earliest_ms);",
            "let from_ms = (now_ms - settings.late_horizon_ms).max(earliest_ms);",
        )],
    },
    Mutant {
        name: "`at` past the last decided row",
        edits: &[(
            "src/engine/read/window.rs",
            "let at_ms = at_ms.max(reading.at_ms);",
            "let at_ms = (at_ms + 1).max(reading.at_ms);",
        )],
    },
    Mutant {
        name: "publish before decide",
        edits: &[(
            "src/engine/collect/decide.rs",
            "        if !self.create_entry(&entry).await? {",
            "        self.publish_parts(&entry).await?;
        if !self.create_entry(&entry).await? {",
        )],
    },
    Mutant {
        name: "advance before publish",
        edits: &[(
            "src/engine/collect/decide.rs",
            "        self.publish_parts(&entry).await?;
        self.publish_slots(&entry, &slots).await?;
        self.advance(&entry).await?;",
            "        self.advance(&entry).await?;
        self.publish_parts(&entry).await?;
        self.publish_slots(&entry, &slots).await?;",
        )],
    },
    Mutant {
        name: "a 412 taken for failure",
        edits: &[(
            "src/engine/collect/publish.rs",
            "return self.check_same(bucket, key, &meta).await.map(|()| false);",
            "return Err(RunError::transient(format!(\"412: {key}\")));",
        )],
    },
    Mutant {
        name: "nonce ignored",
        edits: &[(
            "src/engine/collect/decide.rs",
            "let is_own = found.header.nonce == entry.header.nonce;",
            "let is_own = !found.header.nonce.is_empty();",
        )],
    },
    Mutant {
        name: "a last page recognised by `<=`",
        edits: &[(
            "src/engine/read/paging.rs",
            "let is_full = rows >= full;",
            "let is_full = rows > full;",
        )],
    },
    Mutant {
        name: "a foreseen page kept whatever its predecessor was",
        edits: &[(
            "src/engine/collect/pages.rs",
            "foreseen.filter(|foreseen| foreseen.ask == walk.ask());",
            "foreseen.filter(|_| walk.ask().token.is_some());",
        )],
    },
    Mutant {
        name: "warm slots used without comparing head_hash",
        edits: &[(
            "src/engine/collect/engine.rs",
            "kept.filter(|slots| slots.is_at(head_hash))",
            "kept.filter(|slots| slots.is_at(head_hash) || !head_hash.is_empty())",
        )],
    },
    Mutant {
        name: "rebuild at the largest entry",
        edits: &[(
            "src/engine/collect/birth.rs",
            "        let head_hash = entry.header.previous;
        Ok(Some(Cursor { seq: seq.saturating_sub(1), head_hash, ..newborn }))",
            "        let head_hash = entry.hash();
        Ok(Some(Cursor { seq, head_hash, state: entry.header.state, ..newborn }))",
        )],
    },
    Mutant {
        name: "readings not cut at the origin",
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
        name: "slots written before parts are confirmed",
        edits: &[(
            "src/engine/collect/decide.rs",
            "        self.publish_parts(&entry).await?;
        self.publish_slots(&entry, &slots).await?;
        self.advance",
            "        self.publish_slots(&entry, &slots).await?;
        self.publish_parts(&entry).await?;
        self.advance",
        )],
    },
    Mutant {
        name: "a query's progress shared",
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
        edits: &[(
            "src/engine/collect/heads.rs",
            "                Err(Stop::Failed(RunError::Query(error))) => error,",
            "                Err(Stop::Failed(RunError::Query(error))) if turns.is_empty() => error,",
        )],
    },
    Mutant {
        name: "the higher position counts where queries join",
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
        edits: &[(
            "src/engine/read/queries.rs",
            "let unread_before_ms = (!is_lane).then_some(from_ms);
            let new = QueryProgress::new(names, from_ms, swept_ms);",
            "let unread_before_ms = None;
            let new = QueryProgress::new(names, from_ms, now_ms.max(swept_ms));",
        )],
    },
    Mutant {
        name: "identity by id alone",
        edits: &[(
            "src/engine/identity.rs",
            "        separated(&mut digest, organization);
        separated(&mut digest, service);
        separated(&mut digest, id);
        match at {
            Instant::Ns(ns) => {
                digest.update([1]);
                digest.update(ns.to_be_bytes());
            }",
            "        separated(&mut digest, id);
        match at {
            Instant::Ns(_) => {}",
        )],
    },
    Mutant {
        name: "a recovery that gives birth",
        edits: &[(
            "src/engine/collect/claim.rs",
            "RunPurpose::Recover => self.ensure_rebuilt(stream).await?,",
            "RunPurpose::Recover => self.ensure_created(stream, meter, budget).await?,",
        )],
    },
    Mutant {
        name: "who collects an organization not looked up",
        edits: &[
            (
                "src/engine/collect/organization.rs",
                "            None => self.read_assignment(organization).await?,",
                "            None => None,",
            ),
            (
                "src/engine/collect/organization.rs",
                "        self.keep_assigned(organization, &winner).await?;
        Ok(winner)",
                "        drop(winner);
        self.keep_assigned(organization, stream).await?;
        Ok(stream.clone())",
            ),
        ],
    },
    Mutant {
        name: "expiry taken for emptiness",
        edits: &[(
            "src/engine/read/window.rs",
            "None => cursor.origin_ms.max(now_ms - READ_BACK_MS_MAX),",
            "None => cursor.origin_ms.max(now_ms - 4 * READ_BACK_MS_MAX),",
        )],
    },
    Mutant {
        name: "the reading ahead not cut where the index may have expired",
        edits: &[(
            "src/engine/read/future.rs",
            "let earliest_ms = origin_ms.max(now_ms - READ_BACK_MS_MAX);",
            "let earliest_ms = origin_ms.max(now_ms - 9 * READ_BACK_MS_MAX);",
        )],
    },
    Mutant {
        name: "a page larger than is configured by now",
        edits: &[(
            "src/engine/read/page_size.rs",
            "rows: rows.clamp(1, configured),",
            "rows: rows.max(1),",
        )],
    },
    Mutant {
        name: "a recovery that closes a lane which was not begun",
        edits: &[(
            "src/engine/collect/run.rs",
            "&& request.purpose != RunPurpose::Recover",
            "&& request.purpose != RunPurpose::Snapshot",
        )],
    },
    Mutant {
        name: "an open lane that is not run",
        edits: &[(
            "src/engine/fleet/lanes.rs",
            "return !is_noted || lease::is_retired(item, now_ms);",
            "return !is_noted;",
        )],
    },
    Mutant {
        name: "one page of a list taken for all of it",
        edits: &[(
            "src/engine/page/list.rs",
            "_ if self.skip >= total => Ok(Next::End),",
            "1.. => Ok(Next::End),
            _ if self.skip >= total => Ok(Next::End),",
        )],
    },
    Mutant {
        name: "users who were archived today archived again",
        edits: &[(
            "src/engine/collect/users.rs",
            "if self.batch.contains(&identity) || self.writer.slots.contains(slot, &identity) {",
            "if self.batch.contains(&identity) {",
        )],
    },
    Mutant {
        name: "a key of another organization not noticed",
        edits: &[
            (
                "src/engine/collect/credential.rs",
                "Some(organization) if organization != key => {",
                "Some(organization) if organization != key && key.is_empty() => {",
            ),
            (
                "src/engine/collect/credential.rs",
                "Some(own) if *own == name => {}",
                "Some(own) if *own == name || !name.is_empty() => {}",
            ),
        ],
    },
    // Holes that the simulation found itself.
    Mutant {
        name: "positions counted on when a walk begins again",
        edits: &[(
            "src/engine/read/paging.rs",
            "        self.skipped = (i64::MIN, 0);
        Step::Next",
            "        Step::Next",
        )],
    },
    Mutant {
        name: "a page that cannot be fetched asked for at the same size for ever",
        edits: &[(
            "src/engine/read/page_size.rs",
            "        self.rows /= 2;",
            "        self.rows = self.rows.max(1);",
        )],
    },
    Mutant {
        name: "an old token sent with another size",
        edits: &[(
            "src/engine/read/paging.rs",
            "            Some(token) if !has_grown => {",
            "            Some(token) => {",
        )],
    },
    Mutant {
        name: "a row skipped after one answer",
        edits: &[(
            "src/engine/read/paging.rs",
            "let is_same = behind.is_some() && before == behind;",
            "let is_same = behind.is_some();",
        )],
    },
    Mutant {
        name: "a row that cannot be read placed where one outside of the window lies",
        edits: &[(
            "src/engine/read/position.rs",
            "place = own.filter(inside).unwrap_or(place);",
            "place = own.unwrap_or(place);",
        )],
    },
    Mutant {
        name: "a short page without X-Limit taken for the last one",
        edits: &[(
            "src/engine/read/paging.rs",
            "let may_be_full = in_force.is_none() && rows > 0 && new_token.is_some();",
            "let may_be_full = in_force.is_none() && rows > 0 && new_token.is_none();",
        )],
    },
];
