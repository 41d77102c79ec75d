//! Events of the services with little traffic. Those of `workflows` and `pam` follow no published
//! schema, since there is none.

use super::json::Object;
use super::scene::{Scene, Tail, by_administrator, by_user, geoip, useragent};
use super::service::Service;
use crate::made_up::{object_id, uuid};

impl Scene<'_> {
    /// An event of one of those services.
    pub(super) fn administration(&mut self, service: Service) -> Vec<u8> {
        match service {
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

    fn password_manager(&mut self) -> Vec<u8> {
        let who = self.person();
        let kinds = [
            "passwordmanager_item_autofill",
            "passwordmanager_item_reveal",
            "passwordmanager_item_add",
            "passwordmanager_app_unlock",
        ];
        let event_type = self.one_of(&kinds);
        let tail = tail(event_type, Some(true), &who.address);
        self.write(&tail, |event, random| {
            event.object("initiated_by", |by| {
                by.put("id", &who.id).put("type", "user").put("email", &who.email);
                by.put("source", "desktop_app");
            });
            event.object("association", |association| {
                association.put("type", "item").put("id", uuid(random));
            });
            geoip(event, who);
            event.put("user_agent", "PasswordManager/3.14.2 (darwin; arm64)");
            event.put("error_message", "");
            no_changes(event);
        })
    }

    fn access_management(&mut self) -> Vec<u8> {
        let who = self.person();
        let group = self.group();
        let decided = self.happens(0.5);
        let event_type = match decided {
            true => "access_management_access_request_approval",
            false => "access_management_access_request",
        };
        let tail = tail(event_type, Some(true), &who.address);
        self.write(&tail, |event, random| {
            event.put("pid", uuid(random)).put("access_request_id", object_id(random));
            event.object("resource", |resource| {
                resource.put("type", "user_group").put("id", &group.id).put("name", group.name);
            });
            event.object("workflow", |workflow| {
                workflow
                    .put("type", "approval")
                    .put("id", object_id(random))
                    .put("name", "Manager, then owner")
                    .put("desc", "");
            });
            by_user(event, who);
            geoip(event, who);
            event.put("user_agent", "Mozilla/5.0").put("error_message", "");
            event.list("changes", ["status"], |change, field| {
                change.put("field", field).put("from", "PENDING");
                change.put("to", if decided { "APPROVED" } else { "REQUESTED" });
            });
        })
    }

    fn alert(&mut self) -> Vec<u8> {
        let who = self.administrator();
        let device = self.device_of(who);
        let event_type = self.one_of(&["alert_created", "alert_updated", "alert_status_updated"]);
        let severity = self.one_of(&["Low", "Medium", "High"]);
        let tail = tail(event_type, Some(true), &who.address);
        self.write(&tail, |event, random| {
            event.object("correlation", |correlation| {
                correlation.put("id", uuid(random));
            });
            event.put("category", "Device").put("severity", severity);
            event.object("resource", |resource| {
                resource
                    .put("id", object_id(random))
                    .put("context", "Device has been offline for 14 days")
                    .put("source_id", &device.id)
                    .put("source_type", "system")
                    .put("reference_id", &device.hostname);
            });
            event.list("initiated_by", [who], |by, who| {
                by.put("id", &who.id).put("type", "admin").put("email", &who.email);
            });
            geoip(event, who);
            event.put("username", &who.username);
            no_changes(event);
        })
    }

    fn notification(&mut self) -> Vec<u8> {
        let who = self.administrator();
        let event_type =
            self.one_of(&["notification_channel_created", "notification_channel_updated"]);
        let tail = tail(event_type, Some(true), &who.address);
        self.write(&tail, |event, random| {
            event.put("name", "On-call").put("type", "webhook");
            event
                .put("description", "Alerts for the weekend")
                .put("channel_object_id", object_id(random));
            event.object("correlation", |correlation| {
                correlation.put("id", uuid(random));
            });
            event.list("config", ["https://hooks.example.net/on-call"], |row, url| {
                row.put("key", "url").put("value", url);
            });
            by_administrator(event, who);
        })
    }

    fn object_storage(&mut self) -> Vec<u8> {
        let tail = Tail { event_type: "object_storage_create", ..Tail::default() };
        let device =
            self.device_of(self.cast.people.first().unwrap_or(&self.cast.administrators[0]));
        self.write(&tail, |event, random| {
            let digest = format!("{}{}", uuid(random), uuid(random)).replace('-', "");
            event.put("result", "SUCCESS").put("referrer_object_id", object_id(random));
            event.put("referrer_type", "SOFTWARE_APP");
            event.put("object_storage_item_object_id", object_id(random));
            event.put("object_storage_item_version_object_id", object_id(random));
            event.put("object_storage_item_version_name", "sparrow-vpn-3.5.2.pkg");
            event.put("object_storage_item_version_size", random.u32(1_000_000..90_000_000));
            event.put("object_storage_item_version_sha_256_sum", &digest);
            event.put("total_software_item_count", random.u32(1..60));
            event.put("total_space_used", random.u64(1_000_000..9_000_000_000));
            event.put("system_object_id", &device.id);
        })
    }

    fn saas_app_management(&mut self) -> Vec<u8> {
        let who = self.person();
        let application = self.application();
        let tail = tail("saas_management_login_event", None, &who.address);
        self.write(&tail, |event, _| {
            by_user(event, who);
            geoip(event, who);
            event.put("username", &who.username);
            event.object("resource", |resource| {
                resource
                    .put("application_id", &application.id)
                    .put("application_name", application.label)
                    .put("application_category", "Productivity");
            });
            event.put("detail", "login seen by the browser extension");
            no_changes(event);
        })
    }

    fn asset_management(&mut self) -> Vec<u8> {
        let who = self.administrator();
        let tail = tail("asset_management_asset_update", None, &who.address);
        self.write(&tail, |event, random| {
            by_administrator(event, who);
            geoip(event, who);
            event.put("username", &who.username);
            event.object("resource", |resource| {
                resource.put("id", uuid(random)).put("type", "asset");
            });
            event.put("detail", "asset updated");
            event.list("changes", ["status"], |change, field| {
                change.put("field", field).put("from", "In stock").put("to", "In use");
            });
        })
    }

    fn report(&mut self) -> Vec<u8> {
        let who = self.administrator();
        let event_type = self.one_of(&["report_run", "report_export", "report_create"]);
        let tail = tail(event_type, None, &who.address);
        self.write(&tail, |event, random| {
            by_administrator(event, who);
            geoip(event, who);
            event.object("resource", |resource| {
                resource
                    .put("name", "Users to devices")
                    .put("id", object_id(random))
                    .put("description", "every Monday")
                    .put("resources", ["users", "devices"])
                    .object("search_request", |_| {})
                    .object("configuration", |_| {});
            });
            event.put("auth_method", "session").put("user_agent", "Mozilla/5.0");
            no_changes(event);
        })
    }

    fn workflow(&mut self) -> Vec<u8> {
        let who = self.administrator();
        let event_type = self.one_of(&["workflow_run", "workflow_update"]);
        let tail = tail(event_type, Some(true), &who.address);
        self.write(&tail, |event, random| {
            by_administrator(event, who);
            geoip(event, who);
            event.object("resource", |resource| {
                resource.put("id", uuid(random)).put("type", "workflow").put("name", "Leaver");
            });
            useragent(event, who);
        })
    }

    fn privileged_access(&mut self) -> Vec<u8> {
        let who = self.person();
        let device = self.device_of(who);
        let event_type = self.one_of(&["pam_session_start", "pam_session_end"]);
        let tail = tail(event_type, Some(true), &who.address);
        self.write(&tail, |event, random| {
            by_user(event, who);
            geoip(event, who);
            event.object("resource", |resource| {
                resource.put("id", &device.id).put("type", "system").put("name", &device.hostname);
            });
            event.put("session_id", uuid(random));
            useragent(event, who);
        })
    }
}

fn tail<'a>(event_type: &'a str, success: Option<bool>, client_ip: &'a str) -> Tail<'a> {
    Tail { event_type, success, client_ip: Some(client_ip), has_provider: true }
}

fn no_changes(event: &mut Object<'_>) {
    event.put("changes", [(); 0]);
}
