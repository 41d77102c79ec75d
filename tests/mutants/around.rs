//! Streams, lanes, keys, lists and users.

use crate::list::Mutant;

pub(crate) const AROUND: &[Mutant] = &[
    Mutant {
        name: "a recovery that gives birth",
        breaks: "P9",
        edits: &[(
            "src/engine/collect/claim.rs",
            "RunPurpose::Recover => self.ensure_rebuilt(stream).await?,",
            "RunPurpose::Recover => self.ensure_created(stream, meter, budget).await?,",
        )],
    },
    Mutant {
        name: "who collects an organization not looked up",
        breaks: "P7",
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
        name: "a recovery that closes a lane which was not begun",
        breaks: "P1",
        edits: &[(
            "src/engine/collect/run.rs",
            "&& request.purpose != RunPurpose::Recover",
            "&& request.purpose != RunPurpose::Snapshot",
        )],
    },
    Mutant {
        name: "an open lane that is not run",
        breaks: "P14",
        edits: &[(
            "src/engine/fleet/lanes.rs",
            "return !is_noted || lease::is_retired(item, now_ms);",
            "return !is_noted;",
        )],
    },
    Mutant {
        name: "one page of a list taken for all of it",
        breaks: "P13",
        edits: &[(
            "src/engine/page/list.rs",
            "_ if self.skip >= total => Ok(Next::End),",
            "1.. => Ok(Next::End),
            _ if self.skip >= total => Ok(Next::End),",
        )],
    },
    Mutant {
        name: "users who were archived today archived again",
        breaks: "P15",
        edits: &[(
            "src/engine/collect/users.rs",
            "if self.batch.contains(&identity) || self.writer.slots.contains(slot, &identity) {",
            "if self.batch.contains(&identity) {",
        )],
    },
    Mutant {
        name: "a key of another organization not noticed",
        breaks: "P7",
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
    Mutant {
        name: "a completion record without the last part",
        breaks: "P15",
        edits: &[(
            "src/engine/collect/users.rs",
            "let mut state = self.with(self.numbered(snapshot));",
            "let mut state = self.with(snapshot);",
        )],
    },
    Mutant {
        name: "a verification that looks for what has expired",
        breaks: "P12",
        edits: &[(
            "src/engine/task/verify/slots.rs",
            "let is_kept = seq_of_slot(key).is_none_or(|seq| seq >= kept.seq);",
            "let is_kept = seq_of_slot(key).is_none_or(|seq| seq >= kept.seq || kept.seq > 0);",
        )],
    },
];
