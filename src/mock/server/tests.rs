//! The server over real connections: each fault as a client meets it.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream as Client;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;
use crate::fixture::{EVENTS, KEY, NOW_MS, load, query, world};
use crate::world::fault::{Fault, RetryAfter, Rule, When};

const ROWS: i64 = 200;

/// What a client received until the connection ended.
struct Received {
    head: String,
    body: Vec<u8>,
    /// How the connection ended, if not in order.
    error: Option<ErrorKind>,
}

impl Received {
    fn status(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn told_length(&self) -> Option<usize> {
        self.header("Content-Length")?.parse().ok()
    }

    fn rows(&self) -> Option<usize> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        body.as_array().map(Vec::len)
    }
}

async fn mock(faults: impl IntoIterator<Item = Fault>) -> MockServer {
    let mut world = world();
    load(&mut world, (1..=ROWS).map(|number| NOW_MS - number));
    for fault in faults {
        world.add_fault(Rule::new(fault, When::Always));
    }
    MockServer::start(world, Arc::new(|| NOW_MS)).await.unwrap()
}

/// Sends one request on a connection of its own and reads to the end.
fn ask(mock: &MockServer) -> Received {
    let mut client = Client::connect(mock.address).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let body = query(json!({})).to_string();
    let length = body.len();
    write!(
        client,
        "POST {EVENTS} HTTP/1.1\r\nHost: mock\r\nConnection: close\r\nx-api-key: {KEY}\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut bytes = Vec::new();
    let error = client.read_to_end(&mut bytes).err().map(|error| error.kind());
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, body) = bytes.split_at(end.map_or(bytes.len(), |end| end + 4));
    Received { head: String::from_utf8_lossy(head).into_owned(), body: body.to_vec(), error }
}

/// The whole way, with the spelling and the dates clients see.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_page_arrives_whole() {
    let mock = mock([]).await;
    let page = ask(&mock);
    assert_eq!((page.status(), page.rows()), (200, Some(200)));
    assert_eq!(page.told_length(), Some(page.body.len()));
    assert_eq!(page.header("Date"), Some("Fri, 15 Jan 2027 08:00:00 GMT"));
    assert!(page.header("X-Search_after").is_some(), "{}", page.head);
    let record = mock.world().log()[0].clone();
    assert_eq!((record.rows, record.at_ms), (200, NOW_MS));
    assert_eq!(mock.world().violations(), []);
}

/// Clients keep connections; an answer must not spoil the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_connection_serves_several_requests() {
    let mock = mock([]).await;
    let mut client = Client::connect(mock.address).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    for connection in ["keep-alive", "close"] {
        let head = "GET /api/organizations HTTP/1.1\r\nHost: mock";
        write!(client, "{head}\r\nConnection: {connection}\r\nx-api-key: {KEY}\r\n\r\n").unwrap();
    }
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 2, "{text}");
}

/// The switches of the server itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn switches_show_on_the_wire() {
    let mock = mock([]).await;
    mock.world().behaviours.header_spelling = HeaderSpelling::Lower;
    mock.world().behaviours.chunked = true;
    mock.world().behaviours.date_header = false;
    mock.world().behaviours.latency = Duration::from_millis(50);
    let before = Instant::now();
    let page = ask(&mock);
    assert!(before.elapsed() >= Duration::from_millis(50));
    assert!(page.header("x-search_after").is_some(), "{}", page.head);
    assert_eq!(page.header("transfer-encoding"), Some("chunked"));
    assert_eq!((page.told_length(), page.header("date")), (None, None));
}

