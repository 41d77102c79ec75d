//! One event being made up: who, where, when, and the fields all services share.

use fastrand::Rng;
use serde_json::{Value, json};

use super::cast::{Cast, Device, Person, Thing};
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

impl<'a> Scene<'a> {
    /// The service's own fields of an event.
    pub(super) fn event(&mut self) -> Value {
        match self.service {
            Service::Directory => self.directory(),
            Service::Sso => self.sso(),
            Service::Radius => self.radius(0),
            Service::Ldap => self.ldap(),
            Service::Systems => self.systems(),
            Service::Software => self.software(),
            Service::Mdm => self.mdm(),
            _ => self.administration(),
        }
    }

    /// The bytes of an event: the service's own fields, and those all services have.
    pub(super) fn finish(&mut self, mut event: Value) -> Vec<u8> {
        if self.lacks_success
            && let Some(fields) = event.as_object_mut()
        {
            fields.remove("success");
        }
        if self.may_have_provider() {
            match self.random.u8(..3) {
                0 => event["provider"] = Value::Null,
                1 => event["provider"] = json!(""),
                _ => {}
            }
        }
        event["service"] = json!(self.service);
        event["organization"] = json!(self.organization);
        event["@version"] = json!("1");
        event["id"] = json!(self.id());
        event["timestamp"] = json!(self.timestamp());
        event.to_string().into_bytes()
    }

    fn may_have_provider(&self) -> bool {
        use Service::{Ldap, Mdm, ObjectStorage, Radius};
        !matches!(self.service, Radius | Ldap | Mdm | ObjectStorage)
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
        self.one_of(&self.cast.people)
    }

    pub(super) fn administrator(&mut self) -> &'a Person {
        self.one_of(&self.cast.administrators)
    }

    pub(super) fn application(&mut self) -> &'a Thing {
        self.one_of(&self.cast.applications)
    }

    pub(super) fn group(&mut self) -> &'a Thing {
        self.one_of(&self.cast.groups)
    }

    pub(super) fn device_of(&self, person: &Person) -> &'a Device {
        &self.cast.devices[person.device]
    }

    /// One of several, all alike likely.
    pub(super) fn one_of<'t, T>(&mut self, things: &'t [T]) -> &'t T {
        &things[self.random.usize(..things.len())]
    }

    /// Whether something with this probability happens.
    pub(super) fn happens(&mut self, share: f64) -> bool {
        self.random.f64() < share
    }
}

impl Person {
    /// An event of what this administrator does.
    pub(super) fn as_administrator(&self, mut event: Value) -> Value {
        event["initiated_by"] = by_administrator(self);
        self.located(event)
    }

    /// An event of what this user does.
    pub(super) fn as_user(&self, mut event: Value) -> Value {
        event["initiated_by"] = json!({ "id": self.id, "type": "user", "username": self.username });
        self.located(event)
    }

    /// An event that comes from this person's address.
    pub(super) fn located(&self, mut event: Value) -> Value {
        event["client_ip"] = json!(self.address);
        event["geoip"] = geoip(self);
        event
    }
}

/// `geoip` of where someone is.
pub(super) fn geoip(who: &Person) -> Value {
    let place = who.place;
    let [latitude, longitude] = who.position;
    json!({
        "country_code": place.country,
        "timezone": place.timezone,
        "latitude": latitude,
        "continent_code": place.continent,
        "region_name": place.region,
        "longitude": longitude,
        "region_code": place.region_code,
    })
}

/// `initiated_by` of an administrator.
pub(super) fn by_administrator(who: &Person) -> Value {
    json!({ "id": who.id, "type": "admin", "email": who.email })
}

/// `useragent` of someone's browser; keys a system does not have are not there.
pub(super) fn useragent(who: &Person) -> Value {
    let agent = who.agent;
    let [major, minor, patch] = agent.system_version;
    let version = agent.system_version.join(".");
    let version = version.trim_end_matches('.');
    let mut useragent = json!({
        "os": agent.system,
        "minor": "0",
        "version": format!("{}.0.0.0", agent.major),
        "patch": "0",
        "os_full": format!("{} {version}", agent.system).trim_end(),
        "major": agent.major,
        "name": agent.name,
        "os_name": agent.system,
        "device": agent.device,
    });
    if !minor.is_empty() {
        useragent["os_minor"] = json!(minor);
        useragent["os_patch"] = json!(patch);
    }
    if !major.is_empty() {
        useragent["os_major"] = json!(major);
        useragent["os_version"] = json!(version);
    }
    useragent
}

/// `system` of a device.
pub(super) fn system(device: &Device) -> Value {
    json!({
        "id": device.id,
        "hostname": device.hostname,
        "displayName": device.display_name,
        "os": device.system,
        "version": device.versions[1],
    })
}
