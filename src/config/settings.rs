//! Reads the settings of the engine.

use super::reader::{Reader, Span};
use engine::archive::{CustomFields, Ecs, Filter, Format, KeyLayout, Output};
use engine::limits::{
    ARCHIVE_KEPT_MS_MAX, ARCHIVE_KEPT_MS_MIN, DAY_MS, LATE_HORIZON_MS_MAX, PAGE_LIMIT_MAX,
    READ_BACK_MS_MAX, RETENTION_MS_MAX,
};
use engine::page::Query;
use engine::report::{Detail, Metrics};
use engine::settings::Settings;
use engine::users::{Fields, Projection, snapshot};

impl Reader<'_> {
    pub(super) fn settings(&mut self, archive_bucket: String, state_bucket: String) -> Settings {
        let [overlap_ms, late_horizon_ms, sweep_every_ms] = self.rereading();
        Settings {
            names_organizations: self.names_organizations(),
            archive_bucket,
            state_bucket,
            archive_prefix: self.archive_prefix(),
            layout: self.layout(),
            filter: self.parsed("EVENT_FILTER", Filter::parse),
            output: self.output(),
            system_users: self.system_users(),
            queries: self.queries(),
            retention_ms: self.retention_ms(),
            archive_kept_ms: self.archive_kept_ms(),
            start_lookback_ms: self.duration("START_LOOKBACK", "24h", 1_000..=90 * DAY_MS),
            settle_lag_ms: self.duration("SETTLE_LAG", "10s", 0..=DAY_MS),
            overlap_ms,
            late_horizon_ms,
            sweep_every_ms,
            page_limit: self.number("PAGE_LIMIT", 10_000, 1..=PAGE_LIMIT_MAX),
            pages_per_run: self.number("MAX_PAGES_PER_RUN", 100, 1..=1_000_000),
            compression_level: self.number("COMPRESSION_LEVEL", 6, 1..=12),
        }
    }

    /// The overlap, the late horizon and the time between sweeps, in milliseconds. They are compared if
    /// each of both is valid by itself.
    fn rereading(&mut self) -> [i64; 3] {
        let overlap = self.span("OVERLAP", "15m", 0..=LATE_HORIZON_MS_MAX);
        let horizon = self.span("LATE_HORIZON", "24h", 1_000..=LATE_HORIZON_MS_MAX);
        let sweep = self.span("SWEEP_EVERY", "1h", 1_000..=LATE_HORIZON_MS_MAX);
        let mut compare = |name, span: &Option<Span>, part, what| {
            if let (Some(span), Some(horizon)) = (span, &horizon)
                && span.ms > horizon.ms / part
            {
                let (is, most) = (&span.text, &horizon.text);
                self.problem(name, format!("is `{is}`, longer than {what}, `{most}`"));
            }
        };
        compare("OVERLAP", &overlap, 1, "LATE_HORIZON");
        compare("SWEEP_EVERY", &sweep, 2, "half of LATE_HORIZON");
        [overlap, horizon, sweep].map(|span| span.map_or(0, |span| span.ms))
    }

    /// The settings of metrics. A stream is stale after half an hour, or after three schedule
    /// intervals if that is longer; only the template knows the interval.
    pub(super) fn metrics(&mut self, retention_ms: i64) -> Metrics {
        let detail = match self.text("METRICS").as_deref() {
            None | Some("standard") => Detail::Standard,
            Some("detailed") => Detail::Detailed,
            Some(other) => {
                self.problem("METRICS", format!("is `{other}`: expected standard or detailed"));
                Detail::Standard
            }
        };
        let text = |name, otherwise: &str| self.text(name).unwrap_or_else(|| otherwise.to_owned());
        Metrics {
            detail,
            namespace: text("METRICS_NAMESPACE", "JumpCloudCollector"),
            function: text("AWS_LAMBDA_FUNCTION_NAME", "jumpcloud-collector"),
            stale_after_ms: self.duration("STALE_AFTER", "30m", 1_000..=90 * DAY_MS),
            retention_ms,
        }
    }

    /// How long an event can be read: as long as the JumpCloud plan keeps it (15 days to two
    /// years), but at most as far as a stream may read back.
    fn retention_ms(&mut self) -> i64 {
        let kept_ms = self.duration("JUMPCLOUD_RETENTION", "90d", DAY_MS..=RETENTION_MS_MAX);
        kept_ms.min(READ_BACK_MS_MAX)
    }

    /// How long the bucket keeps archived objects; none if for ever.
    fn archive_kept_ms(&mut self) -> Option<i64> {
        self.text("ARCHIVE_RETENTION")?;
        let allowed = ARCHIVE_KEPT_MS_MIN..=ARCHIVE_KEPT_MS_MAX;
        Some(self.duration("ARCHIVE_RETENTION", "", allowed))
    }

    fn archive_prefix(&mut self) -> String {
        let prefix = self.text("ARCHIVE_PREFIX").unwrap_or_else(|| "events/".to_owned());
        let beside = ["quarantine/", "preflight/", "snapshots/"];
        if !prefix.ends_with('/') || KeyLayout::parse(&prefix).is_err() || prefix.contains('{') {
            self.problem(
                "ARCHIVE_PREFIX",
                format!("is `{prefix}`: expected folders that end in `/`"),
            );
        } else if beside.iter().any(|folder| prefix.starts_with(folder)) {
            self.problem(
                "ARCHIVE_PREFIX",
                format!("is `{prefix}`, which has other objects than events"),
            );
        }
        prefix
    }

    fn layout(&mut self) -> KeyLayout {
        let text = self.text("KEY_LAYOUT").unwrap_or_else(|| KeyLayout::DEFAULT.to_owned());
        KeyLayout::parse(&text).unwrap_or_else(|error| {
            self.problem("KEY_LAYOUT", format!("is `{text}`: {error}"));
            KeyLayout::default()
        })
    }

    /// Which fields of users are kept. If fields are selected by name, the id is always kept with
    /// them, because events refer to users by it.
    fn system_users(&mut self) -> Option<Projection> {
        let only = self.list("SYSTEM_USERS_FIELDS", "");
        let excluded =
            if only.is_empty() { snapshot::EXCLUDED.join(",") } else { "none".to_owned() };
        let mut without = self.list("SYSTEM_USERS_EXCLUDE", &excluded);
        if without == ["none"] {
            without.clear();
        }
        if without.iter().any(|name| name == "_id") {
            self.problem("SYSTEM_USERS_EXCLUDE", "names `_id`, by which events name their users");
        }
        let only = (!only.is_empty()).then(|| [only, vec!["_id".to_owned()]].concat());
        let only = only.map(|names| self.fields("SYSTEM_USERS_FIELDS", &names));
        let without = self.fields("SYSTEM_USERS_EXCLUDE", &without);
        match self.text("SYSTEM_USERS").as_deref() {
            None | Some("off") => None,
            Some("daily") => Some(Projection { only, without }),
            Some(other) => {
                self.problem("SYSTEM_USERS", format!("is `{other}`: expected off or daily"));
                None
            }
        }
    }

    fn fields(&mut self, name: &str, names: &[String]) -> Fields {
        Fields::parse(names).unwrap_or_else(|| {
            self.problem(name, "has a name with an empty part: expected names like mfa.configured");
            Fields::default()
        })
    }

    fn output(&mut self) -> Output {
        let ecs = Ecs {
            keep_duplicates: self.flag("ECS_KEEP_DUPLICATES"),
            keep_original: self.flag("ECS_KEEP_ORIGINAL"),
        };
        let format = match self.text("OUTPUT_FORMAT").as_deref() {
            None | Some("raw") => Format::Raw,
            Some("ecs") => Format::Ecs(ecs),
            Some(other) => {
                self.problem("OUTPUT_FORMAT", format!("is `{other}`: expected raw or ecs"));
                Format::Raw
            }
        };
        let custom = self.parsed("CUSTOM_FIELDS", CustomFields::parse).unwrap_or_default();
        Output::new(format, custom)
    }

    /// The service lists. `all` together with names makes two queries of the same stream.
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
}
