//! One event being made up: who, where, when, and the fields all services share.

use fastrand::Rng;

use super::cast::{Cast, Device, Person, Thing};
use super::json::{Object, object};
use super::service::Service;
use crate::made_up::{object_id, uuid_of_version};
use crate::time::{NS_A_MS, to_millisecond, to_nanosecond, to_second};

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
    ) -> Vec<u8> {
        let mut text = Vec::with_capacity(1_280);
        object(&mut text, |event| {
            own(event, self.random);
            event.put("event_type", tail.event_type);
            if tail.has_provider {
                match self.random.u8(..3) {
                    0 => event.put("provider", ()),
                    1 => event.put("provider", ""),
                    _ => event,
                };
            }
            event.put("service", self.service.name());
            if let Some(success) = tail.success.filter(|_| !self.lacks_success) {
                event.put("success", success);
            }
            event.put("organization", self.organization);
            event.put("@version", "1");
            if let Some(client_ip) = tail.client_ip {
                event.put("client_ip", client_ip);
            }
            event.put("id", self.id());
            event.put("timestamp", self.timestamp());
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

    /// The timestamp with the digits of the service.
    fn timestamp(&mut self) -> String {
        let time_ns = i128::from(self.time_ms) * NS_A_MS;
        match self.service {
            Service::Radius => to_second(time_ns),
            Service::Sso | Service::Mdm | Service::Ldap => {
                to_nanosecond(time_ns + i128::from(self.random.u32(..1_000_000)))
            }
            _ => to_millisecond(self.time_ms),
        }
    }

    /// The time on a device's own clock: to the second, in its own zone.
    pub(super) fn device_time(&mut self) -> String {
        let lag_ms = self.random.i64(0..4_000);
        let local = to_second(i128::from(self.time_ms - lag_ms) * NS_A_MS);
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
        by.put("id", &who.id).put("type", "admin").put("email", &who.email);
    });
}

/// `initiated_by` of a user.
pub(super) fn by_user(event: &mut Object<'_>, who: &Person) {
    event.object("initiated_by", |by| {
        by.put("id", &who.id).put("type", "user").put("username", &who.username);
    });
}

/// `geoip` of where someone is.
pub(super) fn geoip(event: &mut Object<'_>, who: &Person) {
    let place = who.place;
    let [latitude, longitude] = who.position;
    event.object("geoip", |geoip| {
        geoip
            .put("country_code", place.country)
            .put("timezone", place.timezone)
            .put("latitude", latitude)
            .put("continent_code", place.continent)
            .put("region_name", place.region)
            .put("longitude", longitude)
            .put("region_code", place.region_code);
    });
}

/// `useragent` of someone's browser; keys a system does not have are not there.
pub(super) fn useragent(event: &mut Object<'_>, who: &Person) {
    let agent = who.agent;
    let [major, minor, patch] = agent.system_version;
    let version = [major, minor, patch].map(str::to_owned).join(".");
    let version = version.trim_end_matches('.');
    event.object("useragent", |useragent| {
        useragent.put("os", agent.system).put("minor", "0");
        if !minor.is_empty() {
            useragent.put("os_minor", minor).put("os_patch", patch);
        }
        if !major.is_empty() {
            useragent.put("os_major", major).put("os_version", version);
        }
        useragent
            .put("version", format!("{}.0.0.0", agent.major))
            .put("patch", "0")
            .put("os_full", format!("{} {version}", agent.system).trim_end())
            .put("major", agent.major)
            .put("name", agent.name)
            .put("os_name", agent.system)
            .put("device", agent.device);
    });
}
