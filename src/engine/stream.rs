//! A stream is a unit that progresses independently: one organization's events, one backfill lane,
//! one organization's users, or a provider's own trail.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time;

/// The name of a stream. Only names that are safe in keys, headers and logs can be constructed.
///
/// One of `self`, `<24 hex>` and `provider-<24 hex>`, or one of the first two followed by
/// `.backfill-YYYY-MM-DD` or `.users`.
///
/// ```
/// use engine::stream::{Scope, StreamId};
///
/// let lane = StreamId::try_from("5c1c30d6a2f1b3e4d5c6b7a8.backfill-2026-10-01".to_owned())?;
/// assert!(lane.is_lane());
/// assert_eq!(lane.scope(), Scope::Organization("5c1c30d6a2f1b3e4d5c6b7a8".to_owned()));
/// assert!(StreamId::try_from("../self".to_owned()).is_err());
/// # Ok::<(), engine::stream::NotAStream>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamId {
    name: String,
    /// Length of the organization at the beginning of the name, in bytes.
    organization: usize,
    kind: StreamKind,
}

/// What a stream reads of its organization.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum StreamKind {
    Live,
    Lane {
        day_ms: i64,
    },
    Users,
    /// No stream: see [`StreamId::of_pass`].
    Pass,
}

/// At the beginning of the name of a provider's own trail.
const PROVIDER: &str = "provider-";
/// Between an organization and the day of a lane.
const LANE: &str = ".backfill-";
/// At the end of the name of an organization's stream of users.
const USERS: &str = ".users";
/// The name of the item of [`StreamId::of_pass`].
const PASS: &str = ".streams";

/// Whose events a stream requests from JumpCloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The API key's own organization: no header.
    Own,
    /// One organization: `x-org-id`.
    Organization(String),
    /// A provider's own trail: `x-provider-id` alone.
    Provider(String),
}

impl Scope {
    /// The id in the header; empty for the key's own organization.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Own => "",
            Self::Organization(id) | Self::Provider(id) => id,
        }
    }
}

/// The text is not the name of a stream.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a stream: expected `self` or an organization of 24 hex digits")]
pub struct NotAStream(String);

impl StreamId {
    /// The stream of the API key's own organization.
    #[must_use]
    pub fn own() -> Self {
        Self::live_of("self".to_owned())
    }

    /// The stream of an organization; `None` if `id` is not 24 lower-case hex digits.
    #[must_use]
    pub fn of_organization(id: &str) -> Option<Self> {
        is_object_id(id).then(|| Self::live_of(id.to_owned()))
    }

    /// The stream of a provider's own trail; `None` if `id` is not 24 lower-case hex digits.
    #[must_use]
    pub fn of_provider(id: &str) -> Option<Self> {
        is_object_id(id).then(|| Self::live_of(format!("{PROVIDER}{id}")))
    }

    fn live_of(name: String) -> Self {
        Self { organization: name.len(), name, kind: StreamKind::Live }
    }

    /// The name as it is written in keys.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Whose events this stream requests.
    #[must_use]
    pub fn scope(&self) -> Scope {
        let organization = self.organization();
        if organization == "self" {
            Scope::Own
        } else if let Some(provider) = organization.strip_prefix(PROVIDER) {
            Scope::Provider(provider.to_owned())
        } else {
            Scope::Organization(organization.to_owned())
        }
    }

    /// The organization as it is written in keys: `self`, 24 hex digits, or `provider-` and 24 hex
    /// digits.
    #[must_use]
    pub fn organization(&self) -> &str {
        &self.name[..self.organization]
    }

    /// Whether it is the live stream of one organization: not a lane, not its users, and not a
    /// provider's own trail.
    #[must_use]
    pub fn is_organization(&self) -> bool {
        self.kind == StreamKind::Live && !self.name.starts_with(PROVIDER)
    }

    /// Whether it is a backfill lane. Only lanes end; every other stream continues for ever.
    #[must_use]
    pub fn is_lane(&self) -> bool {
        matches!(self.kind, StreamKind::Lane { .. })
    }

    /// Whether it is the stream of an organization's users.
    #[must_use]
    pub fn is_users(&self) -> bool {
        self.kind == StreamKind::Users
    }

    /// The stream of this organization's users; `None` if this is not the live stream of an
    /// organization.
    #[must_use]
    pub fn users(&self) -> Option<Self> {
        let name = || format!("{self}{USERS}");
        self.is_organization().then(|| Self {
            name: name(),
            kind: StreamKind::Users,
            ..self.clone()
        })
    }

    /// The first millisecond of the UTC day that a lane archives; `None` for every other stream.
    #[must_use]
    pub fn lane_day_ms(&self) -> Option<i64> {
        match self.kind {
            StreamKind::Lane { day_ms } => Some(day_ms),
            StreamKind::Live | StreamKind::Users | StreamKind::Pass => None,
        }
    }

    /// The lane of this organization's stream that archives the UTC day of `ms`; `None` for a
    /// provider's own trail, which has no lanes, and for a lane.
    #[must_use]
    pub fn lane(&self, ms: i64) -> Option<Self> {
        self.lane_of(&time::date(ms).to_string())
    }

