//! What must hold of the reports of an invocation that has ended.
//!
//! Holds P9, P12 and P13.

use engine::report::{Outcome, StreamReport};

use crate::check;
use crate::promise::Promise;
use crate::schedule::SKEW_MS_MAX;
use crate::simulate::Simulation;
use crate::stack::Asked;
use crate::tally::Step;
use crate::world::lock;

impl Simulation {
    /// Looks at the reports of the invocation of worker `at`.
    pub(crate) fn look_at(&mut self, at: usize, reports: Vec<StreamReport>) {
        self.adopt_lanes();
        let mut world = lock(&self.world);
        self.last_outcomes = reports.iter().map(|report| report.outcome).collect();
        let worker = &self.workers[at];
        let (settings, since_ms) = (&worker.fleet.engine.settings, worker.invoked_ms);
        let has_paused = world.now_ms > worker.due_ms;
        let is_set_back = world.locals[at].skew_ms < -SKEW_MS_MAX;
        for report in reports {
            let collects = matches!(worker.asked, Asked::Collect | Asked::Handle(_));
            if !has_paused && !is_set_back && collects {
                let skewed = self.schedule.skewed;
                self.starved.watch(&mut world, (settings, skewed), &report, since_ms);
            }
            world.tally.step(match report.outcome {
                Outcome::Ok => Step::EndedOk,
                Outcome::Behind => Step::EndedBehind,
                Outcome::Busy => Step::EndedBusy,
                Outcome::Waiting => Step::EndedWaiting,
                Outcome::Failed => Step::EndedFailed,
            });
            check::report(&report).for_each(|wrong| world.wrong(wrong));
            let error = report.error.unwrap_or_default();
            world.say(|| format!("w{at}  ended {:?} {error}", report.outcome));
            let [first, last] = [&self.schedule.settings.queries, self.schedule.queries()];
            // A person is told that hours could not be read again.
            if (collects || worker.asked == Asked::Recover)
                && report.outcome != Outcome::Waiting
                && error.split("; ").all(|part| part.contains("JumpCloud refuses"))
                && !world.were_refused(first, since_ms)
                && !world.were_refused(last, since_ms)
            {
                let how = format_args!("no query was refused, and a run fails: {error}");
                world.wrong(Promise::Progress.broken(how));
            }
        }
    }

    /// Adds the lanes that were created beside those that were expected: a live stream may begin late.
    fn adopt_lanes(&mut self) {
        let known = &mut self.schedule.streams;
        let lanes = lock(&self.world).store.lanes();
        let new = lanes.into_iter().filter(|lane| !known.contains(lane)).collect::<Vec<_>>();
        known.extend(new);
    }

    /// Whether everything that was decided is published and no request is in progress.
    pub(crate) fn is_published(&self) -> bool {
        let world = lock(&self.world);
        let streams = self.schedule.all_streams();
        self.workers.iter().all(|worker| worker.run.is_none())
            && world.stragglers.is_empty()
            && streams.iter().all(|stream| {
                let last = world.store.last_seq(stream);
                world.store.check_published(stream, last).is_ok()
            })
    }

    /// Verifies the archive, where everything is published.
    pub(crate) fn verify(&mut self) {
        if self.is_published() {
            let problems = crate::verified::problems(&self.world);
            let mut world = lock(&self.world);
            world.tally.step(Step::Verified);
            problems.into_iter().for_each(|how| world.wrong(Promise::Verifiable.broken(how)));
        }
    }
}
