//! The partition of an event, and the keys of the objects of the archive.

use std::fmt::Write as _;
use std::sync::LazyLock;

use regex_lite::Regex;

use crate::stream::StreamId;
use crate::time;

/// The pattern that every archive key matches, from its first to its last character. No segment
/// begins with a dot, so no key can leave its prefix.
const KEY_PATTERN: &str = concat!(
    "^(?:[A-Za-z0-9_=-][A-Za-z0-9_.=-]*/)+(?:",
    "(?:self|(?:provider-)?[0-9a-f]{24})(?:[.]backfill-[0-9]{4}-[0-9]{2}-[0-9]{2}|[.]users)?",
    "-[0-9a-f]{8}-[0-9]{20}-[0-9]{3}[.](?:ndjson|json)[.]gz",
    "|(?:self|[0-9a-f]{24})[.]users-[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "(?:-[0-9]{3}[.]ndjson[.]gz|[.]complete[.]json))$"
);

/// S3's limit for the length of a key, in bytes.
const KEY_BYTES_MAX: usize = 1024;

/// Whether `key` may be written to the archive. This is checked before an entry is decided.
#[must_use]
pub fn is_archive_key(key: &str) -> bool {
    #[expect(clippy::unwrap_used, reason = "the pattern is a constant, compiled by every test")]
    static KEY: LazyLock<Regex> = LazyLock::new(|| Regex::new(KEY_PATTERN).unwrap());
    key.len() <= KEY_BYTES_MAX && KEY.is_match(key)
}

/// `KEY_LAYOUT`: the folders between the archive's prefix and the object's name.
///
/// ```
/// use engine::archive::key::KeyLayout;
///
/// let layout = KeyLayout::parse("org={org}/{service}/{year}/{month}/")?;
/// let partition = layout.partition("sso", 1_795_219_200_000, "self");
/// assert_eq!(layout.folders(&partition), "org=self/sso/2026/11/");
/// assert!(KeyLayout::parse("{weekday}/").is_err());
/// # Ok::<(), engine::archive::key::LayoutError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyLayout {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Organization,
    Service,
    Date,
    Year,
    Month,
    Day,
    Hour,
}

/// Why a text is not a valid key layout.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LayoutError {
    /// It has an unknown name in braces, or an unmatched brace.
    #[error(
        "`{0}` is not one of {{org}}, {{service}}, {{date}}, {{year}}, {{month}}, {{day}}, {{hour}}"
    )]
    Placeholder(String),
    /// Its keys would not match the pattern of archive keys.
    #[error("it must be folders of letters, digits and _ . = - that end in `/`")]
    Folders,
}

/// The partition of an event. Fields that the layout does not use are empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    service: String,
    /// The first hour that the partition covers, in hours since 1970-01-01T00:00:00Z.
    hour: i64,
    /// The number of hours that it covers.
    hours: i64,
    organization: String,
}

impl Default for KeyLayout {
    fn default() -> Self {
        let text = |text: &str| Piece::Text(text.to_owned());
        let end = text("/");
        Self { pieces: vec![text("service="), Piece::Service, text("/date="), Piece::Date, end] }
    }
}

impl KeyLayout {
    /// `service={service}/date={date}/`
    pub const DEFAULT: &str = "service={service}/date={date}/";

