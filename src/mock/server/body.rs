//! The body of an answer as a script: data, pauses, and the end of the connection.

use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use crate::wire::Delivery;

/// Long enough for what was written to leave before the connection is torn down.
const LAST_WORDS: Duration = Duration::from_millis(20);

#[derive(Debug)]
enum Step {
    Data(Bytes),
    Pause(Duration),
    Abort,
}

/// The connection ends here on purpose.
#[derive(Debug, thiserror::Error)]
#[error("connection is cut on purpose")]
pub(crate) struct Cut;

/// A body that is sent step by step.
#[derive(Debug)]
pub(crate) struct ScriptedBody {
    steps: VecDeque<Step>,
    pause: Option<Pin<Box<Sleep>>>,
    length: Option<u64>,
}

impl ScriptedBody {
    /// The script for a body and its delivery.
    pub(crate) fn new(body: Bytes, delivery: Delivery) -> Self {
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let is_whole = matches!(delivery, Delivery::Whole | Delivery::Stall(_));
        let steps = match delivery {
            Delivery::CutAfter(kept) => {
                let kept = body.slice(..kept.min(body.len()));
                vec![Step::Data(kept), Step::Pause(LAST_WORDS), Step::Abort]
            }
            Delivery::WrongContentLength(told) if told > length => {
                vec![Step::Data(body), Step::Pause(LAST_WORDS), Step::Abort]
            }
            Delivery::SlowLoris { piece, pause } => pieces(&body, piece.max(1), pause),
            _ => vec![Step::Data(body)],
        };
        Self { steps: steps.into(), pause: None, length: is_whole.then_some(length) }
    }
}

fn pieces(body: &Bytes, piece: usize, pause: Duration) -> Vec<Step> {
    let starts = (0..body.len()).step_by(piece);
    starts
        .flat_map(|start| {
            let end = body.len().min(start + piece);
            [Step::Pause(pause), Step::Data(body.slice(start..end))]
        })
        .collect()
}

impl Body for ScriptedBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            match self.steps.pop_front() {
                None => return Poll::Ready(None),
                Some(Step::Data(data)) if data.is_empty() => {}
                Some(Step::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Some(Step::Abort) => return Poll::Ready(Some(Err(Cut))),
                Some(Step::Pause(duration)) => {
                    self.pause = Some(Box::pin(pause(duration)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty() && self.pause.is_none()
    }

    /// Exact only where the told length is the true one: the HTTP library checks it otherwise.
    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
/// A server that is slow is slow for real: the one place where the mock waits.
#[expect(clippy::disallowed_methods, reason = "the mock plays a slow server")]
pub(crate) fn pause(duration: Duration) -> Sleep {
    tokio::time::sleep(duration)
}
