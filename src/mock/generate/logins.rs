//! Events of people signing in: directory, single sign-on, RADIUS and LDAP.

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
    pub(super) fn directory(&mut self) -> String {
        match self.random.u8(..10) {
            0..=3 => self.user_login(),
            4 => self.admin_login(),
            5..=7 => self.user_change(),
            _ => self.association_change(),
        }
    }

    fn user_login(&mut self) -> String {
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
            event.plain("mfa", mfa);
            if mfa {
                event.object("mfa_meta", |meta| {
                    meta.text("type", "totp");
                });
            }
            event.object("auth_context", |context| {
                context.object("auth_methods", |methods| {
                    methods.object("password", |password| {
                        password.plain("success", success);
                    });
                });
                context.object("system", |system| {
                    system
                        .text("hostname", &device.hostname)
                        .text("os", device.system)
                        .text("displayName", &device.display_name)
                        .text("id", &device.id)
                        .text("version", device.versions[1]);
                });
                context.list("policies_applied", [policy], policy_applied);
            });
            event.text("auth_method", "session");
            if !success {
                event.text("error_message", failure);
            }
        })
    }

    fn admin_login(&mut self) -> String {
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
            event.plain("mfa", true);
            if !success {
                event.text("error_message", failure);
            }
        })
    }

    fn user_change(&mut self) -> String {
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
                correlation.text("id", &object_id(random)).text("type", "admin_change");
            });
            event.object("resource", |resource| {
                resource
                    .text("id", &whom.id)
                    .text("type", "user")
                    .text("username", &whom.username)
                    .text("recipient_email", &whom.email)
                    .text("name", &whom.display_name);
            });
            useragent(event, who);
            let changes = CHANGES.iter().cycle().skip(first).take(count);
            event.list("changes", changes, |change, (field, from, to)| {
                change.text("field", field);
                if event_type != "user_create" {
                    change.plain("from", from);
                }
                change.plain("to", to);
            });
            event.text("auth_method", auth_method);
        })
    }

    fn association_change(&mut self) -> String {
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
                association.text("op", operation).text("action_source", "manual");
                association.object("connection", |connection| {
                    connection.object("from", |from| {
                        from.text("name", group.name)
                            .text("type", "user_group")
                            .text("object_id", &group.id);
                    });
                    connection.object("to", |to| {
                        to.text("name", &whom.username)
                            .text("type", "user")
                            .text("object_id", &whom.id);
                    });
                });
                association.plain("attributes", "null");
            });
            geoip(event, who);
            useragent(event, who);
            event.text("auth_method", "session");
        })
    }

    /// A single sign-on event: it tells of success as `sso_token_success` alone.
    pub(super) fn sso(&mut self) -> String {
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
            event.text("error_message", if success { "" } else { "application unreachable" });
            geoip(event, who);
            event.plain("sso_token_success", success);
            useragent(event, who);
            event.object("auth_context", |context| {
                context.object("system", |system| {
                    system
                        .text("hostname", &device.hostname)
                        .text("os", device.system)
                        .text("displayName", &device.display_name)
                        .text("id", &device.id)
                        .text("version", device.versions[1]);
                });
                context.list("policies_applied", [policy], policy_applied);
                context.object("auth_methods", |_| {});
            });
            event.plain("mfa", mfa);
            event.plain("idp_initiated", idp_initiated);
            event.object("application", |target| {
                target
                    .text("display_label", application.label)
                    .text("sso_type", "saml")
                    .text("name", application.name)
                    .text("id", &application.id)
                    .text(
                        "sso_url",
                        &format!("https://sso.jumpcloud.com/saml2/{}", application.name),
                    );
            });
        })
    }

    /// A RADIUS event, asked for by one of the access points.
    pub(super) fn radius(&mut self, access_point: usize) -> String {
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
                by.text("type", "user").text("username", &who.username);
            });
            event.object("auth_meta", |meta| {
                meta.text("auth_idp", "JUMPCLOUD")
                    .text("userid_type", "USERNAME")
                    .plain("user_cert_enabled", false)
                    .plain("device_cert_enabled", false)
                    .plain("user_password_enabled", true);
            });
            geoip(event, who);
            event.text("nas_mfa_state", "DISABLED").text("auth_type", "EAP");
            event.text("eap_type", "EAP-PEAP").plain("mfa", false);
            event.object("mfa_meta", |meta| {
                meta.text("type", "none");
            });
            event.object("outer", |outer| {
                outer
                    .text("eap_type", "PEAP")
                    .text("username", &who.username)
                    .plain("error_message", "null");
            });
            event.text("username", &who.username);
            match success {
                true => event.plain("error_message", "null"),
                false => event.text("error_message", "mschap: MS-CHAP2-Response is incorrect"),
            };
        })
    }

    /// An LDAP bind or search by one of the systems that ask the directory.
    pub(super) fn ldap(&mut self) -> String {
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
                by.text("type", "user").text("username", &who.username);
            });
            event.object("auth_meta", |meta| {
                meta.object("auth_methods", |methods| {
                    methods.object("password", |password| {
                        password.plain("success", success);
                    });
                });
            });
            event.text("dn", &format!("uid={},ou=Users,{base}", who.username));
            event.text("connection_id", &connection).text("auth_method", "simple");
            event.text("mech", "SIMPLE").plain("operation_number", random.u32(1..40));
            event.text("operation_type", if is_search { "search" } else { "bind" });
            event.plain("start_tls", false).plain("tls_established", true);
            event.text("username", &who.username);
            event.plain("error_code", if success { 0 } else { 49 });
            event.text("error_message", if success { "" } else { "Invalid credentials" });
            if is_search {
                event.text("base", &format!("ou=Users,{base}")).plain("scope", 2).plain("deref", 0);
                event.text(
                    "filter",
                    &format!("(&(objectClass=inetOrgPerson)(uid={}))", who.username),
                );
                event.text("attr", "uid mail cn sn givenName memberOf employeeType loginShell");
                event.plain("number_of_results", 1).text("oid", "");
            }
        })
    }
}

/// A conditional access policy that was asked.
fn policy_applied(event: &mut Object<'_>, group: &Thing) {
    event.text("id", &group.id).text("name", &format!("Trusted devices: {}", group.name));
    event.object("metadata", |metadata| {
        metadata.text("action", "ALLOW").text("resource_type", "APPLICATION");
    });
}