    /// Reads a layout.
    ///
    /// # Errors
    /// [`LayoutError`] if it has an unknown name, an unmatched brace, or would give invalid keys.
    pub fn parse(text: &str) -> Result<Self, LayoutError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, behind) =
                after.split_once('}').ok_or_else(|| LayoutError::Placeholder(rest.to_owned()))?;
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(Piece::named(name)?);
            rest = behind;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        let layout = Self { pieces };
        let example = layout.folders(&layout.partition("sso", 0, "self"));
        let folders = example.is_empty() || example.ends_with('/');
        let name = object_name(&StreamId::own(), "00000000", 0, 0, "ndjson");
        if folders && is_archive_key(&format!("x/{example}{name}")) {
            Ok(layout)
        } else {
            Err(LayoutError::Folders)
        }
    }

    /// The partition of an event, from its service as it is written in keys, the millisecond of its
    /// timestamp (or of its collection, if the timestamp cannot be read), and its organization.
    #[must_use]
    pub fn partition(&self, service: &str, ms: i64, organization: &str) -> Partition {
        let uses = |piece: Piece| self.pieces.contains(&piece);
        let hour = time::hour_of(ms);
        let (first_hour, hours) =
            if uses(Piece::Hour) { (hour, 1) } else { (time::day_of(ms) * 24, 24) };
        Partition {
            service: if uses(Piece::Service) { service.to_owned() } else { String::new() },
            hour: first_hour,
            hours,
            organization: if uses(Piece::Organization) {
                organization.to_owned()
            } else {
                String::new()
            },
        }
    }

    /// Whether keys name the organization.
    #[must_use]
    pub fn names_organization(&self) -> bool {
        self.pieces.contains(&Piece::Organization)
    }

    /// The folders of a partition: empty, or ending in `/`.
    #[must_use]
    pub fn folders(&self, partition: &Partition) -> String {
        let date = time::date(partition.hour * crate::limits::HOUR_MS);
        let mut folders = String::new();
        for piece in &self.pieces {
            // Writing to a string cannot fail.
            let _ = match piece {
                Piece::Text(text) => write!(folders, "{text}"),
                Piece::Organization => write!(folders, "{}", partition.organization),
                Piece::Service => write!(folders, "{}", partition.service),
                Piece::Date => write!(folders, "{date}"),
                Piece::Year => write!(folders, "{:04}", date.year()),
                Piece::Month => write!(folders, "{:02}", date.month()),
                Piece::Day => write!(folders, "{:02}", date.day()),
                Piece::Hour => write!(folders, "{:02}", partition.hour.rem_euclid(24)),
            };
        }
        folders
    }
}

impl Partition {
    /// Whether an event with these properties belongs to this partition. It is called for each
    /// event and each partition of the batch, so it must be fast.
    #[must_use]
    pub fn takes(&self, service: &str, ms: i64, organization: &str) -> bool {
        (self.hour..self.hour + self.hours).contains(&time::hour_of(ms))
            && (self.service.is_empty() || self.service == service)
            && (self.organization.is_empty() || self.organization == organization)
    }
}

impl Piece {
    fn named(name: &str) -> Result<Self, LayoutError> {
        Ok(match name {
            "org" => Self::Organization,
            "service" => Self::Service,
            "date" => Self::Date,
            "year" => Self::Year,
            "month" => Self::Month,
            "day" => Self::Day,
            "hour" => Self::Hour,
            _ => return Err(LayoutError::Placeholder(format!("{{{name}}}"))),
        })
    }
}

/// The key of a part of events.
#[must_use]
pub fn event_key(
    prefix: &str,
    folders: &str,
    stream: &StreamId,
    epoch: &str,
    seq: u64,
    part: usize,
) -> String {
    format!("{prefix}{folders}{}", object_name(stream, epoch, seq, part, "ndjson"))
}

/// The key of a part of quarantined rows, which is outside the prefix of which SIEMs are notified.
#[must_use]
pub fn quarantine_key(stream: &StreamId, epoch: &str, seq: u64, part: usize) -> String {
    format!("quarantine/{stream}/{}", object_name(stream, epoch, seq, part, "json"))
}

/// The key of a part of the snapshot of the stream `users` on a day.
#[must_use]
pub fn users_key(prefix: &str, folders: &str, users: &StreamId, day: &str, part: usize) -> String {
    format!("{prefix}{folders}{users}-{day}-{part:03}.ndjson.gz")
}

/// The key of the completion record of a day's snapshot, which is outside the prefix of which SIEMs
/// are notified.
#[must_use]
pub fn record_key(users: &StreamId, day: &str) -> String {
    format!("snapshots/{users}-{day}.complete.json")
}

