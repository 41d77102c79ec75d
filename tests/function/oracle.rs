//! The oracle's own check: it must notice every broken promise of the archive's format.

use libdeflater::{CompressionLvl, Compressor};
use sha2::{Digest, Sha256};

use fixtures::archive::Archive;
use fixtures::aws::{ARCHIVE, Aws};
use fixtures::event::event;

const NOON_MS: i64 = 1_795_262_400_000; // 2026-11-21T12:00:00Z
const KEY: &str =
    "events/service=sso/date=2026-11-21/self-0123abcd-00000000000000000001-000.ndjson.gz";

/// An object to be written, right until a case changes it.
struct Draft {
    key: String,
    body: Vec<u8>,
    headers: Vec<(&'static str, String)>,
}

fn gzip(raw: &[u8]) -> Vec<u8> {
    let mut compressor = Compressor::new(CompressionLvl::default());
    let mut gzip = vec![0; compressor.gzip_compress_bound(raw.len())];
    let length = compressor.gzip_compress(raw, &mut gzip).expect("a large enough buffer");
    gzip.truncate(length);
    gzip
}

fn events() -> Vec<Vec<u8>> {
    (0..3).map(|nth| event(1, "sso", NOON_MS + i64::from(nth))).collect()
}

/// A part of these lines that keeps every promise but those that the lines break.
fn draft(lines: &[Vec<u8>]) -> Draft {
    let body = gzip(&[lines.join(&b"\n"[..]), b"\n".to_vec()].concat());
    let headers = vec![
        ("content-type", "application/gzip".to_owned()),
        ("x-amz-meta-event-count", lines.len().to_string()),
        ("x-amz-meta-first-timestamp", "2026-11-21T12:00:00Z".to_owned()),
        ("x-amz-meta-last-timestamp", "2026-11-21T12:00:00.002Z".to_owned()),
        ("x-amz-meta-stream", "self".to_owned()),
        ("x-amz-meta-seq", "1".to_owned()),
        ("x-amz-meta-sha256", hex::encode(Sha256::digest(&body))),
    ];
    Draft { key: KEY.to_owned(), body, headers }
}

impl Draft {
    fn at(mut self, key: &str) -> Self {
        key.clone_into(&mut self.key);
        self
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    fn of(mut self, body: Vec<u8>) -> Self {
        let sha256 = hex::encode(Sha256::digest(&body));
        self.body = body;
        self.with("x-amz-meta-sha256", &sha256)
    }

    /// Whether the oracle takes an archive of this object for one of these events.
    async fn passes(self, expected: Vec<Vec<u8>>) -> bool {
        let aws = Aws::start("secret").await;
        let headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        aws.buckets.put(ARCHIVE, &self.key, &headers, &self.body).await;
        let reading = async move { Archive::read(&aws.buckets).await.assert_holds(&expected) };
        tokio::spawn(reading).await.is_ok()
    }
}

#[tokio::test]
async fn an_object_that_keeps_every_promise_passes() {
    assert!(draft(&events()).passes(events()).await);
}

#[tokio::test]
async fn an_event_too_few_too_many_or_changed_is_noticed() {
    let [first, second, third] = [0, 1, 2].map(|nth| events()[nth].clone());
    let respelled = String::from_utf8(second.clone())
        .unwrap()
        .replace("52.10000000000000001", "52.1")
        .into_bytes();
    for lines in [
        vec![first.clone(), third.clone()],
        vec![first.clone(), second.clone(), second, third.clone()],
        vec![first, respelled, third],
    ] {
        assert!(!draft(&lines).passes(events()).await, "{} lines", lines.len());
    }
}

#[tokio::test]
async fn every_broken_promise_is_noticed() {
    let raw = || [events().join(&b"\n"[..]), b"\n".to_vec()].concat();
    let dated = {
        let mut body = gzip(&raw());
        body[4] = 1;
        body
    };
    let reversed: Vec<_> = events().into_iter().rev().collect();
    let cases = [
        draft(&events()).at(&KEY.replace("service=sso", "service=ldap")),
        draft(&events()).at(&KEY.replace("-21/", "-22/")),
        draft(&events()).at(&KEY.replace("-000.", "-0.")),
        draft(&events()).at(&KEY.replace("0123abcd", "0123ABCD")),
        draft(&events()).at(&KEY.replace("/self", "/other")),
        draft(&events()).at(&KEY.replace("events/", "event/")),
        draft(&events()).with("content-type", "application/json"),
        draft(&events()).with("content-encoding", "gzip"),
        draft(&events()).with("x-amz-meta-event-count", "4"),
        draft(&events()).with("x-amz-meta-first-timestamp", "2026-11-21T11:59:59Z"),
        draft(&events()).with("x-amz-meta-last-timestamp", "2026-11-21T12:00:00Z"),
        draft(&events()).with("x-amz-meta-stream", "other"),
        draft(&events()).with("x-amz-meta-seq", "2"),
        draft(&events()).with("x-amz-meta-sha256", "00"),
        draft(&events()).of(dated),
        draft(&events()).of(gzip(&events().join(&b"\n"[..]))),
        draft(&events()).of([gzip(&raw()), gzip(b"{}\n")].concat()),
        draft(&events()).of(gzip(&[raw(), b"\n".to_vec()].concat())),
        draft(&reversed),
    ];
    for (nth, case) in cases.into_iter().enumerate() {
        assert!(!case.passes(events()).await, "case {nth} passed");
    }
}
