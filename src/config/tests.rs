#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;
use std::env::VarError;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use super::*;
use crate::jumpcloud::Region;
use engine::limits::DAY_MS;
use engine::stream::StreamId;
use engine::users::{Fields, Projection};

fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let least = [
        ("ARCHIVE_BUCKET", "archive"),
        ("STATE_BUCKET", "state"),
        ("CURSOR_TABLE", "cursors"),
        ("JUMPCLOUD_SECRET_ID", "secret"),
    ];
    let all: HashMap<_, _> = least.iter().chain(variables).copied().collect();
    Config::read(&|name| {
        let text = all.get(name).ok_or(VarError::NotPresent)?;
        Ok((*text).to_owned())
    })
}

fn problem(name: &str, text: &str) -> String {
    read(&[(name, text)]).unwrap_err().to_string()
}

#[test]
fn four_names_are_enough() {
    let config = read(&[]).unwrap();
    assert_eq!(config.source.organizations, OrganizationSource::Named(vec![StreamId::own()]));
    assert_eq!(config.settings.queries, [["all"]]);
    assert_eq!(config.settings.archive_prefix, "events/");
    assert_eq!(config.settings.overlap_ms, 15 * 60_000);
    assert_eq!(config.settings.page_limit, 10_000);
    assert_eq!(config.source.endpoints, Region::Us.endpoints());
    assert!(!config.s3_path_style);
}

#[test]
fn empty_is_unset() {
    let config = read(&[("JUMPCLOUD_ORG_IDS", ""), ("OVERLAP", " ")]).unwrap();
    assert_eq!(config.source.organizations, OrganizationSource::Named(vec![StreamId::own()]));
}

#[test]
fn all_problems_are_reported_at_once() {
    let error = Config::read(&|name| match name {
        "OVERLAP" => Ok("soon".to_owned()),
        "METRICS" => Err(VarError::NotUnicode(OsString::from_vec(b"canary\xff".to_vec()))),
        _ => Err(VarError::NotPresent),
    });
    let error = error.unwrap_err();
    insta::assert_snapshot!(error, @"configuration: ARCHIVE_BUCKET is not set; STATE_BUCKET is not set; CURSOR_TABLE is not set; JUMPCLOUD_SECRET_ID is not set; OVERLAP is `soon`: expected a duration like 90s, 15m, 24h or 15d; METRICS is not valid UTF-8");
}

