//! The contract of [`Cursors`].

use std::sync::Arc;

use engine::cursor::{Condition, Item, Update, Value};
use engine::ports::Cursors;
use engine::stream::StreamId;
use tokio::task::JoinSet;

type Subject = Arc<dyn Cursors>;

/// The first whole number that a float does not have.
const BEYOND_FLOATS: i64 = (1 << 53) + 1;

pub fn stream(number: usize) -> StreamId {
    format!("{number:024x}").try_into().expect("an organization")
}

fn text(text: &str) -> Value {
    Value::S(text.to_owned())
}

fn set(set: Vec<(&'static str, Value)>) -> Update {
    Update { set, ..Update::default() }
}

/// A claim as the engine makes it, in short: whoever finds `seq` at 0 takes it to 1.
pub fn claim(owner: &str) -> Update {
    Update {
        conditions: vec![Condition::Is("seq", Value::N(0))],
        set: vec![("seq", Value::N(1)), ("lease_owner", text(owner))],
        ..Update::default()
    }
}

fn item(attributes: &[(&str, Value)]) -> Item {
    attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

pub async fn an_item_is_created_where_the_conditions_allow_it(cursors: &Subject) {
    let update =
        Update { conditions: vec![Condition::Absent("seq")], ..set(vec![("seq", Value::N(0))]) };
    assert_eq!(cursors.get(&stream(1)).await.unwrap(), None);
    let born = item(&[("seq", Value::N(0))]);
    assert_eq!(cursors.update(&stream(1), &update).await.unwrap(), Some(born.clone()));
    assert_eq!(cursors.update(&stream(1), &update).await.unwrap(), None, "it has one now");
    assert_eq!(cursors.get(&stream(1)).await.unwrap(), Some(born));
}

pub async fn an_item_comes_back_whole(cursors: &Subject) {
    let attributes = vec![
        ("seq", Value::N(0)),
        ("fence", Value::N(-1)),
        ("frontier_ms", Value::N(BEYOND_FLOATS)),
        ("origin_ms", Value::N(i64::MAX)),
        ("compared_at_ms", Value::N(i64::MIN)),
        ("reading", text(r#"{"query":["all"],"at":"\"quoted\" \\ and / \u0000"}"#)),
        ("last_error", text("it's “Ünïcode” — 😀\n\ttabbed, `ticked`, #hashed :colon")),
        ("head_hash", text("")),
        ("epoch", text("007")),
    ];
    let whole = item(&attributes);
    let update = set(attributes);
    assert_eq!(cursors.update(&stream(1), &update).await.unwrap(), Some(whole.clone()));
    assert_eq!(cursors.get(&stream(1)).await.unwrap(), Some(whole));
}

/// Also on an attribute that is absent, and on one of the other type.
pub async fn every_condition_holds_or_not(cursors: &Subject) {
    use Condition::{Above, Absent, Any, AtMost, Below, Is, Present};
    let big = BEYOND_FLOATS;
    let cases = [
        (Absent("gone"), true),
        (Absent("n"), false),
        (Present("n"), true),
        (Present("s"), true),
        (Present("gone"), false),
        (Is("n", Value::N(5)), true),
        (Is("n", Value::N(6)), false),
        (Is("n", text("5")), false),
        (Is("gone", Value::N(0)), false),
        (Is("s", text("so \"be\" it")), true),
        (Is("s", text("so be it")), false),
        (Is("s", text("")), false),
        (Is("big", Value::N(big)), true),
        (Is("big", Value::N(big - 1)), false),
        (Below("n", 6), true),
        (Below("n", 5), false),
        (Below("n", -6), false),
        (Below("n", 10), true),
        (Below("big", big + 1), true),
        (Below("gone", 1), false),
        (Below("s", i64::MAX), false),
        (Above("n", 4), true),
        (Above("n", 5), false),
        (Above("big", big - 1), true),
        (Above("gone", -1), false),
        (Above("s", i64::MIN), false),
        (AtMost("n", 5), true),
        (AtMost("n", 4), false),
        (AtMost("gone", 1), false),
        (Any(vec![Absent("n"), Is("n", Value::N(5))]), true),
        (Any(vec![Absent("n"), Below("n", 5), Above("gone", 0)]), false),
        (Any(vec![Absent("n"), Any(vec![Below("n", 5), AtMost("n", 5)])]), true),
        (Any(vec![Present("gone")]), false),
    ];
    let attributes =
        vec![("n", Value::N(5)), ("s", text("so \"be\" it")), ("big", Value::N(BEYOND_FLOATS))];
    cursors.update(&stream(1), &set(attributes)).await.unwrap();
    let mut wrong = Vec::new();
    for (condition, holds) in cases {
        let update =
            Update { conditions: vec![condition.clone()], ..set(vec![("touched", Value::N(1))]) };
        if cursors.update(&stream(1), &update).await.unwrap().is_some() != holds {
            wrong.push(condition);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Not even the item itself is there afterwards.
pub async fn a_refused_update_changes_nothing(cursors: &Subject) {
    let conditions = vec![Condition::Present("seq")];
    let update = Update {
        conditions,
        set: vec![("owner", text("me"))],
        add: vec![("fence", 1)],
        remove: vec!["queued_until_ms"],
    };
    assert_eq!(cursors.update(&stream(1), &update).await.unwrap(), None);
    assert_eq!(cursors.get(&stream(1)).await.unwrap(), None);
    let queued = vec![("queued_until_ms", Value::N(1))];
    let before = cursors.update(&stream(1), &set(queued)).await.unwrap();
    assert_eq!(cursors.update(&stream(1), &update).await.unwrap(), None);
    assert_eq!(cursors.get(&stream(1)).await.unwrap(), before);
}

pub async fn all_conditions_must_hold(cursors: &Subject) {
    cursors.update(&stream(1), &set(vec![("n", Value::N(5))])).await.unwrap();
    for (other, holds) in [(Condition::Below("n", 6), true), (Condition::Above("n", 6), false)] {
        let conditions = vec![Condition::Present("n"), other, Condition::Absent("gone")];
        let update = Update { conditions, ..set(vec![("touched", Value::N(1))]) };
        assert_eq!(cursors.update(&stream(1), &update).await.unwrap().is_some(), holds);
    }
}

/// What is absent counts as 0 where something is added, and may be removed all the same.
pub async fn attributes_are_set_added_to_and_removed_at_once(cursors: &Subject) {
    let before = vec![
        ("seq", Value::N(7)),
        ("fence", Value::N(BEYOND_FLOATS)),
        ("lease_owner", text("you")),
        ("kept", text("as it was")),
    ];
    cursors.update(&stream(1), &set(before)).await.unwrap();
    let update = Update {
        conditions: vec![Condition::Is("seq", Value::N(7))],
        set: vec![("seq", Value::N(8)), ("epoch", text("0a1b2c3d"))],
        add: vec![("fence", 2), ("failures", 1), ("lag", -3)],
        remove: vec!["lease_owner", "never_there"],
    };
    let after = item(&[
        ("seq", Value::N(8)),
        ("epoch", text("0a1b2c3d")),
        ("fence", Value::N(BEYOND_FLOATS + 2)),
        ("failures", Value::N(1)),
        ("lag", Value::N(-3)),
        ("kept", text("as it was")),
    ]);
    assert_eq!(cursors.update(&stream(1), &update).await.unwrap(), Some(after.clone()));
    assert_eq!(cursors.get(&stream(1)).await.unwrap(), Some(after));
}

pub async fn streams_are_apart(cursors: &Subject) {
    let names = ["self", "self.backfill-2026-10-01", "provider-5c86b6cf9fdce00001d3800c"];
    let streams = names.map(|name| StreamId::try_from(name.to_owned()).unwrap());
    for (number, stream) in (0..).zip(&streams) {
        cursors.update(stream, &set(vec![("seq", Value::N(number))])).await.unwrap();
    }
    for (number, stream) in (0..).zip(&streams) {
        let found = cursors.get(stream).await.unwrap();
        assert_eq!(found, Some(item(&[("seq", Value::N(number))])), "{stream}");
    }
}

/// Of 32 at once exactly one gets the item, and the item says that it was this one.
pub async fn of_racing_claims_one_wins(cursors: &Subject) {
    cursors.update(&stream(1), &set(vec![("seq", Value::N(0))])).await.unwrap();
    let mut racing = JoinSet::new();
    for number in 0..32 {
        let cursors = Arc::clone(cursors);
        racing.spawn(async move {
            cursors.update(&stream(1), &claim(&format!("worker-{number}"))).await.unwrap()
        });
    }
    let winners: Vec<_> = racing.join_all().await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(cursors.get(&stream(1)).await.unwrap().as_ref(), winners.first());
}

pub async fn no_addition_is_lost(cursors: &Subject) {
    let mut racing = JoinSet::new();
    for _ in 0..32 {
        let cursors = Arc::clone(cursors);
        let update = Update { add: vec![("fence", 1)], ..Update::default() };
        racing.spawn(async move { cursors.update(&stream(1), &update).await.unwrap() });
    }
    assert!(racing.join_all().await.iter().all(Option::is_some));
    let sum = cursors.get(&stream(1)).await.unwrap();
    assert_eq!(sum, Some(item(&[("fence", Value::N(32))])));
}

/// Over the limits of one request; streams without an item are left out.
pub async fn many_items_are_read_at_once(cursors: &Subject) {
    let streams: Vec<_> = (0..230).map(stream).collect();
    for (number, stream) in streams.iter().enumerate().filter(|(number, _)| number % 3 != 0) {
        let number = i64::try_from(number).unwrap();
        cursors.update(stream, &set(vec![("seq", Value::N(number))])).await.unwrap();
    }
    let found = cursors.get_many(&streams).await.unwrap();
    assert_eq!(found.len(), 153);
    for (number, stream) in streams.iter().enumerate() {
        let expected =
            (number % 3 != 0).then(|| item(&[("seq", Value::N(i64::try_from(number).unwrap()))]));
        assert_eq!(found.get(stream), expected.as_ref(), "{stream}");
    }
    assert!(cursors.get_many(&[]).await.unwrap().is_empty());
}
