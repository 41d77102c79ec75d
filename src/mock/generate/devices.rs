//! Events of devices: systems, software and mobile device management.

use super::cast::Device;
use super::json::Object;
use super::scene::{Scene, Tail, by_administrator, by_user, geoip};
use super::vocabulary::PROGRAMS;
use crate::made_up::uuid;

impl Scene<'_> {
    /// A systems event: mostly people signing in to their devices.
    pub(super) fn systems(&mut self) -> Vec<u8> {
        match self.random.u8(..100) {
            0..=89 => self.device_login(),
            90..=93 => self.system_upgrade(),
            _ => self.device_secret(),
        }
    }

    fn device_login(&mut self) -> Vec<u8> {
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
                    .put("id", &who.id)
                    .put("type", "user")
                    .put("username", &who.username)
                    .put("email", &who.email);
            });
            event.put("system_timestamp", &device_time);
            system(event, device);
            event.put("message", &message);
            event.put("src_ip", &source).put("username", &who.username);
            event.put("process_name", program);
            event.put("changes", [(); 0]).put("app_management_source", "DEVICE_AGENT");
            if device.system == "Windows" {
                event.object("windows_meta", |meta| {
                    meta.put("elevated", elevated).put("logon_type", "INTERACTIVE");
                });
            }
        })
    }

    fn system_upgrade(&mut self) -> Vec<u8> {
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
                resource.put("id", &device.id).put("type", "system");
            });
            event.list("changes", [(from, to)], |change, (from, to)| {
                change.put("field", "osVersion").put("from", from).put("to", to);
            });
        })
    }

    fn device_secret(&mut self) -> Vec<u8> {
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
                    .put("id", &device.id)
                    .put("type", "system")
                    .put("hostname", &device.hostname)
                    .put("displayName", &device.display_name);
            });
            system(event, device);
            event.put("username", &owner.username);
            event.list("changes", ["fde_key"], |change, field| {
                change.put("field", field);
            });
        })
    }

    /// A program that came, changed or went. There is nobody who did it.
    pub(super) fn software(&mut self) -> Vec<u8> {
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
                    .put("id", &device.id)
                    .put("type", "system")
                    .put("hostname", &device.hostname)
                    .put("displayName", &device.display_name)
                    .put("os", device.system);
            });
            event.object("application", |application| {
                application
                    .put("name", name)
                    .put("version", to)
                    .put("path", &path)
                    .put("publisher", publisher);
                if device.system == "Windows" {
                    let product = uuid(random).to_uppercase();
                    application.put("uninstall_string", format!("MsiExec.exe /X{{{product}}}"));
                }
            });
            event.object("resource", |resource| {
                resource.put("id", &device.id).put("type", "system");
            });
            if event_type == "software_change" {
                event.list("changes", [(from, to)], |change, (from, to)| {
                    change.put("field", "version").put("from", from).put("to", to);
                });
            }
            event.put("app_management_source", "SYSTEM_INSIGHTS");
        })
    }

    /// The result of a command to a managed device, in the form of one vendor's devices.
    pub(super) fn mdm(&mut self) -> Vec<u8> {
        let request_types = ["DeviceInformation", "SecurityInfo", "InstallProfile"];
        let request_type = self.one_of(&request_types);
        let status = self.one_of(&["Acknowledged", "Idle", "NotNow"]);
        self.mdm_result(request_type, |event| {
            event.put("status", status);
            event.list(
                "result",
                [("DeviceName", "made up"), ("IsSupervised", "true")],
                |row, one| {
                    row.put("key", one.0).put("value", one.1);
                },
            );
        })
    }

    /// A device's list of configuration profiles, of about so many bytes: each of its profiles
    /// carries certificates.
    pub(super) fn profile_list(&mut self, bytes: usize) -> Vec<u8> {
        let cast = self.cast;
        let certificates: usize = cast.certificates.iter().map(String::len).sum();
        let profiles = (bytes / (certificates + 480)).max(1);
        let names: Vec<String> = (0..profiles).map(|_| uuid(self.random)).collect();
        self.mdm_result("ProfileList", |event| {
            event.list("profile_list", &names, |profile, name| {
                profile.put("payload_removal_disallowed", true);
                profile.put("signer_certificates", &cast.certificates);
                let identifier = format!("com.example.mdm.policy.{name}");
                profile.put("payload_identifier", &identifier).put("is_encrypted", false);
                profile.put("payload_uuid", name).put("payload_organization", "Example");
                profile.put("payload_display_name", "Screen lock policy");
                // The misspelling is the real service's.
                profile.put("payload_verion", 1).put("is_managed", true);
            });
        })
    }

    fn mdm_result(&mut self, request_type: &str, own: impl FnOnce(&mut Object<'_>)) -> Vec<u8> {
        let owner = self.person();
        let device = self.device_of(owner);
        let managing = &self.cast.devices[0].id;
        let tail = Tail { event_type: "mdm_command_result", ..Tail::default() };
        self.write(&tail, |event, random| {
            event.put("mdm_type", "apple").put("request_type", request_type);
            event.put("mdm_device_id", &device.id).put("mdm_device_manager_id", managing);
            event.object("command", |command| {
                command.put("request_type", request_type);
            });
            event.put("command_uuid", uuid(random)).put("error_chain", ());
            own(event);
        })
    }
}

fn system(event: &mut Object<'_>, device: &Device) {
    event.object("system", |system| {
        system
            .put("id", &device.id)
            .put("hostname", &device.hostname)
            .put("displayName", &device.display_name)
            .put("os", device.system)
            .put("version", device.versions[1]);
    });
}
