//! What pages must be like.

use serde_json::json;

use super::*;
use crate::answer::respond;
use crate::fixture::{
    NOW_MS, ORGANIZATION, ask, between, event, load, numbers, query, read_all, token, world,
};
use crate::world::fault::{Rule, When};

const MINUTE_MS: i64 = 60_000;

/// Equal timestamps are paged by the row's own identifier: none is lost, none comes twice.
#[test]
fn pages_go_through_ties() {
    let mut world = world();
    load(&mut world, std::iter::repeat_n(NOW_MS - MINUTE_MS, 250));
    let (requests, mut all) = read_all(&mut world, query(json!({"limit":100,"sort":"ASC"})));
    all.sort_unstable();
    assert_eq!(all, (0..250).collect::<Vec<_>>());
    assert_eq!(requests, 3);
    assert_eq!(world.violations(), []);
}

/// Only a short page ends a reading, so a whole number of pages costs one more request.
#[test]
fn an_exact_multiple_ends_with_an_empty_page() {
    let mut world = world();
    load(&mut world, (0..200).map(|number| NOW_MS - MINUTE_MS + number));
    let (requests, all) = read_all(&mut world, query(json!({"limit":100})));
    assert_eq!((requests, all.len()), (3, 200));
}

/// The order of rows is that of their time.
#[test]
fn rows_are_sorted_by_time() {
    let mut world = world();
    load(&mut world, [3, 1, 2].map(|minutes| NOW_MS - minutes * MINUTE_MS));
    assert_eq!(numbers(&ask(&mut world, &query(json!({})))), [0, 2, 1]);
}

/// The start counts, the end may: a collector must be right both ways.
#[test]
fn both_readings_of_the_end_bound() {
    let mut world = world();
    let (start_ms, end_ms) = (NOW_MS - 2 * MINUTE_MS, NOW_MS - MINUTE_MS);
    load(&mut world, [start_ms - 1, start_ms, end_ms, end_ms + 1]);
    let body = between(start_ms, end_ms, json!({}));
    assert_eq!(numbers(&ask(&mut world, &body)), [1, 2]);
    world.behaviours.end_inclusive = false;
    assert_eq!(numbers(&ask(&mut world, &body)), [1]);
}

/// The millisecond is what bounds are cut to, unless exact ones are switched on.
#[test]
fn digits_below_the_millisecond_count_only_by_switch() {
    let mut world = world();
    let raw = r#"{"service":"sso","number":0,"timestamp":"2027-01-15T07:59:00.0005Z"}"#;
    world.load_at(raw, NOW_MS - MINUTE_MS, ORGANIZATION, "sso", 0);
    let own =
        raw.replace("\"number\":0", &format!("\"number\":1,\"organization\":\"{ORGANIZATION}\""));
    assert!(world.load(own, 0).is_ok());
    let mut body = query(json!({}));
    body["start_time"] = json!("2027-01-15T07:59:00.0009Z");
    assert_eq!(ask(&mut world, &body).rows, 2);
    world.behaviours.full_precision_bounds = true;
    assert_eq!(ask(&mut world, &body).rows, 0);
    body["start_time"] = json!("2027-01-15T07:59:00.0005Z");
    assert_eq!(numbers(&ask(&mut world, &body)), [1]);
}

/// Paging has no memory: what appears before the token is missed, what appears after is seen.
/// This is why a collector must read again.
#[test]
fn a_late_row_is_seen_only_after_the_token() {
    let mut world = world();
    load(&mut world, [30, 20, 10].map(|minutes| NOW_MS - minutes * MINUTE_MS));
    let first = ask(&mut world, &query(json!({"limit":2})));
    assert_eq!(numbers(&first), [0, 1]);
    for (number, minutes) in [(7, 25), (8, 15)] {
        let raw = event(number, NOW_MS - minutes * MINUTE_MS);
        assert!(world.load(raw, NOW_MS).is_ok());
    }
    let rest = query(json!({"limit":1_000,"search_after":token(&first)}));
    assert_eq!(numbers(&ask(&mut world, &rest)), [8, 2]);
    assert_eq!(ask(&mut world, &query(json!({}))).rows, 5);
}

/// An event is there from its time of appearance on, and gone when the plan no longer keeps it.
#[test]
fn events_appear_and_age() {
    for days in [15, 90, 400] {
        let mut world = world();
        world.behaviours.retention_ms = days * 24 * 60 * MINUTE_MS;
        let time_ms = NOW_MS - world.behaviours.retention_ms + 2;
        assert!(world.load(event(0, time_ms), NOW_MS + 1).is_ok());
        let body = between(time_ms - 1, NOW_MS, json!({}));
        assert_eq!(ask(&mut world, &body).rows, 0, "{days}");
        let later = crate::fixture::request(crate::fixture::EVENTS, &body);
        assert_eq!(respond(&mut world, NOW_MS + 1, &later).rows, 1, "{days}");
        assert_eq!(respond(&mut world, NOW_MS + 3, &later).rows, 0, "{days}");
    }
}

