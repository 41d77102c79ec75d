//! Events of devices: systems, software and mobile device management.

use serde_json::{Value, json};

use super::scene::{Scene, by_administrator, system};
use super::vocabulary::PROGRAMS;
use crate::made_up::uuid;

impl Scene<'_> {
    /// A systems event: mostly people signing in to their devices.
    pub(super) fn systems(&mut self) -> Value {
        match self.random.u8(..100) {
            0..=89 => self.device_login(),
            90..=93 => self.system_upgrade(),
            _ => self.device_secret(),
        }
    }

    fn device_login(&mut self) -> Value {
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
        let mut event = who.as_user(json!({
            "event_type": "login_attempt",
            "success": success,
            "resource": {
                "id": who.id,
                "type": "user",
                "username": who.username,
                "email": who.email,
            },
            "system_timestamp": device_time,
            "system": system(device),
            "message": message,
            "src_ip": source,
            "username": who.username,
            "process_name": program,
            "changes": [],
            "app_management_source": "DEVICE_AGENT",
        }));
        if device.system == "Windows" {
            event["windows_meta"] = json!({ "elevated": elevated, "logon_type": "INTERACTIVE" });
        }
        event
    }

    fn system_upgrade(&mut self) -> Value {
        let who = self.person();
        let device = self.device_of(who);
        let [from, to] = device.versions;
        who.located(json!({
            "event_type": "os_minor_upgrade",
            "success": true,
            "system": system(device),
            "resource": { "id": device.id, "type": "system" },
            "changes": [{ "field": "osVersion", "from": from, "to": to }],
        }))
    }

    fn device_secret(&mut self) -> Value {
        let who = self.administrator();
        let owner = self.person();
        let device = self.device_of(owner);
        let kinds = ["system_fde_key_update", "user_password_change", "remote_session_start"];
        let event_type = self.one_of(&kinds);
        owner.located(json!({
            "event_type": event_type,
            "success": true,
            "initiated_by": by_administrator(who),
            "resource": {
                "id": device.id,
                "type": "system",
                "hostname": device.hostname,
                "displayName": device.display_name,
            },
            "system": system(device),
            "username": owner.username,
            "changes": [{ "field": "fde_key" }],
        }))
    }

    /// A program that was added, changed or removed. The event names no user.
    pub(super) fn software(&mut self) -> Value {
        let owner = self.person();
        let device = self.device_of(owner);
        let (name, publisher, versions) = self.one_of(&PROGRAMS);
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
        let mut event = json!({
            "event_type": event_type,
            "system": {
                "id": device.id,
                "type": "system",
                "hostname": device.hostname,
                "displayName": device.display_name,
                "os": device.system,
            },
            "application": { "name": name, "version": to, "path": path, "publisher": publisher },
            "resource": { "id": device.id, "type": "system" },
            "app_management_source": "SYSTEM_INSIGHTS",
        });
        if device.system == "Windows" {
            let product = uuid(self.random).to_uppercase();
            let command = format!("MsiExec.exe /X{{{product}}}");
            event["application"]["uninstall_string"] = json!(command);
        }
        if *event_type == "software_change" {
            event["changes"] = json!([{ "field": "version", "from": from, "to": to }]);
        }
        event
    }

    /// The result of a command to a managed device, in the form of one vendor's devices.
    pub(super) fn mdm(&mut self) -> Value {
        let request_types = ["DeviceInformation", "SecurityInfo", "InstallProfile"];
        let request_type = self.one_of(&request_types);
        let status = self.one_of(&["Acknowledged", "Idle", "NotNow"]);
        let mut event = self.mdm_result(request_type);
        event["status"] = json!(status);
        event["result"] = json!([
            { "key": "DeviceName", "value": "made up" },
            { "key": "IsSupervised", "value": "true" },
        ]);
        event
    }

    /// A device's list of configuration profiles, of about so many bytes: each of its profiles
    /// carries certificates.
    pub(super) fn profile_list(&mut self, bytes: usize) -> Value {
        let certificates: usize = self.cast.certificates.iter().map(String::len).sum();
        let profiles = (bytes / (certificates + 480)).max(1);
        let profiles: Vec<Value> = (0..profiles).map(|_| self.profile()).collect();
        let mut event = self.mdm_result("ProfileList");
        event["profile_list"] = json!(profiles);
        event
    }

    fn profile(&mut self) -> Value {
        let name = uuid(self.random);
        json!({
            "payload_removal_disallowed": true,
            "signer_certificates": self.cast.certificates,
            "payload_identifier": format!("com.example.mdm.policy.{name}"),
            "is_encrypted": false,
            "payload_uuid": name,
            "payload_organization": "Example",
            "payload_display_name": "Screen lock policy",
            // The misspelling is the real service's.
            "payload_verion": 1,
            "is_managed": true,
        })
    }

    fn mdm_result(&mut self, request_type: &str) -> Value {
        let owner = self.person();
        json!({
            "event_type": "mdm_command_result",
            "mdm_type": "apple",
            "request_type": request_type,
            "mdm_device_id": self.device_of(owner).id,
            "mdm_device_manager_id": self.cast.devices[0].id,
            "command": { "request_type": request_type },
            "command_uuid": uuid(self.random),
            "error_chain": null,
        })
    }
}
