//! The contract of [`Objects`].

use std::sync::Arc;

use bytes::Bytes;
use engine::ports::{ObjectMeta, Objects, PutResult};
use futures_util::stream::{self, StreamExt as _};
use sha2::{Digest as _, Sha256};
use tokio::task::JoinSet;

use fixtures::aws::{ARCHIVE, STATE};

/// A key as the archive has them.
const KEY: &str =
    "events/service=sso/date=2026-11-21/self-0a1b2c3d-00000000000000000001-000.ndjson.gz";

type Subject = Arc<dyn Objects>;

/// Creates an object with its metadata.
pub async fn create(objects: &dyn Objects, bucket: &str, key: &str, body: &Bytes) -> PutResult {
    let meta = meta(body);
    objects.create(bucket, key, body.clone(), &meta).await.unwrap()
}

/// What is written beside a body.
pub fn meta(body: &[u8]) -> ObjectMeta {
    let sha256 = Sha256::digest(body).into();
    let metadata = vec![("event-count", "7".to_owned()), ("stream", "self".to_owned())];
    ObjectMeta { sha256, content_type: "application/gzip", metadata }
}

async fn assert_holds(objects: &Subject, key: &str, body: &Bytes) {
    assert_eq!(objects.get(ARCHIVE, key).await.unwrap().as_ref(), Some(body));
    let sha256 = objects.sha256(ARCHIVE, key).await.unwrap();
    assert_eq!(sha256, Some(hex::encode(Sha256::digest(body))));
}

pub async fn an_object_comes_back_as_it_was_created(objects: &Subject) {
    let body = Bytes::from_static(b"\x1f\x8b\0 bytes \xff and no text \r\n");
    assert_eq!(create(&**objects, ARCHIVE, KEY, &body).await, PutResult::Created);
    assert_holds(objects, KEY, &body).await;
    assert_eq!(objects.list(ARCHIVE, "events/", "", 10).await.unwrap(), [KEY]);
}

/// Whoever comes second is told so, with the same bytes or others; the first bytes stay.
pub async fn a_key_is_created_once(objects: &Subject) {
    let (first, second) = (Bytes::from_static(b"first"), Bytes::from_static(b"second, longer"));
    assert_eq!(create(&**objects, ARCHIVE, KEY, &first).await, PutResult::Created);
    assert_eq!(create(&**objects, ARCHIVE, KEY, &second).await, PutResult::AlreadyExists);
    assert_eq!(create(&**objects, ARCHIVE, KEY, &first).await, PutResult::AlreadyExists);
    assert_holds(objects, KEY, &first).await;
}

pub async fn what_could_overwrite_is_refused_and_changes_nothing(objects: &Subject) {
    assert!(objects.refuses_overwrite(ARCHIVE, KEY).await.unwrap(), "a key that is free");
    assert_eq!(objects.get(ARCHIVE, KEY).await.unwrap(), None);
    let body = Bytes::from_static(b"first");
    assert_eq!(create(&**objects, ARCHIVE, KEY, &body).await, PutResult::Created);
    assert!(objects.refuses_overwrite(ARCHIVE, KEY).await.unwrap(), "a key that is taken");
    assert_holds(objects, KEY, &body).await;
}

/// Of 32 at once exactly one is told that it was first, and its bytes are the object's.
pub async fn of_racing_creations_one_wins(objects: &Subject) {
    let mut racing = JoinSet::new();
    for number in 0..32u8 {
        let objects = Arc::clone(objects);
        racing.spawn(async move {
            let body = Bytes::from(vec![number; 1_000]);
            (create(&*objects, ARCHIVE, KEY, &body).await, body)
        });
    }
    let ended = racing.join_all().await;
    let winners: Vec<_> =
        ended.into_iter().filter(|(created, _)| *created == PutResult::Created).collect();
    let [(_, body)] = winners.as_slice() else { panic!("{} winners", winners.len()) };
    assert_holds(objects, KEY, body).await;
}

pub async fn what_is_not_there_is_none(objects: &Subject) {
    create(&**objects, ARCHIVE, KEY, &Bytes::from_static(b"another")).await;
    for key in ["events/other", "events/service=sso/other", "journal/v1/self/1"] {
        assert_eq!(objects.get(ARCHIVE, key).await.unwrap(), None, "{key}");
        assert_eq!(objects.sha256(ARCHIVE, key).await.unwrap(), None, "{key}");
    }
    assert!(objects.list(ARCHIVE, "journal/", "", 10).await.unwrap().is_empty());
}

