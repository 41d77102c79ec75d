//! Events of people signing in: directory, single sign-on, RADIUS and LDAP.

use serde_json::{Value, json};

use super::cast::Thing;
use super::scene::{Scene, geoip, system, useragent};
use super::vocabulary::FAILURES;
use crate::made_up::object_id;

impl Scene<'_> {
    /// A directory event: mostly people signing in, else administrators changing things.
    pub(super) fn directory(&mut self) -> Value {
        match self.random.u8(..10) {
            0..=3 => self.user_login(),
            4 => self.admin_login(),
            5..=7 => self.user_change(),
            _ => self.association_change(),
        }
    }

    fn user_login(&mut self) -> Value {
        let who = self.person();
        let device = self.device_of(who);
        let success = !self.happens(0.06);
        let failure = self.one_of(&FAILURES);
        let mfa = self.happens(0.7);
        let policy = self.group();
        let mut event = who.as_user(json!({
            "event_type": "user_login_attempt",
            "success": success,
            "useragent": useragent(who),
            "mfa": mfa,
            "auth_context": {
                "auth_methods": { "password": { "success": success } },
                "system": system(device),
                "policies_applied": [policy_applied(policy)],
            },
            "auth_method": "session",
        }));
        if mfa {
            event["mfa_meta"] = json!({ "type": "totp" });
        }
        if !success {
            event["error_message"] = json!(failure);
        }
        event
    }

    fn admin_login(&mut self) -> Value {
        let who = self.administrator();
        let success = !self.happens(0.03);
        let failure = self.one_of(&FAILURES);
        let mut event = who.as_administrator(json!({
            "event_type": "admin_login_attempt",
            "success": success,
            "useragent": useragent(who),
            "mfa": true,
        }));
        if !success {
            event["error_message"] = json!(failure);
        }
        event
    }

    fn user_change(&mut self) -> Value {
        let who = self.administrator();
        let whom = self.person();
        let event_type =
            *self.one_of(&["user_update", "user_update", "user_create", "user_unlocked"]);
        let changes = user_changes();
        let first = self.random.usize(..changes.len());
        let count = self.random.usize(1..=3);
        let mut changes: Vec<Value> = changes.into_iter().cycle().skip(first).take(count).collect();
        if event_type == "user_create" {
            for change in changes.iter_mut().filter_map(Value::as_object_mut) {
                change.remove("from");
            }
        }
        let auth_method = self.one_of(&["session", "api key"]);
        who.as_administrator(json!({
            "event_type": event_type,
            "success": true,
            "correlation": { "id": object_id(self.random), "type": "admin_change" },
            "resource": {
                "id": whom.id,
                "type": "user",
                "username": whom.username,
                "recipient_email": whom.email,
                "name": whom.display_name,
            },
            "useragent": useragent(who),
            "changes": changes,
            "auth_method": auth_method,
        }))
    }

    fn association_change(&mut self) -> Value {
        let who = self.administrator();
        let whom = self.person();
        let group = self.group();
        let operation = self.one_of(&["add", "add", "remove"]);
        who.as_administrator(json!({
            "event_type": "association_change",
            "success": true,
            "association": {
                "op": operation,
                "action_source": "manual",
                "connection": {
                    "from": { "name": group.name, "type": "user_group", "object_id": group.id },
                    "to": { "name": whom.username, "type": "user", "object_id": whom.id },
                },
                "attributes": null,
            },
            "useragent": useragent(who),
            "auth_method": "session",
        }))
    }

    /// A single sign-on event, whose only field for success is `sso_token_success`.
    pub(super) fn sso(&mut self) -> Value {
        let who = self.person();
        let device = self.device_of(who);
        let application = self.application();
        let policy = self.group();
        let success = !self.happens(0.05);
        let (mfa, idp_initiated) = (self.happens(0.6), self.happens(0.4));
        who.as_user(json!({
            "event_type": "sso_auth",
            "error_message": if success { "" } else { "application unreachable" },
            "sso_token_success": success,
            "useragent": useragent(who),
            "auth_context": {
                "system": system(device),
                "policies_applied": [policy_applied(policy)],
                "auth_methods": {},
            },
            "mfa": mfa,
            "idp_initiated": idp_initiated,
            "application": {
                "display_label": application.label,
                "sso_type": "saml",
                "name": application.name,
                "id": application.id,
                "sso_url": format!("https://sso.jumpcloud.com/saml2/{}", application.name),
            },
        }))
    }

    /// A RADIUS event of one of the access points.
    pub(super) fn radius(&mut self, access_point: usize) -> Value {
        let who = self.person();
        let success = !self.happens(0.04);
        let failure = (!success).then_some("mschap: MS-CHAP2-Response is incorrect");
        json!({
            "event_type": "radius_auth_attempt",
            "success": success,
            "client_ip": self.cast.access_points[access_point],
            "initiated_by": { "type": "user", "username": who.username },
            "auth_meta": {
                "auth_idp": "JUMPCLOUD",
                "userid_type": "USERNAME",
                "user_cert_enabled": false,
                "device_cert_enabled": false,
                "user_password_enabled": true,
            },
            "geoip": geoip(who),
            "nas_mfa_state": "DISABLED",
            "auth_type": "EAP",
            "eap_type": "EAP-PEAP",
            "mfa": false,
            "mfa_meta": { "type": "none" },
            "outer": { "eap_type": "PEAP", "username": who.username, "error_message": null },
            "username": who.username,
            "error_message": failure,
        })
    }

    /// An LDAP bind or search by one of the systems that ask the directory.
    pub(super) fn ldap(&mut self) -> Value {
        let who = self.person();
        let is_search = self.happens(0.6);
        let base = format!("o={},dc=jumpcloud,dc=com", self.organization);
        let success = !self.happens(0.03);
        let mut event = json!({
            "event_type": if is_search { "ldap_search" } else { "ldap_bind" },
            "success": success,
            "initiated_by": { "type": "user", "username": who.username },
            "auth_meta": { "auth_methods": { "password": { "success": success } } },
            "dn": format!("uid={},ou=Users,{base}", who.username),
            "connection_id": object_id(self.random),
            "auth_method": "simple",
            "mech": "SIMPLE",
            "operation_number": self.random.u32(1..40),
            "operation_type": if is_search { "search" } else { "bind" },
            "start_tls": false,
            "tls_established": true,
            "username": who.username,
            "error_code": if success { 0 } else { 49 },
            "error_message": if success { "" } else { "Invalid credentials" },
        });
        if is_search {
            event["base"] = json!(format!("ou=Users,{base}"));
            event["scope"] = json!(2);
            event["deref"] = json!(0);
            let filter = format!("(&(objectClass=inetOrgPerson)(uid={}))", who.username);
            event["filter"] = json!(filter);
            event["attr"] = json!("uid mail cn sn givenName memberOf employeeType loginShell");
            event["number_of_results"] = json!(1);
            event["oid"] = json!("");
        }
        event
    }
}

/// Fields of a user that administrators change, with a value before and after.
fn user_changes() -> [Value; 6] {
    let badge = json!([{ "name": "badge", "value": "blue" }]);
    [
        json!({ "field": "state", "from": "ACTIVATED", "to": "SUSPENDED" }),
        json!({ "field": "jobTitle", "from": "Analyst", "to": "Senior Analyst" }),
        json!({ "field": "department", "from": "Finance", "to": "Engineering" }),
        json!({ "field": "ldap_binding_user", "from": false, "to": true }),
        json!({ "field": "password_never_expires", "from": true, "to": false }),
        json!({ "field": "attributes", "from": [], "to": badge }),
    ]
}

/// A conditional access policy that was asked.
fn policy_applied(group: &Thing) -> Value {
    json!({
        "id": group.id,
        "name": format!("Trusted devices: {}", group.name),
        "metadata": { "action": "ALLOW", "resource_type": "APPLICATION" },
    })
}
