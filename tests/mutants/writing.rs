//! What is decided, published and indexed.

use crate::list::Mutant;

pub(crate) const WRITING: &[Mutant] = &[
    Mutant {
        name: "create without the condition",
        breaks: "P4",
        edits: &[(
            "tests/simulation/store.rs",
            "if let Some(found) = self.bucket(bucket).get(key) {",
            "if let Some(found) = self.bucket(bucket).get(key).filter(|_| false) {",
        )],
    },
    Mutant {
        name: "publish before decide",
        breaks: "P4",
        edits: &[(
            "src/engine/collect/decide.rs",
            "        if !self.create_entry(&entry).await? {",
            "        self.publish_parts(&entry).await?;
        if !self.create_entry(&entry).await? {",
        )],
    },
    Mutant {
        name: "advance before publish",
        breaks: "P5",
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
        breaks: "P9",
        edits: &[(
            "src/engine/collect/publish.rs",
            "return self.check_same(bucket, key, &meta).await.map(|()| false);",
            "return Err(RunError::transient(format!(\"412: {key}\")));",
        )],
    },
    Mutant {
        name: "nonce ignored",
        breaks: "P4",
        edits: &[(
            "src/engine/collect/decide.rs",
            "let is_own = found.header.nonce == entry.header.nonce;",
            "let is_own = !found.header.nonce.is_empty();",
        )],
    },
    Mutant {
        name: "warm slots used without comparing head_hash",
        breaks: "P9",
        edits: &[(
            "src/engine/collect/engine.rs",
            "kept.filter(|slots| slots.is_at(head_hash))",
            "kept.filter(|slots| slots.is_at(head_hash) || !head_hash.is_empty())",
        )],
    },
    Mutant {
        name: "rebuild at the largest entry",
        breaks: "P5",
        edits: &[(
            "src/engine/collect/birth.rs",
            "        let head_hash = entry.header.previous;
        Ok(Some(Cursor { seq: seq.saturating_sub(1), head_hash, ..newborn }))",
            "        let head_hash = entry.hash();
        Ok(Some(Cursor { seq, head_hash, state: entry.header.state, ..newborn }))",
        )],
    },
    Mutant {
        name: "slots written before parts are confirmed",
        breaks: "P4",
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
        name: "identity by id alone",
        breaks: "P1",
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
        name: "what the filter drops archived",
        breaks: "P3",
        edits: &[(
            "src/engine/collect/admit.rs",
            "filter.as_ref().is_none_or(|filter| filter.keeps(bytes));",
            "filter.as_ref().is_none_or(|filter| filter.keeps(bytes) || !bytes.is_empty());",
        )],
    },
    Mutant {
        name: "lines in the order in which they came",
        breaks: "P3",
        edits: &[(
            "src/engine/archive/lines.rs",
            "self.lines.sort_by_key(|line| line.order_ns);",
            "self.lines.sort_by_key(|_| 0);",
        )],
    },
    Mutant {
        name: "a part for the days beside its own",
        breaks: "P3",
        edits: &[(
            "src/engine/archive/key.rs",
            "(self.hour..self.hour + self.hours).contains(&time::hour_of(ms))",
            "(self.hour - 24..self.hour + self.hours + 24).contains(&time::hour_of(ms))",
        )],
    },
    Mutant {
        name: "the oldest object of a slot taken for its latest",
        breaks: "P6",
        edits: &[(
            "src/engine/journal/index.rs",
            "        .max()
        .map(|(_, key)| key)",
            "        .min()
        .map(|(_, key)| key)",
        )],
    },
    Mutant {
        name: "a slot that loses an identity with each entry",
        breaks: "P6",
        edits: &[(
            "src/engine/journal/index.rs",
            "let mut records: Vec<_> = old.chain(new).collect();",
            "let mut records: Vec<_> = old.skip(1).chain(new).collect();",
        )],
    },
    Mutant {
        name: "a frontier that a run which was overtaken lowers",
        breaks: "P8",
        edits: &[(
            "src/engine/cursor/mod.rs",
            "                Condition::AtMost(attribute::FRONTIER_MS, state.frontier_ms),
            ],
            set: vec![
                (attribute::SEQ, seq_value(self.seq + 1)),",
            "            ],
            set: vec![
                (attribute::SEQ, seq_value(self.seq + 1)),",
        )],
    },
];
