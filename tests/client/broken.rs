//! Answers that are broken: asked again, and never half used.

use std::error::Error as _;
use std::iter::successors;
use std::time::Duration;

use engine::limits::TRIES_AT_ONE_SIZE;
use engine::page::{Ask, Tries};
use engine::ports::{Insights as _, InsightsError, PageRequest};
use mock::{Answer, Delivery, Fault, Host, When};

use super::environment::{Environment, rows, unavailable};

fn faults() -> Vec<Fault> {
    vec![
        Fault::error(500, "Internal Server Error"),
        Fault::html(500),
        Fault::html(502),
        Fault::html(503),
        Fault::html(504),
        Fault::error(408, "Request Timeout"),
        Fault::Reset,
        Fault::CutAfter(0),
        Fault::CutAfter(100),
        Fault::TruncatedGzip,
        Fault::GarbledJson,
        Fault::body("null"),
        Fault::body("{}"),
        Fault::body(r#"{"message":"not now"}"#),
        Fault::body("[{}"),
        Fault::body("[] []"),
        Fault::body(""),
        Fault::html(200),
        Fault::WrongContentLength(10),
        Fault::WrongContentLength(1_000_000),
    ]
}

#[tokio::test]
async fn a_broken_answer_is_asked_for_again() {
    for fault in faults() {
        let environment = Environment::start().await;
        let sent = environment.load(20);
        environment.fail(fault.clone(), When::Next(2));
        let page = environment.page().await.unwrap();
        assert_eq!(rows(&page), sent, "{fault:?}");
        assert_eq!(environment.answered(Host::Insights).len(), 3, "{fault:?}");
        assert_eq!(environment.clock.slept_ms(), [500, 1_000], "{fault:?}");
    }
}

/// Never an empty page, never a half one: an error after five tries.
#[tokio::test]
async fn an_answer_that_stays_broken_is_an_error() {
    for fault in faults() {
        let environment = Environment::start().await;
        environment.load(20);
        environment.fail(fault.clone(), When::Always);
        let text = unavailable(environment.page().await);
        assert!(text.ends_with("tried 5 times"), "{fault:?}: {text}");
        assert!(!text.contains("http://") && text.len() < 256, "{fault:?}: {text}");
        assert_eq!(environment.answered(Host::Insights).len(), 5, "{fault:?}");
        assert_eq!(environment.clock.slept_ms(), [500, 1_000, 2_000, 4_000], "{fault:?}");
    }
}

/// A server that takes too long for large pages: two tries are enough to ask for fewer rows.
#[tokio::test]
async fn a_page_that_times_out_fails_in_a_way_that_fewer_rows_may_not() {
    let environment = Environment::with_read_timeout(Duration::from_millis(50)).await;
    let sent = environment.load(20);
    let answer = Answer {
        delivery: Delivery::Stall(Duration::from_secs(600)),
        ..Answer::error(504, "nobody waits for it")
    };
    environment.fail(Fault::LargePage { rows: 10, answer }, When::Always);
    let tries = Some(Tries { made: 0, failures: TRIES_AT_ONE_SIZE });
    let page = |limit| {
        let request = environment.request();
        let ask = Ask { limit, ..request.ask };
        environment.client.page(PageRequest { ask, tries, ..request })
    };
    let Err(InsightsError::Unfetched(why)) = page(20).await else { panic!("a page that came") };
    assert_eq!((why.failed, why.tried, why.is_over), (2, 2, false), "{why}");
    assert_eq!(environment.clock.slept_ms(), [500], "once between the two");
    assert_eq!(rows(&page(10).await.unwrap()), sent[..10]);
}

/// A count is no page, but as little to be guessed.
#[tokio::test]
async fn a_broken_count_is_an_error() {
    for body in ["{}", "null", r#"{"count":-1}"#, r#"{"count":"7"}"#, "<html>"] {
        let environment = Environment::start().await;
        let rule = mock::Rule::new(Fault::body(body), When::Always);
        environment.world().add_fault(rule.on("/events/count"));
        let count = environment.client.count(environment.request()).await;
        let Err(InsightsError::Unavailable(cause)) = &count else { panic!("{body}: {count:?}") };
        let first = successors(cause.source(), |error| (*error).source()).last();
        assert!(first.is_some_and(|error| error.is::<serde_json::Error>()), "{body}: {first:?}");
        let text = unavailable(count);
        assert!(text.contains("has no valid count"), "{text}");
    }
}

/// Names of encodings have no case; one that was not asked for is an error.
#[tokio::test]
async fn encodings_are_known_by_name() {
    let mut page = Vec::new();
    let mut compressor = libdeflater::Compressor::new(libdeflater::CompressionLvl::default());
    page.resize(compressor.gzip_compress_bound(2), 0);
    let length = compressor.gzip_compress(b"[]", &mut page).unwrap();
    page.truncate(length);
    for (name, is_read) in [("gzip", true), ("GZip", true), ("x-gzip", true), ("br", false)] {
        let environment = Environment::start().await;
        let mut answer = Answer::json(200, page.clone());
        answer.headers.push(("Content-Encoding".to_owned(), name.to_owned()));
        environment.fail(Fault::from(answer), When::Always);
        assert_eq!(environment.page().await.is_ok(), is_read, "{name}");
    }
}
