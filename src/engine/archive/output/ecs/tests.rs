#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};

use super::table::{Kind, Source, Table};
use super::*;

const AT_MS: i64 = 1_795_168_800_000;

fn text(ecs: Ecs, event: &str) -> String {
    let mut line = Vec::new();
    ecs.write(&mut line, Json::of(event.as_bytes()), AT_MS);
    String::from_utf8(line).unwrap()
}

fn document(event: &str) -> Value {
    serde_json::from_str(&text(Ecs::default(), event)).unwrap()
}

// ---- the table ----

/// The lines of a section of `ecs-8.11.txt`.
fn section(name: &str) -> Vec<&'static str> {
    let lines = include_str!("ecs-8.11.txt").lines().filter(|line| !line.starts_with('#'));
    let behind = lines.skip_while(|line| *line != format!("[{name}]")).skip(1);
    behind.take_while(|line| !line.starts_with('[')).filter(|line| !line.is_empty()).collect()
}

#[test]
fn every_field_is_one_of_ecs_and_of_its_type() {
    let known: HashMap<&str, &str> =
        section("fields").iter().map(|line| line.split_once(' ').unwrap()).collect();
    let mut filled = BTreeSet::new();
    for rule in &MAPPING.table.rules {
        let kind = match rule.kind {
            Kind::Date => "date",
            Kind::GeoPoint => "geo_point",
            Kind::Ip => "ip",
            Kind::Keyword => "keyword",
            Kind::Long => "long",
            Kind::MatchOnlyText => "match_only_text",
        };
        let is_list = matches!(
            rule.source,
            Source::All(_)
                | Source::Tags
                | Source::Listed(table::Column::Category | table::Column::Type)
        );
        let found = format!("{kind}{}", if is_list { " array" } else { "" });
        assert_eq!(known.get(&*rule.field), Some(&&*found), "{}", rule.field);
        assert!(filled.insert(rule.field.as_str()), "{} is filled twice", rule.field);
    }
    assert_eq!(filled, known.keys().copied().collect(), "left: fields.txt, right: ecs-8.11.txt");
}

#[test]
fn every_type_of_event_is_categorised_as_ecs_allows() {
    let categories: HashMap<&str, Vec<&str>> = section("event.category")
        .iter()
        .map(|line| line.split_once(": ").unwrap())
        .map(|(category, types)| (category, types.split(' ').collect()))
        .collect();
    let kinds: Vec<_> = section("event.kind")[0].split(' ').collect();
    let names = |json: &str| serde_json::from_str::<Vec<String>>(json).unwrap();
    for (name, listed) in &MAPPING.table.event_types {
        let kind: String = serde_json::from_str(&listed.kind).unwrap();
        assert!(kinds.contains(&&*kind), "{name}: {kind}");
        let (found, types) = (names(&listed.category), names(&listed.types));
        assert!(!found.is_empty() && !types.is_empty(), "{name}");
        let expected: Vec<_> = found.iter().flat_map(|one| &categories[&**one]).collect();
        for kind in types {
            assert!(expected.contains(&&&*kind), "{name}: {kind} in {found:?}");
        }
    }
    assert_eq!(section("event.outcome"), ["failure success unknown"]);
}

