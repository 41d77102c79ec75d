//! The words of made-up events. No person and no company here is real; only the places are.

/// Given and family names with the user name they give; some are not ASCII.
pub(super) const GIVEN_NAMES: [(&str, &str); 24] = [
    ("Ada", "ada"),
    ("Bram", "bram"),
    ("Célia", "celia"),
    ("Dorte", "dorte"),
    ("Emeka", "emeka"),
    ("Farah", "farah"),
    ("Goran", "goran"),
    ("Hana", "hana"),
    ("Ines", "ines"),
    ("Jonas", "jonas"),
    ("Kaito", "kaito"),
    ("Łucja", "lucja"),
    ("Mina", "mina"),
    ("Nils", "nils"),
    ("Oksana", "oksana"),
    ("Priya", "priya"),
    ("Quentin", "quentin"),
    ("Rosa", "rosa"),
    ("Sören", "soeren"),
    ("Tariq", "tariq"),
    ("Uma", "uma"),
    ("Victor", "victor"),
    ("Wanda", "wanda"),
    ("Zoë", "zoe"),
];

/// Family names, written and as part of a user name.
pub(super) const FAMILY_NAMES: [(&str, &str); 20] = [
    ("Alder", "alder"),
    ("Birkland", "birkland"),
    ("Corvane", "corvane"),
    ("Dunmore", "dunmore"),
    ("Eskild", "eskild"),
    ("Fenwold", "fenwold"),
    ("Grünewald", "gruenewald"),
    ("Hollins", "hollins"),
    ("Ivarsen", "ivarsen"),
    ("Jarrow", "jarrow"),
    ("Kestrel", "kestrel"),
    ("Lindqvist", "lindqvist"),
    ("Marlowe", "marlowe"),
    ("Núñez", "nunez"),
    ("Okoro", "okoro"),
    ("Pellworm", "pellworm"),
    ("Quillan", "quillan"),
    ("Rowntry", "rowntry"),
    ("Sandoval", "sandoval"),
    ("Thackeray", "thackeray"),
];

/// Where an address is said to be.
pub(super) struct Place {
    pub(super) continent: &'static str,
    pub(super) country: &'static str,
    pub(super) region_code: &'static str,
    pub(super) region: &'static str,
    pub(super) timezone: &'static str,
    pub(super) latitude: f64,
    pub(super) longitude: f64,
}

const fn place(names: [&'static str; 5], latitude: f64, longitude: f64) -> Place {
    let [continent, country, region_code, region, timezone] = names;
    Place { continent, country, region_code, region, timezone, latitude, longitude }
}

/// Places users work at.
pub(super) const PLACES: [Place; 8] = [
    place(["NA", "US", "CO", "Colorado", "America/Denver"], 39.7388, -104.9868),
    place(["NA", "US", "NY", "New York", "America/New_York"], 40.7308, -73.9975),
    place(["NA", "CA", "ON", "Ontario", "America/Toronto"], 43.6547, -79.3623),
    place(["EU", "DE", "BE", "Land Berlin", "Europe/Berlin"], 52.5196, 13.4069),
    place(["EU", "IE", "L", "Leinster", "Europe/Dublin"], 53.3382, -6.2591),
    place(["EU", "FR", "IDF", "Île-de-France", "Europe/Paris"], 48.8323, 2.4075),
    place(["AS", "IN", "KA", "Karnataka", "Asia/Kolkata"], 12.9634, 77.5855),
    place(["OC", "AU", "NSW", "New South Wales", "Australia/Sydney"], -33.8715, 151.2006),
];

/// A browser as the service takes it apart: name, major version, system, its version.
pub(super) struct Agent {
    pub(super) name: &'static str,
    pub(super) major: &'static str,
    pub(super) system: &'static str,
    pub(super) system_version: [&'static str; 3],
    pub(super) device: &'static str,
}

const fn agent(
    name: &'static str,
    major: &'static str,
    system: &'static str,
    system_version: [&'static str; 3],
    device: &'static str,
) -> Agent {
    Agent { name, major, system, system_version, device }
}

/// Browsers users have. A system without a version has empty ones.
pub(super) const AGENTS: [Agent; 6] = [
    agent("Chrome", "142", "Mac OS X", ["10", "15", "7"], "Mac"),
    agent("Safari", "26", "Mac OS X", ["10", "15", "7"], "Mac"),
    agent("Chrome", "142", "Windows", ["10", "", ""], "Other"),
    agent("Edge", "141", "Windows", ["10", "", ""], "Other"),
    agent("Firefox", "144", "Linux", ["", "", ""], "Other"),
    agent("Mobile Safari", "26", "iOS", ["26", "0", "1"], "iPhone"),
];

/// Web applications with their short names.
pub(super) const APPLICATIONS: [(&str, &str); 10] = [
    ("Harbour Payroll", "harbour-payroll"),
    ("Wikihouse", "wikihouse"),
    ("Ticketmill", "ticketmill"),
    ("Cloudbarn Storage", "cloudbarn"),
    ("Ledgerleaf", "ledgerleaf"),
    ("Paperboat Mail", "paperboat"),
    ("Buildyard CI", "buildyard"),
    ("Chartroom", "chartroom"),
    ("Candidate Garden", "candidate-garden"),
    ("Expense Otter", "expense-otter"),
];

/// Programs on devices: name, publisher, versions from old to new.
pub(super) const PROGRAMS: [(&str, &str, [&str; 3]); 8] = [
    ("Quill Notes", "Inkwell Example Works", ["4.1.0", "4.1.2", "4.2.0"]),
    ("Pinecone Terminal", "Conifer Tools", ["2.9.11", "2.10.0", "2.10.4"]),
    ("Marble Browser", "Marble Example Foundation", ["141.0.2", "142.0.0", "142.0.1"]),
    ("Otter Meet", "Riverbank Calls", ["6.3.5 (20118)", "6.3.9 (20466)", "6.4.0 (20711)"]),
    ("Slate Archive", "Slate Example GmbH", ["23.01", "24.08", "25.01"]),
    ("Blueprint Studio", "Draughtsman Software", ["2025.3", "2026.1", "2026.2"]),
    ("Lantern Agent", "Lighthouse Endpoint", ["1.88.4", "1.90.0", "1.91.2"]),
    ("Sparrow VPN", "Hedge Networks", ["3.4.21", "3.5.0", "3.5.2"]),
];

/// Groups users are in.
pub(super) const GROUPS: [&str; 8] = [
    "Engineering",
    "Finance",
    "People",
    "Support - Tier 2",
    "Contractors EMEA",
    "Production Access",
    "VPN Users",
    "Vertrieb Süd",
];

/// Kinds of devices: system, hostname prefix, versions from old to new, login programs.
pub(super) const SYSTEMS: [(&str, &str, [&str; 2], [&str; 3]); 3] = [
    ("Mac OS X", "MAC", ["26.0.1", "26.1"], ["loginwindow", "screensaver", "sshd"]),
    ("Windows", "WIN", ["10.0.22631", "10.0.26100"], ["winlogon", "lsass", "consent"]),
    ("Ubuntu", "LNX", ["22.04", "24.04"], ["sshd", "gdm-password", "sudo"]),
];

/// Reasons an attempt fails, as it is told to the administrator.
pub(super) const FAILURES: [&str; 4] = [
    "invalid password",
    "user account is suspended",
    "multi-factor authentication was not completed in time",
    "certificate is not trusted",
];
