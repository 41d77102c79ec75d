//! What a schedule has, before anything happens in it.

use engine::stream::StreamId;

use crate::schedule::Schedule;
use crate::tally::{Circumstance, Tally};
use crate::truth::Truth;

/// Counts the properties of a schedule.
pub(crate) fn circumstances(schedule: &Schedule, truth: &Truth, tally: &mut Tally) {
    use Circumstance::{
        EndExclusive, EndInclusive, LaneBesideLive, OtherServices, OtherSettings, OwnAndById,
        Refusals, StackListed, StackOfOne, StackOfSeveral, TwoQueries, TwoStreams, WorkQueue,
    };
    tally.met(if truth.ways.end_inclusive { EndInclusive } else { EndExclusive });
    if schedule.organizations() > 1 {
        tally.met(TwoStreams);
    }
    if schedule.streams.iter().any(StreamId::is_lane) {
        tally.met(LaneBesideLive);
    }
    if schedule.alternates {
        tally.met(OwnAndById);
    }
    if schedule.settings.queries.len() > 1 {
        tally.met(TwoQueries);
    }
    if !schedule.refusals.is_empty() {
        tally.met(Refusals);
    }
    if let Some(stack) = &schedule.stack {
        tally.met(if stack.organizations > 1 { StackOfSeveral } else { StackOfOne });
        if stack.is_discovered {
            tally.met(StackListed);
        }
        if schedule.unusual.has_queue {
            tally.met(WorkQueue);
        }
    }
    if schedule.of_processes.len() > 1 {
        tally.met(OtherSettings);
    }
    if schedule.reconfigured.is_some() {
        tally.met(OtherServices);
    }
    truth.kinds(schedule.promised_lateness_ms()).for_each(|kind| tally.met(kind));
}
