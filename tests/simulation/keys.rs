//! A key that is replaced by one of another organization, and put back.

use std::ops::Range;

use engine::journal::assignment::OWN_KEY;
use engine::stream::Scope;

use crate::chance::Chance;
use crate::schedule::ORGANIZATIONS;
use crate::simulate::Simulation;
use crate::tally::Fault;
use crate::world::{World, lock};

/// Between which scheduled runs the key is another organization's.
pub(crate) fn draw(seed: u64, scheduled_runs: u32) -> Option<Range<u32>> {
    let mut chance = Chance::new(seed ^ 0x006b_e750);
    if !chance.percent(25) {
        return None;
    }
    let first = chance.below(u64::from(scheduled_runs)) as u32;
    Some(first..first + 1 + chance.below(8) as u32)
}

impl Simulation {
    /// Replaces the key, once it is known whose events `self` collects, or puts it back.
    pub(crate) fn replace_key(&mut self, scheduled_run: u32) {
        let Some(other) = &self.schedule.other_key else { return };
        let mut world = lock(&self.world);
        let is_wanted = other.contains(&scheduled_run);
        if is_wanted != world.has_other_key() && world.store.get("state", OWN_KEY).is_some() {
            world.key_number += 1;
            world.fault(if is_wanted { Fault::KeyReplaced } else { Fault::KeyPutBack });
            let number = world.key_number;
            world.say(|| format!("--  key {number}"));
        }
    }
}

impl World {
    /// Whether the key is another organization's now.
    pub(crate) fn has_other_key(&self) -> bool {
        !self.key_number.is_multiple_of(2)
    }

    /// The key's own organization is what it should be.
    pub(crate) fn put_key_back(&mut self) {
        self.key_number = self.key_number.next_multiple_of(2);
    }

    /// Whose events a worker's request is for: the key's own organization where it names none.
    pub(crate) fn asked_by(&self, worker: usize, scope: &Scope) -> Scope {
        let number = self.locals[worker].credential.saturating_sub(1);
        match scope {
            Scope::Own if number % 2 == 1 => Scope::Organization(ORGANIZATIONS[1].to_owned()),
            scope => scope.clone(),
        }
    }
}
