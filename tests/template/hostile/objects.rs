//! Writing over objects, writing them otherwise than decided, and changing what is there.

use super::{Attempts, Lapse};
use crate::iam::conditions::Context;
use crate::iam::policy::context;
use crate::iam::stack::FORMER_KEY;

impl Attempts<'_> {
    pub(super) fn overwrite(&mut self) {
        let put = "s3:PutObject";
        let none = Context::new();
        let copy = context([("s3:x-amz-copy-source", "archive/events/other")]);
        let multipart = context([("s3:ObjectCreationOperation", "false")]);
        let complete = context([("s3:ObjectCreationOperation", "true")]);
        let once = [("s3:if-none-match", "*")];
        let matching = context([("s3:if-match", "\"etag\"")]);
        for caller in self.insiders() {
            for object in self.objects() {
                for keys in [&none, &copy, &multipart, &complete, &matching] {
                    self.add_despite(Lapse::AllowedEverything, &caller, put, &object, keys);
                }
                for action in ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"] {
                    self.add_despite(Lapse::AllowedEverything, &caller, action, &object, &none);
                }
                for key in [
                    ("aws:SecureTransport", "false"),
                    ("s3:TlsVersion", "1.1"),
                    ("s3:TlsVersion", "1.0"),
                ] {
                    let keys = context([once[0], key]);
                    self.add_despite(Lapse::AllowedEverything, &caller, put, &object, &keys);
                    self.add_despite(
                        Lapse::AllowedEverything,
                        &caller,
                        "s3:GetObject",
                        &object,
                        &context([key]),
                    );
                    let bucket = object.split('/').next().unwrap();
                    self.add_despite(
                        Lapse::AllowedEverything,
                        &caller,
                        "s3:ListBucket",
                        bucket,
                        &context([key]),
                    );
                }
            }
        }
    }

    pub(super) fn write_with_another_key(&mut self) {
        let once = ("s3:if-none-match", "*");
        let encryption = "s3:x-amz-server-side-encryption";
        let key_id = "s3:x-amz-server-side-encryption-aws-kms-key-id";
        let customer = "s3:x-amz-server-side-encryption-customer-algorithm";
        let other = "arn:aws:kms:us-east-1:444455556666:key/theirs";
        let mut ways = vec![
            context([once, (customer, "AES256")]),
            context([once, (encryption, "aws:kms")]),
            context([once, (encryption, "aws:kms"), (key_id, other)]),
            context([once, (encryption, "aws:kms:dsse"), (key_id, other)]),
            context([once, (encryption, "aws:kms"), (key_id, FORMER_KEY)]),
        ];
        if self.stack.is_given("KmsKeyArn") {
            ways.push(context([once, (encryption, "AES256")]));
            ways.push(context([once, (key_id, other)]));
        }
        for caller in self.insiders() {
            for object in self.objects() {
                for keys in &ways {
                    self.add_despite(
                        Lapse::AllowedEverything,
                        &caller,
                        "s3:PutObject",
                        &object,
                        keys,
                    );
                }
            }
        }
    }

    /// Administrators may delete, because otherwise restoring would be impossible; no role of the
    /// stack may.
    pub(super) fn change_what_is_there(&mut self) {
        let none = Context::new();
        let of_objects = [
            "DeleteObject",
            "DeleteObjectVersion",
            "DeleteObjectTagging",
            "PutObjectAcl",
            "PutObjectVersionAcl",
            "PutObjectTagging",
            "PutObjectRetention",
            "PutObjectLegalHold",
            "BypassGovernanceRetention",
            "RestoreObject",
            "GetObjectVersion",
            "AbortMultipartUpload",
        ];
        let of_buckets = [
            "DeleteBucket",
            "DeleteBucketPolicy",
            "PutBucketPolicy",
            "PutLifecycleConfiguration",
            "PutBucketVersioning",
            "PutReplicationConfiguration",
            "PutEncryptionConfiguration",
            "PutBucketNotification",
            "PutBucketObjectLockConfiguration",
            "PutBucketPublicAccessBlock",
            "ListBucketVersions",
        ];
        for caller in self.roles() {
            for object in self.objects() {
                for action in of_objects {
                    self.add(&caller, &format!("s3:{action}"), &object, &none);
                }
            }
            for bucket in ["ArchiveBucket", "StateBucket"] {
                for action in of_buckets {
                    let bucket = self.stack.arn(bucket);
                    self.add(&caller, &format!("s3:{action}"), &bucket, &none);
                }
            }
        }
        let collector = self.role("CollectorRole");
        for object in self.objects() {
            for action in ["s3:DeleteObject", "s3:DeleteObjectVersion"] {
                self.add_despite(Lapse::AllowedEverything, &collector, action, &object, &none);
            }
        }
    }
}
