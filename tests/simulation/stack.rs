//! A stack as it is deployed: in every fourth schedule an invocation is the function's own, with the
//! organizations that are configured or listed, their open lanes, and what a person asks for.

use std::ops::Range;

use engine::fleet::discover::OrganizationSource;
use engine::settings::Settings;
use engine::stream::StreamId;
use engine::time::Window;
use engine::users::snapshot;
use serde::{Deserialize, Serialize};

use crate::chance::Chance;
use crate::schedule::{DAY, HOUR, ORGANIZATIONS, Schedule};
use crate::users::{self, User};

/// Days before the first one that lanes may be opened for.
const DAYS: i64 = 3;

/// What a person asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Asked {
    /// The schedule asks: one run over each stream.
    Collect,
    /// What was decided is published, and nothing is read.
    Recover,
    Backfill(Window),
    /// A comparison of hourly counts; hours that differ are read again.
    Audit(Window),
    Status,
    /// The work queue delivers this message.
    Handle(u64),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Stack {
    /// Of these organizations, or of the key's own.
    pub(crate) organizations: usize,
    is_own: bool,
    /// JumpCloud lists the organizations.
    pub(crate) is_discovered: bool,
    /// Who is in their directories, where daily snapshots are taken.
    pub(crate) users: Option<Vec<User>>,
    /// When each of them is gone.
    pub(crate) away_ms: Vec<Range<i64>>,
    /// Beside which scheduled run something is asked for.
    pub(crate) calls: Vec<(u32, Asked)>,
}

/// The stack of a schedule, if it has one.
pub(crate) fn draw(seed: u64, span_ms: &Range<i64>, scheduled_runs: u32) -> Option<Stack> {
    let mut chance = Chance::new(seed ^ 0x0057_ac40);
    if !chance.percent(25) {
        return None;
    }
    let organizations = *chance.pick(&[1, 1, 2, 3]);
    let is_own = organizations == 1 && chance.percent(40);
    let is_discovered = !is_own && chance.percent(50);
    let away_ms = (0..organizations).map(|_| away_ms(&mut chance, span_ms, organizations > 1));
    let away_ms = away_ms.collect();
    let ms = span_ms.end - span_ms.start;
    let takes_users = chance.percent(40);
    let users =
        takes_users.then(|| users::draw(&mut chance, organizations.max(2), span_ms.start, ms));
    let count = 1 + chance.below(6);
    let calls = (0..count).map(|_| call(&mut chance, span_ms, scheduled_runs)).collect();
    Some(Stack { organizations, is_own, is_discovered, users, away_ms, calls })
}

fn away_ms(chance: &mut Chance, span_ms: &Range<i64>, may_go: bool) -> Range<i64> {
    if !may_go || chance.percent(50) {
        return span_ms.start..span_ms.start;
    }
    let from_ms = chance.between(span_ms.start - 1, span_ms.end);
    from_ms..chance.between(from_ms, span_ms.end)
}

/// Days that overlap those of other calls: lanes are opened, more of them, and some again.
fn call(chance: &mut Chance, span_ms: &Range<i64>, scheduled_runs: u32) -> (u32, Asked) {
    let scheduled_run = chance.below(u64::from(scheduled_runs)) as u32;
    let first_ms = span_ms.start - chance.between(0, DAYS * DAY);
    let asked = match chance.below(10) {
        0..7 => {
            let end_ms = first_ms + *chance.pick(&[1, HOUR, DAY, 3 * DAY]);
            Asked::Backfill(Window::new(first_ms, end_ms))
        }
        _ => Asked::Audit(Window::new(first_ms, span_ms.end)),
    };
    (scheduled_run, asked)
}

impl Stack {
    /// The live streams, and every lane that may be opened.
    pub(crate) fn streams(&self, start_ms: i64) -> Vec<StreamId> {
        let mut streams = self.live();
        for live in self.live() {
            // A call's days end at most so long after the start, and a live stream may begin later.
            streams.extend((-DAYS..=DAYS).filter_map(|day| live.lane(start_ms - day * DAY)));
        }
        streams
    }

    fn live(&self) -> Vec<StreamId> {
        let ids = &ORGANIZATIONS[..self.organizations];
        match self.is_own {
            true => vec![StreamId::own()],
            false => ids.iter().filter_map(|id| StreamId::of_organization(id)).collect(),
        }
    }

    /// Sets what a stack's settings depend on.
    pub(crate) fn configure(&self, settings: &mut Settings) {
        settings.names_organizations = !self.is_own;
        settings.system_users = self.users.is_some().then(snapshot::usual);
    }

    /// Where a process that begins at `now_ms` has its organizations from. Without a list those are
    /// configured that are not gone, and one at least.
    pub(crate) fn source(&self, now_ms: i64) -> OrganizationSource {
        if self.is_discovered {
            return OrganizationSource::Administrator;
        }
        let live = self.live();
        let is_here = |at: &usize| !self.away_ms[*at].contains(&now_ms);
        let here: Vec<_> = (0..live.len()).filter(is_here).map(|at| live[at].clone()).collect();
        OrganizationSource::Named(if here.is_empty() { live[..1].to_vec() } else { here })
    }

    /// From `now_ms` on nothing is gone.
    pub(crate) fn end_absences(&mut self, now_ms: i64) {
        self.away_ms.iter_mut().for_each(|away| away.end = away.end.min(now_ms));
    }
}

impl Schedule {
    /// The streams of users.
    pub(crate) fn users(&self) -> Vec<StreamId> {
        let takes_users = self.settings.system_users.is_some();
        let live = self.streams.iter().filter(|_| takes_users);
        live.filter_map(StreamId::users).collect()
    }

    /// Every stream there may be.
    pub(crate) fn all_streams(&self) -> Vec<StreamId> {
        [self.streams.clone(), self.users()].concat()
    }

    /// What is asked for beside a scheduled run.
    pub(crate) fn asked(&self, scheduled_run: u32) -> Vec<Asked> {
        let calls = self.calls().iter();
        calls.filter(|(run, _)| *run == scheduled_run).map(|(_, asked)| *asked).collect()
    }

    /// What is asked for beside the scheduled runs.
    pub(crate) fn calls(&self) -> &[(u32, Asked)] {
        self.stack.as_ref().map_or(&[], |stack| &stack.calls)
    }
}
