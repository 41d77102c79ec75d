//! The people, devices and things of one made-up organization, drawn once from the seed.

use fastrand::Rng;

use super::vocabulary::{
    AGENTS, APPLICATIONS, Agent, FAMILY_NAMES, GIVEN_NAMES, GROUPS, PLACES, Place, SYSTEMS,
};
use crate::made_up::object_id;

const PEOPLE: usize = 600;
const ADMINISTRATORS: usize = 5;
const DEVICES: usize = 650;
/// What serial numbers are made of.
const SERIAL: [char; 16] =
    ['0', '2', '4', '5', '7', '8', '9', 'C', 'D', 'F', 'H', 'K', 'L', 'Q', 'V', 'X'];

/// A user or an administrator.
pub(super) struct Person {
    pub(super) id: String,
    pub(super) username: String,
    pub(super) email: String,
    pub(super) display_name: String,
    pub(super) place: &'static Place,
    /// Latitude and longitude of the address, near the place's.
    pub(super) position: [f64; 2],
    pub(super) agent: &'static Agent,
    pub(super) address: String,
    /// The index of the device mostly used.
    pub(super) device: usize,
}

/// A managed device.
pub(super) struct Device {
    pub(super) id: String,
    pub(super) hostname: String,
    pub(super) display_name: String,
    pub(super) system: &'static str,
    pub(super) versions: [&'static str; 2],
    pub(super) login_programs: [&'static str; 3],
}

/// Something with an identifier and a name.
pub(super) struct Thing {
    pub(super) id: String,
    pub(super) name: &'static str,
    pub(super) label: &'static str,
}

/// Everyone and everything.
pub(super) struct Cast {
    pub(super) people: Vec<Person>,
    pub(super) administrators: Vec<Person>,
    pub(super) devices: Vec<Device>,
    pub(super) applications: Vec<Thing>,
    pub(super) groups: Vec<Thing>,
    /// Access points that ask RADIUS.
    pub(super) access_points: Vec<String>,
    /// Certificates in base64, as configuration profiles carry them.
    pub(super) certificates: Vec<String>,
}

impl Cast {
    pub(super) fn draw(random: &mut Rng) -> Self {
        let devices: Vec<Device> = (0..DEVICES).map(|number| device(number, random)).collect();
        let thing = |name, label, random: &mut Rng| Thing { id: object_id(random), name, label };
        Self {
            people: (0..PEOPLE).map(|number| person(number, random)).collect(),
            administrators: (PEOPLE..PEOPLE + ADMINISTRATORS)
                .map(|number| person(number, random))
                .collect(),
            applications: APPLICATIONS
                .iter()
                .map(|(label, name)| thing(*name, *label, random))
                .collect(),
            groups: GROUPS.iter().map(|name| thing(*name, *name, random)).collect(),
            access_points: (1..=6).map(|number| format!("203.0.113.{number}")).collect(),
            certificates: (0..5).map(|_| certificate(random)).collect(),
            devices,
        }
    }
}

fn person(number: usize, random: &mut Rng) -> Person {
    let (given, given_login) = GIVEN_NAMES[number % GIVEN_NAMES.len()];
    let (family, family_login) = FAMILY_NAMES[random.usize(..FAMILY_NAMES.len())];
    let username = format!("{given_login}.{family_login}{number}");
    // Most people sit in a few offices, which is also what makes their events alike.
    let office = random.usize(..PLACES.len()).min(random.usize(..PLACES.len()));
    let place = &PLACES[office];
    let near = |degrees: f64, random: &mut Rng| {
        let moved = degrees + random.f64() - 0.5;
        (moved * 10_000.0).round() / 10_000.0
    };
    let address = match random.u8(..10) {
        0 => format!("2001:db8:{:x}::{:x}", random.u16(1..), random.u16(1..)),
        1..=4 => format!("198.51.100.{}", random.u8(1..=254)),
        _ => format!("192.0.2.{}", office + 10),
    };
    Person {
        id: object_id(random),
        email: format!("{username}@example.com"),
        display_name: format!("{given} {family}"),
        username,
        position: [near(place.latitude, random), near(place.longitude, random)],
        place,
        agent: &AGENTS[random.usize(..AGENTS.len())],
        address,
        device: random.usize(..DEVICES),
    }
}

fn device(number: usize, random: &mut Rng) -> Device {
    let (system, prefix, versions, login_programs) = SYSTEMS[random.usize(..SYSTEMS.len())];
    let serial: String = (0..8).map(|_| SERIAL[random.usize(..SERIAL.len())]).collect();
    let hostname = format!("{prefix}-{serial}");
    Device {
        id: object_id(random),
        display_name: format!("{system} {number} {serial}"),
        hostname,
        system,
        versions,
        login_programs,
    }
}

/// Random bytes in base64 behind the bytes every certificate begins with.
fn certificate(random: &mut Rng) -> String {
    use base64::Engine as _;
    let bytes: Vec<u8> = (0..900).map(|_| random.u8(..)).collect();
    format!("MIID{}", base64::engine::general_purpose::STANDARD.encode(bytes))
}
