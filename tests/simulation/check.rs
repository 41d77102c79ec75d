//! What must hold of everything that happened, once it is quiet.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;

use base64::Engine as _;
use engine::identity::Slot;
use engine::journal::certificate::certificate_key;
use engine::journal::{SlotIds, slot_prefix};
use engine::page::Query;
use engine::report::StreamReport;
use engine::stream::{Scope, StreamId};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use libdeflater::Decompressor;

use crate::schedule::{DAY, Schedule};
use crate::truth::Event;
use crate::world::World;

/// Checks journal, index and archive against each other and against the truth. Returns what is wrong,
/// and how many rows are in quarantine because another one has their identity.
pub(crate) fn whole_history(world: &World, schedule: &Schedule) -> (Vec<String>, usize) {
    let (mut wrong, mut seconds) = (Vec::new(), 0);
    for stream in schedule.streams.iter().filter(|stream| world.store.is_born(stream)) {
        wrong.extend(journal(world, stream).err());
        wrong.extend(index(world, stream).err());
    }
    wrong.extend(one_stream(world, schedule).err());
    match archive(world, schedule) {
        Ok(contents) => {
            wrong.extend(against_truth(world, schedule, &contents));
            wrong.extend(positions(world, schedule, &contents));
            seconds = contents.seconds.iter().sum();
        }
        Err(finding) => wrong.push(finding),
    }
    (wrong, seconds)
}

/// Every organization has one stream, whichever way it is configured.
fn one_stream(world: &World, schedule: &Schedule) -> Result<(), String> {
    let live = schedule.streams.iter().filter(|stream| !stream.is_lane());
    let born: Vec<_> = live.filter(|stream| world.store.is_born(stream)).collect();
    match born.len() <= schedule.organizations() {
        true => Ok(()),
        false => Err(format!("one organization has the streams {born:?}")),
    }
}

/// What is wrong with the report of a run: something became of each row that was read, and nothing was
/// damaged.
pub(crate) fn report(report: &StreamReport) -> impl Iterator<Item = String> {
    let (tally, error) = (&report.tally, report.error.as_ref());
    let lost = || format!("rows were read and nothing became of them: {tally:?}");
    let damaged = error.filter(|error| error.contains("damaged"));
    let damaged = damaged.map(|error| format!("nothing was damaged, and a run says: {error}"));
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
    let was_restored = world.table.was_restored(stream) && world.is_over(stream);
    if at == Some(seqs.len() as u64) || was_restored {
        Ok(())
    } else {
        Err(format!("{stream} is at {at:?}, its journal ends at {}", seqs.len()))
    }
}

/// The index is the fold of the journal: nothing else, and nothing less.
fn index(world: &World, stream: &StreamId) -> Result<(), String> {
    let mut slots: HashMap<Slot, (Option<String>, SlotIds)> = HashMap::new();
    let mut keys = HashSet::new();
    for ((_, seq), entry) in world.store.entries.iter().filter(|((of, _), _)| of == stream) {
        let day = u32::try_from(entry.header.decided_ms / DAY).unwrap();
        for (record, slot, new) in entry.slots() {
            let (base, ids) = slots.entry(slot).or_insert_with(|| (None, SlotIds::empty(slot)));
            if record.base != *base {
                return Err(format!(
                    "entry {seq} builds on {:?}, the fold on {base:?}",
                    record.base
                ));
            }
            if let Some(twice) = new.iter().find(|id| ids.contains(id)) {
                return Err(format!("identity {twice:?} is decided again in entry {seq}"));
            }
            *ids = ids.with(&new, day);
            *base = Some(record.key.clone());
            let stored = world.store.get("state", &record.key).map(|object| &object.body[..]);
            if stored != Some(ids.bytes()) {
                return Err(format!("{} is not the fold of the journal", record.key));
            }
            keys.insert(record.key.clone());
        }
    }
    let prefix = slot_prefix(stream, Slot::Unplaced).replace("unplaced/", "");
    let strange = world.store.state_below(&prefix).find(|(key, _)| !keys.contains(*key));
    strange.map_or(Ok(()), |(key, _)| Err(format!("{key} is of no entry")))
}

/// Lines of the archive.
struct Contents {
    /// How often each row of the truth is there.
    times: Vec<usize>,
    /// How often it is in quarantine because another row has its identity.
    seconds: Vec<usize>,
    /// Rows that were not fetched, by stream and time.
    skipped: BTreeMap<(StreamId, String), usize>,
    wrong: Vec<String>,
}

/// Reads everything there ever was in the archive.
fn archive(world: &World, schedule: &Schedule) -> Result<Contents, String> {
    let by_line = world.truth.by_line();
    let mut decompressor = Decompressor::new();
    let mut contents = Contents {
        times: vec![0; world.truth.events.len()],
        seconds: vec![0; world.truth.events.len()],
        skipped: BTreeMap::new(),
        wrong: Vec::new(),
    };
    for (key, object) in world.store.archived() {
        let lines =
            gunzip(&mut decompressor, &object.body).ok_or_else(|| format!("{key} is no gzip"))?;
        let named = schedule.streams.iter().filter(|stream| key.contains(stream.as_str()));
        let stream = named.max_by_key(|stream| stream.as_str().len());
        let stream = stream.ok_or_else(|| format!("{key} is of no stream"))?;
        contents.object(world, &by_line, key, &lines, stream);
    }
    Ok(contents)
}

