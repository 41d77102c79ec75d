//! JumpCloud over HTTP: credentials, requests, retries, and answers that are read within limits.

mod answer;
mod auth;
mod client;
mod console;
mod header_gate;
mod headers;
mod rate_limit;
mod redaction;
mod refusal;
mod requester;
mod retry;
mod secret;

pub use auth::{Auth, AuthHeader};
pub use client::Client;
pub use console::ConsoleClient;
pub use retry::TryError;

/// The URLs of JumpCloud's APIs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// Directory Insights; ends in `/insights/directory/v1`.
    pub insights: String,
    /// The console API, without a path.
    pub console: String,
    /// The complete URL of the token endpoint.
    pub token: String,
}

/// The region in which JumpCloud keeps an organization. It is in exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    /// The United States, JumpCloud's standard region.
    Us,
    /// The European Union.
    Eu,
    /// India.
    In,
}

impl Region {
    /// The region's URLs, from JumpCloud's API description and its own clients.
    #[must_use]
    pub fn endpoints(self) -> Endpoints {
        let part = match self {
            Self::Us => "",
            Self::Eu => "eu.",
            Self::In => "in.",
        };
        Endpoints {
            insights: format!("https://api.{part}jumpcloud.com/insights/directory/v1"),
            console: format!("https://console.{part}jumpcloud.com"),
            token: format!("https://admin-oauth.id.{part}jumpcloud.com/oauth2/token"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_region_has_its_own_hosts() {
        assert_eq!(
            Region::Us.endpoints().insights,
            "https://api.jumpcloud.com/insights/directory/v1"
        );
        assert_eq!(Region::Eu.endpoints().console, "https://console.eu.jumpcloud.com");
        assert_eq!(
            Region::In.endpoints().token,
            "https://admin-oauth.id.in.jumpcloud.com/oauth2/token"
        );
    }
}
