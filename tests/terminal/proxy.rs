//! `collector` behind a proxy: JumpCloud and a deployed stack are reached through it, and nobody is
//! told its password.

use std::collections::BTreeSet;

use fixtures::connect_proxy::{AUTHORITY, ConnectProxy, TlsHost, Tunnel};
use fixtures::http::{Server, answer};

use crate::{API_KEY, argument, collector, mock, text};

const JUMPCLOUD: &str = "api.jumpcloud.com:443";
const PASSWORD: &str = "c4n4ryPROXYc4n4ry04";

/// No eight consecutive characters of the password, or of what it is sent as.
#[track_caller]
fn assert_hides_password(told: &str) {
    for secret in [PASSWORD, "bWU6YzRuNHJ5UFJPWFljNG40cnkwNA=="] {
        for part in (0..=secret.len() - 8).map(|at| &secret[at..at + 8]) {
            assert!(!told.contains(part), "{part} was told: {told}");
        }
    }
}

/// Tunnels were asked for to these hosts and no others, and TLS went through them.
#[track_caller]
fn assert_tunnels(proxy: &ConnectProxy, hosts: &[&str]) {
    let seen = proxy.seen();
    let host = |tunnel: &Tunnel| tunnel.head.split(' ').nth(1).map(str::to_owned);
    let found: BTreeSet<_> = seen.iter().filter_map(host).collect();
    assert_eq!(found, hosts.iter().map(|&host| host.to_owned()).collect());
    for tunnel in seen {
        let names: Vec<_> = tunnel.headers().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["host", "proxy-authorization"], "{tunnel:?}");
        assert_eq!(tunnel.first_byte, Some(0x16), "a TLS handshake: {tunnel:?}");
    }
}

/// JumpCloud by its own name; a folder needs nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_collected_through_a_proxy() {
    let (mock, _) = mock(40).await;
    let jumpcloud = TlsHost::before(&mock.console_url()).await;
    let upstream = jumpcloud.address().to_owned();
    let console = format!("localhost:{}", jumpcloud.port());
    let hosts = [JUMPCLOUD.to_owned(), console.clone()];
    let proxy = ConnectProxy::start(move |name| {
        hosts.iter().any(|host| host == name).then(|| upstream.clone())
    })
    .await;
    let address = format!("http://me:{PASSWORD}@{}", proxy.address());
    let folder = tempfile::tempdir().unwrap();
    let to = argument(folder.path());
    let variables = [
        ("HTTPS_PROXY", &*address),
        ("SSL_CERT_FILE", AUTHORITY),
        ("JUMPCLOUD_CONSOLE_URL", &format!("https://{console}")),
        ("JUMPCLOUD_API_KEY", API_KEY),
        ("LOG_LEVEL", "trace"),
    ];
    let day = ["--start", "2026-10-01", "--end", "2026-10-02"];
    for (command, more) in
        [("validate", &[][..]), ("collect", &[]), ("status", &[]), ("backfill", &day)]
    {
        let output = collector(&[&[command, "--to", to], more].concat(), &variables);
        assert!(output.status.success(), "{command}: {}", text(&output));
        assert!(
            command != "collect" || text(&output).contains("40 new events"),
            "{}",
            text(&output)
        );
        assert_hides_password(&text(&output));
    }
    assert_tunnels(&proxy, &[JUMPCLOUD, &console]);
    let verified = collector(&["verify", "--to", to], &[]);
    assert!(verified.status.success(), "{}", text(&verified));
}

/// A proxy that lets nothing through, and an address that is none: an error, and no secret.
#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_does_not_help_is_an_error_that_hides_its_password() {
    let proxy = ConnectProxy::start(|_| None).await;
    let folder = tempfile::tempdir().unwrap();
    let collect = ["collect", "--to", argument(folder.path())];
    for (scheme, code, wrong) in [("http", 1, "self: "), ("socks5", 2, "HTTPS_PROXY")] {
        let address = format!("{scheme}://me:{PASSWORD}@{}", proxy.address());
        let variables = [("HTTPS_PROXY", &*address), ("JUMPCLOUD_API_KEY", API_KEY)];
        let output = collector(&collect, &variables);
        assert_eq!(output.status.code(), Some(code), "{scheme}: {}", text(&output));
        assert!(text(&output).contains(wrong), "{scheme}: {}", text(&output));
        assert_hides_password(&text(&output));
    }
}

/// CloudFormation, and then Lambda.
#[tokio::test(flavor = "multi_thread")]
async fn the_function_of_a_stack_is_asked_through_a_proxy() {
    let aws = Server::start(|request| async move {
        let is_lookup = String::from_utf8_lossy(request.body()).contains("DescribeStackResource");
        let found = "<DescribeStackResourceResponse><DescribeStackResourceResult>\
            <StackResourceDetail><PhysicalResourceId>collector</PhysicalResourceId>\
            </StackResourceDetail></DescribeStackResourceResult></DescribeStackResourceResponse>";
        Some(match is_lookup {
            true => answer(200, "text/xml", found),
            false => answer(200, "application/json", r#"{"streams":[]}"#),
        })
    })
    .await;
    let host = TlsHost::before(&aws.url()).await;
    let (name, upstream) = (format!("localhost:{}", host.port()), host.address().to_owned());
    let known = name.clone();
    let proxy = ConnectProxy::start(move |asked| (asked == known).then(|| upstream.clone())).await;
    let (url, address) =
        (format!("https://{name}"), format!("http://me:{PASSWORD}@{}", proxy.address()));
    let variables = [
        ("HTTPS_PROXY", &*address),
        ("SSL_CERT_FILE", AUTHORITY),
        ("AWS_ENDPOINT_URL", &url),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "s3cr3tKEY"),
        ("LOG_LEVEL", "trace"),
    ];
    let output = collector(&["status", "--stack", "audit-trail", "--json"], &variables);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains(r#"{"streams":[]}"#), "{}", text(&output));
    assert_hides_password(&text(&output));
    assert_tunnels(&proxy, &[&name]);
}