/// What is served is what was loaded, whatever it is.
#[test]
fn bytes_are_served_as_loaded() {
    let mut world = world();
    let odd: &[u8] = b"{\"timestamp\" : 1e3,\"a\":\"\\ud800\",\"a\":\xff}";
    world.load_at(odd, NOW_MS - 2, ORGANIZATION, "sso", 0);
    world.load_at(&b"7"[..], NOW_MS - 1, ORGANIZATION, "", 0);
    let body = ask(&mut world, &query(json!({}))).body;
    assert_eq!(body, [b"[", odd, b",7]"].concat());
}

/// Paging depends on the headers; the last page has a token, too.
#[test]
fn the_headers_of_a_page() {
    let mut world = world();
    load(&mut world, [NOW_MS - 2, NOW_MS - 1]);
    let answer = ask(&mut world, &query(json!({"limit":50})));
    assert_eq!(answer.header("x-result-count"), Some("2"));
    assert_eq!(answer.header("x-limit"), Some("50"));
    assert_eq!(answer.header("x-sort"), Some("ASC"));
    assert_eq!(answer.header("x-request-id").map(str::len), Some(36));
    assert_eq!(answer.header("date"), Some("Fri, 15 Jan 2027 08:00:00 GMT"));
    let name = answer.headers.iter().find(|(name, _)| name == "X-Search_after");
    assert!(name.is_some_and(|(_, token)| token.starts_with("[1799999999999,\"")));
}

/// The token of an empty page is not documented; a collector must not depend on it.
#[test]
fn the_token_of_an_empty_page_by_switch() {
    let mut world = world();
    let sent = json!([NOW_MS - 5, "abc"]);
    for (way, wanted) in [
        (EmptyPageToken::Absent, None),
        (EmptyPageToken::EmptyArray, Some("[]".to_owned())),
        (EmptyPageToken::Null, Some("null".to_owned())),
        (EmptyPageToken::Echo, Some(sent.to_string())),
    ] {
        world.behaviours.empty_page_token = way;
        let answer = ask(&mut world, &query(json!({"search_after":sent})));
        assert_eq!(answer.header("x-search_after").map(str::to_owned), wanted);
    }
}

/// `all` may leave a service out, and a list is a list.
#[test]
fn services_are_selected() {
    let mut world = world();
    for service in ["sso", "pam", "radius"] {
        world.load_at("{}", NOW_MS - 1, ORGANIZATION, service, 0);
    }
    assert_eq!(ask(&mut world, &query(json!({}))).rows, 3);
    assert_eq!(ask(&mut world, &query(json!({"service":["sso","radius"]}))).rows, 2);
    world.behaviours.all_excludes_pam = true;
    assert_eq!(ask(&mut world, &query(json!({}))).rows, 2);
}

/// Each header fault touches its header alone.
#[test]
fn header_faults() {
    let mut world = world();
    load(&mut world, (1..=5).map(|number| NOW_MS - number));
    let body = query(json!({"limit":2}));
    let mut with = |fault: Fault, name: &str| {
        world.clear_faults();
        world.add_fault(Rule::new(fault, When::Always));
        let answer = ask(&mut world, &body);
        (answer.rows, answer.header(name).map(str::to_owned))
    };
    assert_eq!(with(Fault::CountAbsent, "x-result-count"), (2, None));
    assert_eq!(with(Fault::CountGarbage, "x-result-count"), (2, Some("many".to_owned())));
    assert_eq!(with(Fault::CountLies(-1), "x-result-count"), (2, Some("1".to_owned())));
    assert_eq!(with(Fault::LimitAbsent, "x-limit"), (2, None));
    assert_eq!(with(Fault::LimitLowered(1), "x-limit"), (1, Some("1".to_owned())));
    assert_eq!(with(Fault::TokenAbsent, "x-search_after"), (2, None));
    assert_eq!(with(Fault::TokenAbsentOnFullPages, "x-search_after"), (2, None));
    let (_, garbage) = with(Fault::TokenGarbage, "x-search_after");
    assert!(garbage.is_some_and(|text| serde_json::from_str::<serde_json::Value>(&text).is_err()));
}

/// A server that repeats itself gives the same rows and the same token: a naive loop never
/// ends.
#[test]
fn a_repeated_token_comes_with_the_same_rows() {
    let mut world = world();
    load(&mut world, (1..=9).rev().map(|number| NOW_MS - number));
    let first = ask(&mut world, &query(json!({"limit":3})));
    let next = query(json!({"limit":3,"search_after":token(&first)}));
    world.add_fault(Rule::new(Fault::TokenRepeated, When::Next(1)));
    let repeated = ask(&mut world, &next);
    assert_eq!(numbers(&repeated), numbers(&first));
    assert_eq!(token(&repeated), token(&first));
    assert_ne!(numbers(&ask(&mut world, &next)), numbers(&first));
}