    /// The UTC date that a lane archives, as it is written in its name; `None` for every other stream.
    #[must_use]
    pub fn lane_date(&self) -> Option<&str> {
        self.is_lane().then(|| &self.name[self.organization + LANE.len()..])
    }

    /// The lane of this organization's stream that archives a UTC date; `None` if the text is none.
    #[must_use]
    pub fn lane_of(&self, date: &str) -> Option<Self> {
        Self::try_from(format!("{self}{LANE}{date}")).ok()
    }

    /// The key of the table's item with the place of the pass through all streams. It is not a
    /// stream: no text is read as it, and nothing runs over it.
    #[must_use]
    pub fn of_pass() -> Self {
        Self { name: PASS.to_owned(), organization: PASS.len(), kind: StreamKind::Pass }
    }

    /// The live stream of the same organization or provider.
    #[must_use]
    pub fn live(&self) -> Self {
        Self::live_of(self.organization().to_owned())
    }
}

impl TryFrom<String> for StreamId {
    type Error = NotAStream;

    fn try_from(text: String) -> Result<Self, NotAStream> {
        let organization = text.find('.').unwrap_or(text.len());
        let (head, tail) = text.split_at(organization);
        let kind = match tail {
            "" => Some(StreamKind::Live),
            USERS => Some(StreamKind::Users),
            _ => tail.strip_prefix(LANE).and_then(day_ms).map(|day_ms| StreamKind::Lane { day_ms }),
        };
        let is_organization = head == "self" || is_object_id(head);
        let is_provider = head.strip_prefix(PROVIDER).is_some_and(is_object_id);
        match kind {
            Some(kind) if is_organization || (is_provider && kind == StreamKind::Live) => {
                Ok(Self { organization, kind, name: text })
            }
            _ => Err(NotAStream(text)),
        }
    }
}

impl From<StreamId> for String {
    fn from(stream: StreamId) -> Self {
        stream.name
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamId({})", self.name)
    }
}

/// The stream of the API key's own organization.
impl Default for StreamId {
    fn default() -> Self {
        Self::own()
    }
}

/// 24 lower-case hex digits, the form of JumpCloud's object ids.
#[must_use]
pub fn is_object_id(text: &str) -> bool {
    text.len() == 24 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The first millisecond of a UTC date like `2026-10-01`.
fn day_ms(date: &str) -> Option<i64> {
    let is_date = date.len() == 10 && date.parse::<jiff::civil::Date>().is_ok();
    let ns = time::parse_ns(&format!("{date}T00:00:00Z")).filter(|_| is_date);
    ns.map(time::floor_ms)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn stream(text: &str) -> StreamId {
        text.to_owned().try_into().unwrap()
    }

    #[test]
    fn each_form_asks_for_its_own_scope() {
        let id = "0123456789abcdef01234567";
        assert_eq!(stream("self").scope(), Scope::Own);
        assert_eq!(stream(id).scope(), Scope::Organization(id.to_owned()));
        assert_eq!(stream(&format!("provider-{id}")).scope(), Scope::Provider(id.to_owned()));
        let lane = stream(&format!("{id}.backfill-2026-10-01"));
        assert_eq!(lane.scope(), Scope::Organization(id.to_owned()));
        assert!(lane.is_lane());
        assert_eq!(lane.live(), stream(id));
        assert_eq!(lane.lane_day_ms(), Some(1_790_812_800_000));
        assert_eq!(stream(id).lane(1_790_812_800_000 + 86_399_999), Some(lane.clone()));
        assert_eq!(lane.lane_date(), Some("2026-10-01"));
        assert_eq!(stream(id).lane_of("2026-10-01"), Some(lane.clone()));
        assert_eq!((stream(id).lane_date(), stream(id).lane_of("2026-13-01")), (None, None));
        assert_eq!(lane.lane(0), None, "a lane has no lanes");
        assert_eq!(stream(&format!("provider-{id}")).lane(0), None);
    }

    #[test]
    fn users_have_a_stream_beside_their_organization() {
        let id = "0123456789abcdef01234567";
        let users = stream(id).users().unwrap();
        assert_eq!(
            (users.as_str(), users.is_users(), users.is_lane()),
            ("0123456789abcdef01234567.users", true, false)
        );
        assert_eq!(stream(users.as_str()), users);
        assert_eq!((users.live(), users.scope()), (stream(id), Scope::Organization(id.to_owned())));
        assert_eq!(StreamId::own().users().unwrap().scope(), Scope::Own);
        for other in ["self.users", "self.backfill-2026-10-01", &format!("provider-{id}")] {
            assert_eq!(stream(other).users(), None);
        }
    }

    #[test]
    fn what_could_leave_its_place_in_a_key_is_refused() {
        for text in [
            "",
            StreamId::of_pass().as_str(),
            "..",
            "a/b",
            "SELF",
            "0123456789ABCDEF01234567",
            "self.backfill-2026-13-01",
            "self.x",
            "provider-self",
            "self.users.users",
            "provider-0123456789abcdef01234567.users",
            "provider-0123456789abcdef01234567.backfill-2026-10-01",
            "0123456789abcdef0123456\n",
        ] {
            assert!(StreamId::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
