//! The configuration: the one place that reads the environment. All problems are reported
//! together, each naming its variable; nothing falls back silently.

use std::fmt;
use std::str::FromStr;

use secrecy::SecretString;

use crate::jumpcloud::{Endpoints, Region};
use crate::limits::{DAY_MS, PAGE_LIMIT_MAX};
use crate::partition::KeyLayout;
use crate::plan::{Query, Settings};
use crate::stream::{StreamId, is_object_id};
use crate::time;

/// Everything the function is told from outside.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the engine needs.
    pub settings: Settings,
    /// The table of cursors.
    pub cursor_table: String,
    /// The secret's name or ARN.
    pub secret_id: String,
    /// What JumpCloud is asked for.
    pub source: Source,
    /// Whether S3 is somewhere else than at AWS, where buckets are folders.
    pub s3_path_style: bool,
}

/// What JumpCloud is asked for: what the function and a terminal share.
#[derive(Clone, Debug)]
pub struct Source {
    /// JumpCloud's hosts.
    pub endpoints: Endpoints,
    /// The streams that are collected.
    pub streams: Vec<StreamId>,
    /// How much is logged.
    pub log_level: tracing::Level,
}

/// Every problem of a configuration.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError(Vec<String>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "configuration: {}", self.0.join("; "))
    }
}

impl std::error::Error for ConfigError {}

/// Variables of the function's interface that a later version reads. Whoever sets one today is
/// told that it would do nothing.
const NOT_YET: [&str; 6] = [
    "WORK_QUEUE_URL",
    "JUMPCLOUD_PROVIDER_ID",
    "ECS_KEEP_DUPLICATES",
    "ECS_KEEP_ORIGINAL",
    "EVENT_FILTER",
    "CUSTOM_FIELDS",
];

/// Whether the C library's allocator was told, as it must be before the process starts, to give
/// large buffers back to the system when they are freed.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn gives_memory_back() -> bool {
    std::env::var_os(MALLOC_THRESHOLD.0).is_some()
}

/// The allocator's variable, and the size in bytes from which a buffer is given back.
pub const MALLOC_THRESHOLD: (&str, &str) = ("MALLOC_MMAP_THRESHOLD_", "131072");

/// Reads one variable. Empty is unset: templates cannot leave a variable out.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Config {
    /// Reads the function's environment.
    ///
    /// # Errors
    /// [`ConfigError`], with every problem.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::read(&|name| std::env::var(name).ok())
    }

    /// Reads a configuration from `lookup`.
    ///
    /// # Errors
    /// [`ConfigError`], with every problem.
    pub fn read(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let mut reader = Reader { lookup, problems: Vec::new() };
        let archive_bucket = reader.required("ARCHIVE_BUCKET");
        let state_bucket = reader.required("STATE_BUCKET");
        if !archive_bucket.is_empty() && archive_bucket == state_bucket {
            reader.problem("STATE_BUCKET", "is the archive's bucket, which SIEMs may read");
        }
        let config = Self {
            cursor_table: reader.required("CURSOR_TABLE"),
            secret_id: reader.required("JUMPCLOUD_SECRET_ID"),
            settings: reader.settings(archive_bucket, state_bucket),
            source: reader.source(),
            s3_path_style: reader
                .text("AWS_ENDPOINT_URL_S3")
                .or(reader.text("AWS_ENDPOINT_URL"))
                .is_some(),
        };
        reader.done(config)
    }
}

/// What a terminal is told from outside: no bucket, table or secret's name.
#[derive(Debug)]
pub struct Terminal {
    /// What JumpCloud is asked for.
    pub source: Source,
    /// What the engine needs.
    pub settings: Settings,
    /// The API key, if it is in the environment.
    pub api_key: Option<SecretString>,
}

impl Terminal {
    /// Reads a terminal's environment. `archive` and `state` are the folders' names.
    ///
    /// # Errors
    /// [`ConfigError`], with every problem.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn from_env(archive: &str, state: &str) -> Result<Self, ConfigError> {
        let lookup = |name: &str| std::env::var(name).ok();
        let mut reader = Reader { lookup: &lookup, problems: Vec::new() };
        let terminal = Self {
            source: reader.source(),
            settings: reader.settings(archive.to_owned(), state.to_owned()),
            api_key: reader.text("JUMPCLOUD_API_KEY").map(SecretString::from),
        };
        reader.done(terminal)
    }
}

