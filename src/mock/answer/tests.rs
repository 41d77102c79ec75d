//! The world as a whole: faults, the log, and what it finds wrong.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::fixture::{
    EVENTS, KEY, NOW_MS, ORGANIZATION, ask, load, numbers, query, request, token, world,
};
use crate::world::discipline::ViolationKind;
use crate::world::fault::{RetryAfter, Rule, When};

fn statuses(world: &mut World, times: usize) -> Vec<u16> {
    (0..times).map(|_| ask(world, &query(json!({}))).status).collect()
}

/// Tests say on which request something fails; a miscount would test another one.
#[test]
fn rules_act_when_they_are_due() {
    let mut world = world();
    world.add_fault(Rule::new(Fault::error(503, "nth"), When::Nth(2)));
    world.add_fault(Rule::new(Fault::error(500, "next"), When::Next(3)));
    assert_eq!(statuses(&mut world, 5), [500, 503, 500, 200, 200]);
}

/// A fault for one endpoint, organization or service leaves the others alone.
#[test]
fn rules_are_meant_for_some_requests() {
    let mut world = world();
    world.add_fault(Rule::new(Fault::error(500, ""), When::Always).on("/count"));
    world.add_fault(Rule::new(Fault::error(404, ""), When::Always).for_organization(ORGANIZATION));
    let body = query(json!({}));
    let count = request(&format!("{EVENTS}/count"), &body);
    assert_eq!(respond(&mut world, NOW_MS, &count).status, 500);
    assert_eq!(ask(&mut world, &body).status, 200);
    let named = request(EVENTS, &body).with_header("x-org-id", ORGANIZATION);
    assert_eq!(respond(&mut world, NOW_MS, &named).status, 404);
    world.clear_faults();
    world.add_fault(Rule::new(Fault::error(403, ""), When::Always).for_service("ldap"));
    for (services, status) in [(["sso", "ldap"], 403), (["sso", "radius"], 200)] {
        assert_eq!(ask(&mut world, &query(json!({"service": services}))).status, status);
    }
}

#[test]
fn a_credential_is_quoted_as_it_was_sent() {
    let mut world = world();
    world.add_fault(Rule::new(Fault::QuotedCredential(401), When::Always));
    let sent = |name: &str, value: &str| Request::post(EVENTS, "{}").with_header(name, value);
    for (request, quoted) in [
        (sent("x-api-key", KEY), KEY),
        (sent("authorization", "Bearer a.token"), "a.token"),
        (sent("authorization", "Basic cGFpcg=="), "cGFpcg=="),
    ] {
        let answer = respond(&mut world, NOW_MS, &request);
        let text = String::from_utf8_lossy(&answer.body);
        assert!(answer.status == 401 && text.contains(&format!(": {quoted}\"")), "{text}");
    }
}

/// The simulation obeys the same instructions as the server.
#[test]
fn damage_is_told_as_a_delivery() {
    let mut world = world();
    load(&mut world, [NOW_MS - 1]);
    let pause = Duration::from_millis(1);
    for (fault, delivery) in [
        (Fault::Reset, Delivery::Reset),
        (Fault::CutAfter(5), Delivery::CutAfter(5)),
        (Fault::Stall(pause), Delivery::Stall(pause)),
        (Fault::WrongContentLength(9), Delivery::WrongContentLength(9)),
    ] {
        world.clear_faults();
        world.add_fault(Rule::new(fault, When::Always));
        assert_eq!(ask(&mut world, &query(json!({}))).delivery, delivery);
    }
    world.clear_faults();
    world.behaviours.chunked = true;
    assert_eq!(ask(&mut world, &query(json!({}))).delivery, Delivery::Chunked);
}

/// A damaged body must not be readable, or a test of it proves nothing.
#[test]
fn damaged_bodies_cannot_be_read() {
    let mut world = world();
    load(&mut world, (0..50).map(|number| NOW_MS - 1 - number));
    for fault in [Fault::GarbledJson, Fault::html(200), Fault::body("")] {
        world.clear_faults();
        world.add_fault(Rule::new(fault, When::Always));
        let body = ask(&mut world, &query(json!({}))).body;
        assert!(serde_json::from_slice::<serde_json::Value>(&body).is_err());
    }
    world.clear_faults();
    world.add_fault(Rule::new(Fault::TruncatedGzip, When::Always));
    let body = ask(&mut world, &query(json!({}))).body;
    let mut inflated = vec![0; 1 << 20];
    let inflating = libdeflater::Decompressor::new().gzip_decompress(&body, &mut inflated);
    assert!(inflating.is_err());
}

/// Compression is used only where it is switched on and offered.
#[test]
fn gzip_needs_the_switch_and_the_offer() {
    let mut world = world();
    load(&mut world, (0..50).map(|number| NOW_MS - 1 - number));
    let plain = ask(&mut world, &query(json!({})));
    let offering =
        request(EVENTS, &query(json!({}))).with_header("accept-encoding", "br, gzip;q=1");
    assert_eq!(respond(&mut world, NOW_MS, &offering).header("content-encoding"), None);
    world.behaviours.gzip = true;
    assert_eq!(ask(&mut world, &query(json!({}))).header("content-encoding"), None);
    let compressed = respond(&mut world, NOW_MS, &offering);
    assert_eq!(compressed.header("content-encoding"), Some("gzip"));
    let mut inflated = vec![0; plain.body.len()];
    let length = libdeflater::Decompressor::new().gzip_decompress(&compressed.body, &mut inflated);
    assert_eq!(length, Ok(plain.body.len()));
    assert_eq!(inflated, plain.body);
}