#[test]
fn every_bad_value_names_its_variable() {
    for (name, text) in [
        ("START_LOOKBACK", "91d"),
        ("START_LOOKBACK", "0s"),
        ("JUMPCLOUD_RETENTION", "23h"),
        ("JUMPCLOUD_RETENTION", "731d"),
        ("ARCHIVE_RETENTION", "120d"),
        ("LATE_HORIZON", "61d"),
        ("OVERLAP", "25h"),
        ("SWEEP_EVERY", "721m"),
        ("SWEEP_EVERY", "500"),
        ("PAGE_LIMIT", "10001"),
        ("PAGE_LIMIT", "0"),
        ("MAX_PAGES_PER_RUN", "-1"),
        ("WORK_CONCURRENCY", "1"),
        ("COMPRESSION_LEVEL", "13"),
        ("LOG_LEVEL", "loud"),
        ("KEY_LAYOUT", "{tenant}/"),
        ("ARCHIVE_PREFIX", "events"),
        ("ARCHIVE_PREFIX", "../"),
        ("ARCHIVE_PREFIX", "quarantine/"),
        ("JUMPCLOUD_REGION", "US"),
        ("JUMPCLOUD_SERVICES", "sso,,ldap"),
        ("JUMPCLOUD_SERVICES", "sso,sso"),
        ("JUMPCLOUD_SERVICES", "a b"),
        ("JUMPCLOUD_ORG_IDS", "self"),
        ("JUMPCLOUD_ORG_IDS", "../../x"),
        ("JUMPCLOUD_ORG_IDS", "discover,0123456789abcdef01234567"),
        ("JUMPCLOUD_PROVIDER_ID", "the msp"),
        ("SYSTEM_USERS", "hourly"),
        ("METRICS", "none"),
        ("SYSTEM_USERS_FIELDS", "username,mfa."),
        ("SYSTEM_USERS_EXCLUDE", "a..b"),
        ("SYSTEM_USERS_EXCLUDE", "_id"),
        ("ARCHIVE_PREFIX", "snapshots/"),
        ("STATE_BUCKET", "archive"),
        ("OUTPUT_FORMAT", "ECS"),
        ("ECS_KEEP_ORIGINAL", "yes"),
        ("ECS_KEEP_DUPLICATES", "1"),
        ("WORK_QUEUE_URL", "work"),
        ("EVENT_FILTER", "{}"),
        ("EVENT_FILTER", r#"{"keep":[{}]}"#),
        ("CUSTOM_FIELDS", "env=prod"),
        ("CUSTOM_FIELDS", r#"{"__env":1}"#),
        ("WORK_QUEUE_URL", "jumpcloud-collector-WorkQueue"),
    ] {
        let error = problem(name, text);
        assert!(error.starts_with(&format!("configuration: {name} ")), "{name}={text}: {error}");
    }
}

/// A comparison needs two valid values.
#[test]
fn a_late_horizon_has_one_problem_at_a_time() {
    for (variables, told) in [
        (&[("LATE_HORIZON", "61d")][..], "LATE_HORIZON is `61d`: expected 1s to 60d"),
        (
            &[("LATE_HORIZON", "10m"), ("SWEEP_EVERY", "5m")],
            "OVERLAP is `15m`, longer than LATE_HORIZON, `10m`",
        ),
        (&[("OVERLAP", "25h")], "OVERLAP is `25h`, longer than LATE_HORIZON, `24h`"),
        (&[("LATE_HORIZON", "1h")], "SWEEP_EVERY is `1h`, longer than half of LATE_HORIZON, `1h`"),
    ] {
        let error = read(variables).unwrap_err();
        assert_eq!(error.to_string(), format!("configuration: {told}"), "{variables:?}");
    }
}

/// Names go before discovery; a provider's own trail comes with either.
#[test]
fn who_is_asked_follows_from_two_variables() {
    let (one, two, msp) = ("a".repeat(24), "b".repeat(24), "c".repeat(24));
    let stream = |name: &str| StreamId::try_from(name.to_owned()).unwrap();
    let trail = stream(&format!("provider-{msp}"));
    let both = format!("{one},{two}");
    let provider = ("JUMPCLOUD_PROVIDER_ID", msp.as_str());
    for (variables, organizations) in [
        (vec![], OrganizationSource::Named(vec![StreamId::own()])),
        (
            vec![("JUMPCLOUD_ORG_IDS", both.as_str())],
            OrganizationSource::Named(vec![stream(&one), stream(&two)]),
        ),
        (vec![("JUMPCLOUD_ORG_IDS", "discover")], OrganizationSource::Administrator),
        (vec![provider], OrganizationSource::Provider(trail.clone())),
        (
            vec![provider, ("JUMPCLOUD_ORG_IDS", "discover")],
            OrganizationSource::Provider(trail.clone()),
        ),
        (
            vec![provider, ("JUMPCLOUD_ORG_IDS", &one)],
            OrganizationSource::Named(vec![trail, stream(&one)]),
        ),
    ] {
        let config = read(&variables).unwrap();
        let is_own = organizations == OrganizationSource::Named(vec![StreamId::own()]);
        assert_eq!(config.source.organizations, organizations, "{variables:?}");
        assert_eq!(config.settings.names_organizations, !is_own, "{variables:?}");
    }
}

#[test]
fn users_are_read_on_request_without_keys_telephones_and_addresses() {
    let kept = |variables: &[(&str, &str)]| {
        let daily = [&[("SYSTEM_USERS", "daily")], variables].concat();
        read(&daily).unwrap().settings.system_users.unwrap()
    };
    assert_eq!(read(&[]).unwrap().settings.system_users, None);
    assert_eq!(read(&[("SYSTEM_USERS", "off")]).unwrap().settings.system_users, None);
    assert_eq!(kept(&[]), engine::users::snapshot::usual());
    assert_eq!(kept(&[("SYSTEM_USERS_EXCLUDE", "none")]), Projection::default());
    let named = kept(&[("SYSTEM_USERS_FIELDS", "username, addresses")]);
    let only = Fields::parse(&["username", "addresses", "_id"]);
    assert_eq!(named, Projection { only, without: Fields::default() });
}

/// What is deleted before its journal entry could be published again.
#[test]
fn an_archive_is_kept_for_longer_than_the_journal() {
    let kept = |text: &str| {
        let config = read(&[("ARCHIVE_RETENTION", text)]).unwrap();
        config.settings.archive_kept_ms.map(|ms| ms / DAY_MS)
    };
    assert_eq!([kept(""), kept("121d"), kept("400d")], [None, Some(121), Some(400)]);
    let error = problem("ARCHIVE_RETENTION", "90d");
    assert!(error.ends_with("ARCHIVE_RETENTION is `90d`: expected 121d to 36500d"), "{error}");
}

#[test]
fn zero_is_a_lag_and_an_overlap() {
    let config = read(&[("SETTLE_LAG", "0s"), ("OVERLAP", "0s")]).unwrap();
    assert_eq!((config.settings.settle_lag_ms, config.settings.overlap_ms), (0, 0));
}

/// What JumpCloud keeps for longer than a stream may read back is lost to it all the same.
#[test]
fn an_event_can_be_read_as_long_as_it_is_kept_and_for_100_days() {
    let days = |text: &str| {
        let config = read(&[("JUMPCLOUD_RETENTION", text)]).unwrap();
        assert_eq!(config.settings.retention_ms, config.metrics.retention_ms);
        config.settings.retention_ms / DAY_MS
    };
    assert_eq!([days(""), days("15d"), days("730d")], [90, 15, 100]);
    let error = problem("JUMPCLOUD_RETENTION", "a while");
    assert_eq!(error.matches("JUMPCLOUD_RETENTION").count(), 1, "{error}");
}

#[test]
fn all_is_asked_apart_from_names() {
    let config = read(&[("JUMPCLOUD_SERVICES", "sso, all ,pam")]).unwrap();
    assert_eq!(config.settings.queries, [vec!["all"], vec!["sso", "pam"]]);
}

#[test]
fn a_key_goes_nowhere_but_to_jumpcloud_and_loopback() {
    let own = "http://127.0.0.1:8080/insights/directory/v1/";
    let config =
        read(&[("JUMPCLOUD_INSIGHTS_URL", own), ("AWS_ENDPOINT_URL", "http://x")]).unwrap();
    assert_eq!(config.source.endpoints.insights, own.trim_end_matches('/'));
    assert!(config.s3_path_style);
    for url in [
        "https://example.com",
        "http://127.0.0.1.example.com",
        "http://127.0.0.1@example.com",
        "http://10.0.0.1",
        "file:///etc",
        "localhost",
        "http://localhost:1/?to=x",
    ] {
        assert!(problem("JUMPCLOUD_TOKEN_URL", url).contains("loopback"), "{url}");
    }
    assert!(read(&[("JUMPCLOUD_TOKEN_URL", "http://[::1]:1/oauth2/token")]).is_ok());
}

#[test]
fn a_proxy_is_read_in_either_case_and_never_shown() {
    for name in ["HTTPS_PROXY", "https_proxy"] {
        let config = read(&[(name, "http://me:canary@proxy.example:3128"), ("no_proxy", "a, b")]);
        let config = config.unwrap();
        assert!(config.source.proxy.is_some());
        assert!(!format!("{config:?}").contains("canary"));
        let problem = problem(name, "socks5://me:canary@proxy.example");
        assert!(problem.contains(&format!("{name} is not the address of a proxy")), "{problem}");
        assert!(!problem.contains("canary"), "{problem}");
    }
    for unused in ["HTTP_PROXY", "ALL_PROXY", "HTTPS_PROXY"] {
        let value = if unused == "HTTPS_PROXY" { " " } else { "http://proxy.example:3128" };
        assert!(read(&[(unused, value)]).unwrap().source.proxy.is_none(), "{unused}");
    }
}

#[test]
fn a_secret_in_place_of_its_name_is_refused_and_never_shown() {
    for secret in ["jca_canary", "id:canary", r#"{"api_key":"canary"}"#, "'canary'"] {
        let problem = problem("JUMPCLOUD_SECRET_ID", secret);
        assert!(problem.contains("JUMPCLOUD_SECRET_ID is not the name or ARN"), "{problem}");
        assert!(!problem.contains("canary"), "{problem}");
    }
    for name in
        ["jumpcloud/api-key", "arn:aws:secretsmanager:us-east-1:111122223333:secret:a-AbCdEf"]
    {
        assert_eq!(read(&[("JUMPCLOUD_SECRET_ID", name)]).unwrap().secret_id, name);
    }
}
