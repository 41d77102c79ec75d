//! What the archive holds, row by row: each object as the settings of one process write it.
//!
//! Holds P3.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use engine::settings::Settings;
use engine::stream::{Scope, StreamId};
use libdeflater::Decompressor;

use crate::check::shown;
use crate::promise::Promise;
use crate::schedule::{ORGANIZATIONS, Schedule};
use crate::tally::Circumstance;
use crate::truth::Event;
use crate::world::World;

/// Lines of the archive.
pub(crate) struct Contents {
    /// How often each row of the truth is there.
    pub(crate) times: Vec<usize>,
    /// How often it is in quarantine because another row has its identity.
    pub(crate) seconds: Vec<usize>,
    /// Rows that were not fetched, by stream and time.
    pub(crate) skipped: BTreeMap<(StreamId, String), usize>,
    pub(crate) wrong: Vec<String>,
    pub(crate) met: Vec<Circumstance>,
}

/// Where rows of the truth are by their bytes, as one process writes them.
struct Written<'a> {
    settings: &'a Settings,
    rows: HashMap<Vec<u8>, Vec<usize>>,
}

/// Reads everything there ever was in the archive.
pub(crate) fn read(world: &World, schedule: &Schedule) -> Result<Contents, String> {
    let raw = world.truth.by_line();
    let written: Vec<_> = schedule.of_processes.iter().map(|s| Written::of(world, s)).collect();
    let mut decompressor = Decompressor::new();
    let mut contents = Contents {
        times: vec![0; world.truth.events.len()],
        seconds: vec![0; world.truth.events.len()],
        skipped: BTreeMap::new(),
        wrong: Vec::new(),
        met: Vec::new(),
    };
    for (key, object) in world.store.archived() {
        let name = key.rsplit('/').next().unwrap_or(key);
        if name.contains(".users-") {
            continue;
        }
        let is_named = |stream: &&StreamId| {
            name.strip_prefix(stream.as_str()).is_some_and(|rest| rest.starts_with('-'))
        };
        let stream = schedule.streams.iter().find(is_named);
        let stream = stream.ok_or_else(|| format!("{key} is of no stream"))?;
        let lines =
            gunzip(&mut decompressor, &object.body).ok_or_else(|| format!("{key} is no gzip"))?;
        let Some(lines) = lines.strip_suffix(b"\n") else {
            contents
                .wrong
                .push(Promise::AsSent.broken(format_args!("{key} does not end with a line feed")));
            continue;
        };
        match key.starts_with("quarantine/") {
            true => contents.quarantined(world, &raw, key, lines, stream),
            false => contents.archived(world, &written, key, lines, stream),
        }
    }
    Ok(contents)
}

impl Contents {
    fn quarantined(
        &mut self,
        world: &World,
        raw: &HashMap<Vec<u8>, Vec<usize>>,
        key: &str,
        lines: &[u8],
        stream: &StreamId,
    ) {
        for line in lines.split(|byte| *byte == b'\n') {
            let (row, is_second) = match quarantined(line) {
                Quarantined::Row(row) => (row, false),
                // What is quarantined is as it came.
                Quarantined::Second(row) => {
                    (row.into_iter().filter(|byte| *byte != b'\n').collect(), true)
                }
                Quarantined::Position(time) => {
                    *self.skipped.entry((stream.clone(), time)).or_default() += 1;
                    continue;
                }
            };
            let rows = raw.get(&row).map(Vec::as_slice).unwrap_or_default();
            let Some(at) = rows.iter().copied().find(|at| is_of(world, stream, *at)) else {
                let line = String::from_utf8_lossy(line);
                self.wrong.push(
                    Promise::AsSent.broken(format_args!("{key} holds what never was: {line}")),
                );
                continue;
            };
            if is_second {
                self.seconds[at] += 1;
                continue;
            }
            if !world.truth.events[at].is_broken {
                let event = shown(&world.truth.events[at]);
                self.wrong.push(Promise::Accounted.broken(format_args!("{key} holds {event}")));
            }
            self.found(world, rows, at);
        }
    }

