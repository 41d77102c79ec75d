//! What few schedules have: a table that is restored as a whole, processes of two configurations side by
//! side, a work queue, and a look at what a run reads where nothing is new.

use engine::page::Query;
use serde::{Deserialize, Serialize};

use crate::chance::Chance;
use crate::schedule::Schedule;
use crate::simulate::Simulation;
use crate::tally::{Circumstance, Fault};
use crate::world::lock;

/// What is unusual in a schedule; nothing in the neutral one.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Unusual {
    /// Before which scheduled run the table is made what it was before which earlier one.
    pub(crate) table: Option<TableRestored>,
    /// Once other services are configured, some processes have these and some the former ones.
    pub(crate) services_alternate: bool,
    /// What is read is counted, once nothing is new.
    pub(crate) is_watched: bool,
    /// The runs of a stack go through a work queue.
    pub(crate) has_queue: bool,
}

/// The whole table is as it was before an earlier scheduled run.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct TableRestored {
    kept_run: u32,
    scheduled_run: u32,
}

impl Unusual {
    pub(crate) fn draw(seed: u64, schedule: &Schedule) -> Self {
        let mut chance = Chance::new(seed ^ 0x0075_ab1e);
        let is_restored = chance.percent(15);
        let kept_run = chance.below(u64::from(schedule.scheduled_runs).saturating_sub(1)) as u32;
        let later = u64::from(schedule.scheduled_runs - kept_run).saturating_sub(1);
        let scheduled_run = kept_run + 1 + chance.below(later) as u32;
        Self {
            table: is_restored.then_some(TableRestored { kept_run, scheduled_run }),
            services_alternate: chance.percent(50) && schedule.reconfigured.is_some(),
            is_watched: chance.percent(25),
            has_queue: chance.percent(50) && schedule.stack.is_some(),
        }
    }
}

impl Simulation {
    /// Restores the whole table, if that is due before a scheduled run, or keeps what it will be then.
    pub(crate) fn restore_table(&mut self, scheduled_run: u32) {
        let Some(restored) = self.schedule.unusual.table else { return };
        let mut world = lock(&self.world);
        let now_ms = world.now_ms;
        if scheduled_run == restored.kept_run {
            world.table.keep(now_ms);
        }
        if scheduled_run == restored.scheduled_run && world.table.restore_all(now_ms) {
            world.fault(Fault::TableRestored);
            world.say(|| format!("--  {restored:?}"));
        }
    }

    /// Whether a process that begins has either of two lists of services.
    fn do_services_alternate(&self) -> bool {
        let was_reconfigured = || lock(&self.world).reconfigured_ms.is_some();
        self.schedule.unusual.services_alternate && self.troubled && was_reconfigured()
    }

    /// The queries of a process that begins.
    pub(crate) fn queries_of_process(&mut self) -> Vec<Query> {
        if self.do_services_alternate() && self.variety.percent("former services", 50) {
            lock(&self.world).tally.met(Circumstance::ServicesAlternate);
            return self.schedule.settings.queries.clone();
        }
        self.queries().to_vec()
    }

    /// Whether a process has services that are not configured any more. Of those that may have either list,
    /// some are restarted.
    pub(crate) fn has_former_services(&mut self, at: usize) -> bool {
        match self.do_services_alternate() {
            true => self.variety.percent("services replaced", 30),
            false => self.workers[at].fleet.engine.settings.queries != self.queries(),
        }
    }
}
