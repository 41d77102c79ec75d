//! The oracle: reads the whole archive as a SIEM would and checks every promise of its format.
//!
//! It shares no code with the function. What it does not understand is a failure.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use libdeflater::{Crc, Decompressor};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::aws::ARCHIVE;
use super::bucket::{Buckets, Object};

/// One object under `events/`.
pub struct Part {
    pub key: String,
    pub service: String,
    pub date: String,
    pub name: Name,
    /// Its lines, each without the line feed.
    pub lines: Vec<Vec<u8>>,
}

/// An object's file name, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    pub stream: String,
    pub epoch: String,
    pub seq: u64,
    pub part: u32,
}

/// One line of an object under `quarantine/`.
#[derive(Debug)]
pub struct Quarantined {
    pub reason: String,
    /// Absent where the row could not be fetched within the limits.
    pub bytes: Option<Vec<u8>>,
}

/// Everything in the archive bucket.
#[derive(Default)]
pub struct Archive {
    pub parts: Vec<Part>,
    pub quarantined: Vec<Quarantined>,
}

impl Archive {
    /// Reads and checks every object; panics on the first broken promise.
    pub async fn read(buckets: &Buckets) -> Self {
        let mut archive = Self::default();
        for key in buckets.keys(ARCHIVE).into_iter().filter(|key| holds_events(key)) {
            let object = buckets.get(ARCHIVE, &key).await;
            let lines = split(&key, &inflate(&key, &object.body));
            archive.admit(&key, &object, lines).unwrap_or_else(|| panic!("odd key {key}"));
        }
        archive
    }

    /// Takes one object in; `None` if its key matches no pattern.
    fn admit(&mut self, key: &str, object: &Object, lines: Vec<Vec<u8>>) -> Option<()> {
        match key.split('/').collect::<Vec<_>>()[..] {
            ["events", service, date, file] => {
                let part = Part {
                    key: key.to_owned(),
                    service: service.strip_prefix("service=")?.to_owned(),
                    date: date.strip_prefix("date=")?.to_owned(),
                    name: Name::read(file, ".ndjson.gz")?,
                    lines,
                };
                part.check(object);
                self.parts.push(part);
            }
            ["quarantine", stream, file] => {
                let name = Name::read(file, ".json.gz")?;
                assert_eq!(name.stream, stream, "{key}");
                self.quarantined.extend(lines.iter().map(|line| Quarantined::read(key, line)));
            }
            _ => return None,
        }
        Some(())
    }

    /// Checks that the archive holds exactly these events: each once, each as the bytes served.
    #[track_caller]
    pub fn assert_holds<'a>(&self, expected: impl IntoIterator<Item = &'a Vec<u8>>) {
        let mut balance: HashMap<Vec<u8>, i64> = HashMap::new();
        let mut expected_count = 0;
        for event in expected {
            *balance.entry(as_line(event)).or_default() -= 1;
            expected_count += 1;
        }
        for line in self.parts.iter().flat_map(|part| &part.lines) {
            *balance.entry(line.clone()).or_default() += 1;
        }
        let show = |wanted: &dyn Fn(i64) -> bool| {
            let lines = balance.iter().filter(|(_, count)| wanted(**count));
            let mut lines: Vec<String> = lines
                .map(|(line, count)| format!("{count:+} {}", String::from_utf8_lossy(line)))
                .collect();
            lines.sort();
            (lines.len(), lines.into_iter().take(3).collect::<Vec<_>>())
        };
        let (missing, first_missing) = show(&|count| count < 0);
        let (surplus, first_surplus) = show(&|count| count > 0);
        assert!(
            missing == 0 && surplus == 0,
            "of {expected_count} events {missing} are missing {first_missing:#?} \
             and {surplus} are surplus {first_surplus:#?}"
        );
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.lines.len()).sum()
    }

    /// The part that holds an event.
    #[track_caller]
    pub fn part_of(&self, event: &[u8]) -> &Part {
        let line = as_line(event);
        let part = self.parts.iter().find(|part| part.lines.contains(&line));
        part.unwrap_or_else(|| panic!("not in the archive: {}", String::from_utf8_lossy(event)))
    }
}

/// Not what the task `validate` writes to see that it may, and not snapshots of users.
fn holds_events(key: &str) -> bool {
    let is_snapshot = key.starts_with("snapshots/") || key.contains("/service=systemusers/");
    !key.starts_with("preflight/") && !is_snapshot
}

impl Name {
    /// `<stream>-<epoch, 8 hex>-<seq, 20 digits>-<part, 3 digits><suffix>`.
    fn read(file: &str, suffix: &str) -> Option<Self> {
        let mut fields = file.strip_suffix(suffix)?.rsplitn(4, '-');
        let part = fields.next().filter(|part| part.len() == 3 && digits(part))?.parse().ok()?;
        let seq = fields.next().filter(|seq| seq.len() == 20 && digits(seq))?.parse().ok()?;
        let epoch = fields.next().filter(|epoch| epoch.len() == 8 && hex(epoch))?.to_owned();
        let stream = fields.next().filter(|stream| is_stream(stream))?.to_owned();
        Some(Self { stream, epoch, seq, part })
    }
}

fn is_stream(stream: &str) -> bool {
    let own = stream.split_once(".backfill-").map_or(stream, |(own, _)| own);
    let own = own.strip_prefix("provider-").unwrap_or(own);
    own == "self" || (own.len() == 24 && hex(own))
}

