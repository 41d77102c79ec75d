//! Made-up events of every service, in the forms real ones have been seen to have.

mod administration;
mod cast;
mod devices;
mod logins;
mod scene;
mod service;
mod users;
mod vocabulary;

use std::ops::{Range, RangeInclusive};

use bytes::Bytes;
use fastrand::Rng;

use cast::Cast;
use scene::Scene;
pub use service::Service;

/// The properties of the events: an estimate of an organization's traffic, because no public
/// figures were found. Shares are between 0 and 1.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Services and their weights.
    pub mix: Vec<(Service, u32)>,
    /// The share that appears 1 to 10 minutes late.
    pub late_by_minutes: f64,
    /// The share that is huge: a device's list of configuration profiles.
    pub huge: f64,
}

impl Default for Settings {
    fn default() -> Self {
        use Service::{
            AccessManagement, Alerts, AssetManagement, Directory, Ldap, Mdm, Notifications,
            ObjectStorage, Pam, PasswordManager, Radius, Reports, SaasAppManagement, Software, Sso,
            Systems, Workflows,
        };
        Self {
            mix: vec![
                (Systems, 420),
                (Sso, 150),
                (Directory, 150),
                (Radius, 120),
                (Ldap, 60),
                (Software, 60),
                (Mdm, 20),
                (PasswordManager, 10),
                (AccessManagement, 1),
                (Alerts, 2),
                (AssetManagement, 1),
                (Notifications, 1),
                (ObjectStorage, 1),
                (Pam, 1),
                (Reports, 1),
                (SaasAppManagement, 1),
                (Workflows, 1),
            ],
            late_by_minutes: 0.03,
            huge: 0.002,
        }
    }
}

/// How many events a RADIUS burst has: all on one whole second.
const RADIUS_BURST: RangeInclusive<u32> = 5..=50;
/// The share of events dated up to an hour later than they happen.
const FUTURE_DATED: f64 = 0.01;
/// The share of `systems` and `software` events that appears 1 to 48 hours late.
const LATE_BY_HOURS: f64 = 0.005;
/// How long any other event takes to appear, in milliseconds.
const DELAY_MS: RangeInclusive<i64> = 100..=2_000;
/// The size of a huge event, in bytes, about.
const HUGE_BYTES: usize = 75_000;
/// The share of events that lack `success` where their service has it.
const WITHOUT_SUCCESS: f64 = 0.005;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// A made-up event.
#[derive(Debug, Clone)]
pub struct MadeUpEvent {
    /// Its JSON.
    pub raw: Bytes,
    /// The service it belongs to.
    pub service: Service,
    /// Its timestamp, floored to UTC milliseconds.
    pub timestamp_ms: i64,
    /// When queries should begin to see it, UTC milliseconds.
    pub visible_at_ms: i64,
}

/// Makes up the events of one organization. The same seed and calls give the same bytes.
pub struct Generator {
    /// What the events are like.
    pub settings: Settings,
    organization: String,
    random: Rng,
    cast: Cast,
}

