//! Events of people signing in: directory, single sign-on, RADIUS and LDAP.

use serde_json::value::RawValue;

use super::cast::Thing;
use super::json::Object;
use super::scene::{Scene, Tail, by_administrator, by_user, geoip, useragent};
use super::vocabulary::FAILURES;
use crate::made_up::object_id;

/// Fields of a user that administrators change, with a value before and after.
const CHANGES: [(&str, &str, &str); 6] = [
    ("state", "\"ACTIVATED\"", "\"SUSPENDED\""),
    ("jobTitle", "\"Analyst\"", "\"Senior Analyst\""),
    ("department", "\"Finance\"", "\"Engineering\""),
    ("ldap_binding_user", "false", "true"),
    ("password_never_expires", "true", "false"),
    ("attributes", "[]", "[{\"name\":\"badge\",\"value\":\"blue\"}]"),
];

impl Scene<'_> {
    /// A directory event: mostly people signing in, else administrators changing things.
    pub(super) fn directory(&mut self) -> Vec<u8> {
        match self.random.u8(..10) {
            0..=3 => self.user_login(),
            4 => self.admin_login(),
            5..=7 => self.user_change(),
            _ => self.association_change(),
        }
    }

    fn user_login(&mut self) -> Vec<u8> {
        let who = self.person();
        let device = self.device_of(who);
        let success = !self.happens(0.06);
        let failure = self.one_of(&FAILURES);
        let mfa = self.happens(0.7);
        let policy = self.group();
        let tail = Tail {
            event_type: "user_login_attempt",
            success: Some(success),
            client_ip: Some(&who.address),
            has_provider: true,
        };
        self.write(&tail, |event, _| {
            by_user(event, who);
            geoip(event, who);
            useragent(event, who);
            event.put("mfa", mfa);
            if mfa {
                event.object("mfa_meta", |meta| {
                    meta.put("type", "totp");
                });
            }
            event.object("auth_context", |context| {
                context.object("auth_methods", |methods| {
                    methods.object("password", |password| {
                        password.put("success", success);
                    });
                });
                context.object("system", |system| {
                    system
                        .put("hostname", &device.hostname)
                        .put("os", device.system)
                        .put("displayName", &device.display_name)
                        .put("id", &device.id)
                        .put("version", device.versions[1]);
                });
                context.list("policies_applied", [policy], policy_applied);
            });
            event.put("auth_method", "session");
            if !success {
                event.put("error_message", failure);
            }
        })
    }

    fn admin_login(&mut self) -> Vec<u8> {
        let who = self.administrator();
        let success = !self.happens(0.03);
        let failure = self.one_of(&FAILURES);
        let tail = Tail {
            event_type: "admin_login_attempt",
            success: Some(success),
            client_ip: Some(&who.address),
            has_provider: true,
        };
        self.write(&tail, |event, _| {
            by_administrator(event, who);
            geoip(event, who);
            useragent(event, who);
            event.put("mfa", true);
            if !success {
                event.put("error_message", failure);
            }
        })
    }

    fn user_change(&mut self) -> Vec<u8> {
        let who = self.administrator();
        let whom = self.person();
        let event_type =
            self.one_of(&["user_update", "user_update", "user_create", "user_unlocked"]);
        let first = self.random.usize(..CHANGES.len());
        let count = self.random.usize(1..=3);
        let auth_method = self.one_of(&["session", "api key"]);
        let tail = Tail {
            event_type,
            success: Some(true),
            client_ip: Some(&who.address),
            has_provider: true,
        };
        self.write(&tail, |event, random| {
            by_administrator(event, who);
            geoip(event, who);
            event.object("correlation", |correlation| {
                correlation.put("id", object_id(random)).put("type", "admin_change");
            });
            event.object("resource", |resource| {
                resource
                    .put("id", &whom.id)
                    .put("type", "user")
                    .put("username", &whom.username)
                    .put("recipient_email", &whom.email)
                    .put("name", &whom.display_name);
            });
            useragent(event, who);
            let changes = CHANGES.iter().cycle().skip(first).take(count);
            event.list("changes", changes, |change, (field, from, to)| {
                change.put("field", field);
                if event_type != "user_create" {
                    change.put("from", json(from));
                }
                change.put("to", json(to));
            });
            event.put("auth_method", auth_method);
        })
    }

    fn association_change(&mut self) -> Vec<u8> {
        let who = self.administrator();
        let whom = self.person();
        let group = self.group();
        let operation = self.one_of(&["add", "add", "remove"]);
        let tail = Tail {
            event_type: "association_change",
            success: Some(true),
            client_ip: Some(&who.address),
            has_provider: true,
        };
        self.write(&tail, |event, _| {
            by_administrator(event, who);
            event.object("association", |association| {
                association.put("op", operation).put("action_source", "manual");
                association.object("connection", |connection| {
                    connection.object("from", |from| {
                        from.put("name", group.name)
                            .put("type", "user_group")
                            .put("object_id", &group.id);
                    });
                    connection.object("to", |to| {
                        to.put("name", &whom.username)
                            .put("type", "user")
                            .put("object_id", &whom.id);
                    });
                });
                association.put("attributes", ());
            });
            geoip(event, who);
            useragent(event, who);
            event.put("auth_method", "session");
        })
    }

    /// A single sign-on event: it tells of success as `sso_token_success` alone.
    pub(super) fn sso(&mut self) -> Vec<u8> {
        let who = self.person();
        let device = self.device_of(who);
        let application = self.application();
        let policy = self.group();
        let success = !self.happens(0.05);
        let (mfa, idp_initiated) = (self.happens(0.6), self.happens(0.4));
        let tail = Tail {
            event_type: "sso_auth",
            success: None,
            client_ip: Some(&who.address),
            has_provider: true,
        };
        self.write(&tail, |event, _| {
            by_user(event, who);
            event.put("error_message", if success { "" } else { "application unreachable" });
            geoip(event, who);
            event.put("sso_token_success", success);
            useragent(event, who);
            event.object("auth_context", |context| {
                context.object("system", |system| {
                    system
                        .put("hostname", &device.hostname)
                        .put("os", device.system)
                        .put("displayName", &device.display_name)
                        .put("id", &device.id)
                        .put("version", device.versions[1]);
                });
                context.list("policies_applied", [policy], policy_applied);
                context.object("auth_methods", |_| {});
            });
            event.put("mfa", mfa);
            event.put("idp_initiated", idp_initiated);
            event.object("application", |target| {
                target
                    .put("display_label", application.label)
                    .put("sso_type", "saml")
                    .put("name", application.name)
                    .put("id", &application.id)
                    .put(
                        "sso_url",
                        format!("https://sso.jumpcloud.com/saml2/{}", application.name),
                    );
            });
        })
    }

    /// A RADIUS event, asked for by one of the access points.
    pub(super) fn radius(&mut self, access_point: usize) -> Vec<u8> {
        let who = self.person();
        let success = !self.happens(0.04);
        let address = &self.cast.access_points[access_point];
        let tail = Tail {
            event_type: "radius_auth_attempt",
            success: Some(success),
            client_ip: Some(address),
            has_provider: false,
        };
        self.write(&tail, |event, _| {
            event.object("initiated_by", |by| {
                by.put("type", "user").put("username", &who.username);
            });
            event.object("auth_meta", |meta| {
                meta.put("auth_idp", "JUMPCLOUD")
                    .put("userid_type", "USERNAME")
                    .put("user_cert_enabled", false)
                    .put("device_cert_enabled", false)
                    .put("user_password_enabled", true);
            });
            geoip(event, who);
            event.put("nas_mfa_state", "DISABLED").put("auth_type", "EAP");
            event.put("eap_type", "EAP-PEAP").put("mfa", false);
            event.object("mfa_meta", |meta| {
                meta.put("type", "none");
            });
            event.object("outer", |outer| {
                outer
                    .put("eap_type", "PEAP")
                    .put("username", &who.username)
                    .put("error_message", ());
            });
            event.put("username", &who.username);
            match success {
                true => event.put("error_message", ()),
                false => event.put("error_message", "mschap: MS-CHAP2-Response is incorrect"),
            };
        })
    }

    /// An LDAP bind or search by one of the systems that ask the directory.
    pub(super) fn ldap(&mut self) -> Vec<u8> {
        let who = self.person();
        let is_search = self.happens(0.6);
        let base = format!("o={},dc=jumpcloud,dc=com", self.organization);
        let success = !self.happens(0.03);
        let tail = Tail {
            event_type: if is_search { "ldap_search" } else { "ldap_bind" },
            success: Some(success),
            client_ip: None,
            has_provider: false,
        };
        self.write(&tail, |event, random| {
            let connection = object_id(random);
            event.object("initiated_by", |by| {
                by.put("type", "user").put("username", &who.username);
            });
            event.object("auth_meta", |meta| {
                meta.object("auth_methods", |methods| {
                    methods.object("password", |password| {
                        password.put("success", success);
                    });
                });
            });
            event.put("dn", format!("uid={},ou=Users,{base}", who.username));
            event.put("connection_id", &connection).put("auth_method", "simple");
            event.put("mech", "SIMPLE").put("operation_number", random.u32(1..40));
            event.put("operation_type", if is_search { "search" } else { "bind" });
            event.put("start_tls", false).put("tls_established", true);
            event.put("username", &who.username);
            event.put("error_code", if success { 0 } else { 49 });
            event.put("error_message", if success { "" } else { "Invalid credentials" });
            if is_search {
                event.put("base", format!("ou=Users,{base}")).put("scope", 2).put("deref", 0);
                event
                    .put("filter", format!("(&(objectClass=inetOrgPerson)(uid={}))", who.username));
                event.put("attr", "uid mail cn sn givenName memberOf employeeType loginShell");
                event.put("number_of_results", 1).put("oid", "");
            }
        })
    }
}

/// A conditional access policy that was asked.
fn policy_applied(event: &mut Object<'_>, group: &Thing) {
    event.put("id", &group.id).put("name", format!("Trusted devices: {}", group.name));
    event.object("metadata", |metadata| {
        metadata.put("action", "ALLOW").put("resource_type", "APPLICATION");
    });
}

/// A text that is JSON already.
fn json(text: &str) -> Option<&RawValue> {
    serde_json::from_str(text).ok()
}
