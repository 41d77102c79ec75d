//! Users: who is in an organization's directory, and what must hold of the snapshots of each day.
//!
//! Holds P15.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use engine::stream::{Scope, StreamId};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use libdeflater::Decompressor;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::chance::Chance;
use crate::contents::gunzip;
use crate::schedule::{ORGANIZATIONS, SKEW_MS_MAX, Schedule};
use crate::tally::Circumstance;
use crate::world::World;

/// Somebody in a directory, for a while.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct User {
    organization: usize,
    id: String,
    from_ms: i64,
    until_ms: i64,
}

/// The users of all organizations, by id; drawn where snapshots are taken.
pub(crate) fn draw(chance: &mut Chance, organizations: usize, start_ms: i64, ms: i64) -> Vec<User> {
    let mut users = Vec::new();
    for organization in 0..organizations {
        for _ in 0..chance.below(8) {
            let id = format!("{:024x}", chance.below(u64::MAX));
            let moment = |chance: &mut Chance, or| {
                if chance.percent(20) { chance.between(start_ms, start_ms + ms) } else { or }
            };
            let from_ms = moment(chance, i64::MIN);
            let until_ms = moment(chance, i64::MAX);
            users.push(User { organization, id, from_ms, until_ms });
        }
    }
    users.sort_by(|one, other| one.id.cmp(&other.id));
    users
}

/// The place of whose events or users are asked for among all organizations.
pub(crate) fn organization_of(scope: &Scope) -> usize {
    match scope {
        Scope::Organization(id) => ORGANIZATIONS.iter().position(|own| own == id).unwrap_or(0),
        _ => 0,
    }
}

impl World {
    /// The rows of a directory, as it is now. What is told of a user changes all the time; the last row
    /// is no user.
    pub(crate) fn directory(&self, scope: &Scope) -> Vec<String> {
        let organization = organization_of(scope);
        let users = self.stack.iter().flat_map(|stack| stack.users.iter().flatten());
        let is_there = |user: &&User| user.organization == organization && user.is_at(self.now_ms);
        let row = |user: &User| format!(r#"{{"_id":"{}","n":{}}}"#, user.id, self.now_ms);
        let mut rows: Vec<_> = users.filter(is_there).map(row).collect();
        if organization == 1 {
            rows.push("[1]".to_owned());
        }
        rows
    }
}

impl User {
    fn is_at(&self, ms: i64) -> bool {
        (self.from_ms..self.until_ms).contains(&ms)
    }

    /// Whether the user came or went within a time.
    fn changes(&self, time_ms: Range<i64>) -> bool {
        time_ms.contains(&self.from_ms) || time_ms.contains(&self.until_ms)
    }
}

/// One day's snapshot of a stream, as its parts have it.
#[derive(Default)]
struct Taken {
    ids: BTreeSet<String>,
    /// How many users each part holds.
    parts: BTreeMap<String, u64>,
}

/// Checks all snapshots: nobody twice on a day, nobody of another organization, and what the record of
/// a day says. Returns what is wrong, and what was met.
pub(crate) fn check(world: &World, schedule: &Schedule) -> (Vec<String>, Vec<Circumstance>) {
    let (mut wrong, mut met, mut decompressor) = (Vec::new(), Vec::new(), Decompressor::new());
    let Some(users) = world.stack.as_ref().and_then(|stack| stack.users.as_ref()) else {
        return (wrong, met);
    };
    let mut taken: BTreeMap<(StreamId, String), Taken> = BTreeMap::new();
    let mut records = Vec::new();
    for (key, object) in world.store.archived() {
        let name = key.rsplit('/').next().unwrap_or(key);
        let Some((stream, day)) = snapshot(name) else { continue };
        if key.starts_with("snapshots/") {
            records.push((key, stream, day, object));
            continue;
        }
        let organization = organization_of(&stream.scope());
        let name = format!("{stream} on {day}");
        let of_day = taken.entry((stream, day)).or_default();
        let lines = gunzip(&mut decompressor, &object.body).unwrap_or_default();
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let row: Value = serde_json::from_slice(line).unwrap_or_default();
            let id = row["_id"].as_str().unwrap_or_default().to_owned();
            if !users.iter().any(|user| user.id == id && user.organization == organization) {
                wrong.push(format!("{key} holds user {id}, who is not there"));
            }
            if !of_day.ids.insert(id.clone()) {
                wrong.push(format!("user {id} is twice in the snapshot of {name}"));
            }
            *of_day.parts.entry(key.clone()).or_default() += 1;
        }
    }
    for (key, stream, day, object) in records {
        met.push(Circumstance::SnapshotEnded);
        let record: Value = serde_json::from_slice(&object.body).unwrap_or_default();
        let organization = organization_of(&stream.scope());
        let since_ms = first_ms(&day) - SKEW_MS_MAX;
        let of_day = taken.remove(&(stream, day)).unwrap_or_default();
        wrong.extend(of_day.misstated(world, &record).map(|how| format!("{key}: {how}")));
        let own = users.iter().filter(|user| user.organization == organization);
        let is_quiet = own.clone().all(|user| !user.changes(since_ms..object.created_ms));
        let there: BTreeSet<_> =
            own.filter(|user| user.is_at(since_ms)).map(|user| user.id.clone()).collect();
        if record["complete"] == true && is_quiet && of_day.ids != there {
            let (found, all) = (of_day.ids.len(), there.len());
            wrong.push(format!("{key} says it is complete, and has {found} of {all} users"));
        }
    }
    let is_born = |stream: &&StreamId| world.store.is_born(stream);
    met.extend(schedule.users().iter().filter(is_born).map(|_| Circumstance::Users));
    (wrong, met)
}

impl Taken {
    /// What is wrong with what a record says of the snapshot.
    fn misstated(&self, world: &World, record: &Value) -> Option<String> {
        if record["users"] != self.ids.len() {
            return Some(format!(
                "it says {}, there are {} users",
                record["users"],
                self.ids.len()
            ));
        }
        let named = record["parts"].as_array().map(Vec::as_slice).unwrap_or_default();
        let parts = named.iter().map(|part| {
            let key = part["key"].as_str().unwrap_or_default().to_owned();
            (key, part["users"].as_u64().unwrap_or_default())
        });
        let parts: BTreeMap<_, _> = parts.collect();
        if parts != self.parts || parts.len() != named.len() {
            return Some(format!("it names {parts:?}, there are {:?}", self.parts));
        }
        named.iter().find_map(|part| {
            let key = part["key"].as_str().unwrap_or_default();
            let object = world.store.kept("archive", key)?;
            let sha256 = hex::encode(Sha256::digest(&object.body));
            (part["sha256"] != sha256).then(|| format!("it names {key}, which is another one"))
        })
    }
}

/// The first millisecond of a day.
fn first_ms(day: &str) -> i64 {
    let day = day.parse::<Date>().unwrap_or_default();
    day.to_zoned(TimeZone::UTC).map_or(0, |first| first.timestamp().as_millisecond())
}

/// The stream of users and the day that an object's name has, if it is of a snapshot.
fn snapshot(name: &str) -> Option<(StreamId, String)> {
    let (organization, rest) = name.split_once(".users-")?;
    let stream = StreamId::try_from(format!("{organization}.users")).ok()?;
    let day = rest.get(..10).filter(|day| day.as_bytes()[4] == b'-')?;
    Some((stream, day.to_owned()))
}
