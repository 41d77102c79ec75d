//! The connection itself: whose clock is right, whom we talk to, and when we hang up.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use engine::ports::Insights as _;
use fixtures::connect_proxy::ConnectProxy;
use jumpcloud_collector::proxy::Proxy;
use mock::{Fault, When};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::environment::{Environment, FakeClock, FakeSecrets, KEY, client, request};
use super::raw::{Raw, take};

/// Long enough for any machine; reached only by a failing test.
const LIMIT: Duration = Duration::from_secs(30);

/// `Date` has no parts of a second.
#[tokio::test]
async fn a_clock_that_is_ahead_is_noticed_and_one_behind_is_not() {
    let environment = Environment::start().await;
    assert_eq!(environment.client.clock_skew_ms(), None);
    environment.page().await.unwrap();
    assert_eq!(environment.client.clock_skew_ms(), Some(0));
    environment.clock.advance(250);
    environment.skew_ms.store(-90_000, Ordering::SeqCst);
    environment.page().await.unwrap();
    assert_eq!(environment.client.clock_skew_ms(), Some(90_250));
    environment.skew_ms.store(600_000, Ordering::SeqCst);
    environment.page().await.unwrap();
    assert_eq!(environment.client.clock_skew_ms(), Some(0));
}

#[tokio::test]
async fn an_error_tells_the_time_too() {
    let environment = Environment::start().await;
    environment.skew_ms.store(-60_000, Ordering::SeqCst);
    environment.fail(Fault::error(403, "no"), When::Always);
    environment.page().await.expect_err("a refusal");
    assert_eq!(environment.client.clock_skew_ms(), Some(60_000));
}

#[tokio::test]
async fn without_a_date_nothing_is_known_of_the_clock() {
    let environment = Environment::start().await;
    environment.world().behaviours.date_header = false;
    environment.page().await.unwrap();
    assert_eq!(environment.client.clock_skew_ms(), None);
}

/// A page arrives while the engine works on another one.
#[tokio::test]
async fn a_request_continues_when_its_caller_stops_waiting() {
    let raw = Raw::start().await;
    let page = raw.client.page(raw.request());
    timeout(LIMIT, take(&raw.listener)).await.expect("the request is sent").unwrap();
    drop(page);
}

/// They tell what to ask next while the body is still to come.
#[tokio::test]
async fn the_headers_of_a_page_come_before_its_body() {
    let raw = Raw::start().await;
    let mut page = raw.client.page(raw.request());
    let mut stream = timeout(LIMIT, take(&raw.listener)).await.unwrap().unwrap();
    let head = "HTTP/1.1 200 OK\r\nX-Result-Count: 1\r\nContent-Length: 4\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let headers = timeout(LIMIT, page.headers()).await.expect("the headers are sent").unwrap();
    assert_eq!(headers.count, Some(1));
    stream.write_all(b"[{}]").await.unwrap();
    let page = timeout(LIMIT, page.into_future()).await.expect("the body is sent").unwrap();
    assert_eq!((page.rows().len(), page.headers), (1, headers));
}

#[tokio::test]
async fn a_dropped_future_ends_its_request() {
    let raw = Raw::start().await;
    let page = raw.client.page(raw.request());
    let mut stream = timeout(LIMIT, take(&raw.listener)).await.unwrap().unwrap();
    drop(page);
    let mut rest = Vec::new();
    let hung_up = timeout(LIMIT, stream.read_to_end(&mut rest)).await;
    // The end of the stream or a reset: the client is gone either way.
    assert!(hung_up.is_ok(), "the connection stays open");
}

/// A tunnel that the proxy refuses is no answer, and the next try may have one. Nothing of the request
/// is sent, and no name or password of the proxy's is told.
#[tokio::test]
async fn a_proxy_that_refuses_is_told_nothing_and_tried_again() {
    let proxy = ConnectProxy::start(|_| None).await;
    let address = format!("http://me:canary_password@{}", proxy.address());
    let clock = FakeClock::new();
    let through = |bypass| {
        let proxy = Proxy::parse(&address, bypass).unwrap();
        let url = "https://localhost:1/insights/directory/v1".to_owned();
        client(&clock, &FakeSecrets::new(KEY), Some(&proxy), url.clone(), url).1
    };
    let error = through("").page(request(&clock, &Arc::default())).await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(text.contains("tunnel") && text.contains("tried 5 times"), "{text}");
    assert!(!text.contains("canary"), "{text}");
    let tunnels = proxy.seen();
    assert_eq!(tunnels.len(), 5);
    for tunnel in tunnels {
        assert!(tunnel.head.starts_with("CONNECT localhost:1 HTTP/1.1\r\n"), "{tunnel:?}");
        let headers = tunnel.headers();
        let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["host", "proxy-authorization"]);
    }
    // Nobody listens there.
    through("localhost").page(request(&clock, &Arc::default())).await.unwrap_err();
    assert_eq!(proxy.seen().len(), 5, "a host that is left out is reached directly");
}

/// What goes without TLS would be read by a proxy, the key as well.
#[tokio::test]
async fn what_goes_without_tls_takes_no_proxy() {
    let proxy = ConnectProxy::start(|_| None).await;
    let environment = Environment::start().await;
    environment.load(3);
    let way = Proxy::parse(proxy.address(), "").unwrap();
    let (clock, secrets) = (&environment.clock, &environment.secrets);
    let urls = (environment.mock.insights_url(), environment.mock.token_url());
    let (_, client) = client(clock, secrets, Some(&way), urls.0, urls.1);
    assert_eq!(client.page(environment.request()).await.unwrap().rows().len(), 3);
    assert!(proxy.seen().is_empty(), "{:?}", proxy.seen());
}

/// Only the configuration says which proxy there is. The environment of a running process is fixed,
/// so this test runs the next one in a process of its own.
#[test]
fn no_proxy_of_the_environment_is_used() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let url = format!("http://{}", proxy.local_addr().unwrap());
    let name = "network::a_page_is_read_whatever_the_environment";
    let mut test = Command::new(std::env::current_exe().unwrap());
    test.args(["--exact", name, "--include-ignored"]).env_remove("NO_PROXY").env_remove("no_proxy");
    for variable in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        test.env(variable, &url);
    }
    let output = test.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!(proxy.accept().expect_err("no connection").kind(), ErrorKind::WouldBlock);
}

#[tokio::test]
#[ignore = "run by the test above, with proxies in its environment"]
async fn a_page_is_read_whatever_the_environment() {
    let environment = Environment::start().await;
    environment.load(3);
    assert_eq!(environment.page().await.unwrap().rows().len(), 3);
}
