//! JumpCloud's hourly counts, whose exactness nobody promises: in every fourth schedule they are
//! wrong for a while.

use std::collections::{BTreeMap, BTreeSet};

use engine::ports::{InsightsError, PageRequest, Services};

use crate::chance::Chance;
use crate::tally::Fault;
use crate::world::World;

/// What decides how answers are wrong, where they are; drawn apart, so that it moves no other draw.
pub(crate) fn draw(seed: u64) -> Option<Chance> {
    let mut chance = Chance::new(seed ^ 0x00c0_0a75);
    chance.percent(25).then_some(chance)
}

impl World {
    /// The count of all events of a window.
    pub(crate) fn count(
        &mut self,
        worker: usize,
        asked: &PageRequest,
    ) -> Result<u64, InsightsError> {
        self.refused(asked)?;
        let hours = self.truth.hourly(self.now_ms, &self.of_key(worker, asked));
        Ok(hours.values().sum::<i64>().unsigned_abs())
    }

    /// The counts of each hour of a window.
    pub(crate) fn hourly(
        &mut self,
        worker: usize,
        asked: &PageRequest,
    ) -> Result<BTreeMap<i64, i64>, InsightsError> {
        self.refused(asked)?;
        let mut hours = self.truth.hourly(self.now_ms, &self.of_key(worker, asked));
        let Some(choices) = self.odd_counts.as_mut() else { return Ok(hours) };
        let fault = choices.choose("counts", None, |chance| {
            let faults = [Fault::CountsWrong, Fault::CountsMissing, Fault::CountsHuge];
            (!chance.percent(60)).then(|| *chance.pick(&faults))
        });
        let Some(fault) = fault else { return Ok(hours) };
        hours.retain(|_, count| {
            match fault {
                Fault::CountsWrong => {
                    let by = |chance: &mut Chance| match chance.percent(50) {
                        true => chance.between(-3, 4),
                        false => 0,
                    };
                    *count = (*count + choices.choose("count is wrong by", 0, by)).max(0);
                }
                Fault::CountsHuge if choices.percent("count is huge", 30) => *count += 1 << 40,
                _ => {}
            }
            let is_missing = |chance: &mut Chance| !chance.percent(50);
            fault != Fault::CountsMissing || !choices.choose("count is missing", false, is_missing)
        });
        self.fault(fault);
        Ok(hours)
    }

    /// The services of a window's events, if it lists all.
    pub(crate) fn services(&mut self, worker: usize, asked: &PageRequest) -> Services {
        let choices = self.odd_counts.as_mut();
        let is_short = choices.is_some_and(|choices| choices.percent("services untold", 30));
        if is_short {
            self.fault(Fault::ServicesUntold);
            return Ok(None);
        }
        let services: BTreeSet<String> =
            self.truth.services(self.now_ms, &self.of_key(worker, asked));
        Ok(Some(services))
    }

    /// The question as the key that it is asked with asks it.
    pub(crate) fn of_key(&self, worker: usize, asked: &PageRequest) -> PageRequest {
        PageRequest { scope: self.asked_by(worker, &asked.scope), ..asked.clone() }
    }
}