pub async fn an_object_may_be_empty(objects: &Subject) {
    assert_eq!(create(&**objects, ARCHIVE, KEY, &Bytes::new()).await, PutResult::Created);
    assert_eq!(create(&**objects, ARCHIVE, KEY, &Bytes::new()).await, PutResult::AlreadyExists);
    assert_holds(objects, KEY, &Bytes::new()).await;
}

pub async fn an_object_may_be_large(objects: &Subject) {
    let body: Vec<u8> = (0..5 * 1024 * 1024u32).map(|n| n.to_le_bytes()[n as usize % 3]).collect();
    let body = Bytes::from(body);
    assert_eq!(create(&**objects, ARCHIVE, KEY, &body).await, PutResult::Created);
    assert_holds(objects, KEY, &body).await;
}

pub async fn buckets_are_apart(objects: &Subject) {
    let (one, other) = (Bytes::from_static(b"archive"), Bytes::from_static(b"state"));
    assert_eq!(create(&**objects, ARCHIVE, KEY, &one).await, PutResult::Created);
    assert_eq!(objects.get(STATE, KEY).await.unwrap(), None);
    assert!(objects.list(STATE, "", "", 10).await.unwrap().is_empty());
    assert_eq!(create(&**objects, STATE, KEY, &other).await, PutResult::Created);
    assert_holds(objects, KEY, &one).await;
}

/// S3 gives at most 1,000 keys at once.
pub async fn a_listing_goes_over_all_pages_in_order(objects: &Subject) {
    let keys: Vec<_> = (1..=1_500).map(|seq| format!("journal/v1/self/{seq:020}")).collect();
    create_all(objects, keys.iter().rev().cloned()).await;
    create_all(objects, ["journal/v1/selg".to_owned(), "index/v1/self/x".to_owned()]).await;
    let listed = objects.list(STATE, "journal/v1/self/", "", usize::MAX).await.unwrap();
    assert_eq!(listed.len(), 1_500);
    assert!(listed == keys, "in order");

    let after = &keys[249];
    let listed = objects.list(STATE, "journal/v1/self/", after, 1_100).await.unwrap();
    assert_eq!(listed.len(), 1_100, "over pages and no more than asked for");
    assert!(listed == keys[250..1_350]);
}

pub async fn a_listing_begins_behind_a_key_and_is_as_long_as_asked(objects: &Subject) {
    let keys: Vec<_> = (1..=5).map(|seq| format!("journal/v1/self/{seq:020}")).collect();
    create_all(objects, keys.clone()).await;
    let list = async |after: &str, most| {
        objects.list(STATE, "journal/v1/self/", after, most).await.unwrap()
    };
    assert_eq!(list("", 2).await, keys[..2]);
    assert_eq!(list(&keys[1], 2).await, keys[2..4], "exclusive");
    assert_eq!(list(&keys[4], 2).await, [""; 0]);
    assert_eq!(list("journal/v1/self/000000000000000000025", 1).await, keys[2..3], "no such key");
    assert_eq!(list("a key before the prefix", 9).await, keys);
    assert_eq!(list("zzz", 9).await, [""; 0]);
    assert_eq!(list("", 0).await, [""; 0]);
}

/// Keys sort as texts: a key with a character below `/` comes before the keys in a folder.
pub async fn a_prefix_is_a_prefix_and_no_folder(objects: &Subject) {
    let keys =
        ["v1/self-x", "v1/self.backfill-2026-10-01/1", "v1/self/1", "v1/self/a/2", "v1/selg"];
    create_all(objects, keys.map(str::to_owned)).await;
    let list = async |prefix: &str| objects.list(STATE, prefix, "", 9).await.unwrap();
    assert_eq!(list("").await, keys);
    assert_eq!(list("v1/").await, keys);
    assert_eq!(list("v1/self").await, keys[..4]);
    assert_eq!(list("v1/self/").await, keys[2..4]);
    assert_eq!(list("v1/self/1").await, keys[2..3]);
    assert_eq!(list("v1/self/b/").await, [""; 0]);
    assert_eq!(list("1").await, [""; 0]);
}

async fn create_all(objects: &Subject, keys: impl IntoIterator<Item = String>) {
    let body = Bytes::from_static(b"x");
    let created = stream::iter(keys).map(|key| {
        let body = &body;
        async move { create(&**objects, STATE, &key, body).await }
    });
    let all =
        created.buffer_unordered(16).all(|created| async move { created == PutResult::Created });
    assert!(all.await);
}
