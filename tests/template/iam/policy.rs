//! Decides whether a call is allowed, as AWS's documentation says: "Policy evaluation logic", within an account and
//! across accounts. `cases.json` holds the sentences that this is held against.

use std::collections::BTreeMap;

use serde_json::Value;

use super::conditions::{self, Context, matches_arn};

/// The account of the stack.
pub(crate) const ACCOUNT: &str = "111122223333";

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// A role or user, by its ARN.
    Identity(String),
    /// The root user of an account.
    Root(String),
    /// A service of AWS, that acts by itself.
    Service(String),
    /// Somebody without credentials.
    Anonymous,
}

/// One request for one permission.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) caller: Caller,
    pub(crate) action: String,
    /// The ARN of what is acted on.
    pub(crate) resource: String,
    /// Condition keys beside those that follow from the caller.
    pub(crate) context: Context,
}

/// What AWS answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Allowed,
    /// By the statement of this `Sid`.
    Denied(String),
    /// No statement allows it.
    NotAllowed,
}

/// One statement, with every intrinsic function resolved.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) sid: String,
    pub(crate) denies: bool,
    pub(crate) principal: Option<Value>,
    pub(crate) actions: Vec<String>,
    pub(crate) resources: Vec<String>,
    pub(crate) conditions: Value,
}

/// How a statement's principal meets the caller.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Named {
    /// It does not.
    Not,
    /// Its account is named, which leaves it to the account's own policies.
    ByAccount,
    /// It itself is named, or everybody is.
    Directly,
}

impl Caller {
    /// Number of the caller's account; none for a service and for somebody without credentials.
    fn account(&self) -> Option<&str> {
        match self {
            Self::Identity(arn) => arn.split(':').nth(4),
            Self::Root(account) => Some(account),
            Self::Service(_) | Self::Anonymous => None,
        }
    }

    /// The condition keys that every request of this caller has.
    fn context(&self) -> Context {
        let arn = match self {
            Self::Identity(arn) => Some(arn.clone()),
            Self::Root(account) => Some(format!("arn:aws:iam::{account}:root")),
            Self::Service(_) | Self::Anonymous => None,
        };
        let account = match self {
            Self::Anonymous => Some("anonymous"),
            other => other.account(),
        };
        let is_service = match self {
            Self::Anonymous => None,
            Self::Service(_) => Some("true"),
            Self::Identity(_) | Self::Root(_) => Some("false"),
        };
        let keys = [
            ("aws:principalarn", arn),
            ("aws:principalaccount", account.map(str::to_owned)),
            ("aws:principalisawsservice", is_service.map(str::to_owned)),
            ("aws:securetransport", Some("true".to_owned())),
        ];
        keys.into_iter().filter_map(|(key, value)| Some((key.to_owned(), vec![value?]))).collect()
    }
}

impl Statement {
    /// Reads a statement.
    pub(crate) fn read(statement: &Value) -> Self {
        for left_out in ["NotAction", "NotResource", "NotPrincipal"] {
            assert!(statement.get(left_out).is_none(), "not evaluated: {statement}");
        }
        Self {
            sid: statement["Sid"].as_str().unwrap_or_default().to_owned(),
            denies: statement["Effect"] == "Deny",
            principal: statement.get("Principal").cloned(),
            actions: texts(&statement["Action"]),
            resources: texts(&statement["Resource"]),
            conditions: statement.get("Condition").cloned().unwrap_or(Value::Null),
        }
    }

    /// Whether action, resource and conditions meet the call; the principal is another question.
    fn applies(&self, call: &Call, context: &Context) -> bool {
        let action = call.action.to_ascii_lowercase();
        let is_asked =
            |pattern: &String| conditions::matches(&pattern.to_ascii_lowercase(), &action);
        // A role's trust is about the role.
        let is_about = |pattern: &String| matches_arn(pattern, &call.resource);
        self.actions.iter().any(is_asked)
            && (self.resources.is_empty() || self.resources.iter().any(is_about))
            && conditions::hold(&self.conditions, context)
    }

    fn names(&self, caller: &Caller) -> Named {
        let Some(principal) = &self.principal else { return Named::Not };
        if principal == "*" {
            return Named::Directly;
        }
        if let Caller::Service(service) = caller {
            let is_named = texts(&principal["Service"]).contains(service);
            return if is_named { Named::Directly } else { Named::Not };
        }
        let names = texts(&principal["AWS"]);
        let name = |name: &String| match caller {
            _ if name == "*" => Named::Directly,
            Caller::Identity(arn) if name == arn => Named::Directly,
            Caller::Identity(_) | Caller::Root(_) => {
                let account = caller.account().unwrap_or_default();
                let is_account =
                    *name == account || *name == format!("arn:aws:iam::{account}:root");
                if is_account { Named::ByAccount } else { Named::Not }
            }
            Caller::Service(_) | Caller::Anonymous => Named::Not,
        };
        names.iter().map(name).max().unwrap_or(Named::Not)
    }
}

/// Decides on a call, given the caller's own policies and the policy of the resource.
pub(crate) fn decide(call: &Call, identity: &[Statement], resource: &[Statement]) -> Decision {
    let mut context = call.caller.context();
    context
        .extend(call.context.iter().map(|(key, value)| (key.to_ascii_lowercase(), value.clone())));
    let own = || identity.iter().filter(|it| it.applies(call, &context));
    let others = || {
        let applying = resource.iter().filter(|it| it.applies(call, &context));
        applying.map(|it| (it, it.names(&call.caller))).filter(|(_, named)| *named != Named::Not)
    };
    let denying = own().chain(others().map(|(it, _)| it)).find(|it| it.denies);
    if let Some(denying) = denying {
        return Decision::Denied(denying.sid.clone());
    }
    let is_own = own().next().is_some();
    let named = others().map(|(_, named)| named).max().unwrap_or(Named::Not);
    let is_allowed = match &call.caller {
        Caller::Service(_) | Caller::Anonymous => named == Named::Directly,
        Caller::Identity(_) | Caller::Root(_) => {
            let is_root = matches!(call.caller, Caller::Root(_));
            if call.caller.account() != Some(owner(&call.resource)) {
                (is_own || is_root) && named != Named::Not
            } else if must_be_allowed_by_resource(&call.resource) {
                named == Named::Directly || named == Named::ByAccount && (is_own || is_root)
            } else {
                is_own || is_root || named == Named::Directly
            }
        }
    };
    if is_allowed { Decision::Allowed } else { Decision::NotAllowed }
}

/// The account that a resource belongs to. Buckets' ARNs do not tell; all of them are the stack's.
fn owner(resource: &str) -> &str {
    resource.split(':').nth(4).filter(|account| !account.is_empty()).unwrap_or(ACCOUNT)
}

/// Trust policies of roles and key policies: without them, no policy of the account allows anything.
fn must_be_allowed_by_resource(resource: &str) -> bool {
    matches!(resource.split(':').nth(2), Some("iam" | "kms"))
}

/// A text or a list of them.
pub(crate) fn texts(value: &Value) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().map(text).collect(),
        one => vec![text(one)],
    }
}

/// Condition keys of a request, one value each.
pub(crate) fn context<const N: usize>(keys: [(&str, &str); N]) -> Context {
    let pairs = keys.into_iter().map(|(key, value)| (key.to_owned(), vec![value.to_owned()]));
    pairs.collect::<BTreeMap<_, _>>()
}
