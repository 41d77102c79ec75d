//! Odd events: archived as sent, however odd; only rows that are not events are quarantined.

use engine::limits::HOUR_MS;
use mock::{Fault, When};

use crate::process::Function;
use fixtures::environment::{Environment, only_stream};
use fixtures::event::{ORGANIZATION, event, now_ms, stamped};

const OTHER_ORGANIZATION: &str = "ffffffffffffffffffffffff";

/// The time of `ms` with nothing behind the second.
fn second(ms: i64) -> String {
    jiff::Timestamp::from_second(ms / 1_000).expect("a time jiff knows").to_string()
}

/// An event at `ms` with these further members in front.
fn with(members: &str, ms: i64) -> Vec<u8> {
    format!(r#"{{{members},"organization":"{ORGANIZATION}","timestamp":"{}"}}"#, second(ms))
        .into_bytes()
}

/// Oddities that still say where they belong.
fn odd_events(ms: i64) -> Vec<Vec<u8>> {
    let deep =
        format!(r#""id":"deep","service":"sso","deep":{}1{}"#, "[".repeat(200), "]".repeat(200));
    let large = |bytes: usize| {
        format!(r#""id":"large-{bytes}","service":"mdm","x":"{}""#, "x".repeat(bytes))
    };
    let long_service = format!(r#""id":"long","service":"{}""#, "s".repeat(41));
    let members = [
        r#""service":"ldap","dn":"no id""#,
        r#""id":null,"service":"ldap""#,
        r#""id":"no service""#,
        r#""id":"odd service","service":7"#,
        r#""id":"capital service","service":"SSO""#,
        r#""id":"climbing service","service":"../../x""#,
        r#""id":"empty service","service":"""#,
        &long_service,
        r#""id":"unknown service","service":"made_up_2027","event_type":"unheard_of""#,
        r#""id":"first","service":"sso","id":"duplicate keys","service":"directory""#,
        r#""id":"lone surrogates","service":"sso","x":"\ud800 \udfff""#,
        r#""id":"big numbers","service":"sso","x":12345678901234567890,"y":1.10,"z":1E400,"w":-0.0"#,
        r#""id":"escapes","service":"sso","x":"\u0041\/\u2028\n""#,
        "\"id\":\"separators\",\"service\":\"sso\",\"x\":\"a\u{2028}b\u{2029}c\u{85}d\"",
        "\"id\":\"pretty\",\r\n  \"service\" :\t\"sso\" ,\n  \"x\" : [ 1 ,\n 2 ]",
        "\"id\":\"wide\",\"service\":\"sso\",\"x\":\"\u{1F600} \u{10FFFF} \u{7F}\"",
        &deep,
        &large(75_000),
        &large(5_000_000),
    ];
    members
        .iter()
        .enumerate()
        .map(|(nth, members)| with(members, ms + 1_000 * nth as i64))
        .collect()
}

/// Timestamps of every precision around one second, out of text order.
fn odd_times(ms: i64) -> Vec<Vec<u8>> {
    let base = second(ms).trim_end_matches('Z').to_owned();
    let offset = jiff::Timestamp::from_second(ms / 1_000).expect("a time jiff knows");
    let offset = offset
        .to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(-7)))
        .strftime("%FT%T%:z")
        .to_string();
    let texts = [
        format!("{base}Z"),
        format!("{base}.000000001Z"),
        format!("{base}.34334445Z"),
        format!("{base}.3433444Z"),
        format!("{base}.5Z"),
        format!("{base}.49Z"),
        format!("{base}.495420839Z"),
        offset,
    ];
    texts.iter().enumerate().map(|(nth, text)| stamped(nth + 1, text)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_events_are_archived_as_sent() {
    let environment = Environment::start().await;
    let ms = now_ms() - 3 * HOUR_MS;
    let mut events = odd_events(ms);
    events.extend(odd_times(ms + HOUR_MS));
    environment.load(&events);
    let report = Function::spawn(&environment, &[]).await.run("{}").await;
    let archive = environment.archive().await;
    archive.assert_holds(&events);
    assert!(archive.quarantined.is_empty(), "{report}");
    for (nth, service) in [
        (2, "_other"),
        (3, "_other"),
        (4, "_other"),
        (5, "_other"),
        (8, "made_up_2027"),
        (9, "directory"),
    ] {
        assert_eq!(
            archive.part_of(&events[nth]).service,
            service,
            "{}",
            String::from_utf8_lossy(&events[nth])
        );
    }
}

/// Their row's place says when; the collection day is their partition.
#[tokio::test(flavor = "multi_thread")]
async fn events_without_a_readable_time_are_archived_once() {
    let environment = Environment::start().await;
    let ms = now_ms() - 10 * 60_000;
    let without = |text: &str| {
        format!(r#"{{"id":"{}","service":"sso"{text}}}"#, fastrand::u64(..)).into_bytes()
    };
    let mut events = vec![
        without(""),
        without(r#","timestamp":null"#),
        without(r#","timestamp":"yesterday""#),
        without(r#","timestamp":1700000000"#),
        b"{}".to_vec(),
    ];
    {
        let mut world = environment.jumpcloud.world();
        for event in &events {
            world.load_at(event.clone(), ms, ORGANIZATION, "sso", i64::MIN);
        }
    }
    let around = [event(1, "sso", ms - 1_000), event(2, "sso", ms + 1_000)];
    environment.load(&around);
    events.extend(around);
    let function = Function::spawn(&environment, &[]).await;
    for _ in 0..2 {
        function.run("{}").await;
    }
    environment.archive().await.assert_holds(&events);
}

/// The same id is another event under another service or at another time; the same event is one.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_known_by_more_than_its_id() {
    let environment = Environment::start().await;
    let ms = now_ms() - HOUR_MS;
    let events = [event(1, "sso", ms), event(1, "ldap", ms), event(1, "sso", ms + 1)];
    environment.load(&events);
    environment.load(&events);
    Function::spawn(&environment, &[("PAGE_LIMIT", "2")]).await.run("{}").await;
    environment.archive().await.assert_holds(&events);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_not_an_event_is_quarantined_with_its_bytes() {
    let environment = Environment::start().await;
    let ms = now_ms() - HOUR_MS;
    let foreign = format!(
        r#"{{"id":"f","service":"sso","timestamp":"{}","organization":"{OTHER_ORGANIZATION}"}}"#,
        second(ms)
    );
    let rows: [&[u8]; 6] =
        [b"42", b"\"text\"", b"[1,{}]", b"null", b"{\"id\":\"\xff\"}", foreign.as_bytes()];
    let events = [event(1, "sso", ms - 1), event(2, "sso", ms + 1)];
    environment.load(&events);
    for row in rows {
        environment.jumpcloud.world().load_at(row.to_vec(), ms, ORGANIZATION, "sso", i64::MIN);
    }
    let function = Function::spawn(&environment, &[("JUMPCLOUD_ORG_IDS", ORGANIZATION)]).await;
    let report = function.run("{}").await;
    assert_eq!(only_stream(&report)["quarantined"], rows.len(), "{report}");
    function.run("{}").await;
    let archive = environment.archive().await;
    archive.assert_holds(&events);
    let mut kept: Vec<_> =
        archive.quarantined.iter().filter_map(|row| row.bytes.as_deref()).collect();
    let mut rows = rows.to_vec();
    kept.sort();
    rows.sort();
    assert_eq!(kept, rows);
    assert!(archive.quarantined.iter().all(|row| !row.reason.is_empty()));
}

/// Pages beyond the limits are asked for again in smaller pieces.
#[tokio::test(flavor = "multi_thread")]
async fn huge_pages_are_read_in_pieces() {
    let environment = Environment::start().await;
    let large = |nth: i64| {
        with(
            &format!(r#""id":"{nth}","service":"mdm","x":"{}""#, "x".repeat(5_000_000)),
            now_ms() - HOUR_MS + nth,
        )
    };
    let events: Vec<_> = (0..16).map(large).collect();
    environment.load(&events);
    Function::spawn(&environment, &[]).await.run("{}").await;
    environment.archive().await.assert_holds(&events);
}

/// A page torn in the middle of a row looks like JSON only to those who do not read to its end.
#[tokio::test(flavor = "multi_thread")]
async fn half_a_page_of_odd_events_is_never_used() {
    let environment = Environment::start().await;
    let events = odd_times(now_ms() - HOUR_MS);
    environment.load(&events);
    environment.fault(Fault::GarbledJson, When::Next(2));
    Function::spawn(&environment, &[]).await.run("{}").await;
    environment.archive().await.assert_holds(&events);
}
