//! The policies against the calls: all that must be allowed are, all that must not be are not; and whoever changes a
//! statement meets one of them.

use std::collections::BTreeMap;

use crate::changes::changes;
use crate::hostile::{Attempt, attempts};
use crate::iam::calls::expected;
use crate::iam::policy::{Call, Caller, Decision, Statement};
use crate::iam::stack::{Policies, SETS, Stack};
use crate::reading::path;

/// Changes that no call meets: no statement of the stack's lets a service into a bucket, so no call
/// needs the exception that this denial makes for services. It is for a statement that a customer
/// adds.
const UNMET: [&str; 2] = [
    "arn:aws:s3:::archive, DenyOtherAccounts: whatever aws:PrincipalIsAWSService is",
    "arn:aws:s3:::state, DenyOtherAccounts: whatever aws:PrincipalIsAWSService is",
];

/// The calls of a set, and the policies that they meet.
struct Table {
    policies: Policies,
    expected: Vec<Call>,
    hostile: Vec<Attempt>,
}

impl Table {
    fn of(set: &[(&str, &str)]) -> Self {
        let stack = Stack::of(set);
        assert!(stack.passes_its_rules(), "{set:?}");
        Self { policies: stack.policies(), expected: expected(&stack), hostile: attempts(&stack) }
    }

    /// The calls that meet the policies of one role or resource.
    fn of_holder(&self, holder: &str) -> Self {
        let meets = |call: &Call| {
            matches!(&call.caller, Caller::Identity(arn) if arn == holder)
                || Policies::holder(&call.resource) == holder
        };
        Self {
            policies: self.policies.clone(),
            expected: self.expected.iter().filter(|call| meets(call)).cloned().collect(),
            hostile: self.hostile.iter().filter(|it| meets(&it.call)).cloned().collect(),
        }
    }

    /// Whether some call has another answer than it should.
    fn notices(&self, policies: &Policies) -> bool {
        self.expected.iter().any(|call| policies.decide(call) != Decision::Allowed)
            || self.hostile.iter().any(|attempt| attempt.decide(policies) == Decision::Allowed)
    }

    /// Tries every change of the policies of one kind that was not noticed yet.
    fn try_changes(&self, is_identity: bool, noticed: &mut BTreeMap<String, bool>) {
        let holders = if is_identity { &self.policies.identity } else { &self.policies.resource };
        for (holder, statements) in holders {
            let table = self.of_holder(holder);
            let own = statements.iter().enumerate().filter(|(_, it)| is_of_the_stack(it));
            for (at, statement) in own {
                for (change, changed) in changes(statement, is_identity) {
                    let name = format!("{holder}, {}: {change}", statement.sid);
                    let is_noticed = noticed.entry(name).or_default();
                    if !*is_noticed {
                        let mut mutant = self.policies.clone();
                        let of =
                            if is_identity { &mut mutant.identity } else { &mut mutant.resource };
                        of.entry(holder.clone()).or_default().splice(at..=at, changed);
                        *is_noticed = table.notices(&mutant);
                    }
                }
            }
        }
    }
}

#[test]
fn every_call_that_the_stack_needs_is_allowed_and_no_hostile_one() {
    let (mut allowed, mut refused) = (0, 0);
    let mut wrong = Vec::new();
    for (name, set) in SETS {
        let table = Table::of(set);
        for call in &table.expected {
            let decision = table.policies.decide(call);
            if decision != Decision::Allowed {
                wrong.push(format!("{name}: {call:?}: {decision:?}"));
            }
        }
        for attempt in &table.hostile {
            if attempt.decide(&table.policies) == Decision::Allowed {
                wrong.push(format!("{name}: {attempt:?}: allowed"));
            }
        }
        (allowed, refused) = (allowed + table.expected.len(), refused + table.hostile.len());
    }
    assert!(wrong.is_empty(), "{} wrong answers:\n{}", wrong.len(), wrong.join("\n"));
    let page = std::fs::read_to_string(path("docs/tried.md")).unwrap();
    let told = format!("{allowed} calls allowed, {refused} refused");
    assert!(page.contains(&told), "docs/tried.md does not say: {told}");
}

#[test]
fn every_change_of_a_statement_is_noticed() {
    // By what was changed: it may affect no call in one set, as long as it affects one in another.
    let mut noticed = BTreeMap::<String, bool>::new();
    for (_, set) in SETS {
        let table = Table::of(set);
        table.try_changes(true, &mut noticed);
        table.try_changes(false, &mut noticed);
    }
    let missed: Vec<_> = noticed.iter().filter(|(_, is_noticed)| !**is_noticed).collect();
    let missed: Vec<_> = missed.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(missed, UNMET, "{} changes", noticed.len());
    let page = std::fs::read_to_string(path("docs/tried.md")).unwrap();
    let told = format!("{} of {} changes noticed", noticed.len() - UNMET.len(), noticed.len());
    assert!(page.contains(&told), "docs/tried.md does not say: {told}");
}

/// Not the policies of administrators and keys, which are the account's.
fn is_of_the_stack(statement: &Statement) -> bool {
    !matches!(&*statement.sid, "" | "EnableIamUserPermissions")
}
