//! `validate`: checks that everything that a run needs is available, without requesting an event.
//! What the account's policies allow and refuse is tested with real requests.

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::collect::{Engine, Inquiry};
use crate::cursor::lease;
use crate::fleet::discover::{self, OrganizationSource};
use crate::limits::HOUR_MS;
use crate::page::{Ask, Query};
use crate::ports::{List, ListRequest, Meter, ObjectMeta, PageRequest, StoreError, is_denied};
use crate::read::Budget;
use crate::report::Discovery;
use crate::stream::StreamId;
use crate::time::Window;

/// The content of the objects that the checks write.
const WRITTEN: &str = "jumpcloud-collector may write here\n";

/// What was checked.
#[derive(Debug, Serialize, Deserialize)]
pub struct Preflight {
    /// Whether every check passed.
    pub ok: bool,
    /// The checks, in the order in which they were made.
    pub checks: Vec<Check>,
}

/// One check.
#[derive(Debug, Serialize, Deserialize)]
pub struct Check {
    /// What was checked.
    pub check: String,
    /// Whether it passed.
    pub ok: bool,
    /// The finding, in plain words.
    pub detail: String,
    /// AWS denied access: a role that is seconds old is not known everywhere yet.
    #[serde(skip)]
    is_denied: bool,
}

/// The failure of one check, or of several.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// What is wrong, in plain words.
    pub text: String,
    /// AWS denied access: a role that is seconds old is not known everywhere yet.
    pub is_denied: bool,
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self { text, is_denied: false }
    }
}

/// Checks the secret, the list of organizations, JumpCloud's answer per stream and query, the
/// table, and both buckets.
pub async fn validate(
    engine: &Engine,
    organizations: &OrganizationSource,
    budget: Budget,
) -> Preflight {
    let mut checks = without_trace(engine, organizations, budget).await;
    checks.extend(with_trace(engine).await);
    Preflight { ok: checks.iter().all(|check| check.ok), checks }
}

/// The same for a stack that is being deployed: the checks that write to the buckets are made only
/// if all others pass, because a rollback of the stack cannot delete a bucket with objects.
pub async fn deployment(
    engine: &Engine,
    organizations: &OrganizationSource,
    budget: Budget,
) -> Preflight {
    let mut checks = without_trace(engine, organizations, budget).await;
    if checks.iter().all(|check| check.ok) {
        checks.extend(with_trace(engine).await);
    }
    Preflight { ok: checks.iter().all(|check| check.ok), checks }
}

/// The checks that write nothing.
async fn without_trace(
    engine: &Engine,
    organizations: &OrganizationSource,
    budget: Budget,
) -> Vec<Check> {
    let mut checks = Vec::new();
    match discover::streams(engine, organizations, Inquiry::List, budget).await {
        Ok(found) => {
            checks.extend(found.discovery.map(Check::from));
            checks.extend(key(engine, &found.streams, budget).await);
            checks.extend(answers(engine, &found.streams, budget).await);
        }
        Err(error) => {
            let name = "which streams collect the organizations".to_owned();
            checks.push(Check::new(name, Err(failure(&error))));
        }
    }
    checks.push(table(engine).await);
    for tested in buckets_under_test(engine) {
        checks.extend([absent(engine, &tested).await, overwriting(engine, &tested).await]);
    }
    checks.push(listing(engine).await);
    checks
}

/// The checks that write.
async fn with_trace(engine: &Engine) -> Vec<Check> {
    let mut checks = Vec::new();
    for tested in buckets_under_test(engine) {
        checks.extend([now(engine, &tested).await, before(engine, &tested).await]);
    }
    checks.push(prefix(engine).await);
    checks
}

/// Key of the object that the first check writes among the birth certificates.
pub(super) const FIRST_IN_STATE: &str = "streams/v1/_written-by-validate";
/// The prefix of all keys that checks write into the archive bucket.
pub(super) const IN_ARCHIVE: &str = "preflight/";

/// A bucket to check, and the statements of the template that allow the function to use it.
struct BucketUnderTest<'a> {
    name: &'static str,
    bucket: &'a str,
    /// Key of the object that the first check of a stack writes and every check reads.
    first: &'static str,
    /// The prefix of the keys of everything else that checks write.
    folder: &'static str,
    /// The statement that allows `s3:ListBucket`.
    lists: &'static str,
    /// The statement that allows `s3:PutObject` and `s3:GetObject`.
    writes: &'static str,
    /// The bucket's policy.
    policy: &'static str,
}

fn buckets_under_test(engine: &Engine) -> [BucketUnderTest<'_>; 2] {
    [
        BucketUnderTest {
            name: "archive bucket",
            bucket: &engine.settings.archive_bucket,
            first: "preflight/written-by-validate",
            folder: IN_ARCHIVE,
            lists: "ListArchive",
            writes: "WriteArchive",
            policy: "ArchiveBucketPolicy",
        },
        BucketUnderTest {
            name: "state bucket",
            bucket: &engine.settings.state_bucket,
            first: FIRST_IN_STATE,
            folder: "journal/v1/_written-by-validate/",
            lists: "ListState",
            writes: "KeepState",
            policy: "StateBucketPolicy",
        },
    ]
}