impl std::fmt::Debug for Generator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generator")
            .field("organization", &self.organization)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Generator {
    /// A generator with the default settings for an organization of 24 hex digits.
    pub fn new(seed: u64, organization: &str) -> Self {
        let mut random = Rng::with_seed(seed);
        Self {
            settings: Settings::default(),
            organization: organization.to_owned(),
            cast: Cast::draw(&mut random),
            random,
        }
    }

    /// The users of the organization, as `/api/systemusers` lists them: those whom its events
    /// name. Fields come and go from user to user.
    pub fn users(&self) -> Vec<serde_json::Value> {
        users::of(&self.cast.people, &self.organization)
    }

    /// Makes up `count` events that happen within a half-open range of UTC milliseconds, evenly
    /// spread and nearly ascending. Only the timestamps of future-dated ones, and of bursts in a
    /// range without a whole second, are beyond it.
    pub fn events(
        &mut self,
        range_ms: Range<i64>,
        count: usize,
    ) -> impl Iterator<Item = MadeUpEvent> + use<'_> {
        let mut burst = None;
        (0..count).map(move |number| {
            let happens_ms = self.moment(&range_ms, number, count);
            self.next_event(happens_ms, &range_ms, &mut burst)
        })
    }

    /// A random time in the nth of `count` equal parts of the range.
    fn moment(&mut self, range_ms: &Range<i64>, number: usize, count: usize) -> i64 {
        let length = (range_ms.end - range_ms.start).max(1) as f64;
        let place = (number as f64 + self.random.f64()) / count as f64;
        range_ms.start + (length * place) as i64
    }

    fn next_event(
        &mut self,
        happens_ms: i64,
        range_ms: &Range<i64>,
        burst: &mut Option<Burst>,
    ) -> MadeUpEvent {
        let is_huge = self.happens(self.settings.huge);
        let service = match burst {
            Some(_) => Service::Radius,
            None if is_huge => Service::Mdm,
            None => self.pick_service(),
        };
        if service != Service::Radius {
            return self.plain_event(service, happens_ms, is_huge);
        }
        let current = match burst.take() {
            Some(current) => current,
            None => self.begin_burst(happens_ms, range_ms),
        };
        let is_more = current.left > 1;
        *burst = is_more.then(|| Burst { left: current.left - 1, ..current });
        let mut scene = self.scene(service, current.second_ms);
        let event = scene.radius(current.access_point);
        let raw = scene.finish(event);
        let arrives_ms = current.happens_ms.max(current.second_ms) + self.delay_ms(service);
        MadeUpEvent {
            raw: raw.into(),
            service,
            timestamp_ms: current.second_ms,
            visible_at_ms: arrives_ms,
        }
    }

    fn plain_event(&mut self, service: Service, happens_ms: i64, is_huge: bool) -> MadeUpEvent {
        let ahead_ms = match self.happens(FUTURE_DATED) {
            true => self.random.i64(SECOND_MS..=HOUR_MS),
            false => 0,
        };
        let timestamp_ms = happens_ms + ahead_ms;
        let mut scene = self.scene(service, timestamp_ms);
        let event = match is_huge {
            true => scene.profile_list(HUGE_BYTES),
            false => scene.event(),
        };
        let raw = scene.finish(event);
        MadeUpEvent {
            raw: raw.into(),
            service,
            timestamp_ms,
            visible_at_ms: happens_ms + self.delay_ms(service),
        }
    }

    fn scene(&mut self, service: Service, time_ms: i64) -> Scene<'_> {
        Scene {
            lacks_success: self.happens(WITHOUT_SUCCESS),
            random: &mut self.random,
            cast: &self.cast,
            organization: &self.organization,
            service,
            time_ms,
        }
    }

    fn happens(&mut self, share: f64) -> bool {
        self.random.f64() < share
    }

    /// Draws a service by its weight; that of RADIUS is for events, of which a burst has many.
    fn pick_service(&mut self) -> Service {
        let burst = f64::from(*RADIUS_BURST.start()).midpoint(f64::from(*RADIUS_BURST.end()));
        let weight = |(service, weight): &(Service, u32)| match service {
            Service::Radius => f64::from(*weight) / burst,
            _ => f64::from(*weight),
        };
        let total: f64 = self.settings.mix.iter().map(weight).sum();
        let mut left = self.random.f64() * total;
        for entry in &self.settings.mix {
            left -= weight(entry);
            if left < 0.0 {
                return entry.0;
            }
        }
        Service::Directory
    }

    fn begin_burst(&mut self, happens_ms: i64, range_ms: &Range<i64>) -> Burst {
        let second_ms = happens_ms - happens_ms.rem_euclid(SECOND_MS);
        Burst {
            left: self.random.u32(RADIUS_BURST),
            happens_ms,
            // The first second of a range that begins within one is the next one.
            second_ms: match second_ms < range_ms.start {
                true => second_ms + SECOND_MS,
                false => second_ms,
            },
            access_point: self.random.usize(..self.cast.access_points.len()),
        }
    }

    fn delay_ms(&mut self, service: Service) -> i64 {
        let is_buffered = matches!(service, Service::Systems | Service::Software);
        if is_buffered && self.happens(LATE_BY_HOURS) {
            self.random.i64(HOUR_MS..=48 * HOUR_MS)
        } else if self.happens(self.settings.late_by_minutes) {
            self.random.i64(MINUTE_MS..=10 * MINUTE_MS)
        } else {
            self.random.i64(DELAY_MS)
        }
    }
}

/// The remaining RADIUS events of one second.
#[derive(Clone, Copy)]
struct Burst {
    left: u32,
    happens_ms: i64,
    second_ms: i64,
    access_point: usize,
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
