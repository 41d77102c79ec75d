//! Calls that must be denied: by the function's role as by an administrator and the root user, by
//! the SIEM's role, by strangers and by services that act for strangers.

mod objects;
mod outsiders;
mod readers;
mod services;

use serde_json::json;

use crate::iam::conditions::Context;
use crate::iam::policy::{ACCOUNT, Call, Caller, Decision, Statement, decide};
use crate::iam::stack::{ADMINISTRATOR, Policies, Stack};

/// What else went wrong before the call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lapse {
    Nothing,
    /// Somebody gave the caller the right to do everything.
    AllowedEverything,
    /// Somebody opened the bucket to everybody.
    OpenedToAll,
}

/// A call that must not be allowed.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) call: Call,
    pub(crate) lapse: Lapse,
}

impl Attempt {
    /// What AWS would answer.
    pub(crate) fn decide(&self, policies: &Policies) -> Decision {
        let everything =
            json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"});
        let everything = Statement::read(&everything);
        match self.lapse {
            Lapse::Nothing => policies.decide(&self.call),
            Lapse::AllowedEverything => {
                decide(&self.call, &[everything], policies.of_resource(&self.call.resource))
            }
            Lapse::OpenedToAll => {
                let bucket = policies.of_resource(&self.call.resource);
                let bucket = [bucket, std::slice::from_ref(&everything)].concat();
                decide(&self.call, &[everything], &bucket)
            }
        }
    }
}

/// Collects attempts.
struct Attempts<'a> {
    stack: &'a Stack,
    all: Vec<Attempt>,
}

/// Every call that must be refused for these parameters.
pub(crate) fn attempts(stack: &Stack) -> Vec<Attempt> {
    let mut attempts = Attempts { stack, all: Vec::new() };
    attempts.overwrite();
    attempts.write_with_another_key();
    attempts.change_what_is_there();
    attempts.come_from_outside();
    attempts.read_what_is_not_theirs();
    attempts.use_the_key();
    attempts.misuse_secret_and_table();
    attempts.go_beyond_their_task();
    attempts.deceive_publishers();
    attempts.deceive_scheduler_and_lambda();
    attempts.deceive_queues();
    attempts.all
}

impl Attempts<'_> {
    fn add(&mut self, caller: &Caller, action: &str, resource: &str, keys: &Context) {
        self.add_despite(Lapse::Nothing, caller, action, resource, keys);
    }

    fn add_despite(
        &mut self,
        lapse: Lapse,
        caller: &Caller,
        action: &str,
        resource: &str,
        keys: &Context,
    ) {
        let (action, resource) = (action.to_owned(), resource.to_owned());
        let call = Call { caller: caller.clone(), action, resource, context: keys.clone() };
        self.all.push(Attempt { call, lapse });
    }

    fn role(&self, id: &str) -> Caller {
        Caller::Identity(self.stack.arn(id))
    }

    /// The roles of the stack that are not an administrator's.
    fn roles(&self) -> Vec<Caller> {
        let roles = self.stack.ids("AWS::IAM::Role");
        roles.iter().map(|id| self.role(id)).collect()
    }

    /// Objects all over both buckets.
    fn objects(&self) -> Vec<String> {
        let keys = [
            "events/x",
            "logs/x",
            "quarantine/x",
            "snapshots/x",
            "preflight/x",
            "x",
            "streams/v1/x",
            "lanes/v1/self/x",
            "organizations/v1/x",
            "journal/v1/self/x",
            "index/v1/self/x",
        ];
        let buckets = ["ArchiveBucket", "StateBucket"].map(|id| self.stack.arn(id));
        buckets.iter().flat_map(|bucket| keys.map(|key| format!("{bucket}/{key}"))).collect()
    }

    /// Whoever could: those of the account that a denial alone stops.
    fn insiders(&self) -> [Caller; 3] {
        let administrator = Caller::Identity(ADMINISTRATOR.to_owned());
        [self.role("CollectorRole"), administrator, Caller::Root(ACCOUNT.to_owned())]
    }
}
