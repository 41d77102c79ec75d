//! What the function and the schedule may not do, and services that act for strangers.

use super::{Attempts, Lapse};
use crate::iam::conditions::Context;
use crate::iam::policy::{ACCOUNT, Caller, context};
use crate::iam::stack::REGION;

/// An account that the stack knows nothing of.
const OTHER: &str = "444455556666";

impl Attempts<'_> {
    pub(super) fn misuse_secret_and_table(&mut self) {
        let none = Context::new();
        let collector = self.role("CollectorRole");
        let secret = self.stack.arn("JumpCloudSecret");
        for keys in [
            context([("secretsmanager:VersionId", "11111111-2222")]),
            context([("secretsmanager:VersionStage", "AWSPREVIOUS")]),
            Context::new(),
        ] {
            self.add(&collector, "secretsmanager:GetSecretValue", &secret, &keys);
        }
        let stage = context([("secretsmanager:VersionStage", "AWSCURRENT")]);
        let other = secret.replace("api-key", "another");
        self.add(&collector, "secretsmanager:GetSecretValue", &other, &stage);
        for action in ["PutSecretValue", "UpdateSecret", "DeleteSecret", "DescribeSecret"] {
            self.add(&collector, &format!("secretsmanager:{action}"), &secret, &stage);
        }
        let table = self.stack.arn("CursorTable");
        for action in [
            "DeleteItem",
            "PutItem",
            "Scan",
            "Query",
            "BatchWriteItem",
            "UpdateTable",
            "DeleteTable",
        ] {
            self.add(&collector, &format!("dynamodb:{action}"), &table, &none);
        }
        for action in ["GetItem", "BatchGetItem", "UpdateItem"] {
            let other = table.replace("cursors", "another");
            self.add(&collector, &format!("dynamodb:{action}"), &other, &none);
        }
    }

    /// Queues, logs, functions and buckets that are not for the function or the schedule.
    pub(super) fn go_beyond_their_task(&mut self) {
        let none = Context::new();
        let collector = self.role("CollectorRole");
        for queue in self.stack.ids("AWS::SQS::Queue") {
            let arn = self.stack.arn(&queue);
            for action in ["PurgeQueue", "DeleteQueue", "SetQueueAttributes", "AddPermission"] {
                self.add(&collector, &format!("sqs:{action}"), &arn, &none);
            }
            if queue != "WorkQueue" {
                self.add(&collector, "sqs:ReceiveMessage", &arn, &none);
            }
            if queue != "WorkQueue" && queue != "FailureQueue" {
                self.add(&collector, "sqs:SendMessage", &arn, &none);
            }
        }
        let group = self.stack.arn("CollectorLogGroup");
        for action in [
            "CreateLogGroup",
            "DeleteLogGroup",
            "DeleteLogStream",
            "PutRetentionPolicy",
            "GetLogEvents",
        ] {
            self.add(&collector, &format!("logs:{action}"), &group, &none);
        }
        for action in ["CreateLogStream", "PutLogEvents"] {
            let other = group.replace("CollectorLogGroup", "another");
            self.add(&collector, &format!("logs:{action}"), &other, &none);
        }
        let prefix = context([("s3:prefix", "streams/v1/")]);
        self.add(&collector, "s3:ListBucket", "arn:aws:s3:::another", &prefix);
        let elsewhere = "arn:aws:s3:::another/x";
        self.add(&collector, "s3:PutObject", elsewhere, &context([("s3:if-none-match", "*")]));
        let schedule = self.role("ScheduleRole");
        let function = self.stack.arn("Collector");
        for (caller, action, resource) in [
            (&collector, "lambda:InvokeFunction", function.clone()),
            (&collector, "iam:PassRole", self.stack.arn("CollectorRole")),
            (&collector, "sts:AssumeRole", self.stack.arn("ScheduleRole")),
            (&schedule, "lambda:InvokeFunction", function.replace("Collector", "another")),
            (&schedule, "lambda:UpdateFunctionCode", function),
        ] {
            self.add(caller, action, &resource, &none);
        }
        for state in ["other/v1/x", "streams/x"] {
            let state = format!("{}/{state}", self.stack.arn("StateBucket"));
            for action in ["s3:PutObject", "s3:GetObject"] {
                let keys = context([("s3:if-none-match", "*")]);
                self.add(&collector, action, &state, &keys);
            }
        }
        let keys = context([("s3:prefix", "other/")]);
        self.add(&collector, "s3:ListBucket", &self.stack.arn("StateBucket"), &keys);
    }

    /// A service that does this with these condition keys, for whoever asked it to.
    fn add_of(&mut self, service: &str, action: &str, resource: &str, keys: &Context) {
        let caller = Caller::Service(format!("{service}.amazonaws.com"));
        self.add(&caller, action, resource, keys);
    }

    /// Services that are asked by another account to publish, or to other topics than theirs.
    pub(super) fn deceive_publishers(&mut self) {
        let (archive, alarms) = (self.stack.arn("ArchiveTopic"), self.stack.arn("AlarmTopic"));
        let (publish, subscribe) = ("sns:Publish", "sns:Subscribe");
        let bucket = "arn:aws:s3:::archive";
        let alarm = format!("arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:ours");
        let theirs = alarm.replace(ACCOUNT, OTHER);
        for keys in [
            source("arn:aws:s3:::theirs", OTHER),
            source(&alarm, ACCOUNT),
            context([("aws:SourceArn", bucket)]),
            context([("aws:SourceAccount", ACCOUNT)]),
            Context::new(),
        ] {
            self.add_of("s3", publish, &archive, &keys);
        }
        for keys in [
            source(&theirs, OTHER),
            source(&theirs, ACCOUNT),
            context([("aws:SourceArn", &alarm)]),
            context([("aws:SourceAccount", ACCOUNT)]),
            Context::new(),
        ] {
            self.add_of("cloudwatch", publish, &alarms, &keys);
        }
        let (of_bucket, of_alarm) = (source(bucket, ACCOUNT), source(&alarm, ACCOUNT));
        self.add_of("s3", publish, &alarms, &of_bucket);
        self.add_of("s3", subscribe, &archive, &of_bucket);
        self.add_of("cloudwatch", publish, &archive, &of_alarm);
        self.add_of("cloudwatch", subscribe, &alarms, &of_alarm);
        self.add_of("events", publish, &archive, &of_bucket);
        self.add_of("events", publish, &alarms, &of_alarm);
        let plain = context([("aws:SecureTransport", "false")]);
        for topic in [archive, alarms] {
            for caller in self.insiders() {
                self.add_despite(Lapse::AllowedEverything, &caller, publish, &topic, &plain);
            }
        }
    }

    /// Services that take on a role which is not theirs, or for another account.
    pub(super) fn deceive_scheduler_and_lambda(&mut self) {
        let [role, collector] = ["ScheduleRole", "CollectorRole"].map(|id| self.stack.arn(id));
        let group = self.stack.arn("ScheduleGroup");
        let ours = source(&group, ACCOUNT);
        let assume = "sts:AssumeRole";
        for keys in [
            source(&group.replace(ACCOUNT, OTHER), OTHER),
            source(&group.replace("ScheduleGroup", "another"), ACCOUNT),
            context([("aws:SourceArn", &group)]),
            context([("aws:SourceAccount", ACCOUNT)]),
            Context::new(),
        ] {
            self.add_of("scheduler", assume, &role, &keys);
        }
        self.add_of("scheduler", "sts:TagSession", &role, &ours);
        self.add_of("scheduler", assume, &collector, &ours);
        self.add_of("events", assume, &role, &ours);
        self.add_of("lambda", assume, &role, &Context::new());
        self.add_of("lambda", "sts:TagSession", &collector, &Context::new());
        self.add_of("ec2", assume, &collector, &Context::new());
    }

    /// Services that send to queues for others than this stack's topic.
    pub(super) fn deceive_queues(&mut self) {
        let topic = self.stack.arn("ArchiveTopic");
        let ours = source(&topic, ACCOUNT);
        let send = "sqs:SendMessage";
        for queue in self.stack.ids("AWS::SQS::Queue").iter().map(|id| self.stack.arn(id)) {
            for keys in [
                source(&topic.replace(ACCOUNT, OTHER), OTHER),
                source(&topic.replace("ArchiveTopic", "another"), ACCOUNT),
                context([("aws:SourceAccount", ACCOUNT)]),
                Context::new(),
            ] {
                self.add_of("sns", send, &queue, &keys);
            }
            self.add_of("sns", "sqs:ReceiveMessage", &queue, &ours);
            for service in ["s3", "sqs", "events", "scheduler"] {
                self.add_of(service, send, &queue, &ours);
            }
        }
    }
}

/// The condition keys of a service that acts for a resource of an account.
fn source(arn: &str, account: &str) -> Context {
    context([("aws:SourceArn", arn), ("aws:SourceAccount", account)])
}