struct Reader<'a> {
    lookup: Lookup<'a>,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn done<T>(self, value: T) -> Result<T, ConfigError> {
        if self.problems.is_empty() { Ok(value) } else { Err(ConfigError(self.problems)) }
    }

    fn problem(&mut self, name: &str, what: impl fmt::Display) {
        self.problems.push(format!("{name} {what}"));
    }

    fn text(&self, name: &str) -> Option<String> {
        (self.lookup)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn required(&mut self, name: &str) -> String {
        self.text(name).unwrap_or_else(|| {
            self.problem(name, "is not set");
            String::new()
        })
    }

    fn source(&mut self) -> Source {
        for name in NOT_YET {
            if self.text(name).is_some() {
                self.problem(name, "is not supported by this version");
            }
        }
        if self.text("OUTPUT_FORMAT").is_some_and(|format| format != "raw") {
            self.problem("OUTPUT_FORMAT", "supports `raw` only in this version");
        }
        Source { endpoints: self.endpoints(), streams: self.streams(), log_level: self.log_level() }
    }

    fn settings(&mut self, archive_bucket: String, state_bucket: String) -> Settings {
        Settings {
            archive_bucket,
            state_bucket,
            archive_prefix: self.archive_prefix(),
            layout: self.layout(),
            queries: self.queries(),
            start_lookback_ms: self.duration("START_LOOKBACK", "24h", 1_000..=90 * DAY_MS),
            settle_lag_ms: self.duration("SETTLE_LAG", "10s", 0..=DAY_MS),
            overlap_ms: self.duration("OVERLAP", "15m", 0..=90 * DAY_MS),
            late_horizon_ms: self.duration("LATE_HORIZON", "24h", 1_000..=90 * DAY_MS),
            sweep_every_ms: self.duration("SWEEP_EVERY", "1h", 1_000..=90 * DAY_MS),
            page_limit: self.number("PAGE_LIMIT", 10_000, 1..=PAGE_LIMIT_MAX),
            pages_per_run: self.number("MAX_PAGES_PER_RUN", 100, 1..=1_000_000),
            compression_level: self.number("COMPRESSION_LEVEL", 6, 1..=12),
        }
    }

    fn archive_prefix(&mut self) -> String {
        let prefix = self.text("ARCHIVE_PREFIX").unwrap_or_else(|| "events/".to_owned());
        let beside = ["quarantine/", "preflight/"];
        if !prefix.ends_with('/') || KeyLayout::parse(&prefix).is_err() || prefix.contains('{') {
            self.problem(
                "ARCHIVE_PREFIX",
                format!("is `{prefix}`: expected folders that end in `/`"),
            );
        } else if beside.iter().any(|folder| prefix.starts_with(folder)) {
            self.problem(
                "ARCHIVE_PREFIX",
                format!("is `{prefix}`, where other objects than events lie"),
            );
        }
        prefix
    }

    fn layout(&mut self) -> KeyLayout {
        let text = self.text("KEY_LAYOUT").unwrap_or_else(|| KeyLayout::DEFAULT.to_owned());
        match KeyLayout::parse(&text) {
            Ok(layout) => layout,
            Err(error) => {
                self.problem("KEY_LAYOUT", format!("is `{text}`: {error}"));
                KeyLayout::default()
            }
        }
    }

    /// The service lists: `all` apart from names, which makes two queries of the same stream.
    fn queries(&mut self) -> Vec<Query> {
        let services = self.list("JUMPCLOUD_SERVICES", "all");
        let plain =
            |name: &String| name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        if let Some(odd) = services.iter().find(|name| !plain(name)) {
            self.problem("JUMPCLOUD_SERVICES", format!("names `{odd}`: expected lower-case names"));
        }
        let (all, names): (Vec<_>, Vec<_>) = services.into_iter().partition(|name| name == "all");
        [all, names].into_iter().filter(|query| !query.is_empty()).collect()
    }

    fn streams(&mut self) -> Vec<StreamId> {
        let names = self.list("JUMPCLOUD_ORG_IDS", "self");
        let mut streams = Vec::new();
        for name in names {
            if name == "self" && self.text("JUMPCLOUD_ORG_IDS").is_none() {
                streams.push(StreamId::own());
            } else if is_object_id(&name) {
                streams.extend(StreamId::try_from(name));
            } else {
                let what = format!(
                    "names `{name}`: expected organization ids of 24 lower-case hex digits"
                );
                self.problem("JUMPCLOUD_ORG_IDS", what);
            }
        }
        streams
    }

    fn endpoints(&mut self) -> Endpoints {
        let region = match self.text("JUMPCLOUD_REGION").as_deref() {
            None | Some("us") => Region::Us,
            Some("eu") => Region::Eu,
            Some("in") => Region::In,
            Some(other) => {
                self.problem("JUMPCLOUD_REGION", format!("is `{other}`: expected us, eu or in"));
                Region::Us
            }
        };
        let Endpoints { insights, console, token } = region.endpoints();
        Endpoints {
            insights: self.loopback("JUMPCLOUD_INSIGHTS_URL", insights),
            console: self.loopback("JUMPCLOUD_CONSOLE_URL", console),
            token: self.loopback("JUMPCLOUD_TOKEN_URL", token),
        }
    }

    /// An override for tests and local runs; no way to send a key elsewhere.
    fn loopback(&mut self, name: &str, otherwise: String) -> String {
        let Some(text) = self.text(name) else { return otherwise };
        if !is_loopback(&text) {
            self.problem(name, "is accepted for loopback addresses only");
        }
        text.trim_end_matches('/').to_owned()
    }

    fn log_level(&mut self) -> tracing::Level {
        let text = self.text("LOG_LEVEL").unwrap_or_else(|| "info".to_owned());
        tracing::Level::from_str(&text).unwrap_or_else(|_| {
            self.problem(
                "LOG_LEVEL",
                format!("is `{text}`: expected error, warn, info, debug or trace"),
            );
            tracing::Level::INFO
        })
    }

    fn list(&mut self, name: &str, otherwise: &str) -> Vec<String> {
        let text = self.text(name).unwrap_or_else(|| otherwise.to_owned());
        let mut items: Vec<String> = Vec::new();
        for item in text.split(',').map(str::trim) {
            if item.is_empty() {
                self.problem(name, "has an empty item");
            } else if items.iter().any(|known| known == item) {
                self.problem(name, format!("names `{item}` twice"));
            } else {
                items.push(item.to_owned());
            }
        }
        items
    }

    fn duration(
        &mut self,
        name: &str,
        otherwise: &str,
        allowed: std::ops::RangeInclusive<i64>,
    ) -> i64 {
        let text = self.text(name).unwrap_or_else(|| otherwise.to_owned());
        match time::parse_duration_ms(&text) {
            Some(ms) if allowed.contains(&ms) => ms,
            Some(_) => {
                let (least, most) = (allowed.start() / 1_000, allowed.end() / DAY_MS);
                self.problem(name, format!("is `{text}`: expected {least}s to {most}d"));
                0
            }
            None => {
                self.problem(
                    name,
                    format!("is `{text}`: expected a duration like 90s, 15m, 24h or 15d"),
                );
                0
            }
        }
    }

    fn number<N>(&mut self, name: &str, otherwise: N, allowed: std::ops::RangeInclusive<N>) -> N
    where
        N: FromStr + PartialOrd + fmt::Display + Copy,
    {
        let Some(text) = self.text(name) else { return otherwise };
        match text.parse() {
            Ok(number) if allowed.contains(&number) => number,
            _ => {
                let (least, most) = (allowed.start(), allowed.end());
                self.problem(
                    name,
                    format!("is `{text}`: expected a whole number from {least} to {most}"),
                );
                otherwise
            }
        }
    }
}

