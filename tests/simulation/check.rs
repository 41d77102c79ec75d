//! What must hold of everything that happened, once it is quiet.
//!
//! Holds P1, P2, P5, P7 and P10.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use engine::journal::certificate::certificate_key;
use engine::page::Query;
use engine::report::StreamReport;
use engine::stream::{Scope, StreamId};

use crate::contents::{self, Contents};
use crate::indexed;
use crate::promise::Promise;
use crate::schedule::{ORGANIZATIONS, SKEW_MS_MAX, Schedule};
use crate::tally::Circumstance;
use crate::truth::Event;
use crate::users;
use crate::world::World;

/// Checks journal, index and archive against each other and against the truth. Returns what is wrong,
/// and what was met.
pub(crate) fn whole_history(
    world: &World,
    schedule: &Schedule,
) -> (Vec<String>, Vec<Circumstance>) {
    let (mut wrong, mut met) = (Vec::new(), Vec::new());
    for stream in schedule.all_streams().iter().filter(|stream| world.store.is_born(stream)) {
        wrong.extend(journal(world, stream).map_err(|how| Promise::Decided.broken(how)).err());
        wrong.extend(indexed::index(world, stream).err());
    }
    wrong.extend(one_stream(world, schedule).err());
    match contents::read(world, schedule) {
        Ok(contents) => {
            wrong.extend(against_truth(world, schedule, &contents));
            wrong.extend(positions(world, schedule, &contents));
            let seconds = contents.seconds.iter().sum();
            met.extend(std::iter::repeat_n(Circumstance::SecondKept, seconds));
            met.extend(contents.met);
        }
        Err(finding) => wrong.push(Promise::AsSent.broken(finding)),
    }
    let (of_users, met_users) = users::check(world, schedule);
    wrong.extend(of_users.into_iter().map(|how| Promise::Snapshots.broken(how)));
    met.extend(met_users);
    (wrong, met)
}

/// Every organization has one stream, whichever way it is configured.
fn one_stream(world: &World, schedule: &Schedule) -> Result<(), String> {
    let live = schedule.streams.iter().filter(|stream| !stream.is_lane());
    let born: Vec<_> = live.filter(|stream| world.store.is_born(stream)).collect();
    match born.len() <= schedule.organizations() {
        true => Ok(()),
        false => {
            Err(Promise::Owned.broken(format_args!("one organization has the streams {born:?}")))
        }
    }
}

/// What is wrong with the report of a run: something became of each row that was read, and nothing was
/// damaged.
pub(crate) fn report(report: &StreamReport) -> impl Iterator<Item = String> {
    let (tally, error) = (&report.tally, report.error.as_ref());
    let lost = || Promise::Accounted.broken(format_args!("nothing became of rows: {tally:?}"));
    let damaged = error.filter(|error| error.contains("damaged"));
    let damaged =
        damaged.map(|error| Promise::Told.broken(format_args!("nothing was damaged: {error}")));
    (!tally.is_whole()).then(lost).into_iter().chain(damaged)
}

/// Every entry is published, the cursor is at the last one, and no entry is missing in between. The
/// cursor of a retired lane may have been restored to an older state: no run needs it any more.
fn journal(world: &World, stream: &StreamId) -> Result<(), String> {
    let seqs: Vec<u64> =
        world.store.entries.keys().filter(|(of, _)| of == stream).map(|(_, seq)| *seq).collect();
    if !seqs.iter().copied().eq(1..=seqs.len() as u64) {
        return Err(format!("the journal of {stream} has holes: {seqs:?}"));
    }
    seqs.iter().try_for_each(|seq| {
        world.store.check_published(stream, *seq).map_err(|e| format!("it is quiet, and {e}"))
    })?;
    let at = world.cursor_number(stream, "seq").and_then(|seq| u64::try_from(seq).ok());
    // A day that is open nowhere needs no cursor: that may be lost with its last run, and one whose certificate
    // was made when its run was over never had any.
    let needs_none = at.is_none() && stream.is_lane() && !world.is_open(stream);
    if at == Some(seqs.len() as u64) || world.is_left(stream) || needs_none {
        Ok(())
    } else {
        Err(format!("{stream} is at {at:?}, its journal ends at {}", seqs.len()))
    }
}

