//! The switches: where JumpCloud's API description is silent or contradicts what was observed,
//! the mock can do it either way.

use std::time::Duration;

/// The service names of JumpCloud's API description, and `workflows`, which its own exporter asks
/// for. `all` stands for every service, also for ones not listed here.
pub(crate) const SERVICES: [&str; 17] = [
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
    /// Whether `all` leaves out the rows of `pam`.
    pub all_excludes_pam: bool,
    /// Whether a row exactly at `end_time` is part of the answer.
    pub end_inclusive: bool,
    /// Whether bounds count to the nanosecond; otherwise they are cut to the millisecond.
    pub full_precision_bounds: bool,
    /// What `X-Search_after` holds on an empty page.
    pub empty_page_token: EmptyPageToken,
    /// Whether bodies are compressed for those who offer `Accept-Encoding: gzip`.
    pub gzip: bool,
    /// Whether bodies travel in chunks instead of under a `Content-Length`.
    pub chunked: bool,
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
            all_excludes_pam: false,
            end_inclusive: true,
            full_precision_bounds: false,
            empty_page_token: EmptyPageToken::Absent,
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
