//! Which organizations are collected, and from which URLs.

use std::str::FromStr as _;

use super::Source;
use super::reader::Reader;
use crate::http;
use crate::jumpcloud::{Endpoints, Region};
use crate::proxy::Proxy;
use engine::fleet::discover::OrganizationSource;
use engine::stream::StreamId;

/// The value of `JUMPCLOUD_ORG_IDS` that means all organizations that the administrator may see.
const DISCOVER: &str = "discover";

impl Reader<'_> {
    pub(super) fn source(&mut self) -> Source {
        Source {
            endpoints: self.endpoints(),
            proxy: self.proxy(),
            organizations: self.organizations(),
            log_level: self.log_level(),
        }
    }

    /// The name or ARN of the secret. The secret itself, set here by mistake, must not get into the
    /// errors about a secret that does not exist.
    pub(super) fn secret_id(&mut self) -> String {
        let id = self.required("JUMPCLOUD_SECRET_ID");
        let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+=.@-".contains(&byte);
        let is_name = id.starts_with("arn:") || id.bytes().all(is_of_name);
        if !is_name || id.starts_with("jca_") {
            self.problem("JUMPCLOUD_SECRET_ID", "is not the name or ARN of a secret");
        }
        id
    }

    /// The proxy for targets with TLS, from the variables that other programs use too.
    pub(super) fn proxy(&mut self) -> Option<Proxy> {
        let find = |names: [&'static str; 2]| {
            names.into_iter().find_map(|name| Some((name, self.text(name)?)))
        };
        let (name, address) = find(["HTTPS_PROXY", "https_proxy"])?;
        let bypass = find(["NO_PROXY", "no_proxy"]).map(|(_, hosts)| hosts).unwrap_or_default();
        let proxy = Proxy::parse(&address, &bypass);
        proxy.map_err(|error| self.problem(name, error)).ok()
    }

    /// If organizations are configured by id, only they are collected, and the provider's own trail
    /// if a provider is configured. If only a provider is configured, or with `discover`, its
    /// organizations are listed.
    fn organizations(&mut self) -> OrganizationSource {
        let trail = self.trail();
        let names = self.list("JUMPCLOUD_ORG_IDS", "");
        match (names.as_slice(), trail) {
            ([], None) => OrganizationSource::Named(vec![StreamId::own()]),
            ([], Some(trail)) => OrganizationSource::Provider(trail),
            ([name], None) if name == DISCOVER => OrganizationSource::Administrator,
            ([name], Some(trail)) if name == DISCOVER => OrganizationSource::Provider(trail),
            (names, trail) => {
                OrganizationSource::Named(trail.into_iter().chain(self.named(names)).collect())
            }
        }
    }

    /// Whether organizations are named or discovered, so that it is not the key's own one.
    pub(super) fn names_organizations(&self) -> bool {
        let variables = ["JUMPCLOUD_ORG_IDS", "JUMPCLOUD_PROVIDER_ID"];
        variables.iter().any(|name| self.text(name).is_some())
    }

    /// The stream of the provider's own trail.
    fn trail(&mut self) -> Option<StreamId> {
        let id = self.text("JUMPCLOUD_PROVIDER_ID")?;
        let trail = StreamId::of_provider(&id);
        if trail.is_none() {
            let what = format!("is `{id}`: expected 24 lower-case hex digits");
            self.problem("JUMPCLOUD_PROVIDER_ID", what);
        }
        trail
    }

    fn named(&mut self, names: &[String]) -> Vec<StreamId> {
        let mut streams = Vec::new();
        for name in names {
            let what = match StreamId::of_organization(name) {
                Some(stream) => {
                    streams.push(stream);
                    continue;
                }
                None if name == DISCOVER => format!("has `{DISCOVER}` beside other names"),
                None => {
                    format!("names `{name}`: expected organization ids of 24 lower-case hex digits")
                }
            };
            self.problem("JUMPCLOUD_ORG_IDS", what);
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

    /// An override of a URL for tests and local runs. Only loopback addresses are accepted, so that
    /// a key cannot be sent to another host.
    fn loopback(&mut self, name: &str, otherwise: String) -> String {
        let Some(text) = self.text(name) else { return otherwise };
        if !is_loopback(&text) {
            self.problem(name, "is accepted for loopback addresses only");
        }
        text.trim_end_matches('/').to_owned()
    }

    pub(super) fn has_s3_endpoint(&self) -> bool {
        let names = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];
        names.into_iter().any(|name| self.text(name).is_some())
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
}

fn is_loopback(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    bare && http::is_loopback(&url) && matches!(url.scheme(), "http" | "https")
}
