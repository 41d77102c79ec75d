//! The body of an answer as a script: data, pauses, and the end of the connection.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use tokio::time::Sleep;

use crate::wire::Delivery;

/// Long enough for written data to be sent before the connection is closed.
const LAST_WORDS: Duration = Duration::from_millis(20);

/// The connection ends here on purpose.
#[derive(Debug, thiserror::Error)]
#[error("connection is cut on purpose")]
pub(crate) struct Cut;

/// A body that is sent as its delivery says. The HTTP library sets `Content-Length` for a whole
/// one, and does not check the length of others.
pub(crate) fn scripted(body: Bytes, delivery: Delivery) -> UnsyncBoxBody<Bytes, Cut> {
    let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
    let cut = (LAST_WORDS, None);
    // Pauses, and what is sent after each; `None` ends the connection.
    let steps = match delivery {
        Delivery::Whole | Delivery::Stall(_) => {
            return Full::new(body).map_err(|never| match never {}).boxed_unsync();
        }
        Delivery::CutAfter(kept) => {
            vec![(Duration::ZERO, Some(body.slice(..kept.min(body.len())))), cut]
        }
        Delivery::WrongContentLength(told) if told > length => {
            vec![(Duration::ZERO, Some(body)), cut]
        }
        _ => vec![(Duration::ZERO, Some(body))],
    };
    let frames = stream::iter(steps).then(|(before, data)| async move {
        if !before.is_zero() {
            pause(before).await;
        }
        data.map(Frame::data).ok_or(Cut)
    });
    StreamBody::new(frames).boxed_unsync()
}

/// Waits in real time: the only place where the mock waits.
#[expect(clippy::disallowed_methods, reason = "the mock plays a slow server")]
pub(crate) fn pause(duration: Duration) -> Sleep {
    tokio::time::sleep(duration)
}
