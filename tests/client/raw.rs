//! A listener that answers with any bytes: for answers no HTTP library would send.

use std::io;
use std::sync::Arc;

use engine::ports::{Meter, PageRequest};
use jumpcloud_collector::jumpcloud::Client;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::environment::{FakeClock, FakeSecrets, KEY, client, request};

/// A listener and a client of it.
pub struct Raw {
    pub client: Client,
    pub listener: TcpListener,
    clock: Arc<FakeClock>,
}

impl Raw {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let clock = FakeClock::new();
        let secrets = FakeSecrets::new(KEY);
        let (_, client) = client(&clock, &secrets, None, url.clone(), url);
        Self { client, listener, clock }
    }

    pub fn request(&self) -> PageRequest {
        request(&self.clock, &Arc::<Meter>::default())
    }

    /// Answers the first request with `head`, then `piece` over and over, `times` times or until
    /// the client has had enough; then the answer is at its end.
    pub fn answer(self, head: String, piece: Vec<u8>, times: usize) -> JoinHandle<io::Result<()>> {
        tokio::spawn(async move {
            let mut stream = take(&self.listener).await?;
            stream.write_all(head.as_bytes()).await?;
            for _ in 0..times {
                stream.write_all(&piece).await?;
            }
            stream.shutdown().await?;
            // A connection closed before its request is read would be reset.
            stream.read_to_end(&mut Vec::new()).await.map(drop)
        })
    }
}

/// Takes a connection and the head of its request.
pub async fn take(listener: &TcpListener) -> io::Result<TcpStream> {
    let (mut stream, _) = listener.accept().await?;
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(stream)
}
