//! Snapshots of users as a reader of the archive finds them.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::archive::{inflate, split};
use super::aws::ARCHIVE;
use super::bucket::Buckets;

/// The snapshot of one stream and day.
#[derive(Default)]
pub struct Snapshot {
    /// The parts' keys and lines, in the order of their numbers.
    pub parts: Vec<(String, Vec<Vec<u8>>)>,
    /// The completion record, if there is one.
    pub record: Option<Value>,
}

/// Reads and checks all snapshots, by `<stream>-<day>`.
pub async fn read(buckets: &Buckets) -> BTreeMap<String, Snapshot> {
    let mut snapshots: BTreeMap<String, Snapshot> = BTreeMap::new();
    for key in buckets.keys(ARCHIVE) {
        let object = buckets.get(ARCHIVE, &key).await;
        let name = key.rsplit('/').next().expect("a name");
        let kind = object.headers.get("content-type").map(String::as_str);
        if let Some(name) = name.strip_suffix(".complete.json") {
            assert_eq!(key, format!("snapshots/{name}.complete.json"));
            assert_eq!(kind, Some("application/json"), "{key}");
            let record = serde_json::from_slice(&object.body).expect("a record is JSON");
            snapshots.entry(name.to_owned()).or_default().record = Some(record);
        } else if key.starts_with("events/service=systemusers/") {
            let (name, number) =
                name.strip_suffix(".ndjson.gz").and_then(|n| n.rsplit_once('-')).expect("a part");
            let day = &name[name.len() - 10..];
            assert_eq!(key.split('/').nth(2), Some(format!("date={day}").as_str()), "{key}");
            assert_eq!(kind, Some("application/gzip"), "{key}");
            let snapshot = snapshots.entry(name.to_owned()).or_default();
            assert_eq!(number, format!("{:03}", snapshot.parts.len()), "{key}");
            let lines = split(&key, &inflate(&key, &object.body));
            snapshot.parts.push((key, lines));
        }
    }
    for snapshot in snapshots.values() {
        snapshot.check(buckets).await;
    }
    snapshots
}

impl Snapshot {
    /// Every line, in the order of the parts.
    pub fn lines(&self) -> Vec<&[u8]> {
        self.parts.iter().flat_map(|(_, lines)| lines).map(Vec::as_slice).collect()
    }

    /// The record says what there is, part by part.
    async fn check(&self, buckets: &Buckets) {
        let Some(record) = &self.record else { return };
        let parts = record["parts"].as_array().expect("parts");
        assert_eq!(parts.len(), self.parts.len(), "{record}");
        for ((key, lines), part) in self.parts.iter().zip(parts) {
            let body = buckets.get(ARCHIVE, key).await.body;
            assert_eq!(part["key"], key.as_str());
            assert_eq!(part["users"], lines.len());
            assert_eq!(part["sha256"], hex::encode(Sha256::digest(&body)));
        }
        assert_eq!(record["users"], self.lines().len(), "{record}");
    }
}
