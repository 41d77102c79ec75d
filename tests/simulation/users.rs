//! Users: who is in an organization's directory, and what must hold of the snapshots of each day.

use std::collections::BTreeSet;

use engine::stream::{Scope, StreamId};
use libdeflater::Decompressor;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::chance::Chance;
use crate::contents::gunzip;
use crate::schedule::{ORGANIZATIONS, Schedule};
use crate::tally::Circumstance;
use crate::world::World;

/// Somebody in a directory, for a while.
#[derive(Clone, Debug)]
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

fn organization_of(scope: &Scope) -> usize {
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
}

/// Checks all snapshots: nobody twice on a day, nobody of another organization, and what the record of
/// a day says. Returns what is wrong, and what was met.
pub(crate) fn check(world: &World, schedule: &Schedule) -> (Vec<String>, Vec<Circumstance>) {
    let (mut wrong, mut met, mut decompressor) = (Vec::new(), Vec::new(), Decompressor::new());
    let Some(users) = world.stack.as_ref().and_then(|stack| stack.users.as_ref()) else {
        return (wrong, met);
    };
    let mut found: BTreeSet<(String, String)> = BTreeSet::new();
    let mut records = Vec::new();
    for (key, object) in world.store.archived() {
        let name = key.rsplit('/').next().unwrap_or(key);
        let Some((stream, day)) = snapshot(name) else { continue };
        if key.starts_with("snapshots/") {
            records.push((key, stream, day, &object.body));
            continue;
        }
        let lines = gunzip(&mut decompressor, &object.body).unwrap_or_default();
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let row: Value = serde_json::from_slice(line).unwrap_or_default();
            let id = row["_id"].as_str().unwrap_or_default().to_owned();
            let organization = organization_of(&stream.scope());
            if !users.iter().any(|user| user.id == id && user.organization == organization) {
                wrong.push(format!("{key} holds user {id}, who is not there"));
            }
            if !found.insert((format!("{stream} on {day}"), id.clone())) {
                wrong.push(format!("user {id} is twice in the snapshot of {stream} on {day}"));
            }
        }
    }
    for (key, stream, day, body) in records {
        met.push(Circumstance::SnapshotEnded);
        let record: Value = serde_json::from_slice(body).unwrap_or_default();
        let name = format!("{stream} on {day}");
        let count = found.iter().filter(|(of, _)| *of == name).count();
        if record["users"] != count {
            wrong.push(format!("{key} says {}, there are {count} users", record["users"]));
        }
        let parts = record["parts"].as_array().cloned().unwrap_or_default();
        wrong.extend(parts.iter().filter_map(|part| misstated(world, key, part)));
        // Who is there all the time is in each snapshot that is complete.
        let organization = organization_of(&stream.scope());
        let own = || users.iter().filter(|user| user.organization == organization);
        let is_still = |user: &User| user.from_ms == i64::MIN && user.until_ms == i64::MAX;
        if record["complete"] == true && own().all(is_still) && count != own().count() {
            wrong.push(format!("{key} says it is complete, and has {count} users"));
        }
    }
    let is_born = |stream: &&StreamId| world.store.is_born(stream);
    met.extend(schedule.users().iter().filter(is_born).map(|_| Circumstance::Users));
    (wrong, met)
}

/// What is wrong with what a record says of a part.
fn misstated(world: &World, key: &str, part: &Value) -> Option<String> {
    let named = part["key"].as_str().unwrap_or_default();
    let object = world.store.kept("archive", named);
    let sha256 = object.map(|object| hex::encode(Sha256::digest(&object.body)));
    let is_true = sha256.is_some() && sha256.as_deref() == part["sha256"].as_str();
    (!is_true).then(|| format!("{key} names {named}, which is another one"))
}

/// The stream of users and the day that an object's name has, if it is of a snapshot.
fn snapshot(name: &str) -> Option<(StreamId, String)> {
    let (organization, rest) = name.split_once(".users-")?;
    let stream = StreamId::try_from(format!("{organization}.users")).ok()?;
    let day = rest.get(..10).filter(|day| day.as_bytes()[4] == b'-')?;
    Some((stream, day.to_owned()))
}
