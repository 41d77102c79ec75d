//! What happens at JumpCloud in a schedule, row by row.

use jiff::Timestamp;

use crate::chance::Chance;
use crate::schedule::{DAY, ORGANIZATIONS, SECOND, Schedule};
use crate::truth::Event;

pub(crate) const NS_A_MS: i128 = 1_000_000;

/// Draws one row.
pub(crate) struct Draw<'a> {
    pub(crate) schedule: &'a Schedule,
    pub(crate) chance: &'a mut Chance,
    pub(crate) earlier: &'a [Event],
}

impl Draw<'_> {
    pub(crate) fn event(mut self) -> Event {
        let earlier = (!self.earlier.is_empty()).then(|| self.chance.pick(self.earlier).clone());
        let (kind, doc) = (self.chance.below(100), self.chance.below(1 << 30) as u32);
        match (kind, earlier) {
            // The same row twice.
            (0..4, Some(earlier)) => {
                Event { doc, visible_ms: self.visible(earlier.place_ms), ..earlier }
            }
            // A later change under the same identity: either may be the one that stays.
            (4..6, Some(earlier)) if !earlier.is_broken && earlier.raw.starts_with(b"{\"id\"") => {
                let raw = changed(&earlier.raw, self.chance.below(1_000));
                Event { doc, raw, visible_ms: self.visible(earlier.place_ms), ..earlier }
            }
            (6..9, _) => self.unreadable(doc),
            (9..11, _) => self.broken(doc),
            (11..14, _) => self.without_id(doc),
            (16..18, _) if self.schedule.page_bytes.is_some() => self.giant(doc),
            (18..20, _) if self.schedule.has_odd_rows => self.unparsable(doc),
            (20..24, _) if self.schedule.has_odd_rows => self.displaced(doc),
            // The same id at another time is another event.
            (14..16, Some(earlier)) if earlier.raw.starts_with(b"{\"id\"") => {
                let id = String::from_utf8_lossy(&earlier.raw[7..23]).into_owned();
                self.plain(doc, &id)
            }
            _ => {
                let id = format!("{:016x}", self.chance.below(u64::MAX));
                self.plain(doc, &id)
            }
        }
    }

    fn plain(mut self, doc: u32, id: &str) -> Event {
        let time_ns = self.time_ns();
        let (organization, service) = (self.organization(), self.service());
        let (n, ts) = (self.chance.below(1_000), timestamp(time_ns));
        let gap = if self.chance.percent(2) { "\n " } else { "" };
        let raw = format!(
            r#"{{"id":"{id}","organization":"{organization}","service":"{service}",{gap}"timestamp":"{ts}","n":{n}}}"#
        );
        self.row(doc, raw, organization, service, time_ns)
    }

    /// Sorted where it happened, with a timestamp that says otherwise.
    fn displaced(self, doc: u32) -> Event {
        let interval_ms = self.schedule.schedule_interval_ms;
        let by_ms = *self.chance.pick(&[
            -40 * DAY,
            -7 * interval_ms,
            -interval_ms,
            9 * interval_ms,
            40 * DAY,
        ]);
        let by_ns = i128::from(by_ms) * NS_A_MS;
        let id = format!("{:016x}", self.chance.below(u64::MAX));
        let mut event = self.plain(doc, &id);
        let Some(time_ns) = event.time_ns else { return event };
        let raw = String::from_utf8_lossy(&event.raw);
        let (old, new) = (timestamp(time_ns).to_string(), timestamp(time_ns + by_ns).to_string());
        event.raw = raw.replace(&old, &new).into_bytes();
        event.time_ns = Some(time_ns + by_ns);
        event
    }

    fn unparsable(self, doc: u32) -> Event {
        let n = self.chance.below(u64::MAX);
        let raw = self.chance.pick(&["{\"n\":NaN,\"m\":#}", "{\"n\":\"\u{1}#\"}", "{\"n\":#"]);
        let raw = raw.replace('#', &n.to_string()).into_bytes();
        Event { raw, ..self.broken(doc) }
    }

    fn without_id(mut self, doc: u32) -> Event {
        let time_ns = self.time_ns();
        let (organization, service) = (self.organization(), self.service());
        let (n, ts) = (self.chance.below(u64::MAX), timestamp(time_ns));
        let raw = format!(
            r#"{{"n":{n},"organization":"{organization}","service":"{service}","timestamp":"{ts}"}}"#
        );
        self.row(doc, raw, organization, service, time_ns)
    }

    fn unreadable(mut self, doc: u32) -> Event {
        let (organization, service, n) =
            (self.organization(), self.service(), self.chance.below(u64::MAX));
        let raw = format!(
            r#"{{"id":"{n:016x}","organization":"{organization}","service":"{service}","timestamp":"soon"}}"#
        );
        let time_ns = self.time_ns();
        Event { time_ns: None, ..self.row(doc, raw, organization, service, time_ns) }
    }

    fn broken(mut self, doc: u32) -> Event {
        // Nothing tells whose it is: none is another key's.
        let organization = match self.schedule.other_key {
            Some(_) => ORGANIZATIONS[0],
            None => self.organization(),
        };
        let service = self.service();
        let raw = format!("[{}]", self.chance.below(u64::MAX));
        let time_ns = self.time_ns();
        Event {
            time_ns: None,
            is_broken: true,
            ..self.row(doc, raw, organization, service, time_ns)
        }
    }

    fn giant(self, doc: u32) -> Event {
        let pad = "x".repeat(self.schedule.page_bytes.unwrap_or(0));
        let id = format!("{:016x}", self.chance.below(u64::MAX));
        let mut event = self.plain(doc, &id);
        event.raw.truncate(event.raw.len() - 1);
        event.raw.extend_from_slice(format!(",\"pad\":\"{pad}\"}}").as_bytes());
        event.is_giant = true;
        event
    }

    fn row(
        mut self,
        doc: u32,
        raw: String,
        organization: &'static str,
        service: &'static str,
        time_ns: i128,
    ) -> Event {
        let place_ms = i64::try_from(time_ns.div_euclid(NS_A_MS)).unwrap();
        let visible_ms = self.visible(place_ms);
        Event {
            place_ms,
            doc,
            visible_ms,
            raw: raw.into_bytes(),
            organization,
            service,
            time_ns: Some(time_ns),
            class: 0,
            is_broken: false,
            is_giant: false,
            served: false,
        }
    }

    fn organization(&mut self) -> &'static str {
        let organizations = self.schedule.organizations();
        if self.schedule.other_key.is_some() && self.chance.percent(30) {
            return ORGANIZATIONS[1];
        }
        ORGANIZATIONS[self.chance.below(organizations as u64) as usize]
    }

    fn service(&mut self) -> &'static str {
        self.chance.pick::<&str>(&[
            "sso",
            "sso",
            "sso",
            "directory",
            "directory",
            "ldap",
            "pam",
            "",
            "Odd/Service",
        ])
    }

    /// Often the same millisecond as the row before; with none to nine digits below the second.
    fn time_ns(&mut self) -> i128 {
        let mut span = self.schedule.event_span_ms();
        if self.schedule.stack.is_some() && self.chance.percent(40) {
            // In the days of lanes.
            span = self.schedule.start_ms - 3 * DAY..self.schedule.start_ms;
        }
        let drawn = self.schedule.after_jumps(self.chance.between(span.start, span.end));
        let tie = self.earlier.last().filter(|_| self.chance.percent(25)).map(|last| last.place_ms);
        let ms = tie.unwrap_or_else(|| {
            if self.chance.percent(20) { drawn / SECOND * SECOND } else { drawn }
        });
        let below_ms = if self.chance.percent(30) { self.chance.below(1_000_000) } else { 0 };
        i128::from(ms) * NS_A_MS + i128::from(below_ms)
    }

    /// Mostly soon, sometimes before its own time, sometimes as late as is promised or later.
    fn visible(&mut self, place_ms: i64) -> i64 {
        let promised_ms = self.schedule.promised_lateness_ms();
        let horizon_ms = self.schedule.settings.late_horizon_ms;
        place_ms
            + match self.chance.below(100) {
                0..5 => -self.chance.between(0, 600 * SECOND),
                5..60 => self.chance.between(0, 3 * SECOND),
                60..80 => self.chance.between(0, promised_ms + 1),
                80..88 => promised_ms,
                88..96 => self.chance.between(0, horizon_ms + 1),
                _ => self.chance.between(horizon_ms, 2 * horizon_ms),
            }
    }
}

fn changed(raw: &[u8], n: u64) -> Vec<u8> {
    let mut raw = raw.to_vec();
    raw.truncate(raw.len() - 1);
    raw.extend_from_slice(format!(",\"changed\":{n}}}").as_bytes());
    raw
}

pub(crate) fn timestamp(ns: i128) -> Timestamp {
    Timestamp::from_nanosecond(ns).unwrap()
}
