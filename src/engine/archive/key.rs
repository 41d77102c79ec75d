//! The partition of an event, and the keys of the objects of the archive.

use std::fmt::Write as _;

use crate::stream::StreamId;
use crate::time;

/// S3's limit for the length of a key, in bytes.
const KEY_BYTES_MAX: usize = 1024;

/// Whether `key` may be written to the archive. This is checked before an entry is decided.
#[must_use]
pub fn is_archive_key(key: &str) -> bool {
    ObjectKey::parse(key).is_some()
}

/// What a key of the archive says of its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectKey<'a> {
    /// The stream that wrote it.
    pub stream: StreamId,
    /// What it is a part of.
    pub part_of: PartOf<'a>,
}

/// What an object of the archive is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartOf<'a> {
    /// A journal entry.
    Entry {
        /// The epoch of the stream.
        epoch: &'a str,
        /// The number of the entry.
        seq: u64,
    },
    /// The snapshot of users of a UTC day, `2026-11-20`.
    Snapshot(&'a str),
}

impl<'a> ObjectKey<'a> {
    /// Reads a whole key: folders of letters, digits and `_ . = -`, none of which begins with a dot, so
    /// that no key can leave its prefix; and the name of a part or of a completion record. `None` if it
    /// is anything else.
    #[must_use]
    pub fn parse(key: &'a str) -> Option<Self> {
        let (folders, name) = key.rsplit_once('/').filter(|_| key.len() <= KEY_BYTES_MAX)?;
        let are_safe = folders.split('/').all(is_safe_segment);
        are_safe.then(|| Self::of_entry(name).or_else(|| Self::of_snapshot(name)))?
    }

    /// `<stream>-<epoch>-<seq, 20 digits>-<part, 3 digits>.ndjson.gz`, or `.json.gz`.
    fn of_entry(name: &'a str) -> Option<Self> {
        let stem = name.strip_suffix(".ndjson.gz").or_else(|| name.strip_suffix(".json.gz"))?;
        let (rest, part) = stem.rsplit_once('-')?;
        let (rest, seq) = rest.rsplit_once('-')?;
        let (stream, epoch) = rest.rsplit_once('-')?;
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let are_numbers = is_number(part, 3) && is_number(seq, 20);
        let is_well_formed = are_numbers && epoch.len() == 8 && epoch.bytes().all(is_hex);
        let seq = seq.parse().ok().filter(|_| is_well_formed)?;
        Some(Self { stream: named(stream)?, part_of: PartOf::Entry { epoch, seq } })
    }

    /// `<stream of users>-<date>-<part, 3 digits>.ndjson.gz`, or `.complete.json`.
    fn of_snapshot(name: &'a str) -> Option<Self> {
        let (stem, is_record) = match name.strip_suffix(".complete.json") {
            Some(stem) => (stem, true),
            None => (name.strip_suffix(".ndjson.gz")?, false),
        };
        let (stem, part) = if is_record { (stem, "000") } else { stem.rsplit_once('-')? };
        let (stream, day) = stem.split_at_checked(stem.len().checked_sub(DAY.len())?)?;
        let stream = named(stream.strip_suffix('-')?).filter(StreamId::is_users)?;
        let is_day = time::parse_time_or_day_ms(day).is_some() && is_number(part, 3);
        is_day.then_some(Self { stream, part_of: PartOf::Snapshot(day) })
    }
}

/// A date as it is in keys.
const DAY: &str = "2026-11-20";

fn is_safe_segment(segment: &str) -> bool {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"_.=-".contains(&byte);
    !segment.is_empty() && !segment.starts_with('.') && segment.bytes().all(is_safe)
}

fn is_number(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn named(stream: &str) -> Option<StreamId> {
    StreamId::try_from(stream.to_owned()).ok()
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
    fn a_key_is_read_as_it_was_written() {
        let key = key(KeyLayout::DEFAULT, Some(b"directory"));
        let part_of = PartOf::Entry { epoch: "0a1b2c3d", seq: 7 };
        assert_eq!(ObjectKey::parse(&key), Some(ObjectKey { stream: StreamId::own(), part_of }));
        let users = StreamId::own().users().unwrap();
        let snapshot = ObjectKey { stream: users.clone(), part_of: PartOf::Snapshot("2026-11-20") };
        for key in [users_key("e/", "", &users, "2026-11-20", 7), record_key(&users, "2026-11-20")]
        {
            assert_eq!(ObjectKey::parse(&key), Some(snapshot.clone()), "{key}");
        }
    }

    #[test]
    fn nothing_but_a_key_of_the_archive_is_read() {
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
            good.replace("events/", ".events/"),
            good.replace("-003", "-3"),
            good.replace("0a1b2c3d", "0A1B2C3D"),
            good.replace("0a1b2c3d", "0a1b2c"),
            good.replace(".ndjson", ".xml"),
            format!("{}{good}", "x/".repeat(512)),
            good.rsplit_once('/').unwrap().1.to_owned(),
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