/// Faults that replace the answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn replaced_answers_arrive() {
    for (fault, status, header) in [
        (Fault::too_many_requests(RetryAfter::Seconds(3)), 429, Some(("Retry-After", "3"))),
        (Fault::error(500, "no"), 500, Some(("Content-Type", "application/json"))),
        (Fault::html(502), 502, Some(("Content-Type", "text/html"))),
        (Fault::html(503), 503, None),
        (Fault::html(504), 504, None),
        (Fault::blocked(), 403, Some(("Content-Type", "text/html"))),
        (
            Fault::redirect(307, "http://127.0.0.1:9/"),
            307,
            Some(("Location", "http://127.0.0.1:9/")),
        ),
        (Fault::body("null"), 200, None),
        (Fault::body("{}"), 200, None),
        (Fault::body(""), 200, Some(("Content-Length", "0"))),
        (Fault::html(200), 200, None),
        (Fault::KeyRotated { old: KEY.to_owned(), new: "new".to_owned() }, 401, None),
    ] {
        let answer = ask(&mock([fault.clone()]).await);
        assert_eq!((answer.status(), answer.error), (status, None), "{fault:?}");
        assert_eq!(answer.rows(), None, "{fault:?}");
        if let Some((name, value)) = header {
            assert_eq!(answer.header(name), Some(value), "{fault:?}");
        }
    }
}

/// A reset is a reset, and not an orderly end without an answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_reset_leaves_nothing() {
    let answer = ask(&mock([Fault::Reset]).await);
    assert_eq!(answer.error, Some(ErrorKind::ConnectionReset));
    assert_eq!((answer.head.len(), answer.body.len()), (0, 0));
}

/// The length told is that of the whole, so that the client can know.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_cut_body_is_shorter_than_told() {
    let answer = ask(&mock([Fault::CutAfter(1_000)]).await);
    assert_eq!(answer.body.len(), 1_000);
    assert!(answer.told_length() > Some(1_000), "{}", answer.head);
}

/// A wrong length in either direction.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_wrong_length_is_told() {
    let short = ask(&mock([Fault::WrongContentLength(100)]).await);
    assert_eq!((short.told_length(), short.body.len()), (Some(100), 100));
    let long = ask(&mock([Fault::WrongContentLength(1_000_000)]).await);
    assert_eq!(long.told_length(), Some(1_000_000));
    assert_eq!(long.rows(), Some(200));
}

/// Bodies that arrive in order and cannot be read.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn unreadable_bodies_arrive_in_order() {
    for fault in [Fault::GarbledJson, Fault::TruncatedGzip] {
        let answer = ask(&mock([fault.clone()]).await);
        assert_eq!((answer.status(), answer.error, answer.rows()), (200, None, None), "{fault:?}");
        assert_eq!(answer.told_length(), Some(answer.body.len()), "{fault:?}");
    }
}

/// Slow answers are whole in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn slow_answers_take_their_time() {
    let mock = mock([Fault::Stall(Duration::from_millis(60))]).await;
    let before = Instant::now();
    let answer = ask(&mock);
    assert_eq!((answer.status(), answer.rows()), (200, Some(200)));
    assert!(before.elapsed() >= Duration::from_millis(40));
}

/// Header faults reach the client as well; what they mean is tested at the core.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn header_faults_arrive() {
    let answer = ask(&mock([Fault::CountLies(1)]).await);
    assert_eq!(answer.header("X-Result-Count"), Some("201"));
    let answer = ask(&mock([Fault::LimitLowered(10)]).await);
    assert_eq!((answer.header("X-Limit"), answer.rows()), (Some("10"), Some(10)));
    let answer = ask(&mock([Fault::TokenGarbage]).await);
    let token = answer.header("X-Search_after").unwrap();
    assert!(serde_json::from_str::<Value>(token).is_err());
}

/// A dropped mock frees its port, so that tests leave nothing behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn dropping_it_stops_it() {
    let mock = mock([]).await;
    let address = mock.address;
    drop(mock);
    for _ in 0..200 {
        if Client::connect(address).is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(Client::connect(address).is_err(), "port is still open");
}

/// A test that fails while it holds the world must not take the others with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_poisoned_world_still_answers() {
    let mock = mock([]).await;
    std::thread::scope(|scope| {
        let holder = scope.spawn(|| {
            let _world = mock.world();
            std::panic::resume_unwind(Box::new("made up"));
        });
        assert!(holder.join().is_err());
    });
    assert_eq!(ask(&mock).status(), 200);
}