/// Both forms of `Retry-After`, because it is not documented which one is sent.
#[test]
fn retry_after_has_both_forms() {
    let mut world = world();
    let now_ms = u64::try_from(NOW_MS).unwrap_or_default();
    for (form, wanted) in [
        (RetryAfter::Seconds(7), Some("7")),
        (RetryAfter::Date(now_ms), Some("Fri, 15 Jan 2027 08:00:00 GMT")),
        (RetryAfter::Absent, None),
    ] {
        world.clear_faults();
        world.add_fault(Rule::new(Fault::too_many_requests(form), When::Always));
        let answer = ask(&mut world, &query(json!({})));
        assert_eq!((answer.status, answer.header("retry-after")), (429, wanted));
    }
}

/// A rotated key is refused at once, and the new one is good at once.
#[test]
fn keys_rotate_between_requests() {
    let mut world = world();
    let new = "jca_new";
    let fault = Fault::KeyRotated { old: KEY.to_owned(), new: new.to_owned() };
    world.add_fault(Rule::new(fault, When::Nth(2)));
    assert_eq!(statuses(&mut world, 3), [200, 401, 401]);
    let body = query(json!({})).to_string();
    let renewed = Request::post(EVENTS, body).with_header("x-api-key", new);
    assert_eq!(respond(&mut world, NOW_MS, &renewed).status, 200);
}

/// Two services or organizations may have events of the same id; both are served.
#[test]
fn the_same_bytes_may_be_loaded_twice() {
    let mut world = world();
    load(&mut world, [NOW_MS - 1]);
    load(&mut world, [NOW_MS - 1]);
    assert_eq!(numbers(&ask(&mut world, &query(json!({})))), [0, 0]);
}

/// The log is printed when tests fail; a secret in it would end up in a build log.
#[test]
fn the_log_holds_no_secret() {
    let mut world = world();
    let body = query(json!({}));
    ask(&mut world, &body);
    let stranger = Request::post(EVENTS, body.to_string()).with_header("x-api-key", "stranger");
    respond(&mut world, NOW_MS, &stranger);
    assert_eq!(world.log()[0].credential.as_deref(), Some("key-1"));
    assert_eq!(world.log()[1].credential.as_deref(), Some("unknown"));
    assert_eq!((world.log()[0].status, world.log()[1].status), (200, 401));
    let printed = format!("{:?}", world.log());
    assert!(!printed.contains(KEY) && !printed.contains("stranger"));
}

fn kinds(world: &World) -> Vec<ViolationKind> {
    world.violations().into_iter().map(|violation| violation.kind).collect()
}

/// A client that pages as it should is not blamed; one that changes its question is.
#[test]
fn a_continuation_must_ask_the_same() {
    let mut world = world();
    load(&mut world, (1..=5).map(|number| NOW_MS - number));
    let first = ask(&mut world, &query(json!({"limit":2})));
    let mut next = query(json!({"limit":2,"search_after":token(&first)}));
    ask(&mut world, &next);
    assert_eq!(kinds(&world), []);
    next["limit"] = json!(3);
    ask(&mut world, &next);
    assert_eq!(kinds(&world), [ViolationKind::ContinuationChanged]);
}

/// Each thing no client should do is found.
#[test]
fn indiscipline_is_found() {
    let mut world = world();
    let start_late = crate::fixture::between(NOW_MS, NOW_MS, json!({}));
    ask(&mut world, &start_late);
    ask(&mut world, &query(json!({"limit":10_001})));
    respond(&mut world, NOW_MS, &Request::get("/elsewhere").with_header("x-api-key", KEY));
    let token_request = Request::post("/oauth2/token", "").with_header("x-api-key", KEY);
    respond(&mut world, NOW_MS, &token_request);
    let listing = Request::get("/api/organizations")
        .with_header("x-api-key", KEY)
        .with_header("x-org-id", ORGANIZATION);
    respond(&mut world, NOW_MS, &listing);
    assert_eq!(
        kinds(&world),
        [
            ViolationKind::StartNotBeforeEnd,
            ViolationKind::LimitTooHigh,
            ViolationKind::CredentialMisplaced,
            ViolationKind::CredentialMisplaced,
            ViolationKind::OrganizationMisplaced,
        ]
    );
}

/// A page of a large store costs its own length: a scan of the store would take minutes here.
#[test]
fn a_large_store_is_paged_quickly() {
    let mut world = world();
    for number in 0..100_000 {
        world.load_at("{}", NOW_MS - 1 - number / 4, ORGANIZATION, "sso", 0);
    }
    let mut body = query(json!({"limit":1}));
    for _ in 0..2_000 {
        let page = ask(&mut world, &body);
        body["search_after"] = token(&page);
    }
    assert_eq!(world.log().iter().map(|record| record.rows).sum::<usize>(), 2_000);
}
