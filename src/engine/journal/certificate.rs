//! The birth certificate: the create-only object that records a stream's creation. It never expires.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::json;
use crate::stream::StreamId;

/// The version that this program writes.
pub const VERSION: u32 = 1;

/// The prefix of the keys of all certificates but those of lanes.
pub const PREFIX: &str = "streams/v1/";
/// The prefix of the keys of the certificates of lanes, which no listing of streams meets.
pub const LANES: &str = "lanes/v1/";

/// What is fixed at a stream's birth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The format's version.
    pub version: u32,
    /// The stream.
    pub stream: StreamId,
    /// 8 random hex digits, which are part of the keys of everything that the stream writes.
    pub epoch: String,
    /// Event time at which the stream's ownership begins, inclusive, UTC milliseconds.
    pub origin_ms: i64,
    /// Lanes only: event time at which the lane ends, exclusive, UTC milliseconds. It is the end of
    /// the day or the origin of the live stream, whichever is earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_ms: Option<i64>,
    /// When the stream was created, UTC milliseconds.
    pub born_ms: i64,
}

/// Why bytes are not a certificate that this program can use.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A later version of this program wrote it.
    #[error("its version is {0}, this program knows {VERSION}")]
    Newer(u32),
    /// It is not what any version wrote.
    #[error(transparent)]
    Unreadable(#[from] serde_json::Error),
    /// It is the certificate of this other stream.
    #[error("it is the certificate of {0}")]
    OtherStream(StreamId),
}

impl Certificate {
    /// Reads the certificate of `stream`.
    ///
    /// # Errors
    /// [`CertificateError`] if a later version wrote it, if it cannot be read, or if it is another
    /// stream's.
    pub fn of(stream: &StreamId, bytes: &[u8]) -> Result<Self, CertificateError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } = serde_json::from_slice(bytes)?;
        if version > VERSION {
            return Err(CertificateError::Newer(version));
        }
        let certificate: Self = serde_json::from_slice(bytes)?;
        if certificate.stream == *stream {
            Ok(certificate)
        } else {
            Err(CertificateError::OtherStream(certificate.stream))
        }
    }

    /// The object's bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        json::encode(self).into()
    }
}

/// The key of a stream's certificate.
#[must_use]
pub fn certificate_key(stream: &StreamId) -> String {
    match stream.lane_date() {
        Some(date) => format!("{}{date}.json", lane_prefix(&stream.live())),
        None => format!("{PREFIX}{stream}.json"),
    }
}

/// The prefix of the keys of the certificates of a live stream's lanes.
#[must_use]
pub fn lane_prefix(live: &StreamId) -> String {
    format!("{LANES}{live}/")
}

/// The stream whose certificate has the key `key`; `None` for any other key.
#[must_use]
pub fn stream_of(key: &str) -> Option<StreamId> {
    let name = key.strip_suffix(".json")?;
    if let Some(name) = name.strip_prefix(PREFIX) {
        return StreamId::try_from(name.to_owned()).ok().filter(|stream| !stream.is_lane());
    }
    let (live, date) = name.strip_prefix(LANES)?.split_once('/')?;
    StreamId::try_from(live.to_owned()).ok()?.lane_of(date)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_stream_of_a_key_is_that_of_its_certificate() {
        let live = StreamId::own();
        let streams = [live.clone(), live.users().unwrap(), live.lane(0).unwrap()];
        let keys =
            ["streams/v1/self.json", "streams/v1/self.users.json", "lanes/v1/self/1970-01-01.json"];
        for (stream, key) in streams.into_iter().zip(keys) {
            assert_eq!((certificate_key(&stream).as_str(), stream_of(key)), (key, Some(stream)));
        }
        for key in [
            "streams/v1/self.backfill-1970-01-01.json",
            "lanes/v1/self.json",
            "lanes/v1/self/x.json",
        ] {
            assert_eq!(stream_of(key), None, "{key}");
        }
    }
}
