//! Switches: where JumpCloud's API description says nothing or contradicts what was observed, the
//! mock supports both behaviours.

use std::time::Duration;

/// The service names of JumpCloud's API description, `workflows`, which its own exporter asks for, and
/// `pam`, which Elastic's integration asks for. `all` selects every service, also ones that are not listed here.
pub(crate) const SERVICES: [&str; 18] = [
    "access_management",
    "alerts",
    "all",
    "asset_management",
    "directory",
    "ldap",
    "mdm",
    "notifications",
    "object_storage",
    "pam",
    "password_manager",
    "radius",
    "reports",
    "saas_app_management",
    "software",
    "sso",
    "systems",
    "workflows",
];

/// For how long most plans keep events.
const RETENTION_MS: i64 = 90 * 86_400_000;

/// The largest number of rows in a page of events.
pub(crate) const LIMIT_MAX: usize = 10_000;

/// How the mock behaves where the real service is unknown or configurable.
#[derive(Debug, Clone)]
pub struct Behaviours {
    /// Whether `all` leaves out the rows of `pam`.
    pub all_excludes_pam: bool,
    /// Whether a row exactly at `end_time` is part of the answer.
    pub end_inclusive: bool,
    /// Whether bounds are compared in nanoseconds; otherwise they are rounded down to milliseconds.
    pub full_precision_bounds: bool,
    /// The value of `X-Search_after` on an empty page.
    pub empty_page_token: EmptyPageToken,
    /// For how long events are kept, by their timestamp, in milliseconds: it depends on the plan.
    pub retention_ms: i64,
    /// Under which name `/events/distinct` gives its counts.
    pub distinct: DistinctForm,
    /// How many services such an answer names at most; the rows of the others are only summed up.
    pub distinct_max: usize,
    /// Whether bodies are compressed for those who offer `Accept-Encoding: gzip`.
    pub gzip: bool,
    /// Whether bodies are sent in chunks instead of with a `Content-Length`.
    pub chunked: bool,
    /// How header names are spelled.
    pub header_spelling: HeaderSpelling,
    /// Whether answers have a `Date` header, in virtual time.
    pub date_header: bool,
    /// How long an access token is valid, in seconds.
    pub token_lifetime_s: u32,
    /// Whether lists of the console have another order in each answer if no `sort` is requested.
    pub unstable_lists: bool,
    /// The number of list pages after the first, sorted or not, on which a row has changed places
    /// with one of an earlier page.
    pub moved_rows: u32,
    /// The largest number of rows in a page of a console list, whatever limit is requested; `None`
    /// for no such cap.
    pub list_cap: Option<usize>,
    /// How long the server waits before each answer. The core, which has no clock, ignores it.
    pub latency: Duration,
}

impl Default for Behaviours {
    /// The most likely reading of everything known.
    fn default() -> Self {
        Self {
            all_excludes_pam: false,
            end_inclusive: true,
            full_precision_bounds: false,
            empty_page_token: EmptyPageToken::Absent,
            retention_ms: RETENTION_MS,
            distinct: DistinctForm::FieldNamed,
            distinct_max: usize::MAX,
            gzip: false,
            chunked: false,
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

/// The shape of an answer of `/events/distinct`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DistinctForm {
    /// `{"buckets":[…]}`, as the API description has it.
    Buckets,
    /// `{"<field>":[…]}`, as it was observed.
    FieldNamed,
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