    /// An object is as one process writes it: its key, which rows it holds, and their lines.
    fn archived(
        &mut self,
        world: &World,
        written: &[Written<'_>],
        key: &str,
        lines: &[u8],
        stream: &StreamId,
    ) {
        let mut wrong = None;
        for (number, written) in written.iter().enumerate() {
            match written.read(world, key, lines, stream) {
                Ok(rows) => {
                    let found = |rows: &&[usize]| {
                        rows.iter().find(|at| is_of(world, stream, **at)).copied()
                    };
                    let each = rows.iter().filter_map(|rows| Some((*rows, found(rows)?)));
                    let each: Vec<_> = each.collect();
                    self.wrong.extend(unsorted(world, key, each.iter().map(|(_, at)| *at)));
                    each.into_iter().for_each(|(rows, at)| self.found(world, rows, at));
                    if number > 0 {
                        self.met.push(Circumstance::OtherFormat);
                    }
                    return;
                }
                Err(finding) => wrong = wrong.or(Some(finding)),
            }
        }
        self.wrong.extend(wrong.map(|how| Promise::AsSent.broken(how)));
    }

    fn found(&mut self, world: &World, rows: &[usize], at: usize) {
        self.times[at] += 1;
        if !rows.iter().any(|at| world.truth.events[*at].served) {
            let event = shown(&world.truth.events[at]);
            self.wrong
                .push(Promise::AsSent.broken(format_args!("archived and never served: {event}")));
        }
    }
}

impl<'a> Written<'a> {
    fn of(world: &World, settings: &'a Settings) -> Self {
        let mut rows: HashMap<Vec<u8>, Vec<usize>> = HashMap::new();
        for (at, event) in world.truth.events.iter().enumerate().filter(|(_, e)| !e.is_broken) {
            let (mut line, at_ms) = (Vec::new(), event.time_ns.map_or(0, engine::time::floor_ms));
            settings.output.write_line(&mut line, &event.raw, at_ms);
            line.pop();
            let line = if event.time_ns.is_none() { without_time(line) } else { line };
            rows.entry(line).or_default().push(at);
        }
        Self { settings, rows }
    }

    /// The rows of an object that was written with these settings, or what speaks against that: of
    /// each line those that it may be.
    fn read(
        &self,
        world: &World,
        key: &str,
        lines: &[u8],
        stream: &StreamId,
    ) -> Result<Vec<&[usize]>, String> {
        let mut found = Vec::new();
        for line in lines.split(|byte| *byte == b'\n') {
            let rows = self.rows.get(line);
            let rows = rows.or_else(|| self.rows.get(&without_time(line.to_vec())));
            let at = rows.and_then(|rows| rows.iter().find(|at| is_of(world, stream, **at)));
            let (Some(rows), Some(at)) = (rows, at) else {
                let line = String::from_utf8_lossy(line);
                return Err(format!("{key} holds what never was: {line}"));
            };
            let event = &world.truth.events[*at];
            if !self.is_kept(event) {
                return Err(format!("{key} holds what is filtered: {}", shown(event)));
            }
            self.place(event, key)?;
            found.push(rows.as_slice());
        }
        Ok(found)
    }

    fn is_kept(&self, event: &Event) -> bool {
        self.settings.filter.as_ref().is_none_or(|filter| filter.keeps(&event.raw))
    }

    /// Whether a row is in its partition. Of one whose time cannot be read the date is not known.
    fn place(&self, event: &Event, key: &str) -> Result<(), String> {
        let Settings { archive_prefix, layout, .. } = self.settings;
        let ms = event.time_ns.map_or(0, engine::time::floor_ms);
        let folders = layout.folders(&layout.partition(event.label(), ms, event.organization));
        let (own, folders) =
            (&key[..=key.rfind('/').unwrap_or(0)], format!("{archive_prefix}{folders}"));
        let digits = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "0");
        let is_there = match event.time_ns {
            Some(_) => own == folders,
            None => digits(own) == digits(&folders),
        };
        if is_there { Ok(()) } else { Err(format!("{key} holds an event of {folders}")) }
    }
}

/// Whether a row may be one of a stream's.
fn is_of(world: &World, stream: &StreamId, at: usize) -> bool {
    match stream.scope() {
        Scope::Organization(id) => world.truth.events[at].organization == id,
        _ => world.truth.events[at].organization == ORGANIZATIONS[0],
    }
}

fn unsorted(world: &World, key: &str, rows: impl Iterator<Item = usize>) -> Option<String> {
    let times: Vec<_> = rows.filter_map(|at| world.truth.events[at].time_ns).collect();
    let how = format_args!("{key} is not sorted by time");
    (!times.is_sorted()).then(|| Promise::AsSent.broken(how))
}

/// A document without its time: where the event's cannot be read, it is that of the collection.
fn without_time(mut line: Vec<u8>) -> Vec<u8> {
    const NAME: &[u8] = b"\"@timestamp\":\"";
    let at = line.windows(NAME.len()).position(|part| part == NAME);
    let time = at.map(|at| at + NAME.len()..at + NAME.len() + "2026-11-21T08:00:00.000Z".len());
    if let Some(time) = time.filter(|time| time.end <= line.len()) {
        line.drain(time);
    }
    line
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

pub(crate) fn gunzip(decompressor: &mut Decompressor, gzip: &[u8]) -> Option<Vec<u8>> {
    let length =
        gzip.len().checked_sub(4).map(|at| u32::from_le_bytes(gzip[at..].try_into().unwrap()))?;
    let mut raw = vec![0; length as usize];
    decompressor.gzip_decompress(gzip, &mut raw).ok().filter(|length| *length == raw.len())?;
    Some(raw)
}