#[test]
fn what_elastic_categorises_stays_as_it_is() {
    for (names, category) in [
        (["ldap_bind", "user_login_attempt", "sso_auth", "admin_login_attempt"], "authentication"),
        (
            [
                "user_password_warning_email",
                "user_password_reset_request",
                "user_activation_email",
                "user_unlocked",
            ],
            "iam",
        ),
    ] {
        for name in names {
            let document = document(&format!(r#"{{"event_type":"{name}"}}"#));
            assert_eq!(document["event"]["category"], json!([category]), "{name}");
            assert_eq!(document["event"]["type"], json!(["info"]), "{name}");
        }
    }
}

#[test]
fn a_table_that_cannot_be_read_says_where() {
    for (fields, expected) in [
        ("[fields]\nevent.id text id", "cannot be read: event.id text id"),
        ("[fields]\nevent.id keyword some(id)", "cannot be read: event.id keyword some(id)"),
        ("event.id keyword id", "no line of : event.id keyword id"),
    ] {
        assert_eq!(Table::read(fields, "").unwrap_err(), expected);
    }
    assert_eq!(Table::read("", "a").unwrap_err(), "in no group: a");
    assert_eq!(Table::read("", "[iam: info] x\na\na").unwrap_err(), "twice: a");
}

// ---- documents ----

#[test]
fn a_document_is_ordered_as_the_table_is() {
    insta::assert_snapshot!(
        text(Ecs::default(), r#"{"id":"1","service":"sso","timestamp":"2023-06-15T14:21:10.34334445Z","extra":{"n":1.50}}"#),
        @r#"{"@timestamp":"2023-06-15T14:21:10.343Z","ecs":{"version":"8.11.0"},"event":{"kind":"event","outcome":"unknown","module":"sso","dataset":"jumpcloud.events","id":"1"},"observer":{"vendor":"Jumpcloud","product":"Directory Insights"},"jumpcloud":{"event":{"extra":{"n":1.50}}}}"#
    );
}

#[test]
fn what_is_empty_is_left_out_at_any_depth() {
    let event = r#"{"a":null,"b":"","c":{},"d":[],"e":{"f":[null,{"g":[""]}]},"h":[null,0,{"i":""}],
        "j":false,"k":" ","initiated_by":{"id":"","username":null},"event_type":""}"#;
    let filled = document(event);
    assert_eq!(filled["jumpcloud"]["event"], json!({"h": [0], "j": false, "k": " "}));
    assert_eq!(filled.get("source"), None);
    assert_eq!(filled["event"].get("action"), None);
    assert_eq!(document("{}").get("jumpcloud"), None);
}

#[test]
fn values_are_copied_as_they_are_written() {
    let event =
        r#"{"n":1.50,"big":123456789012345678901234567890,"e":1E400,"s":"\u0041\/é","z":-0.0}"#;
    let written = text(Ecs::default(), event);
    assert!(written.ends_with(&format!(r#""jumpcloud":{{"event":{event}}}}}"#)), "{written}");
}

#[test]
fn times_are_cut_to_the_millisecond_and_in_utc() {
    for (timestamp, expected) in [
        ("2023-06-15T15:16:41Z", "2023-06-15T15:16:41.000Z"),
        ("2023-06-15T15:16:41.9Z", "2023-06-15T15:16:41.900Z"),
        ("2023-06-15T15:16:41.999999999Z", "2023-06-15T15:16:41.999Z"),
        ("2023-06-15T15:16:41.5+02:00", "2023-06-15T13:16:41.500Z"),
        ("2023-06-15t15:16:41z", "2023-06-15T15:16:41.000Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.000Z"),
    ] {
        let document = document(&format!(r#"{{"timestamp":"{timestamp}"}}"#));
        assert_eq!(document["@timestamp"], expected, "{timestamp}");
        assert_eq!(document["event"]["kind"], "event", "{timestamp}");
    }
    let without = document("{}");
    assert_eq!(without["@timestamp"], "2026-11-20T10:00:00.000Z", "when it was collected");
    assert_eq!(without["event"]["kind"], "event");
}

#[test]
fn success_goes_before_the_token() {
    for (members, outcome) in [
        (r#""success":true,"sso_token_success":false"#, "success"),
        (r#""success":false,"sso_token_success":true"#, "failure"),
        (r#""sso_token_success":false"#, "failure"),
        (r#""sso_token_success":true"#, "success"),
        (r#""success":"true""#, "unknown"),
        (r#""success":null"#, "unknown"),
    ] {
        let document = document(&format!("{{{members}}}"));
        assert_eq!(document["event"]["outcome"], outcome, "{members}");
        assert_eq!(document["event"]["kind"], "event", "{members}");
    }
}

#[test]
fn settings_keep_duplicates_and_the_event_as_it_came() {
    let event = "{\"@version\":\"1\", \"id\":\"a\",\"useragent\":{\"name\":\"curl\",\"major\":\"8\"},\"x\":\"\u{2028}\"}";
    let plain = document(event);
    assert_eq!(plain["jumpcloud"]["event"], json!({"x": "\u{2028}"}));
    assert_eq!((plain.get("tags"), plain["event"].get("original")), (None, None));
    let all = Ecs { keep_duplicates: true, keep_original: true };
    let kept: Value = serde_json::from_str(&text(all, event)).unwrap();
    assert_eq!(
        kept["jumpcloud"]["event"],
        json!({"version": "1", "id": "a", "useragent": {"name": "curl", "major": "8"}, "x": "\u{2028}"})
    );
    assert_eq!(kept["event"]["original"], event);
    let tags = json!(["preserve_original_event", "preserve_duplicate_custom_fields"]);
    assert_eq!(kept["tags"], tags);
    assert_eq!(kept["event"]["kind"], "event");
}

#[test]
fn the_last_of_equal_keys_counts() {
    let many: String = (0..40).map(|n| format!(r#""k{n}":{n},"#)).collect();
    let event = format!(
        r#"{{"a":1,"b":2,"\u0061":3,"c":{{{many}"k7":"last"}},"d":4,"d":null,"id":"x","id":"y",
            "initiated_by":{{"id":"gone"}},"initiated_by":{{"type":"user"}}}}"#
    );
    let document = document(&event);
    let own = &document["jumpcloud"]["event"];
    assert_eq!((&own["a"], &own["b"], own.get("d")), (&json!(3), &json!(2), None));
    assert_eq!((&own["c"]["k7"], own["c"].as_object().unwrap().len()), (&json!("last"), 40));
    assert_eq!(document["event"]["id"], "y");
    assert_eq!(document.get("source"), None);
    assert_eq!(text(Ecs::default(), &event).matches(r#""a":"#).count(), 0);
}

#[test]
fn what_does_not_fit_is_said_and_kept() {
    for (member, field) in [
        (r#""client_ip":"here""#, "source.ip"),
        (r#""src_ip":"1.2.3""#, "source.ip"),
        (r#""timestamp":"soon""#, "@timestamp"),
        (r#""id":12"#, "event.id"),
        (r#""username":["a"]"#, "user.name"),
        (r#""system":{"hostname":{"a":1}}"#, "host.hostname"),
        (r#""geoip":{"latitude":"north","longitude":1}"#, "client.geo.location"),
        (r#""asn":{"number":1.5}"#, "client.as.number"),
    ] {
        let event = format!("{{{member},\"service\":\"sso\"}}");
        let document = document(&event);
        assert_eq!(document["event"]["kind"], "pipeline_error", "{event}");
        assert_eq!(document["event"]["original"], event);
        assert_eq!(document["tags"], json!(["preserve_original_event"]));
        let message = document["error"]["message"].as_str().unwrap();
        assert!(message.ends_with(&format!("is not allowed in {field}")), "{message}");
        let kept: Value = serde_json::from_str(&format!("{{{member}}}")).unwrap();
        assert_eq!(document["jumpcloud"]["event"], kept, "{event}");
        assert_eq!(document["event"]["module"], "sso", "the rest is filled");
    }
}

#[test]
fn an_address_that_is_none_is_kept_as_one() {
    let document = document(r#"{"client_ip":"proxy.example"}"#);
    assert_eq!(document["client"], json!({"address": "proxy.example"}));
    assert_eq!(document.get("related"), None);
}

#[test]
fn parents_of_another_type_hold_nothing_and_break_nothing() {
    let event = r#"{"initiated_by":[{"id":"1"}],"useragent":"curl","geoip":7}"#;
    let document = document(event);
    assert_eq!(document["event"]["kind"], "event");
    let own = json!({"initiated_by": [{"id": "1"}], "useragent": "curl", "geoip": 7});
    assert_eq!(document["jumpcloud"]["event"], own);
}

#[test]
fn conditions_are_those_of_the_table() {
    let target = |kind: &str| {
        let event = format!(r#"{{"resource":{{"id":"1","type":"{kind}"}}}}"#);
        document(&event)["user"]["target"]["id"].as_str().map(str::to_owned)
    };
    assert_eq!((target("user").as_deref(), target("system")), (Some("1"), None));
    let service = |kind: &str| {
        let event = format!(r#"{{"event_type":"{kind}","application":{{"name":"wiki"}}}}"#);
        document(&event)["service"]["name"].as_str().map(str::to_owned)
    };
    assert_eq!((service("sso_auth").as_deref(), service("software_add")), (Some("wiki"), None));
}

#[test]
fn every_user_and_address_is_related_once() {
    let event = r#"{"initiated_by":{"username":"ada","email":"ada@example.com"},"username":"ada",
        "resource":{"username":"bo"},"client_ip":"192.0.2.1","src_ip":"2001:db8::1",
        "auth_context":{"jumpcloud_protect_device":{"ip":"192.0.2.1"}},"system":{"hostname":"h"}}"#;
    let document = document(event);
    assert_eq!(document["related"]["user"], json!(["ada", "ada@example.com", "bo"]));
    assert_eq!(document["related"]["ip"], json!(["2001:db8::1", "192.0.2.1"]));
    assert_eq!(document["source"]["ip"], "2001:db8::1");
    assert_eq!(document["client"]["ip"], "192.0.2.1");
}

#[test]
fn half_a_surrogate_pair_is_replaced_and_kept_in_the_original() {
    let event = r#"{"a":"x\ud800y\uDFFF","b":"\ud83d\ude00 \\ud800","id":"\udc00"}"#;
    let document = document(event);
    let own = json!({"a": "x\u{fffd}y\u{fffd}", "b": "\u{1f600} \\ud800"});
    assert_eq!(document["jumpcloud"]["event"], own);
    assert_eq!(document["event"]["id"], "\u{fffd}");
    assert_eq!(document["event"]["kind"], "pipeline_error");
    assert_eq!(document["event"]["original"], event);
}

#[test]
fn no_nesting_is_too_deep_and_a_line_is_one_line() {
    let deep = format!(
        "{{\"a\":{}1{},\r\n \"b\" :\t\"\u{85}\" }}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let written = text(Ecs { keep_original: true, ..Ecs::default() }, &deep);
    assert!(!written.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']));
    let is_one = serde_json::from_str::<HashMap<String, &serde_json::value::RawValue>>(&written);
    assert_eq!(is_one.unwrap().len(), 6);
}

/// Rows are read to their end before; what cannot be is no reason to lose one.
#[test]
fn a_row_that_is_not_an_object_is_kept_whole() {
    for event in ["", "[", "{", r#"{"a"#, r#"{"a":1"#, r#"{"a":1]"#, "{]", r#"{"a" 1}"#, "7"] {
        let document = document(event);
        assert_eq!(document["event"]["kind"], "pipeline_error", "{event}");
        assert_eq!(document["event"]["original"], event);
        assert_eq!(document["error"]["message"], "the event is not a JSON object");
    }
}

#[test]
fn custom_fields_never_replace_a_field_of_ecs() {
    let custom = r#"{"env":"prod","service":"x","event":{},"tags":["forwarded"],"jumpcloud":1}"#;
    let custom = super::super::CustomFields::parse(custom).unwrap();
    let line = |ecs: Ecs| {
        let mut line = Vec::new();
        let output = super::super::Output::new(super::super::Format::Ecs(ecs), custom.clone());
        output.write_line(&mut line, br#"{"id":"1"}"#, AT_MS);
        serde_json::from_slice::<Value>(&line).unwrap()
    };
    let document = line(Ecs::default());
    assert_eq!((&document["env"], document.get("service")), (&json!("prod"), None));
    assert_eq!(document["event"]["id"], "1");
    assert_eq!(document["tags"], json!(["forwarded"]));
    let tags = json!(["preserve_original_event"]);
    assert_eq!(line(Ecs { keep_original: true, ..Ecs::default() })["tags"], tags);
}
