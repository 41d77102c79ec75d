//! The switches: where JumpCloud's API description is silent or contradicts what was observed,
//! the mock can do it either way.

use std::time::Duration;

use super::credentials::Region;

/// The service names of JumpCloud's API description, and `workflows`, which its own exporter asks
/// for. `all` stands for every service, also for ones not listed here.
pub const SERVICES: [&str; 17] = [
    "access_management",
    "alerts",
    "all",
    "asset_management",
    "directory",
    "ldap",
    "mdm",
    "notifications",
    "object_storage",
    "password_manager",
    "radius",
    "reports",
    "saas_app_management",
    "software",
    "sso",
    "systems",
    "workflows",
];

/// The most rows a page of events holds.
pub(crate) const LIMIT_MAX: usize = 10_000;

/// How the mock behaves where the real service is unknown or configurable.
#[derive(Debug, Clone)]
pub struct Behaviours {
    /// Service names that are not refused.
    pub services: Vec<String>,
    /// Whether `all` leaves out the rows of `pam`.
    pub all_excludes_pam: bool,
    /// Whether a row exactly at `end_time` is part of the answer.
    pub end_inclusive: bool,
    /// What a range of no length gives.
    pub equal_bounds: EqualBounds,
    /// Whether bounds count to the nanosecond; otherwise they are cut to the millisecond.
    pub full_precision_bounds: bool,
    /// Whether a `start_time` after now is refused with 400.
    pub refuse_future_start: bool,
    /// What `X-Search_after` holds on an empty page.
    pub empty_page_token: EmptyPageToken,
    /// What becomes of a `limit` above 10,000.
    pub limit_over_maximum: OverMaximum,
    /// Whether `skip` and `limit` beyond 10,000 together give 500.
    pub skip_ceiling: bool,
    /// The form of `/events/distinct`.
    pub distinct: DistinctForm,
    /// Whether `/events/interval` lists hours without rows between hours with some.
    pub empty_buckets: bool,
    /// Whether bodies are compressed for those who offer `Accept-Encoding: gzip`.
    pub gzip: bool,
    /// Whether bodies travel in chunks instead of under a `Content-Length`.
    pub chunked: bool,
    /// Whether one `x-org-id` header may hold several organizations, comma-joined; refused with
    /// 400 otherwise.
    pub comma_joined_organizations: bool,
    /// Whether a token works without `x-org-id`; refused with 401 otherwise.
    pub token_without_organization: bool,
    /// What an organization without Directory Insights gets.
    pub not_enabled: NotEnabled,
    /// The region this mock plays.
    pub region: Region,
    /// The status for a key of another region: 401 or 403.
    pub wrong_region_status: u16,
    /// Days for which events are kept, by their timestamp: 90, or 15 on the lowest tier.
    pub retention_days: u32,
    /// How header names are spelled.
    pub header_spelling: HeaderSpelling,
    /// Whether answers carry `Date`, in virtual time.
    pub date_header: bool,
    /// How long an access token is good for, in seconds.
    pub token_lifetime_s: u32,
    /// Whether lists of the console come in another order each time when no `sort` is asked for.
    pub unstable_lists: bool,
    /// On so many pages of lists behind the first, sorted or not, a row has changed its place with
    /// one of a page before.
    pub moved_rows: u32,
    /// The most rows a console list gives at once, whatever was asked; `None` for no such cap.
    pub list_cap: Option<usize>,
    /// How long the server waits before each answer. The core, which has no clock, ignores it.
    pub latency: Duration,
}

impl Default for Behaviours {
    /// The most likely reading of everything known.
    fn default() -> Self {
        Self {
            services: SERVICES.map(str::to_owned).to_vec(),
            all_excludes_pam: false,
            end_inclusive: true,
            equal_bounds: EqualBounds::Refused,
            full_precision_bounds: false,
            refuse_future_start: true,
            empty_page_token: EmptyPageToken::Absent,
            limit_over_maximum: OverMaximum::Default,
            skip_ceiling: false,
            distinct: DistinctForm::FieldNamed,
            empty_buckets: true,
            gzip: false,
            chunked: false,
            comma_joined_organizations: false,
            token_without_organization: false,
            not_enabled: NotEnabled::PaymentRequired,
            region: Region::Us,
            wrong_region_status: 401,
            retention_days: 90,
            header_spelling: HeaderSpelling::Documented,
            date_header: true,
            token_lifetime_s: 3_600,
            unstable_lists: false,
            moved_rows: 0,
            list_cap: None,
            latency: Duration::ZERO,
        }
    }
}

/// What a query whose start equals its end gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EqualBounds {
    /// 400 with the text for a start after the end.
    Refused,
    /// The rows of that instant if the end is inclusive, else none.
    Served,
}

/// What `X-Search_after` holds on an empty page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmptyPageToken {
    /// The header is not there.
    Absent,
    /// `[]`
    EmptyArray,
    /// `null`
    Null,
    /// What the request sent as `search_after`; absent if it sent none.
    Echo,
}

/// What becomes of a `limit` above 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverMaximum {
    /// 1,000, as for any other nonsensical value.
    Default,
    /// 10,000.
    Clamped,
}

/// The form of `/events/distinct`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DistinctForm {
    /// The list is called `buckets`, as JumpCloud's API description has it.
    Buckets,
    /// The list bears the field's name, as observed.
    FieldNamed,
}

/// What an organization without Directory Insights gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotEnabled {
    /// 402.
    PaymentRequired,
    /// 200 with `[]`.
    Empty,
}

/// How header names are spelled.
///
/// Over HTTP/1.1 the server sends `Documented` as it is and the others in lower case, since its
/// HTTP library has no third spelling; a simulation that calls the core sees all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderSpelling {
    /// `X-Search_after`
    Documented,
    /// `x-search_after`, as over HTTP/2.
    Lower,
    /// `X-SEARCH_AFTER`
    Upper,
}

impl HeaderSpelling {
    /// The name in this spelling.
    pub(crate) fn spelled(self, name: String) -> String {
        match self {
            Self::Documented => name,
            Self::Lower => name.to_ascii_lowercase(),
            Self::Upper => name.to_ascii_uppercase(),
        }
    }
}