fn is_loopback(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    let host = url.host_str().unwrap_or("").trim_matches(['[', ']']);
    let loopback =
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    bare && loopback && matches!(url.scheme(), "http" | "https")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let least = [
            ("ARCHIVE_BUCKET", "archive"),
            ("STATE_BUCKET", "state"),
            ("CURSOR_TABLE", "cursors"),
            ("JUMPCLOUD_SECRET_ID", "secret"),
        ];
        let all: HashMap<_, _> = least.iter().chain(variables).copied().collect();
        Config::read(&|name| all.get(name).map(|text| (*text).to_owned()))
    }

    fn problem(name: &str, text: &str) -> String {
        read(&[(name, text)]).unwrap_err().to_string()
    }

    #[test]
    fn four_names_are_enough() {
        let config = read(&[]).unwrap();
        assert_eq!(config.source.streams, [StreamId::own()]);
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
        assert_eq!(config.source.streams, [StreamId::own()]);
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let error =
            Config::read(&|name| (name == "OVERLAP").then(|| "soon".to_owned())).unwrap_err();
        insta::assert_snapshot!(error, @"configuration: ARCHIVE_BUCKET is not set; STATE_BUCKET is not set; CURSOR_TABLE is not set; JUMPCLOUD_SECRET_ID is not set; OVERLAP is `soon`: expected a duration like 90s, 15m, 24h or 15d");
    }

    #[test]
    fn every_bad_value_names_its_variable() {
        for (name, text) in [
            ("START_LOOKBACK", "91d"),
            ("START_LOOKBACK", "0s"),
            ("LATE_HORIZON", "0s"),
            ("SWEEP_EVERY", "500"),
            ("PAGE_LIMIT", "10001"),
            ("PAGE_LIMIT", "0"),
            ("MAX_PAGES_PER_RUN", "-1"),
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
            ("STATE_BUCKET", "archive"),
            ("OUTPUT_FORMAT", "ecs"),
            ("WORK_QUEUE_URL", "https://sqs"),
        ] {
            let error = problem(name, text);
            assert!(
                error.starts_with(&format!("configuration: {name} ")),
                "{name}={text}: {error}"
            );
        }
    }

    #[test]
    fn zero_is_a_lag_and_an_overlap() {
        let config = read(&[("SETTLE_LAG", "0s"), ("OVERLAP", "0s")]).unwrap();
        assert_eq!((config.settings.settle_lag_ms, config.settings.overlap_ms), (0, 0));
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
}
