//! Events of the services with little traffic. Those of `workflows` and `pam` follow no published
//! schema, since there is none.

use serde_json::{Value, json};

use super::scene::{Scene, by_administrator, useragent};
use super::service::Service;
use crate::made_up::{object_id, uuid};

impl Scene<'_> {
    /// An event of one of those services.
    pub(super) fn administration(&mut self) -> Value {
        match self.service {
            Service::PasswordManager => self.password_manager(),
            Service::AccessManagement => self.access_management(),
            Service::Alerts => self.alert(),
            Service::Notifications => self.notification(),
            Service::ObjectStorage => self.object_storage(),
            Service::SaasAppManagement => self.saas_app_management(),
            Service::AssetManagement => self.asset_management(),
            Service::Reports => self.report(),
            Service::Workflows => self.workflow(),
            _ => self.privileged_access(),
        }
    }

    fn password_manager(&mut self) -> Value {
        let who = self.person();
        let kinds = [
            "passwordmanager_item_autofill",
            "passwordmanager_item_reveal",
            "passwordmanager_item_add",
            "passwordmanager_app_unlock",
        ];
        let event_type = self.one_of(&kinds);
        who.located(json!({
            "event_type": event_type,
            "success": true,
            "initiated_by": {
                "id": who.id,
                "type": "user",
                "email": who.email,
                "source": "desktop_app",
            },
            "association": { "type": "item", "id": uuid(self.random) },
            "user_agent": "PasswordManager/3.14.2 (darwin; arm64)",
            "error_message": "",
            "changes": [],
        }))
    }

    fn access_management(&mut self) -> Value {
        let who = self.person();
        let group = self.group();
        let (event_type, to) = match self.happens(0.5) {
            true => ("access_management_access_request_approval", "APPROVED"),
            false => ("access_management_access_request", "REQUESTED"),
        };
        who.as_user(json!({
            "event_type": event_type,
            "success": true,
            "pid": uuid(self.random),
            "access_request_id": object_id(self.random),
            "resource": { "type": "user_group", "id": group.id, "name": group.name },
            "workflow": {
                "type": "approval",
                "id": object_id(self.random),
                "name": "Manager, then owner",
                "desc": "",
            },
            "user_agent": "Mozilla/5.0",
            "error_message": "",
            "changes": [{ "field": "status", "from": "PENDING", "to": to }],
        }))
    }

    fn alert(&mut self) -> Value {
        let who = self.administrator();
        let device = self.device_of(who);
        let event_type = self.one_of(&["alert_created", "alert_updated", "alert_status_updated"]);
        let severity = self.one_of(&["Low", "Medium", "High"]);
        who.located(json!({
            "event_type": event_type,
            "success": true,
            "correlation": { "id": uuid(self.random) },
            "category": "Device",
            "severity": severity,
            "resource": {
                "id": object_id(self.random),
                "context": "Device has been offline for 14 days",
                "source_id": device.id,
                "source_type": "system",
                "reference_id": device.hostname,
            },
            "initiated_by": [by_administrator(who)],
            "username": who.username,
            "changes": [],
        }))
    }

    fn notification(&mut self) -> Value {
        let who = self.administrator();
        let event_type =
            self.one_of(&["notification_channel_created", "notification_channel_updated"]);
        json!({
            "event_type": event_type,
            "success": true,
            "client_ip": who.address,
            "name": "On-call",
            "type": "webhook",
            "description": "Alerts for the weekend",
            "channel_object_id": object_id(self.random),
            "correlation": { "id": uuid(self.random) },
            "config": [{ "key": "url", "value": "https://hooks.example.net/on-call" }],
            "initiated_by": by_administrator(who),
        })
    }

    fn object_storage(&mut self) -> Value {
        let device = self.device_of(&self.cast.people[0]);
        let digest = format!("{}{}", uuid(self.random), uuid(self.random)).replace('-', "");
        json!({
            "event_type": "object_storage_create",
            "result": "SUCCESS",
            "referrer_object_id": object_id(self.random),
            "referrer_type": "SOFTWARE_APP",
            "object_storage_item_object_id": object_id(self.random),
            "object_storage_item_version_object_id": object_id(self.random),
            "object_storage_item_version_name": "sparrow-vpn-3.5.2.pkg",
            "object_storage_item_version_size": self.random.u32(1_000_000..90_000_000),
            "object_storage_item_version_sha_256_sum": digest,
            "total_software_item_count": self.random.u32(1..60),
            "total_space_used": self.random.u64(1_000_000..9_000_000_000),
            "system_object_id": device.id,
        })
    }

    fn saas_app_management(&mut self) -> Value {
        let who = self.person();
        let application = self.application();
        who.as_user(json!({
            "event_type": "saas_management_login_event",
            "username": who.username,
            "resource": {
                "application_id": application.id,
                "application_name": application.label,
                "application_category": "Productivity",
            },
            "detail": "login seen by the browser extension",
            "changes": [],
        }))
    }

    fn asset_management(&mut self) -> Value {
        let who = self.administrator();
        who.as_administrator(json!({
            "event_type": "asset_management_asset_update",
            "username": who.username,
            "resource": { "id": uuid(self.random), "type": "asset" },
            "detail": "asset updated",
            "changes": [{ "field": "status", "from": "In stock", "to": "In use" }],
        }))
    }

    fn report(&mut self) -> Value {
        let who = self.administrator();
        let event_type = self.one_of(&["report_run", "report_export", "report_create"]);
        who.as_administrator(json!({
            "event_type": event_type,
            "resource": {
                "name": "Users to devices",
                "id": object_id(self.random),
                "description": "every Monday",
                "resources": ["users", "devices"],
                "search_request": {},
                "configuration": {},
            },
            "auth_method": "session",
            "user_agent": "Mozilla/5.0",
            "changes": [],
        }))
    }

    fn workflow(&mut self) -> Value {
        let who = self.administrator();
        let event_type = self.one_of(&["workflow_run", "workflow_update"]);
        who.as_administrator(json!({
            "event_type": event_type,
            "success": true,
            "resource": { "id": uuid(self.random), "type": "workflow", "name": "Leaver" },
            "useragent": useragent(who),
        }))
    }

    fn privileged_access(&mut self) -> Value {
        let who = self.person();
        let device = self.device_of(who);
        let event_type = self.one_of(&["pam_session_start", "pam_session_end"]);
        who.as_user(json!({
            "event_type": event_type,
            "success": true,
            "resource": { "id": device.id, "type": "system", "name": device.hostname },
            "session_id": uuid(self.random),
            "useragent": useragent(who),
        }))
    }
}