impl Preflight {
    /// The failed checks in one line; `None` if there are none.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        let failed: Vec<_> = self.checks.iter().filter(|check| !check.ok).collect();
        let lines: Vec<_> =
            failed.iter().map(|check| format!("{}: {}", check.check, check.detail)).collect();
        let is_denied = failed.iter().any(|check| check.is_denied);
        (!lines.is_empty()).then(|| Failure { text: lines.join("; "), is_denied })
    }
}

impl Check {
    fn new(check: String, result: Result<String, Failure>) -> Self {
        match result {
            Ok(detail) => Self { check, ok: true, detail, is_denied: false },
            Err(Failure { text, is_denied }) => Self { check, ok: false, detail: text, is_denied },
        }
    }
}

impl From<Discovery> for Check {
    fn from(discovery: Discovery) -> Self {
        let found = format!("JumpCloud lists {} organizations", discovery.organizations);
        let is_denied = discovery.is_denied;
        let failure = |text| Failure { text, is_denied };
        Self::new(
            "discovery".to_owned(),
            discovery.error.map_or(Ok(found), |text| Err(failure(text))),
        )
    }
}

/// JumpCloud's answer per stream and query. If there are very many streams, only those are checked
/// for which half of the time is enough.
async fn answers(engine: &Engine, streams: &[StreamId], budget: Budget) -> Vec<Check> {
    let half_ms = budget.started_ms + (budget.deadline_ms - budget.started_ms) / 2;
    let mut checks = Vec::new();
    for (number, stream) in streams.iter().enumerate() {
        if number > 0 && engine.clock.now_ms() >= half_ms {
            let rest = format!("{} more streams", streams.len() - number);
            checks.push(Check::new(rest, Ok("not checked: the time was over".to_owned())));
            break;
        }
        for query in &engine.settings.queries {
            checks.push(ask(engine, stream, query, budget).await);
        }
        if engine.settings.system_users.is_some() && stream.is_organization() {
            checks.push(users(engine, stream, budget).await);
        }
    }
    checks
}

/// Whose the key is, where that decides what is collected.
async fn key(engine: &Engine, streams: &[StreamId], budget: Budget) -> Option<Check> {
    if engine.settings.names_organizations {
        return None;
    }
    let stream = streams.first()?;
    let deadline_ms = budget.read_until_ms(0);
    let asked = engine.key_organization(Inquiry::List, &Arc::default(), deadline_ms).await;
    let known = engine.organization(stream).await;
    let found = match (asked, known) {
        (Err(error), _) => Err(failure(&error)),
        (_, Err(error)) => Err(needs(&error, "MoveCursors of CollectorRole")),
        (Ok((_, Some(key))), Ok(Some(other))) if key != other => {
            Err(failure(&engine.refuse_key(stream, &other, &key)))
        }
        (Ok((_, Some(key))), Ok(_)) => Ok(format!("is {key}, collected as {stream}")),
        (Ok((_, None)), Ok(_)) => Ok("not known before the first event".to_owned()),
    };
    Some(Check::new("JumpCloud, organization of the API key".to_owned(), found))
}

async fn users(engine: &Engine, stream: &StreamId, budget: Budget) -> Check {
    let request = ListRequest {
        list: List::Users(engine.scope(stream)),
        skip: 0,
        deadline_ms: budget.read_until_ms(0),
        meter: Arc::new(Meter::default()),
    };
    let page = engine.console.list(request).await;
    let result = page.map(|page| format!("JumpCloud answers: {} users", page.total));
    Check::new(format!("JumpCloud, users of {stream}"), result.map_err(|error| failure(&error)))
}

async fn ask(engine: &Engine, stream: &StreamId, query: &Query, budget: Budget) -> Check {
    let now_ms = engine.clock.now_ms();
    let ask = Ask { window: Window::new(now_ms - HOUR_MS, now_ms), limit: 1, token: None };
    let request = PageRequest::new(engine.scope(stream), query, ask, budget.read_until_ms(0));
    let answer = engine.insights.count(request).await;
    let result = answer.map(|count| format!("JumpCloud answers: {count} events in the last hour"));
    let check = format!("JumpCloud, {stream}, {}", query.join(","));
    Check::new(check, result.map_err(|error| failure(&error)))
}

async fn table(engine: &Engine) -> Check {
    let result = engine.cursors.update(&StreamId::own(), &lease::permission_probe()).await;
    let found = result.map(|_| "may be written".to_owned());
    Check::new(
        "cursor table".to_owned(),
        found.map_err(|error| needs(&error, "MoveCursors of CollectorRole")),
    )
}

/// S3 must answer 404 and not 403 for a missing key, because the protocol depends on knowing which
/// objects exist.
async fn absent(engine: &Engine, tested: &BucketUnderTest<'_>) -> Check {
    let key = format!("{}absent", tested.folder);
    let found = match engine.objects.get(tested.bucket, &key).await {
        Ok(None) => Ok("is a 404".to_owned()),
        Ok(Some(_)) => Err(format!("{key} exists, although nothing writes it").into()),
        Err(error) => Err(needs(&error, &format!("{} of CollectorRole", tested.lists))),
    };
    Check::new(format!("{}, an absent key", tested.name), found)
}

