//! Events of devices: systems, software and mobile device management.

use super::cast::Device;
use super::json::Object;
use super::scene::{Scene, Tail, by_administrator, by_user, geoip};
use super::vocabulary::PROGRAMS;
use crate::made_up::uuid;

impl Scene<'_> {
    /// A systems event: mostly people signing in to their devices.
    pub(super) fn systems(&mut self) -> String {
        match self.random.u8(..100) {
            0..=89 => self.device_login(),
            90..=93 => self.system_upgrade(),
            _ => self.device_secret(),
        }
    }

    fn device_login(&mut self) -> String {
        let who = self.person();
        let device = self.device_of(who);
        let success = !self.happens(0.12);
        let program = self.one_of(&device.login_programs);
        let source = format!("192.0.2.{}", self.random.u8(1..=254));
        let device_time = self.device_time();
        let elevated = self.happens(0.2);
        let outcome = if success { "logged in to" } else { "failed to log in to" };
        let message = format!(
            "User {} {outcome} device {} from {source} port {}, process name: {program}, \
             process id: {}, session: {}",
            who.username,
            device.hostname,
            self.random.u16(1_024..),
            self.random.u32(300..99_000),
            uuid(self.random),
        );
        let tail = Tail {
            event_type: "login_attempt",
            success: Some(success),
            client_ip: Some(&who.address),
            has_provider: true,
        };
        self.write(&tail, |event, _| {
            by_user(event, who);
            geoip(event, who);
            event.object("resource", |resource| {
                resource
                    .text("id", &who.id)
                    .text("type", "user")
                    .text("username", &who.username)
                    .text("email", &who.email);
            });
            event.text("system_timestamp", &device_time);
            system(event, device);
            event.text("message", &message);
            event.text("src_ip", &source).text("username", &who.username);
            event.text("process_name", program);
            event.plain("changes", "[]").text("app_management_source", "DEVICE_AGENT");
            if device.system == "Windows" {
                event.object("windows_meta", |meta| {
                    meta.plain("elevated", elevated).text("logon_type", "INTERACTIVE");
                });
            }
        })
    }

    fn system_upgrade(&mut self) -> String {
        let who = self.person();
        let device = self.device_of(who);
        let [from, to] = device.versions;
        let tail = Tail {
            event_type: "os_minor_upgrade",
            success: Some(true),
            client_ip: Some(&who.address),
            has_provider: true,
        };
        self.write(&tail, |event, _| {
            system(event, device);
            geoip(event, who);
            event.object("resource", |resource| {
                resource.text("id", &device.id).text("type", "system");
            });
            event.list("changes", [(from, to)], |change, (from, to)| {
                change.text("field", "osVersion").text("from", from).text("to", to);
            });
        })
    }

    fn device_secret(&mut self) -> String {
        let who = self.administrator();
        let owner = self.person();
        let device = self.device_of(owner);
        let kinds = ["system_fde_key_update", "user_password_change", "remote_session_start"];
        let event_type = self.one_of(&kinds);
        let tail = Tail {
            event_type,
            success: Some(true),
            client_ip: Some(&owner.address),
            has_provider: true,
        };
        self.write(&tail, |event, _| {
            by_administrator(event, who);
            geoip(event, owner);
            event.object("resource", |resource| {
                resource
                    .text("id", &device.id)
                    .text("type", "system")
                    .text("hostname", &device.hostname)
                    .text("displayName", &device.display_name);
            });
            system(event, device);
            event.text("username", &owner.username);
            event.list("changes", ["fde_key"], |change, field| {
                change.text("field", field);
            });
        })
    }

    /// A program that came, changed or went. There is nobody who did it.
    pub(super) fn software(&mut self) -> String {
        let owner = self.person();
        let device = self.device_of(owner);
        let (name, publisher, versions) = PROGRAMS[self.random.usize(..PROGRAMS.len())];
        let newer = self.random.usize(1..versions.len());
        let (from, to) = (versions[newer - 1], versions[newer]);
        let event_type =
            self.one_of(&["software_change", "software_change", "software_add", "software_remove"]);
        let folder = name.replace(' ', "");
        let path = match device.system {
            "Windows" => format!("C:\\Program Files\\{folder}\\"),
            "Ubuntu" => format!("/opt/{folder}/bin"),
            _ => format!("/Applications/{name}.app"),
        };
        let tail = Tail { event_type, has_provider: true, ..Tail::default() };
        self.write(&tail, |event, random| {
            event.object("system", |system| {
                system
                    .text("id", &device.id)
                    .text("type", "system")
                    .text("hostname", &device.hostname)
                    .text("displayName", &device.display_name)
                    .text("os", device.system);
            });
            event.object("application", |application| {
                application
                    .text("name", name)
                    .text("version", to)
                    .text("path", &path)
                    .text("publisher", publisher);
                if device.system == "Windows" {
                    let product = uuid(random).to_uppercase();
                    application.text("uninstall_string", &format!("MsiExec.exe /X{{{product}}}"));
                }
            });
            event.object("resource", |resource| {
                resource.text("id", &device.id).text("type", "system");
            });
            if event_type == "software_change" {
                event.list("changes", [(from, to)], |change, (from, to)| {
                    change.text("field", "version").text("from", from).text("to", to);
                });
            }
            event.text("app_management_source", "SYSTEM_INSIGHTS");
        })
    }

    /// The result of a command to a managed device, in the form of one vendor's devices.
    pub(super) fn mdm(&mut self) -> String {
        let request_types = ["DeviceInformation", "SecurityInfo", "InstallProfile"];
        let request_type = self.one_of(&request_types);
        let status = self.one_of(&["Acknowledged", "Idle", "NotNow"]);
        self.mdm_result(request_type, |event| {
            event.text("status", status);
            event.list(
                "result",
                [("DeviceName", "made up"), ("IsSupervised", "true")],
                |row, one| {
                    row.text("key", one.0).text("value", one.1);
                },
            );
        })
    }

    /// A device's list of configuration profiles, of about so many bytes: each of its profiles
    /// carries certificates.
    pub(super) fn profile_list(&mut self, bytes: usize) -> String {
        let cast = self.cast;
        let certificates: usize = cast.certificates.iter().map(String::len).sum();
        let profiles = (bytes / (certificates + 480)).max(1);
        let names: Vec<String> = (0..profiles).map(|_| uuid(self.random)).collect();
        self.mdm_result("ProfileList", |event| {
            event.list("profile_list", &names, |profile, name| {
                profile.plain("payload_removal_disallowed", true);
                let certificates = cast.certificates.iter().map(String::as_str);
                profile.texts("signer_certificates", certificates);
                let identifier = format!("com.example.mdm.policy.{name}");
                profile.text("payload_identifier", &identifier).plain("is_encrypted", false);
                profile.text("payload_uuid", name).text("payload_organization", "Example");
                profile.text("payload_display_name", "Screen lock policy");
                // The misspelling is the real service's.
                profile.plain("payload_verion", 1).plain("is_managed", true);
            });
        })
    }

    fn mdm_result(&mut self, request_type: &str, own: impl FnOnce(&mut Object<'_>)) -> String {
        let owner = self.person();
        let device = self.device_of(owner);
        let managing = &self.cast.devices[0].id;
        let tail = Tail { event_type: "mdm_command_result", ..Tail::default() };
        self.write(&tail, |event, random| {
            event.text("mdm_type", "apple").text("request_type", request_type);
            event.text("mdm_device_id", &device.id).text("mdm_device_manager_id", managing);
            event.object("command", |command| {
                command.text("request_type", request_type);
            });
            event.text("command_uuid", &uuid(random)).plain("error_chain", "null");
            own(event);
        })
    }
}

fn system(event: &mut Object<'_>, device: &Device) {
    event.object("system", |system| {
        system
            .text("id", &device.id)
            .text("hostname", &device.hostname)
            .text("displayName", &device.display_name)
            .text("os", device.system)
            .text("version", device.versions[1]);
    });
}