impl Contents {
    fn object(
        &mut self,
        world: &World,
        by_line: &HashMap<Vec<u8>, Vec<usize>>,
        key: &str,
        lines: &[u8],
        stream: &StreamId,
    ) {
        let organization = match stream.scope() {
            Scope::Organization(id) => Some(id),
            _ => None,
        };
        if lines.last() != Some(&b'\n') {
            self.wrong.push(format!("{key} does not end with a line feed"));
            return;
        }
        let mut before = i128::MIN;
        for line in lines[..lines.len() - 1].split(|byte| *byte == b'\n') {
            let (row, is_second) = match key.starts_with("quarantine/").then(|| quarantined(line)) {
                Some(Quarantined::Row(row)) => (row, false),
                Some(Quarantined::Second(row)) => (row, true),
                Some(Quarantined::Position(time)) => {
                    *self.skipped.entry((stream.clone(), time)).or_default() += 1;
                    continue;
                }
                None => (line.to_vec(), false),
            };
            // What is quarantined is as it came.
            let as_line: Vec<u8> = match is_second {
                true => row.iter().copied().filter(|byte| *byte != b'\n').collect(),
                false => row,
            };
            let found = by_line.get(&as_line).and_then(|rows| {
                rows.iter().find(|at| {
                    organization
                        .as_ref()
                        .is_none_or(|id| world.truth.events[**at].organization == id)
                })
            });
            let Some(at) = found else {
                self.wrong
                    .push(format!("{key} holds what never was: {}", String::from_utf8_lossy(line)));
                continue;
            };
            let event = &world.truth.events[*at];
            if is_second {
                self.seconds[*at] += 1;
                continue;
            }
            self.times[*at] += 1;
            if !by_line[&as_line].iter().any(|at| world.truth.events[*at].served) {
                self.wrong.push(format!("archived and never served: {}", shown(event)));
            }
            self.wrong.extend(misplaced(event, key));
            if let Some(ns) = event.time_ns {
                if ns < before {
                    self.wrong.push(format!("{key} is not sorted by time"));
                }
                before = ns;
            }
        }
    }
}

/// What is wrong with the partition of a row.
fn misplaced(event: &Event, key: &str) -> Option<String> {
    let folder = if event.is_broken {
        "quarantine/".to_owned()
    } else {
        let date = event.time_ns.map(|ns| {
            let time = Timestamp::from_nanosecond(ns).unwrap();
            format!("{}/", TimeZone::UTC.to_datetime(time).date())
        });
        format!("events/service={}/date={}", event.label(), date.unwrap_or_default())
    };
    (!key.starts_with(&folder)).then(|| format!("{key} holds an event of {folder}"))
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
            n => wrong.push(format!("SECOND {n} times: {}", shown(event))),
        }
        let owner = born.iter().find(|(stream, birth)| {
            let is_of = match stream.scope() {
                Scope::Organization(id) => event.organization == id,
                _ => true,
            };
            is_of && birth.owns(event)
        });
        let Some((stream, birth)) = owner else {
            if contents.times[at] > 0 && !born.is_empty() {
                wrong.push(format!("archived and owned by no stream: {}", shown(event)));
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
        let is_asked_for = is_in(schedule.queries()) && !event.is_giant;
        if is_asked_for && birth.promises(schedule, event, since_ms) {
            *promised = Some(event);
        }
    }
    for event in seconds {
        if classes.get(&event.class).is_none_or(|(times, _)| *times == 0) {
            wrong.push(format!("SECOND without a first: {}", shown(event)));
        }
    }
    for (class, (times, promised)) in classes {
        match (times, promised) {
            (0, Some(event)) => wrong.push(format!("LOST: {}", shown(event))),
            (2.., _) => {
                let one = world.truth.events.iter().find(|event| event.class == class);
                wrong.push(format!("TWICE ({times}): {}", one.map(shown).unwrap_or_default()));
            }
            _ => {}
        }
    }
    wrong.sort();
    wrong
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
                *promised += usize::from(birth.promises(schedule, event, birth.born_ms));
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
            format!("{stream}: {promised} to {all} at {time} cannot be fetched, {found} are in quarantine")
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

fn shown(event: &Event) -> String {
    let Event { place_ms, visible_ms, raw, .. } = event;
    let late_ms = visible_ms - place_ms;
    format!("{} at {place_ms}, visible {late_ms} ms later", String::from_utf8_lossy(raw))
}

/// What a line of the quarantine represents.
enum Quarantined {
    Row(Vec<u8>),
    /// A row under whose identity another one is archived.
    Second(Vec<u8>),
    /// A row that was not fetched, by time.
    Position(String),
}

fn quarantined(line: &[u8]) -> Quarantined {
    let record: serde_json::Value = serde_json::from_slice(line).unwrap_or_default();
    let text = |name| record.get(name).and_then(serde_json::Value::as_str);
    match text("bytes") {
        Some(bytes) => {
            let row = base64::engine::general_purpose::STANDARD.decode(bytes).unwrap_or_default();
            match text("reason").unwrap_or_default().contains("same identity") {
                true => Quarantined::Second(row),
                false => Quarantined::Row(row),
            }
        }
        None => {
            // event 0 of all at 2026-11-21T08:00:00.000Z was not fetched: …
            let words: Vec<_> = text("reason").unwrap_or_default().split(' ').collect();
            Quarantined::Position((*words.get(5).unwrap_or(&"")).to_owned())
        }
    }
}

fn gunzip(decompressor: &mut Decompressor, gzip: &[u8]) -> Option<Vec<u8>> {
    let length =
        gzip.len().checked_sub(4).map(|at| u32::from_le_bytes(gzip[at..].try_into().unwrap()))?;
    let mut raw = vec![0; length as usize];
    decompressor.gzip_decompress(gzip, &mut raw).ok().filter(|length| *length == raw.len())?;
    Some(raw)
}