async fn overwriting(engine: &Engine, tested: &BucketUnderTest<'_>) -> Check {
    let found = match engine.objects.refuses_overwrite(tested.bucket, tested.first).await {
        Ok(true) => Ok("is refused".to_owned()),
        Ok(false) => Err(format!(
            "S3 did not refuse it, where AccessDenied was expected: the statement DenyOverwrite of \
             {} is missing or too weak, so that objects can be overwritten",
            tested.policy
        )
        .into()),
        Err(error) => Err(failure(&error)),
    };
    Check::new(format!("{}, a put without If-None-Match", tested.name), found)
}

async fn listing(engine: &Engine) -> Check {
    let bucket = &engine.settings.state_bucket;
    let result = engine.objects.list(bucket, "streams/v1/", "", 1).await;
    let found = result.map(|_| "may be listed".to_owned());
    Check::new(
        "state bucket, streams/v1/".to_owned(),
        found.map_err(|error| needs(&error, "ListState of CollectorRole")),
    )
}

/// Writes a new object and reads it, as a run does, with the encryption key that is configured now.
async fn now(engine: &Engine, tested: &BucketUnderTest<'_>) -> Check {
    let key = format!("{}{}", tested.folder, engine.clock.now_ms());
    let needed = format!("{} of CollectorRole, or UseKeyForBuckets with a key", tested.writes);
    let found = write_and_read(engine, tested.bucket, &key, WRITTEN).await;
    Check::new(
        format!("{}, what is written now", tested.name),
        found.map_err(|error| needs(&error, &needed)).and_then(|body| {
            let is_same = body == WRITTEN.as_bytes();
            if is_same {
                Ok("is read back".to_owned())
            } else {
                Err(format!("{key} holds other bytes").into())
            }
        }),
    )
}

/// Reads the object that the first check of this stack wrote, whose encryption key may be another
/// than now.
async fn before(engine: &Engine, tested: &BucketUnderTest<'_>) -> Check {
    let is_read = |_| "is read".to_owned();
    let found = match engine.objects.get(tested.bucket, tested.first).await {
        Ok(Some(body)) => Ok(is_read(body)),
        Ok(None) => {
            let first = write_and_read(engine, tested.bucket, tested.first, WRITTEN).await;
            let needed = format!("{} of CollectorRole", tested.writes);
            first.map(is_read).map_err(|error| needs(&error, &needed))
        }
        Err(error @ StoreError::Denied(_)) => Err(Failure {
            text: format!(
                "{error}: the statement ReadWithFormerKeys of CollectorRole does not name its key. What \
             was written before KmsKeyArn was changed or emptied is still encrypted with the key it named \
             then: give that one in FormerKmsKeyArns"
            ),
            is_denied: true,
        }),
        Err(error) => Err(failure(&error)),
    };
    Check::new(format!("{}, what was written before", tested.name), found)
}

/// Checks that the prefix is that of the first deployment, because readers and their notifications
/// are set up for it.
async fn prefix(engine: &Engine) -> Check {
    let settings = &engine.settings;
    let (bucket, prefix) = (&settings.archive_bucket, &settings.archive_prefix);
    let found = match write_and_read(engine, bucket, "preflight/archive-prefix", prefix).await {
        Ok(first) if first == prefix.as_bytes() => Ok(format!("is {prefix}")),
        Ok(first) => Err(format!(
            "is {prefix}, but this archive began with {}: set it back. Readers would not be notified of \
             objects elsewhere, and could not read them",
            String::from_utf8_lossy(&first)
        )
        .into()),
        Err(error) => Err(needs(&error, "WriteArchive of CollectorRole")),
    };
    Check::new("ARCHIVE_PREFIX".to_owned(), found)
}

/// Creates an object if it does not exist, and reads it.
async fn write_and_read(
    engine: &Engine,
    bucket: &str,
    key: &str,
    body: &str,
) -> Result<Bytes, StoreError> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let meta = ObjectMeta {
        sha256: Sha256::digest(&body).into(),
        content_type: "text/plain",
        metadata: Vec::new(),
    };
    engine.objects.create(bucket, key, body, &meta).await?;
    let missing = || StoreError::Rejected(format!("{key} was written and cannot be found").into());
    engine.objects.get(bucket, key).await?.ok_or_else(missing)
}

/// An error's message, with the statement that is missing if AWS denies access.
fn needs(error: &StoreError, statement: &str) -> Failure {
    let Failure { text, is_denied } = failure(error);
    let missing =
        format!("{text}: the statement {statement} is missing, or another policy denies it");
    Failure { text: if is_denied { missing } else { text }, is_denied }
}

fn failure(error: &(impl Error + 'static)) -> Failure {
    Failure { text: error.to_string(), is_denied: is_denied(error) }
}
