//! Whoever comes from another account, or from none.

use super::{Attempts, Lapse};
use crate::iam::conditions::Context;
use crate::iam::policy::{Caller, context};
use crate::iam::stack::{SIEM, STRANGER, SUBSCRIBER};

impl Attempts<'_> {
    pub(super) fn come_from_outside(&mut self) {
        let once = context([("s3:if-none-match", "*")]);
        let outsiders = [
            Caller::Identity(STRANGER.to_owned()),
            Caller::Root("444455556666".to_owned()),
            Caller::Anonymous,
        ];
        for caller in outsiders {
            for object in self.objects() {
                let bucket = object.split('/').next().unwrap().to_owned();
                for lapse in [Lapse::Nothing, Lapse::OpenedToAll] {
                    self.add_despite(lapse, &caller, "s3:PutObject", &object, &once);
                    self.add_despite(lapse, &caller, "s3:GetObject", &object, &Context::new());
                    self.add_despite(lapse, &caller, "s3:DeleteObject", &object, &Context::new());
                    self.add_despite(lapse, &caller, "s3:ListBucket", &bucket, &Context::new());
                }
            }
            for queue in self.stack.ids("AWS::SQS::Queue") {
                for action in ["SendMessage", "ReceiveMessage", "DeleteMessage", "PurgeQueue"] {
                    let queue = self.stack.arn(&queue);
                    self.add(&caller, &format!("sqs:{action}"), &queue, &Context::new());
                }
            }
            for topic in ["ArchiveTopic", "AlarmTopic"].map(|id| self.stack.arn(id)) {
                for action in
                    ["sns:Publish", "sns:Subscribe", "sns:AddPermission", "sns:DeleteTopic"]
                {
                    self.add(&caller, action, &topic, &context([("sns:Protocol", "sqs")]));
                }
            }
            for role in self.stack.ids("AWS::IAM::Role") {
                let keys = context([("sts:ExternalId", "external")]);
                self.add(&caller, "sts:AssumeRole", &self.stack.arn(&role), &keys);
            }
        }
        let subscriber = Caller::Root(SUBSCRIBER.to_owned());
        let [topic, alarms] = ["ArchiveTopic", "AlarmTopic"].map(|id| self.stack.arn(id));
        let by_queue = context([("sns:Protocol", "sqs")]);
        self.add(&subscriber, "sns:Subscribe", &topic, &context([("sns:Protocol", "https")]));
        self.add(&subscriber, "sns:Subscribe", &topic, &Context::new());
        self.add(&subscriber, "sns:AddPermission", &topic, &by_queue);
        self.add(&subscriber, "sns:Publish", &topic, &Context::new());
        self.add(&subscriber, "sns:Subscribe", &alarms, &by_queue);
        if self.stack.has("SiemReaderRole") {
            let siem = Caller::Identity(SIEM.to_owned());
            let role = self.stack.arn("SiemReaderRole");
            for keys in [Context::new(), context([("sts:ExternalId", "another")])] {
                self.add(&siem, "sts:AssumeRole", &role, &keys);
            }
            let external = context([("sts:ExternalId", "external")]);
            self.add(&siem, "sts:TagSession", &role, &external);
        }
    }
}
