//! What AWS decides, by its own documentation: `cases.json`, written before the evaluator that it is held against.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use crate::iam::conditions::Context;
use crate::iam::policy::{ACCOUNT, Call, Caller, Decision, Statement, decide};

/// One decision of AWS's.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// `role` of the account, its `root`, a role of an `other` account, `anonymous`, or a service's name.
    pub(crate) who: String,
    /// Statements of the caller's own policies.
    pub(crate) identity: Vec<Value>,
    /// Statements of the resource's policy.
    pub(crate) resource: Vec<Value>,
    pub(crate) action: String,
    /// The resource's ARN.
    pub(crate) on: String,
    /// Condition keys of the request, beside those that follow from who calls.
    pub(crate) context: Context,
    pub(crate) allowed: bool,
    /// The sentence that decides.
    pub(crate) because: String,
    /// The page on which it is documented, of the IAM User Guide unless it names another.
    pub(crate) page: String,
}

pub(crate) fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("cases.json")).unwrap()
}

#[test]
fn every_case_names_the_sentence_that_decides_it() {
    let cases = cases();
    assert!(cases.len() >= 40, "{}", cases.len());
    let names: BTreeSet<_> = cases.iter().map(|case| &case.name).collect();
    assert_eq!(names.len(), cases.len(), "two cases of one name");
    for case in &cases {
        assert!(
            case.because.trim_end_matches('"').ends_with('.') && !case.page.is_empty(),
            "{}",
            case.name
        );
    }
}

#[test]
fn the_evaluator_decides_as_the_documentation_says() {
    let mut wrong = Vec::new();
    for case in cases() {
        let caller = match &*case.who {
            "role" => Caller::Identity(format!("arn:aws:iam::{ACCOUNT}:role/role")),
            "other" => Caller::Identity("arn:aws:iam::444455556666:role/other".to_owned()),
            "root" => Caller::Root(ACCOUNT.to_owned()),
            "anonymous" => Caller::Anonymous,
            service => Caller::Service(service.to_owned()),
        };
        let call = Call { caller, action: case.action, resource: case.on, context: case.context };
        let [identity, resource] = [case.identity, case.resource]
            .map(|statements| statements.iter().map(Statement::read).collect::<Vec<_>>());
        let decision = decide(&call, &identity, &resource);
        if (decision == Decision::Allowed) != case.allowed {
            wrong.push(format!("{}: {decision:?}, but: {}", case.name, case.because));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
