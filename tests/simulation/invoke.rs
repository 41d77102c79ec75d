//! Invocations: what a process is asked for, and the runs that it makes.

use std::sync::Arc;

use engine::collect::{Inquiry, RunPurpose};
use engine::fleet::collectors::collectors;
use engine::fleet::dispatch::{Fleet, collect};
use engine::read::Budget;
use engine::report::{StreamReport, View};
use engine::stream::StreamId;
use engine::task::audit::{AuditRequest, audit};
use engine::task::backfill::{BackfillRequest, LaneState, backfill};
use engine::time::Window;
use futures_util::future::LocalBoxFuture;

use crate::healthy::{ask_status, keep_metrics};
use crate::messages::handle;
use crate::simulate::{Simulation, WORKERS_MAX};
use crate::stack::Asked;
use crate::tally::Step;
use crate::turn::turn;
use crate::world::{Shared, lock};

/// The reports of an invocation.
pub(crate) type Invocation = LocalBoxFuture<'static, Vec<StreamReport>>;

impl Simulation {
    /// Begins an invocation on an idle worker.
    pub(crate) fn invoke(&mut self, asked: Asked) {
        if self.workers.iter().all(|worker| worker.run.is_some())
            && self.workers.len() < WORKERS_MAX
        {
            self.add_worker();
        }
        let idle: Vec<usize> =
            (0..self.workers.len()).filter(|at| self.workers[*at].run.is_none()).collect();
        if idle.is_empty() {
            return;
        }
        let at = idle[self.chance.one_of("worker", idle.len())];
        self.invoke_on(at, asked);
    }

    /// Begins an invocation on this worker, which is idle.
    pub(crate) fn invoke_on(&mut self, at: usize, asked: Asked) {
        if self.is_outdated(at) {
            self.restart(at);
        }
        let started_ms = {
            let mut world = lock(&self.world);
            self.workers[at].due_ms = world.now_ms + self.schedule.run_ms;
            self.workers[at].invoked_ms = world.now_ms;
            self.workers[at].asked = asked;
            world.tally.runs += 1;
            world.say(|| format!("w{at}  invoked: {asked:?}"));
            world.now_ms + world.locals[at].skew_ms
        };
        let budget = Budget { started_ms, deadline_ms: started_ms + self.schedule.run_ms };
        let fleet = Arc::clone(&self.workers[at].fleet);
        let world = Arc::clone(&self.world);
        self.workers[at].run = Some(match asked {
            Asked::Backfill(window) => open_lanes(world, fleet, window, budget),
            Asked::Audit(window) => compare(world, fleet, window, budget),
            Asked::Status => ask_status(world, fleet, budget),
            Asked::Handle(id) => handle(world, fleet, id, budget),
            Asked::Collect if self.schedule.stack.is_some() => collect_all(world, fleet, budget),
            Asked::Collect | Asked::Recover => self.runs(fleet, asked == Asked::Recover, budget),
        });
        self.poll(at);
    }

    /// Whether a process has a configuration that was replaced.
    fn is_outdated(&mut self, at: usize) -> bool {
        let now_ms = lock(&self.world).now_ms;
        let stack = self.schedule.stack.as_ref();
        let organizations = &self.workers[at].fleet.organizations;
        stack.is_some_and(|stack| stack.source(now_ms) != *organizations)
            || self.has_former_services(at)
    }

    /// One run over each stream of the schedule.
    fn runs(&self, fleet: Arc<Fleet>, recover_only: bool, budget: Budget) -> Invocation {
        let streams: Vec<(StreamId, bool)> = {
            let world = lock(&self.world);
            let due = |stream: &&StreamId| recover_only || !world.is_over(stream);
            let goal = |s: &StreamId| (s.clone(), recover_only || world.is_finished(s));
            let users = if recover_only { self.schedule.users() } else { Vec::new() };
            let streams = self.schedule.streams.iter().chain(&users);
            streams.filter(due).map(goal).collect()
        };
        let configured = self.schedule.configured(fleet.engine.settings.names_organizations);
        Box::pin(async move {
            let (engine, mut reports) = (&fleet.engine, Vec::new());
            let collected = collectors(engine, &configured, Inquiry::Events, budget).await;
            let collected = match collected {
                Ok(collected) => collected,
                Err(error) => return vec![StreamReport::failed(configured[0].clone(), &error)],
            };
            for (done, (stream, is_recovery)) in streams.iter().enumerate() {
                let budget = budget.share(engine.clock.now_ms(), streams.len() - done);
                let is_recovery = *is_recovery || !collected.contains(&stream.live());
                let goal = if is_recovery { RunPurpose::Recover } else { RunPurpose::Collect };
                reports.push(turn(engine, stream, goal, budget).await);
            }
            reports
        })
    }
}

/// What the function does when its schedule invokes it.
fn collect_all(world: Shared, fleet: Arc<Fleet>, budget: Budget) -> Invocation {
    Box::pin(async move {
        match collect(&fleet, budget).await {
            Ok(report) => {
                keep_metrics(&world, &fleet, &report, View::Fleet(&report.statuses_before));
                report.streams
            }
            Err(error) => vec![StreamReport::failed(StreamId::own(), &error)],
        }
    })
}

fn open_lanes(world: Shared, fleet: Arc<Fleet>, window: Window, budget: Budget) -> Invocation {
    Box::pin(async move {
        let since_ms = lock(&world).now_ms;
        let request = BackfillRequest { window, organizations: None, plan: false, after: None };
        let Ok(answer) = backfill(&fleet, &request, budget).await else { return Vec::new() };
        let mut world = lock(&world);
        for lane in answer.lanes.into_iter().filter(|lane| lane.is_open()) {
            world.tally.step(match lane.state {
                LaneState::Reopened => Step::LaneReopened,
                LaneState::Opened => Step::LaneOpened,
                _ => Step::LaneKnown,
            });
            let opened_ms = world.opened_ms.entry(lane.stream).or_insert(since_ms);
            *opened_ms = since_ms.max(*opened_ms);
        }
        answer.report.streams
    })
}

fn compare(world: Shared, fleet: Arc<Fleet>, window: Window, budget: Budget) -> Invocation {
    Box::pin(async move {
        let request = AuditRequest { window, repair: true, by_service: false };
        let audited = audit(&fleet.engine, &fleet.organizations, request, budget).await;
        let Ok(audited) = audited else { return Vec::new() };
        let mut world = lock(&world);
        world.tally.step(Step::Audited);
        let repairs = audited.streams.into_iter().filter_map(|line| line.repair);
        repairs.inspect(|_| world.tally.step(Step::Repaired)).collect()
    })
}