fn digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl Part {
    fn check(&self, object: &Object) {
        let key = &self.key;
        let header = |name: &str| object.headers.get(name).map(String::as_str);
        assert_eq!(header("content-type"), Some("application/gzip"), "{key}");
        assert_eq!(header("content-encoding"), None, "{key}");
        let sha256 = Sha256::digest(&object.body);
        assert_eq!(
            header("x-amz-checksum-sha256"),
            Some(STANDARD.encode(sha256).as_str()),
            "{key}"
        );

        let metadata = |name: &str| {
            header(&format!("x-amz-meta-{name}")).unwrap_or_else(|| panic!("{name} of {key}"))
        };
        assert_eq!(metadata("sha256"), hex::encode(sha256), "{key}");
        assert_eq!(metadata("event-count").parse(), Ok(self.lines.len()), "{key}");
        assert_eq!(metadata("stream"), self.name.stream, "{key}");
        assert_eq!(metadata("seq").parse(), Ok(self.name.seq), "{key}");

        let events: Vec<Envelope> =
            self.lines.iter().map(|line| Envelope::read(key, line)).collect();
        let times: Vec<Timestamp> = events.iter().filter_map(|event| event.timestamp).collect();
        assert!(times.is_sorted(), "the lines of {key} do not ascend");
        if let ([first, .., last], true) = (&times[..], times.len() == events.len()) {
            assert_eq!(
                milliseconds(metadata("first-timestamp")),
                Some(first.as_millisecond()),
                "{key}"
            );
            assert_eq!(
                milliseconds(metadata("last-timestamp")),
                Some(last.as_millisecond()),
                "{key}"
            );
        }
        for event in events {
            assert_eq!(event.service, self.service, "{key}");
            if let Some(timestamp) = event.timestamp {
                assert_eq!(timestamp.strftime("%Y-%m-%d").to_string(), self.date, "{key}");
            }
        }
    }
}

fn milliseconds(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

/// What of an event decides its place.
struct Envelope {
    service: String,
    timestamp: Option<Timestamp>,
}

impl Envelope {
    /// Reads the top level only: what lies deeper may be anything. The last of equal keys counts.
    fn read(key: &str, line: &[u8]) -> Self {
        let fields: BTreeMap<String, &RawValue> = serde_json::from_slice(line)
            .unwrap_or_else(|e| panic!("{e} in {key}: {}", String::from_utf8_lossy(line)));
        let text = |name: &str| serde_json::from_str::<String>(fields.get(name)?.get()).ok();
        // A document of the Elastic Common Schema tells both elsewhere.
        let (service, timestamp) = match fields.get("event").filter(|_| fields.contains_key("ecs"))
        {
            Some(event) => {
                let event: Value = serde_json::from_str(event.get()).expect("an object");
                (event["module"].as_str().map(str::to_owned), text("@timestamp"))
            }
            None => (text("service"), text("timestamp")),
        };
        let named = |service: &String| {
            let fits = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
            (1..=40).contains(&service.len()) && service.bytes().all(fits)
        };
        Self {
            service: service.filter(named).unwrap_or_else(|| "_other".to_owned()),
            timestamp: timestamp.and_then(|timestamp| timestamp.parse().ok()),
        }
    }
}

impl Quarantined {
    fn read(key: &str, line: &[u8]) -> Self {
        let value: Value = serde_json::from_slice(line).unwrap_or_else(|e| panic!("{e} in {key}"));
        let reason =
            value["reason"].as_str().unwrap_or_else(|| panic!("no reason in {key}: {value}"));
        let bytes = value["bytes"]
            .as_str()
            .map(|text| STANDARD.decode(text).unwrap_or_else(|e| panic!("{e} in {key}")));
        Self { reason: reason.to_owned(), bytes }
    }
}

/// The bytes of one gzip member without a time or a name.
pub(super) fn inflate(key: &str, body: &[u8]) -> Vec<u8> {
    assert_eq!(body[..8], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0], "gzip header of {key}");
    let word = |end: usize| {
        u32::from_le_bytes(body[body.len() - end..][..4].try_into().expect("four bytes"))
    };
    let length = usize::try_from(word(4)).expect("a length");
    let mut raw = vec![0; length];
    let written = Decompressor::new()
        .gzip_decompress(body, &mut raw)
        .unwrap_or_else(|e| panic!("{e} in {key}"));
    let mut crc = Crc::new();
    crc.update(&raw);
    assert_eq!((written, crc.sum()), (length, word(8)), "{key} is more than one gzip member");
    raw
}

pub(super) fn split(key: &str, body: &[u8]) -> Vec<Vec<u8>> {
    let body = body.strip_suffix(b"\n").unwrap_or_else(|| panic!("no final line feed in {key}"));
    let text = str::from_utf8(body).unwrap_or_else(|e| panic!("{e} in {key}"));
    assert!(
        !text.contains(['\r', '\u{85}', '\u{2028}', '\u{2029}']),
        "a reader would split a line of {key}"
    );
    text.split('\n').map(|line| line.as_bytes().to_vec()).collect()
}

/// An event's line: the bytes served, but for the two exceptions of the archive's format.
pub fn as_line(event: &[u8]) -> Vec<u8> {
    let text = str::from_utf8(event).expect("an event is UTF-8");
    let text = text.replace(['\n', '\r'], "");
    let escaped = [('\u{85}', r"\u0085"), ('\u{2028}', r"\u2028"), ('\u{2029}', r"\u2029")];
    escaped.into_iter().fold(text, |text, (raw, escape)| text.replace(raw, escape)).into_bytes()
}
