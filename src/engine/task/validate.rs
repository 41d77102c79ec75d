//! `validate`: is everything there that a run needs? Checks without pulling an event.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::collect::Engine;
use crate::cursor::lease;
use crate::fleet::discover::{self, Who};
use crate::limits::HOUR_MS;
use crate::page::{Ask, Query};
use crate::ports::{About, List, ListRequest, Meter, PageRequest};
use crate::read::Budget;
use crate::report::Discovery;
use crate::stream::StreamId;
use crate::time::Window;

/// What was checked.
#[derive(Debug, Serialize, Deserialize)]
pub struct Preflight {
    /// Whether every check passed.
    pub ok: bool,
    /// The checks, in the order they were made.
    pub checks: Vec<Check>,
}

/// One check.
#[derive(Debug, Serialize, Deserialize)]
pub struct Check {
    /// What was checked.
    pub check: String,
    /// Whether it passed.
    pub ok: bool,
    /// What was found, in plain words.
    pub detail: String,
}

/// Checks secret, which organizations there are, JumpCloud's answer per stream and query, the table
/// and both buckets.
pub async fn validate(engine: &Engine, who: &Who, budget: Budget) -> Preflight {
    let mut checks = without_trace(engine, who, budget).await;
    checks.extend(buckets(engine).await);
    Preflight::of(checks)
}

/// The same for a stack that is being made: the buckets are written only if everything else is
/// well. A bucket that holds something cannot be taken back with the stack.
pub async fn deployment(engine: &Engine, who: &Who, budget: Budget) -> Preflight {
    let mut checks = without_trace(engine, who, budget).await;
    if checks.iter().all(|check| check.ok) {
        checks.extend(buckets(engine).await);
    }
    Preflight::of(checks)
}

/// The checks that leave nothing behind.
async fn without_trace(engine: &Engine, who: &Who, budget: Budget) -> Vec<Check> {
    let asked = discover::streams(engine, who, &BTreeSet::new(), budget).await;
    let mut checks: Vec<_> = asked.discovery.into_iter().map(Check::from).collect();
    checks.extend(answers(engine, &asked.streams, budget).await);
    checks.push(table(engine).await);
    checks
}

async fn buckets(engine: &Engine) -> [Check; 2] {
    let settings = &engine.settings;
    [
        bucket(engine, &settings.archive_bucket, "preflight/written-by-validate").await,
        bucket(engine, &settings.state_bucket, "streams/v1/_written-by-validate").await,
    ]
}

impl Preflight {
    fn of(checks: Vec<Check>) -> Self {
        Self { ok: checks.iter().all(|check| check.ok), checks }
    }

    /// The failed checks in one line; `None` if there are none.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        let failed: Vec<_> = self.checks.iter().filter(|check| !check.ok).collect();
        let lines: Vec<_> =
            failed.iter().map(|check| format!("{}: {}", check.check, check.detail)).collect();
        (!lines.is_empty()).then(|| lines.join("; "))
    }
}

impl Check {
    fn new(check: String, result: Result<String, String>) -> Self {
        let ok = result.is_ok();
        let (Ok(detail) | Err(detail)) = result;
        Self { check, ok, detail }
    }
}

impl From<Discovery> for Check {
    fn from(discovery: Discovery) -> Self {
        let found = format!("JumpCloud lists {} organizations", discovery.organizations);
        Self::new("discovery".to_owned(), discovery.error.map_or(Ok(found), Err))
    }
}

/// JumpCloud's answer per stream and query. Of very many streams those are asked that half of the
/// time is enough for.
async fn answers(engine: &Engine, streams: &[StreamId], budget: Budget) -> Vec<Check> {
    let half_ms = budget.started_ms + (budget.deadline_ms - budget.started_ms) / 2;
    let mut checks = Vec::new();
    for (number, stream) in streams.iter().enumerate() {
        if number > 0 && engine.clock.now_ms() >= half_ms {
            let rest = format!("{} more streams", streams.len() - number);
            checks.push(Check::new(rest, Ok("not asked, for want of time".to_owned())));
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

async fn users(engine: &Engine, stream: &StreamId, budget: Budget) -> Check {
    let request = ListRequest {
        list: List::Users(stream.scope()),
        skip: 0,
        deadline_ms: budget.read_until_ms(0),
        meter: Arc::new(Meter::default()),
    };
    let page = engine.console.list(request).await;
    let result = page.map(|page| format!("JumpCloud answers: {} users", page.total));
    Check::new(format!("JumpCloud, users of {stream}"), result.map_err(|error| error.to_string()))
}

async fn ask(engine: &Engine, stream: &StreamId, query: &Query, budget: Budget) -> Check {
    let now_ms = engine.clock.now_ms();
    let ask = Ask { window: Window::new(now_ms - HOUR_MS, now_ms), limit: 1, token: None };
    let request = PageRequest::new(stream, query, ask, budget.read_until_ms(0));
    let answer = engine.insights.count(request).await;
    let result = answer.map(|count| format!("JumpCloud answers: {count} events in the last hour"));
    let check = format!("JumpCloud, {stream}, {}", query.join(","));
    Check::new(check, result.map_err(|error| error.to_string()))
}

async fn table(engine: &Engine) -> Check {
    let result = engine.cursors.update(&StreamId::own(), &lease::impossible()).await;
    Check::new(
        "cursor table".to_owned(),
        match result {
            Ok(_) => Ok("may be written".to_owned()),
            Err(error) => Err(error.to_string()),
        },
    )
}

/// Creates a small object once and for all; later checks find it there.
async fn bucket(engine: &Engine, bucket: &str, key: &str) -> Check {
    let body = Bytes::from_static(b"jumpcloud-collector may write here\n");
    let about = About {
        sha256: Sha256::digest(&body).into(),
        content_type: "text/plain",
        metadata: Vec::new(),
    };
    let result = engine.objects.create(bucket, key, body, &about).await;
    Check::new(
        format!("bucket {bucket}"),
        match result {
            Ok(_) => Ok("may be written".to_owned()),
            Err(error) => Err(error.to_string()),
        },
    )
}