/// Every promised event is there once, none twice, none that was not served, none that no stream
/// owns.
fn against_truth(world: &World, schedule: &Schedule, contents: &Contents) -> Vec<String> {
    let mut wrong = contents.wrong.clone();
    let born: Vec<(&StreamId, Birth)> = schedule
        .streams
        .iter()
        .filter_map(|stream| Some((stream, birth(world, stream)?)))
        .collect();
    let mut classes: HashMap<usize, (usize, Option<&Event>)> = HashMap::new();
    let mut seconds: Vec<&Event> = Vec::new();
    for (at, event) in world.truth.events.iter().enumerate() {
        let (times, promised) = classes.entry(event.class).or_default();
        *times += contents.times[at];
        match contents.seconds[at] {
            0 => {}
            1 => seconds.push(event),
            n => wrong.push(
                Promise::Once.broken(format_args!("quarantined {n} times: {}", shown(event))),
            ),
        }
        let owner = born.iter().find(|(stream, birth)| {
            let is_of = match stream.scope() {
                Scope::Organization(id) => event.organization == id,
                _ => event.organization == ORGANIZATIONS[0],
            };
            is_of && birth.owns(event)
        });
        let Some((stream, birth)) = owner else {
            if contents.times[at] > 0 && !born.is_empty() {
                let how = format_args!("archived and owned by no stream: {}", shown(event));
                wrong.push(Promise::Owned.broken(how));
            }
            continue;
        };
        let scope = stream.scope();
        let is_in = |queries: &[Query]| {
            queries.iter().any(|query| world.truth.is_asked_for(event, &scope, query))
        };
        // Of services that were added later, what had appeared by then is promised, too.
        let was_added = !is_in(&schedule.settings.queries);
        let since_ms = world.reconfigured_ms.filter(|_| was_added).unwrap_or(birth.born_ms);
        // What had appeared when a lane was asked for again, by any clock.
        let opened_ms = world.opened_ms.get(*stream).map(|ms| ms - 2 * SKEW_MS_MAX);
        let since_ms = since_ms.max(opened_ms.unwrap_or(i64::MIN));
        let is_asked_for = is_in(schedule.queries()) && !event.is_giant;
        let is_added_often = schedule.unusual.services_alternate;
        let is_remembered = match was_added || is_added_often || stream.is_lane() {
            true => world.is_young(event),
            false => world.is_remembered(event),
        };
        if is_asked_for
            && is_remembered
            && schedule.is_kept(event)
            && birth.promises(schedule, event, since_ms)
        {
            *promised = Some(event);
        }
    }
    for event in seconds {
        if classes.get(&event.class).is_none_or(|(times, _)| *times == 0) {
            let how = format_args!("quarantined as a second without a first: {}", shown(event));
            wrong.push(Promise::Accounted.broken(how));
        }
    }
    wrong.extend(lost_or_repeated(world, classes));
    wrong.sort();
    wrong
}

/// Equal rows that are not there although one of them is promised, or are there more than once.
fn lost_or_repeated<'a>(
    world: &'a World,
    classes: HashMap<usize, (usize, Option<&'a Event>)>,
) -> impl Iterator<Item = String> {
    classes.into_iter().filter_map(|(class, found)| match found {
        (0, Some(event)) => Some(Promise::Complete.broken(format_args!("lost: {}", shown(event)))),
        (times @ 2.., _) => {
            let one = world.truth.events.iter().find(|event| event.class == class);
            let event = one.map(shown).unwrap_or_default();
            Some(Promise::Once.broken(format_args!("there {times} times: {event}")))
        }
        _ => None,
    })
}

impl Birth {
    /// Whether it is this stream that archives what lies where the event does.
    fn owns(&self, event: &Event) -> bool {
        self.owned.contains(&event.own_ms())
    }

    /// Whether an event that the stream asks for since `since_ms` must be in the archive.
    fn promises(&self, schedule: &Schedule, event: &Event, since_ms: i64) -> bool {
        let lateness_ms = event.visible_ms - event.place_ms;
        let in_time =
            lateness_ms <= schedule.promised_lateness_ms() || event.visible_ms <= since_ms;
        // One that is dated ahead is left to a later reading, which may not come by there again.
        let is_met = self.owned.contains(&event.place_ms) && event.own_ms() <= event.place_ms;
        in_time && is_met && self.owns(event)
    }
}

/// Every row too large to fetch has its position in quarantine once, a query; nothing else has.
fn positions(world: &World, schedule: &Schedule, contents: &Contents) -> Vec<String> {
    let mut rows: BTreeMap<(StreamId, String), (usize, usize)> = BTreeMap::new();
    for stream in &schedule.streams {
        let Some(birth) = birth(world, stream) else { continue };
        for query in &schedule.settings.queries {
            let mut of_query: BTreeMap<String, (usize, usize)> = BTreeMap::new();
            let asked = |event: &&Event| {
                event.is_giant && world.truth.is_asked_for(event, &stream.scope(), query)
            };
            for event in world.truth.events.iter().filter(asked) {
                let time = engine::time::rfc3339(event.place_ms);
                let (all, promised) = of_query.entry(time).or_default();
                *all += usize::from(birth.owns(event));
                let is_promised = birth.promises(schedule, event, birth.born_ms);
                *promised += usize::from(is_promised && world.is_young(event));
            }
            // The first of one query and the first of another in one millisecond are one position.
            for (time, (of_all, of_promised)) in of_query {
                let (all, promised) = rows.entry((stream.clone(), time)).or_default();
                *all = of_all.max(*all);
                *promised = of_promised.max(*promised);
            }
        }
    }
    let names: BTreeSet<_> = rows.keys().chain(contents.skipped.keys()).cloned().collect();
    let wrong = names.into_iter().filter_map(|name| {
        let found = contents.skipped.get(&name).copied().unwrap_or(0);
        let (all, promised) = rows.get(&name).copied().unwrap_or((0, 0));
        let (stream, time) = name;
        (!(promised..=all).contains(&found)).then(|| {
            Promise::Accounted.broken(format_args!(
                "{stream}: {promised} to {all} at {time} cannot be fetched, {found} are in quarantine"
            ))
        })
    });
    wrong.collect()
}

/// A stream's birth, as certified.
struct Birth {
    /// The event time that the stream owns.
    owned: Range<i64>,
    born_ms: i64,
}

fn birth(world: &World, stream: &StreamId) -> Option<Birth> {
    let object = world.store.get("state", &certificate_key(stream))?;
    let certificate: serde_json::Value = serde_json::from_slice(&object.body).ok()?;
    let number = |name| certificate.get(name).and_then(serde_json::Value::as_i64);
    let owned = number("origin_ms")?..number("end_ms").unwrap_or(i64::MAX);
    Some(Birth { owned, born_ms: number("born_ms")? })
}

pub(crate) fn shown(event: &Event) -> String {
    let Event { place_ms, visible_ms, raw, .. } = event;
    let late_ms = visible_ms - place_ms;
    format!("{} at {place_ms}, visible {late_ms} ms later", String::from_utf8_lossy(raw))
}
