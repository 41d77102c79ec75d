//! The way to JumpCloud and to AWS through a proxy: a tunnel in which TLS stays end to end.

use std::collections::BTreeMap;

use crate::process::Function;
use fixtures::connect_proxy::{AUTHORITY, ConnectProxy, TlsHost};
use fixtures::environment::{Environment, only_stream};
use fixtures::event::{now_ms, series};

const JUMPCLOUD: &str = "api.jumpcloud.com:443";
const SECRETS: &str = "secretsmanager.us-east-1.amazonaws.com:443";

/// The name and the password by which the proxy knows the function, and their Basic pair.
const PASSWORD: &str = "c4n4ryPROXYc4n4ry04";
const BASIC: &str = "Basic bWU6YzRuNHJ5UFJPWFljNG40cnkwNA==";

/// JumpCloud and Secrets Manager by their own names, the rest on loopback without TLS.
#[tokio::test(flavor = "multi_thread")]
async fn jumpcloud_and_aws_are_reached_through_a_proxy_that_sees_nothing_but_their_names() {
    let environment = Environment::start().await;
    let variables: BTreeMap<_, _> = environment.variables().into_iter().collect();
    let jumpcloud = TlsHost::before(&environment.jumpcloud.console_url()).await;
    let secrets = TlsHost::before(&variables["AWS_ENDPOINT_URL_SECRETS_MANAGER"]).await;
    let hosts = BTreeMap::from([
        (JUMPCLOUD, jumpcloud.address().to_owned()),
        (SECRETS, secrets.address().to_owned()),
    ]);
    let proxy = ConnectProxy::start(move |name| hosts.get(name).cloned()).await;
    let address = format!("http://me:{PASSWORD}@{}", proxy.address());
    let all = series(1, 25, now_ms() - 600_000, 1_000);
    environment.load(&all);

    let function = Function::spawn(
        &environment,
        &[
            ("HTTPS_PROXY", &address),
            // What goes without TLS takes no proxy, whatever is set.
            ("HTTP_PROXY", &address),
            ("ALL_PROXY", &address),
            ("SSL_CERT_FILE", AUTHORITY),
            ("JUMPCLOUD_INSIGHTS_URL", ""),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "https://secretsmanager.us-east-1.amazonaws.com"),
            ("LOG_LEVEL", "trace"),
        ],
    )
    .await;
    let report = function.run("{}").await;
    assert_eq!(only_stream(&report)["outcome"], "ok", "{report}");
    environment.archive().await.assert_holds(&all);

    let tunnels = proxy.seen();
    let named =
        |host: &str| tunnels.iter().any(|t| t.head.starts_with(&format!("CONNECT {host} ")));
    assert!(named(JUMPCLOUD) && named(SECRETS), "{tunnels:?}");
    for tunnel in &tunnels {
        let headers = tunnel.headers();
        let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["host", "proxy-authorization"], "{tunnel:?}");
        assert_eq!(headers[1].1, BASIC);
        assert_eq!(tunnel.first_byte, Some(0x16), "a TLS handshake: {tunnel:?}");
    }
    let said = format!("{}{report}", function.output());
    for part in [PASSWORD, BASIC].iter().flat_map(|secret| windows(secret)) {
        assert!(!said.contains(part), "{part} was said");
    }
}

fn windows(secret: &str) -> impl Iterator<Item = &str> {
    (0..=secret.len() - 8).map(|at| &secret[at..at + 8]).filter(|part| !part.starts_with("Basic "))
}

/// Names in lower case, and a host that is left out.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_of_no_proxy_is_reached_directly_and_a_bad_proxy_is_no_secret() {
    let environment = Environment::start().await;
    environment.load(&series(1, 3, now_ms() - 600_000, 1_000));
    let jumpcloud = TlsHost::before(&environment.jumpcloud.console_url()).await;
    let proxy = ConnectProxy::start(|_| None).await;
    let insights = format!("https://localhost:{}/insights/directory/v1", jumpcloud.port());
    let address = proxy.address().to_owned();
    let variables = [
        ("https_proxy", address.as_str()),
        ("no_proxy", "example.com, localhost"),
        ("SSL_CERT_FILE", AUTHORITY),
        ("JUMPCLOUD_INSIGHTS_URL", &insights),
    ];
    let function = Function::spawn(&environment, &variables).await;
    assert_eq!(only_stream(&function.run("{}").await)["read"], 3);
    assert!(proxy.seen().is_empty(), "{:?}", proxy.seen());

    let address = format!("socks5://me:{PASSWORD}@{address}");
    let function = Function::spawn(&environment, &[("HTTPS_PROXY", &address)]).await;
    let message = function.fail("{}").await;
    assert!(message.contains("HTTPS_PROXY is not the address of a proxy"), "{message}");
    assert!(!format!("{message}{}", function.output()).contains(PASSWORD), "{message}");
}
