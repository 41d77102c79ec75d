//! What the stack's roles may not read, and what no key is for.

use super::Attempts;
use crate::iam::calls::siem_queues;
use crate::iam::conditions::Context;
use crate::iam::policy::context;
use crate::iam::stack::{FORMER_KEY, KEY, OTHER_KEY, REGION};

impl Attempts<'_> {
    pub(super) fn read_what_is_not_theirs(&mut self) {
        let none = Context::new();
        let prefix = self.stack.parameter("ArchivePrefix").to_owned();
        let queues = siem_queues(self.stack);
        let mut readers = vec![self.role("ScheduleRole")];
        if self.stack.has("SiemReaderRole") {
            readers.push(self.role("SiemReaderRole"));
        }
        for caller in &readers {
            let is_siem = *caller != readers[0];
            for object in self.objects() {
                let is_event = object.starts_with(&format!("arn:aws:s3:::archive/{prefix}"));
                if !(is_siem && is_event) {
                    self.add(caller, "s3:GetObject", &object, &none);
                }
                self.add(caller, "s3:PutObject", &object, &context([("s3:if-none-match", "*")]));
            }
            for (bucket, prefix) in [
                ("ArchiveBucket", "quarantine/"),
                ("ArchiveBucket", ""),
                ("StateBucket", "journal/v1/"),
            ] {
                let bucket = self.stack.arn(bucket);
                self.add(caller, "s3:ListBucket", &bucket, &context([("s3:prefix", prefix)]));
            }
            self.add(caller, "s3:ListBucket", &self.stack.arn("ArchiveBucket"), &none);
            let own = context([("s3:prefix", &prefix)]);
            self.add(caller, "s3:ListBucketVersions", &self.stack.arn("ArchiveBucket"), &own);
            for action in ["s3:ListBucket", "s3:GetBucketLocation"] {
                self.add(caller, action, "arn:aws:s3:::another", &own);
                self.add(caller, action, &self.stack.arn("StateBucket"), &own);
            }
            let stage = context([("secretsmanager:VersionStage", "AWSCURRENT")]);
            let secret = self.stack.arn("JumpCloudSecret");
            self.add(caller, "secretsmanager:GetSecretValue", &secret, &stage);
            self.add(caller, "dynamodb:GetItem", &self.stack.arn("CursorTable"), &none);
            for queue in self.stack.ids("AWS::SQS::Queue") {
                let arn = self.stack.arn(&queue);
                if !(is_siem && queues.contains(&queue)) {
                    self.add(caller, "sqs:ReceiveMessage", &arn, &none);
                    self.add(caller, "sqs:DeleteMessage", &arn, &none);
                }
                if is_siem || queue != "ScheduleDeadLetterQueue" {
                    self.add(caller, "sqs:SendMessage", &arn, &none);
                }
                self.add(caller, "sqs:PurgeQueue", &arn, &none);
            }
        }
    }

    pub(super) fn use_the_key(&mut self) {
        let services = ["s3", "dynamodb", "secretsmanager", "ec2"];
        let via = services.map(|service| format!("{service}.{REGION}.amazonaws.com"));
        let arn = "kms:EncryptionContext:aws:s3:arn";
        let [archive, state] = ["ArchiveBucket", "StateBucket"].map(|id| self.stack.arn(id));
        for caller in self.roles() {
            let is_siem = self.stack.has("SiemReaderRole") && caller == self.role("SiemReaderRole");
            for key in [KEY, FORMER_KEY] {
                for action in ["kms:Decrypt", "kms:GenerateDataKey"] {
                    let elsewhere = [("kms:ViaService", &*via[0]), (arn, "arn:aws:s3:::another")];
                    for keys in [
                        Context::new(),
                        context([("kms:ViaService", &via[0])]),
                        context([("kms:ViaService", &via[3])]),
                        context([(arn, &archive)]),
                        context(elsewhere),
                    ] {
                        self.add(&caller, action, key, &keys);
                    }
                    // A key that the stack was never told of.
                    let of_archive = context([("kms:ViaService", &via[0]), (arn, &archive)]);
                    for keys in [of_archive, context([("kms:ViaService", &via[1])])] {
                        self.add(&caller, action, OTHER_KEY, &keys);
                    }
                }
                self.add(
                    &caller,
                    "kms:Decrypt",
                    OTHER_KEY,
                    &context([("kms:ViaService", &via[2])]),
                );
                for service in &via {
                    let keys = context([("kms:ViaService", service), (arn, &archive)]);
                    for action in ["Encrypt", "CreateGrant", "PutKeyPolicy", "ScheduleKeyDeletion"]
                    {
                        self.add(&caller, &format!("kms:{action}"), key, &keys);
                    }
                    if is_siem || key == FORMER_KEY || *service == via[2] {
                        self.add(&caller, "kms:GenerateDataKey", key, &keys);
                    }
                }
                if is_siem {
                    let of_state = context([("kms:ViaService", &via[0]), (arn, &state)]);
                    self.add(&caller, "kms:Decrypt", key, &of_state);
                }
            }
        }
    }
}
