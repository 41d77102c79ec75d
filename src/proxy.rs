//! The proxy for requests to JumpCloud and AWS. It only tunnels TLS. Requests without TLS are sent
//! directly, so that a proxy never sees a header or a body.

use std::fmt;

#[cfg(feature = "aws")]
use aws_smithy_http_client::proxy::ProxyConfig;
use reqwest::{NoProxy, Url};

/// A proxy that accepts `CONNECT`. Its address may contain a password, so `Debug` does not show it.
#[derive(Clone)]
pub struct Proxy {
    jumpcloud: reqwest::Proxy,
    #[cfg(feature = "aws")]
    aws: ProxyConfig,
}

/// The address of the proxy is invalid. The message does not contain it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not the address of a proxy: expected one like http://proxy.example:3128")]
pub struct ProxyError;

impl Proxy {
    /// The proxy at `address`, for all hosts but those in `bypass`.
    ///
    /// `address` may omit `http://` and may contain a name and a password. `bypass` is a
    /// comma-separated list of domains (which include their subdomains), addresses and networks
    /// (`10.0.0.0/8`); `*` means every host.
    ///
    /// # Errors
    /// [`ProxyError`].
    pub fn parse(address: &str, bypass: &str) -> Result<Self, ProxyError> {
        let address = match address.contains("://") {
            true => address.to_owned(),
            false => format!("http://{address}"),
        };
        let url = Url::parse(&address).map_err(|_| ProxyError)?;
        let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if !matches!(url.scheme(), "http" | "https") || !is_bare {
            return Err(ProxyError);
        }
        let jumpcloud = reqwest::Proxy::https(url.as_str()).map_err(|_| ProxyError)?;
        Ok(Self {
            jumpcloud: jumpcloud.no_proxy(NoProxy::from_string(bypass)),
            #[cfg(feature = "aws")]
            aws: ProxyConfig::https(url.as_str()).map_err(|_| ProxyError)?.no_proxy(bypass),
        })
    }

    /// For JumpCloud's client.
    pub(crate) fn of_reqwest(&self) -> reqwest::Proxy {
        self.jumpcloud.clone()
    }

    /// For AWS's clients.
    #[cfg(feature = "aws")]
    pub(crate) fn of_aws(&self) -> ProxyConfig {
        self.aws.clone()
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proxy")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_proxies_are_read_and_never_shown() {
        for address in [
            "http://proxy.example:3128",
            "https://proxy.example/",
            "proxy.example:3128",
            "10.0.0.1",
            "http://[::1]:3128",
            "http://me:canary%40@proxy.example:3128",
        ] {
            let proxy = Proxy::parse(address, "169.254.170.2, .example.com,10.0.0.0/8");
            assert!(proxy.is_ok(), "{address}");
            assert!(!format!("{proxy:?}").contains("canary"));
        }
        for address in [
            "",
            "socks5://canary:1080",
            "http://",
            "http://proxy.example/canary",
            "http://proxy.example/?canary",
            "http://proxy.example:canary",
            "ca nary",
        ] {
            let error = Proxy::parse(address, "").map(|_| ());
            assert_eq!(error, Err(ProxyError), "{address}");
        }
        assert!(!ProxyError.to_string().contains("canary"));
    }
}