fn object_name(stream: &StreamId, epoch: &str, seq: u64, part: usize, kind: &str) -> String {
    format!("{stream}-{epoch}-{seq:020}-{part:03}.{kind}.gz")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::page::service::OTHER;
    use crate::page::service_label;

    const MS: i64 = 1_795_168_800_000; // 2026-11-20T10:00:00Z

    fn key(layout: &str, service: Option<&[u8]>) -> String {
        let layout = KeyLayout::parse(layout).unwrap();
        let folders = layout.folders(&layout.partition(service_label(service), MS, "self"));
        event_key("events/", &folders, &StreamId::own(), "0a1b2c3d", 7, 3)
    }

    #[test]
    fn keys_are_partitioned_by_service_and_date() {
        assert_eq!(
            key(KeyLayout::DEFAULT, Some(b"directory")),
            "events/service=directory/date=2026-11-20/self-0a1b2c3d-00000000000000000007-003.ndjson.gz"
        );
        assert_eq!(
            key("{org}/{service}/{year}/{month}/{day}/{hour}/", Some(b"sso")),
            "events/self/sso/2026/11/20/10/self-0a1b2c3d-00000000000000000007-003.ndjson.gz"
        );
        assert!(key("", None).starts_with("events/self-"));
    }

    #[test]
    fn the_default_is_what_its_text_says() {
        assert_eq!(KeyLayout::parse(KeyLayout::DEFAULT).unwrap(), KeyLayout::default());
    }

    #[test]
    fn the_pattern_is_anchored() {
        let good = key(KeyLayout::DEFAULT, Some(b"sso"));
        assert!(is_archive_key(&good));
        assert!(is_archive_key(&quarantine_key(&StreamId::own(), "0a1b2c3d", 7, 3)));
        for bad in [
            format!("/{good}"),
            format!("../{good}"),
            format!("{good}\n"),
            format!("{good}/"),
            good.replace("events/", "events//"),
            good.replace("sso", "s s"),
            good.replace("self", "else"),
        ] {
            assert!(!is_archive_key(&bad), "{bad}");
        }
    }

    #[test]
    fn snapshots_are_named_by_their_day() {
        let users = StreamId::own().users().unwrap();
        let layout = KeyLayout::default();
        let folders = layout.folders(&layout.partition("systemusers", MS, "self"));
        let part = users_key("events/", &folders, &users, "2026-11-20", 7);
        assert_eq!(
            part,
            "events/service=systemusers/date=2026-11-20/self.users-2026-11-20-007.ndjson.gz"
        );
        let record = record_key(&users, "2026-11-20");
        assert_eq!(record, "snapshots/self.users-2026-11-20.complete.json");
        let quarantined = quarantine_key(&users, "0a1b2c3d", 7, 3);
        for good in [&part, &record, &quarantined] {
            assert!(is_archive_key(good), "{good}");
        }
        for bad in [
            part.replace(".users", ""),
            part.replace("-007", "-1007"),
            part.replace("-007", ""),
            part.replace("self.", "provider-0123456789abcdef01234567."),
            record.replace("complete", "done"),
            record.replace(".users", ""),
            format!("{record}\n"),
            format!("../{record}"),
        ] {
            assert!(!is_archive_key(&bad), "{bad}");
        }
    }

    #[test]
    fn layouts_that_break_keys_are_refused() {
        for bad in ["{service}", "/{service}/", "{service}//", "../", "a b/", "é/"] {
            assert_eq!(KeyLayout::parse(bad), Err(LayoutError::Folders), "{bad}");
        }
        for bad in ["{tenant}/", "{service/", "{}/"] {
            assert!(matches!(KeyLayout::parse(bad), Err(LayoutError::Placeholder(_))), "{bad}");
        }
    }

    #[test]
    fn partitions_follow_what_the_layout_uses() {
        let daily = KeyLayout::parse(KeyLayout::DEFAULT).unwrap();
        let partition = daily.partition("sso", MS, "self");
        assert!(partition.takes("sso", MS + 13 * 3_600_000, "other"));
        assert!(!partition.takes("sso", MS + 14 * 3_600_000, "self"));
        assert!(!partition.takes("ldap", MS, "self"));
        let hourly = KeyLayout::parse("{org}/{hour}/").unwrap();
        let partition = hourly.partition(OTHER, MS, "self");
        assert!(partition.takes("ldap", MS, "self"));
        assert!(!partition.takes(OTHER, MS + 3_600_000, "self"));
        assert!(!partition.takes(OTHER, MS, "other"));
    }
}
