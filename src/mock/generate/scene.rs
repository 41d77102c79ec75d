//! One event being made up: who, where, when, and the fields all services share.

use fastrand::Rng;

use super::cast::{Cast, Device, Person, Thing};
use super::json::{Object, object};
use super::service::Service;
use crate::made_up::{object_id, uuid_of_version};
use crate::time::{to_second, with_fraction};

/// What an event is made of.
pub(super) struct Scene<'a> {
    pub(super) random: &'a mut Rng,
    pub(super) cast: &'a Cast,
    pub(super) organization: &'a str,
    pub(super) service: Service,
    pub(super) time_ms: i64,
    /// Whether `success` is left out though the service has it.
    pub(super) lacks_success: bool,
}

/// The fields at the end of an event that most services have.
#[derive(Default)]
pub(super) struct Tail<'a> {
    pub(super) event_type: &'a str,
    pub(super) success: Option<bool>,
    pub(super) client_ip: Option<&'a str>,
    /// Whether there may be a `provider`.
    pub(super) has_provider: bool,
}

impl<'a> Scene<'a> {
    /// Writes an event: the service's own fields, then those all have.
    pub(super) fn write(
        &mut self,
        tail: &Tail<'_>,
        own: impl FnOnce(&mut Object<'_>, &mut Rng),
    ) -> String {
        let mut text = String::with_capacity(1_280);
        object(&mut text, |event| {
            own(event, self.random);
            event.text("event_type", tail.event_type);
            if tail.has_provider {
                match self.random.u8(..3) {
                    0 => event.plain("provider", "null"),
                    1 => event.text("provider", ""),
                    _ => event,
                };
            }
            event.text("service", self.service.name());
            if let Some(success) = tail.success.filter(|_| !self.lacks_success) {
                event.plain("success", success);
            }
            event.text("organization", self.organization);
            event.text("@version", "1");
            if let Some(client_ip) = tail.client_ip {
                event.text("client_ip", client_ip);
            }
            event.text("id", &self.id());
            event.text("timestamp", &self.timestamp());
        });
        text
    }

    /// The id in the form of the service: RADIUS has name-based UUIDs in capitals.
    fn id(&mut self) -> String {
        match self.service {
            Service::Radius => uuid_of_version(self.random, 3).to_uppercase(),
            _ => object_id(self.random),
        }
    }

    /// The timestamp with the digits of the service; zeros at the end of nanoseconds are cut.
    fn timestamp(&mut self) -> String {
        match self.service {
            Service::Radius => with_fraction(self.time_ms, "", 0),
            Service::Sso | Service::Mdm | Service::Ldap => {
                let below_ms = format!("{:06}", self.random.u32(..1_000_000));
                let time = with_fraction(self.time_ms, &below_ms, 9);
                let trimmed = time.trim_end_matches('Z').trim_end_matches('0');
                format!("{}Z", trimmed.trim_end_matches('.'))
            }
            _ => with_fraction(self.time_ms, "", 3),
        }
    }

    /// The time on a device's own clock: to the second, in its own zone.
    pub(super) fn device_time(&mut self) -> String {
        let lag_ms = self.random.i64(0..4_000);
        let local = to_second(i128::from(self.time_ms - lag_ms) * 1_000_000);
        format!("{}+00:00", local.trim_end_matches('Z'))
    }

    pub(super) fn person(&mut self) -> &'a Person {
        &self.cast.people[self.random.usize(..self.cast.people.len())]
    }

    pub(super) fn administrator(&mut self) -> &'a Person {
        &self.cast.administrators[self.random.usize(..self.cast.administrators.len())]
    }

    pub(super) fn application(&mut self) -> &'a Thing {
        &self.cast.applications[self.random.usize(..self.cast.applications.len())]
    }

    pub(super) fn group(&mut self) -> &'a Thing {
        &self.cast.groups[self.random.usize(..self.cast.groups.len())]
    }

    pub(super) fn device_of(&self, person: &Person) -> &'a Device {
        &self.cast.devices[person.device]
    }

    /// One of several, all alike likely.
    pub(super) fn one_of<'t>(&mut self, words: &[&'t str]) -> &'t str {
        words[self.random.usize(..words.len())]
    }

    /// Whether something of this share happens.
    pub(super) fn happens(&mut self, share: f64) -> bool {
        self.random.f64() < share
    }
}

/// `initiated_by` of an administrator.
pub(super) fn by_administrator(event: &mut Object<'_>, who: &Person) {
    event.object("initiated_by", |by| {
        by.text("id", &who.id).text("type", "admin").text("email", &who.email);
    });
}

/// `initiated_by` of a user.
pub(super) fn by_user(event: &mut Object<'_>, who: &Person) {
    event.object("initiated_by", |by| {
        by.text("id", &who.id).text("type", "user").text("username", &who.username);
    });
}

/// `geoip` of where someone is.
pub(super) fn geoip(event: &mut Object<'_>, who: &Person) {
    let place = who.place;
    let [latitude, longitude] = who.position;
    event.object("geoip", |geoip| {
        geoip
            .text("country_code", place.country)
            .text("timezone", place.timezone)
            .plain("latitude", latitude)
            .text("continent_code", place.continent)
            .text("region_name", place.region)
            .plain("longitude", longitude)
            .text("region_code", place.region_code);
    });
}

/// `useragent` of someone's browser; keys a system does not have are not there.
pub(super) fn useragent(event: &mut Object<'_>, who: &Person) {
    let agent = who.agent;
    let [major, minor, patch] = agent.system_version;
    let version = [major, minor, patch].map(str::to_owned).join(".");
    let version = version.trim_end_matches('.');
    event.object("useragent", |useragent| {
        useragent.text("os", agent.system).text("minor", "0");
        if !minor.is_empty() {
            useragent.text("os_minor", minor).text("os_patch", patch);
        }
        if !major.is_empty() {
            useragent.text("os_major", major).text("os_version", version);
        }
        useragent
            .text("version", &format!("{}.0.0.0", agent.major))
            .text("patch", "0")
            .text("os_full", format!("{} {version}", agent.system).trim_end())
            .text("major", agent.major)
            .text("name", agent.name)
            .text("os_name", agent.system)
            .text("device", agent.device);
    });
}
