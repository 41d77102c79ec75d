#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Mutex;

use futures_util::future::BoxFuture;
use serde_json::json;

use super::*;
use crate::page::list_body;
use crate::ports::{InsightsError, ListPage};

/// A console that gives these pages one after the other, whatever is asked.
struct Script {
    pages: Mutex<Vec<(u64, Vec<serde_json::Value>)>>,
    skips: Mutex<Vec<u64>>,
}

impl Console for Script {
    fn list(&self, request: ListRequest) -> BoxFuture<'static, Result<ListPage, InsightsError>> {
        self.skips.lock().unwrap().push(request.skip);
        let mut pages = self.pages.lock().unwrap();
        let answer = if pages.is_empty() {
            Err(InsightsError::Unavailable("JumpCloud answers 503".into()))
        } else {
            let (total, rows) = pages.remove(0);
            let body = json!({"totalCount": total, "results": rows}).to_string();
            let (total, rows) = list_body::read(body.as_bytes()).unwrap();
            Ok(ListPage { total, rows })
        };
        Box::pin(async move { answer })
    }
}

fn row(number: u64) -> serde_json::Value {
    json!({"_id": format!("{number:024x}"), "displayName": "made up"})
}

/// What is found, the error, and what was skipped in each question.
fn found(pages: Vec<(u64, Vec<serde_json::Value>)>) -> (usize, Option<RunError>, Vec<u64>) {
    let script = Script { pages: Mutex::new(pages), skips: Mutex::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let found = runtime.block_on(find(&script, &List::Organizations, i64::MAX));
    let skips = script.skips.lock().unwrap().clone();
    (found.organizations.len(), found.error, skips)
}

#[test]
fn short_pages_do_not_end_a_list() {
    let pages = vec![(5, vec![row(1), row(2)]), (5, vec![row(3)]), (5, vec![row(4), row(5)])];
    let (count, error, skips) = found(pages);
    assert!(error.is_none());
    assert_eq!((count, skips), (5, vec![0, 2, 3]));
}

/// Row 3 came to the first page after that was read: it is found by a second pass.
#[test]
fn a_list_that_changed_meanwhile_is_gone_through_once_more() {
    let pages = vec![(4, vec![row(1), row(2)]), (4, vec![row(2), row(4)])];
    let again = vec![(4, vec![row(1), row(2)]), (4, vec![row(3), row(4)])];
    let (count, error, skips) = found(pages.iter().cloned().chain(again).collect());
    assert!(error.is_none());
    assert_eq!((count, skips), (4, vec![0, 2, 0, 2]), "seen twice, once in the list");

    let (count, error, _) = found(pages.iter().cloned().chain(pages.clone()).collect());
    let error = error.unwrap();
    assert!(!error.needs_operator());
    assert_eq!(
        (count, error.to_string().as_str()),
        (3, "JumpCloud lists 3 organizations, its totalCount is 4")
    );
}

#[test]
fn what_was_found_before_a_failure_is_kept() {
    let (count, error, _) = found(vec![(4, vec![row(1), row(2)])]);
    assert_eq!((count, error.unwrap().to_string().as_str()), (2, "JumpCloud answers 503"));
    let (count, error, _) = found(vec![(4, vec![row(1)]), (4, vec![])]);
    let text = error.unwrap().to_string();
    assert_eq!(
        (count, text.as_str()),
        (1, "JumpCloud's list ends after 1 rows, its totalCount is 4")
    );
}

#[test]
fn malformed_rows_are_named_and_do_not_block_others() {
    for (malformed, told) in [
        (json!("5f"), "not an object with an id"),
        (json!({"_id": 7}), "not an object with an id"),
        (json!({"displayName": "nameless"}), "without an id"),
        (json!({"_id": "../../x"}), "an id of 7 characters"),
        (json!({"_id": "0123456789ABCDEF01234567"}), "24 lower-case hex digits"),
    ] {
        let (count, error, _) = found(vec![(3, vec![row(1), malformed, row(2)])]);
        let error = error.unwrap();
        assert!(error.needs_operator() && error.to_string().contains(told), "{error}");
        assert_eq!(count, 2);
    }
}

#[test]
fn a_list_without_end_is_not_read_on() {
    let (_, error, skips) = found(vec![(u64::MAX, vec![row(1)])]);
    assert!(error.unwrap().needs_operator());
    assert_eq!(skips, [0]);
}

/// Nothing to collect would otherwise look like nothing new.
#[test]
fn an_administrator_without_organizations_is_an_error() {
    assert!(found(vec![(0, vec![])]).1.unwrap().needs_operator());
}

#[test]
fn a_provider_calls_the_id_by_another_name() {
    let named = |row: serde_json::Value| listed_organization(row.to_string().as_bytes()).unwrap();
    let id = format!("{:024x}", 7);
    assert_eq!(named(json!({"id": id, "name": "made up"})).as_str(), id);
    assert_eq!(named(json!({"_id": id, "id": "other"})).as_str(), id);
}
