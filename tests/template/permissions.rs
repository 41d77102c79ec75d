//! Who may do what, and what is denied to everyone.

use serde_json::Value;

use crate::reading::{document, logical_ids, properties, strings, template, text};

/// Every action that any version of the stack may allow. Another one is a decision to be made here first.
const PERMISSION_TABLE: [&str; 24] = [
    "dynamodb:BatchGetItem",
    "dynamodb:GetItem",
    "dynamodb:UpdateItem",
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "lambda:InvokeFunction",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "s3:GetBucketLocation",
    "s3:GetObject",
    "s3:ListBucket",
    "s3:PutObject",
    "secretsmanager:GetSecretValue",
    "sns:Publish",
    "sns:Subscribe",
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
    "sqs:ReceiveMessage",
    "sqs:SendMessage",
    "sts:AssumeRole",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
];

#[test]
fn every_allowed_action_is_in_the_permission_table() {
    for statement in allowed(&template()) {
        assert!(statement.get("NotAction").is_none(), "{statement}");
        for action in strings(&statement["Action"]) {
            let known = PERMISSION_TABLE.contains(&action.as_str());
            assert!(known, "{action} in {statement}");
        }
    }
}

#[test]
fn nothing_is_allowed_on_a_wildcard_resource() {
    for statement in allowed(&template()) {
        assert!(statement.get("NotResource").is_none(), "{statement}");
        for resource in strings(&statement["Resource"]) {
            // A path below a bucket may end in a wildcard; what comes before it names the bucket.
            let named = resource.split('*').next().unwrap().contains("${");
            assert!(named, "{resource} in {statement}");
        }
    }
}

#[test]
fn policies_are_where_these_tests_look() {
    let template = template();
    let resources = template["Resources"].as_object().unwrap();
    let mut holders: Vec<_> =
        resources.iter().filter(|(_, it)| !statements(it).is_empty()).map(|(id, _)| id).collect();
    holders.sort();
    assert_eq!(
        holders,
        [
            "AlarmTopicPolicy",
            "ArchiveBucketPolicy",
            "ArchiveTopicPolicy",
            "CollectorRole",
            "ScheduleRole",
            "SiemQueue1Policy",
            "SiemQueue2Policy",
            "SiemQueue3Policy",
            "SiemReaderRole",
            "StateBucketPolicy",
        ]
    );
    assert_eq!(
        logical_ids(&template, "AWS::IAM::Role"),
        ["CollectorRole", "ScheduleRole", "SiemReaderRole"]
    );
    for id in ["CollectorRole", "ScheduleRole", "SiemReaderRole"] {
        assert!(
            properties(&template, id).get("ManagedPolicyArns").is_none(),
            "{id} has a managed policy"
        );
    }
    let collector = properties(&template, "Collector");
    assert_eq!(text(&collector["Role"]), "${CollectorRole.Arn}");
    assert!(collector.get("Policies").is_none(), "policies beside those of CollectorRole");
}

#[test]
fn collector_role_allows_exactly_this() {
    insta::assert_snapshot!(role(&template(), "CollectorRole"), @"
    AssumeByLambda: Allow sts:AssumeRole
      to lambda.amazonaws.com
    MoveCursors: Allow dynamodb:GetItem dynamodb:BatchGetItem dynamodb:UpdateItem
      on ${CursorTable.Arn}
    WriteArchive: Allow s3:PutObject s3:GetObject
      on ${ArchiveBucket.Arn}/*
    KeepState: Allow s3:PutObject s3:GetObject
      on ${StateBucket.Arn}/streams/v1/* ${StateBucket.Arn}/lanes/v1/* ${StateBucket.Arn}/organizations/v1/* ${StateBucket.Arn}/journal/v1/* ${StateBucket.Arn}/index/v1/*
    ListArchive: Allow s3:ListBucket
      on ${ArchiveBucket.Arn}
    ListState: Allow s3:ListBucket
      on ${StateBucket.Arn}
      if StringLikeIfExists s3:prefix: streams/v1/* lanes/v1/* journal/v1/* index/v1/*
    ReadSecret: Allow secretsmanager:GetSecretValue
      on (CreateSecret ? ${JumpCloudSecret} : ${JumpCloudSecretArn})
      if StringEquals secretsmanager:VersionStage: AWSCURRENT
    ShareWork: Allow sqs:SendMessage sqs:ReceiveMessage sqs:DeleteMessage sqs:ChangeMessageVisibility sqs:GetQueueAttributes
      on ${WorkQueue.Arn}
    ReportFailedRuns: Allow sqs:SendMessage
      on ${FailureQueue.Arn}
    WriteLog: Allow logs:CreateLogStream logs:PutLogEvents
      on ${CollectorLogGroup.Arn}
    with HasKey
    UseKeyForBuckets: Allow kms:GenerateDataKey kms:Decrypt
      on ${KmsKeyArn}
      if StringEquals kms:EncryptionContext:aws:s3:arn: ${ArchiveBucket.Arn} ${StateBucket.Arn}
      if StringEquals kms:ViaService: s3.${AWS::Region}.${AWS::URLSuffix}
    with HasKey
    UseKeyForTable: Allow kms:GenerateDataKey kms:Decrypt
      on ${KmsKeyArn}
      if StringEquals kms:ViaService: dynamodb.${AWS::Region}.${AWS::URLSuffix}
    with HasKey
    UseKeyForSecret: Allow kms:Decrypt
      on ${KmsKeyArn}
      if StringEquals kms:ViaService: secretsmanager.${AWS::Region}.${AWS::URLSuffix}
    with HasFormerKeys
    ReadWithFormerKeys: Allow kms:Decrypt
      on ${FormerKmsKeyArns}
      if StringEquals kms:EncryptionContext:aws:s3:arn: ${ArchiveBucket.Arn} ${StateBucket.Arn}
      if StringEquals kms:ViaService: s3.${AWS::Region}.${AWS::URLSuffix}
    with HasFormerKeys
    UseFormerKeysForTableAndSecret: Allow kms:Decrypt
      on ${FormerKmsKeyArns}
      if StringEquals kms:ViaService: dynamodb.${AWS::Region}.${AWS::URLSuffix} secretsmanager.${AWS::Region}.${AWS::URLSuffix}
    ");
}

#[test]
fn schedule_role_allows_exactly_this() {
    insta::assert_snapshot!(role(&template(), "ScheduleRole"), @"
    AssumeByScheduler: Allow sts:AssumeRole
      to scheduler.amazonaws.com
      if StringEquals aws:SourceAccount: ${AWS::AccountId}
      if StringEquals aws:SourceArn: ${ScheduleGroup.Arn}
    RunCollector: Allow lambda:InvokeFunction
      on ${Collector.Arn}
    ReportMissedRuns: Allow sqs:SendMessage
      on ${ScheduleDeadLetterQueue.Arn}
    ");
}

/// It reads events and takes messages: it cannot write, nor delete, nor see the state.
#[test]
fn siem_reader_role_allows_exactly_this() {
    insta::assert_snapshot!(role(&template(), "SiemReaderRole"), @"
    AssumeBySiem: Allow sts:AssumeRole
      to ${SiemPrincipalArn}
      if StringEquals sts:ExternalId: ${SiemExternalId}
    ReadEvents: Allow s3:GetObject
      on ${ArchiveBucket.Arn}/${ArchivePrefix}*
    ListEvents: Allow s3:ListBucket
      on ${ArchiveBucket.Arn}
      if StringLike s3:prefix: ${ArchivePrefix}*
    FindBucket: Allow s3:GetBucketLocation
      on ${ArchiveBucket.Arn}
    with HasSiemQueue1
    TakeMessages: Allow sqs:ReceiveMessage sqs:DeleteMessage sqs:ChangeMessageVisibility sqs:GetQueueAttributes sqs:GetQueueUrl
      on ${SiemQueue1.Arn} (HasSiemQueue2 ? ${SiemQueue2.Arn} : ${AWS::NoValue}) (HasSiemQueue3 ? ${SiemQueue3.Arn} : ${AWS::NoValue})
    with HasKey
    UseKeyForEvents: Allow kms:Decrypt
      on ${KmsKeyArn}
      if StringEquals kms:EncryptionContext:aws:s3:arn: ${ArchiveBucket.Arn}
      if StringEquals kms:ViaService: s3.${AWS::Region}.${AWS::URLSuffix}
    with HasFormerKeys
    ReadWithFormerKeys: Allow kms:Decrypt
      on ${FormerKmsKeyArns}
      if StringEquals kms:EncryptionContext:aws:s3:arn: ${ArchiveBucket.Arn}
      if StringEquals kms:ViaService: s3.${AWS::Region}.${AWS::URLSuffix}
    ");
}

/// Whoever publishes or sends is a service of AWS that acts for this account, or for this topic.
#[test]
fn topics_and_queues_take_messages_from_exactly_these() {
    let template = template();
    let mut all = String::new();
    for id in ["ArchiveTopicPolicy", "AlarmTopicPolicy", "SiemQueue1Policy"] {
        all.push_str(&document(&properties(&template, id)["PolicyDocument"]));
    }
    insta::assert_snapshot!(all, @"
    TellOfObjects: Allow sns:Publish
      to s3.amazonaws.com
      on ${ArchiveTopic}
      if ArnLike aws:SourceArn: arn:${AWS::Partition}:s3:::*
      if StringEquals aws:SourceAccount: ${AWS::AccountId}
    with HasSubscribers
    SubscribeFromOtherAccounts: Allow sns:Subscribe
      to ${SubscriberAccountIds}
      on ${ArchiveTopic}
      if StringEquals sns:Protocol: sqs
    DenyPlainHttp: Deny sns:Publish
      to *
      on ${ArchiveTopic}
      if Bool aws:SecureTransport: false
    RaiseAlarms: Allow sns:Publish
      to cloudwatch.amazonaws.com
      on ${AlarmTopic}
      if ArnLike aws:SourceArn: arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:*
      if StringEquals aws:SourceAccount: ${AWS::AccountId}
    DenyPlainHttp: Deny sns:Publish
      to *
      on ${AlarmTopic}
      if Bool aws:SecureTransport: false
    TellOfObjects: Allow sqs:SendMessage
      to sns.amazonaws.com
      on ${SiemQueue1.Arn}
      if ArnEquals aws:SourceArn: ${ArchiveTopic}
    ");
    let policy = |n: u8| {
        let policy = properties(&template, &format!("SiemQueue{n}Policy")).to_string();
        policy.replace(&format!("SiemQueue{n}"), "SiemQueue#")
    };
    assert_eq!((policy(2), policy(3)), (policy(1), policy(1)), "every reader as the first");
}

/// Only for the function's role: a service that acts for another account is refused.
#[test]
fn every_service_that_is_trusted_acts_for_this_account_alone() {
    for statement in allowed(&template()) {
        let service = statement["Principal"]["Service"].as_str();
        let Some(service) = service.filter(|service| *service != "lambda.amazonaws.com") else {
            continue;
        };
        let conditions = statement["Condition"].to_string();
        assert!(conditions.contains("aws:SourceArn"), "{service}: {statement}");
        // The topic's own ARN names the account.
        let is_named =
            conditions.contains("aws:SourceAccount") || conditions.contains("ArchiveTopic");
        assert!(is_named, "{service}: {statement}");
    }
}

#[test]
fn archive_bucket_policy_denies_exactly_this() {
    let template = template();
    let policy = properties(&template, "ArchiveBucketPolicy");
    assert_eq!(text(&policy["Bucket"]), "${ArchiveBucket}");
    insta::assert_snapshot!(document(&policy["PolicyDocument"]), @"
    DenyPlainHttp: Deny s3:*
      to *
      on ${ArchiveBucket.Arn} ${ArchiveBucket.Arn}/*
      if Bool aws:SecureTransport: false
    DenyOldTls: Deny s3:*
      to *
      on ${ArchiveBucket.Arn} ${ArchiveBucket.Arn}/*
      if NumericLessThan s3:TlsVersion: 1.2
    DenyOverwrite: Deny s3:PutObject
      to *
      on ${ArchiveBucket.Arn}/*
      if Null s3:if-none-match: true
    DenyReplication: Deny s3:ReplicateObject s3:ReplicateDelete s3:ReplicateTags
      to *
      on ${ArchiveBucket.Arn}/*
    DenyDeleteByCollector: Deny s3:DeleteObject s3:DeleteObjectVersion
      to *
      on ${ArchiveBucket.Arn}/*
      if ArnEquals aws:PrincipalArn: ${CollectorRole.Arn}
    DenyOtherAccounts: Deny s3:*
      to *
      on ${ArchiveBucket.Arn} ${ArchiveBucket.Arn}/*
      if BoolIfExists aws:PrincipalIsAWSService: false
      if StringNotEquals aws:PrincipalAccount: ${AWS::AccountId}
    with HasKey
    DenyOtherKey: Deny s3:PutObject
      to *
      on ${ArchiveBucket.Arn}/*
      if Null s3:x-amz-server-side-encryption-aws-kms-key-id: false
      if StringNotEquals s3:x-amz-server-side-encryption-aws-kms-key-id: ${KmsKeyArn}
    without HasKey
    DenyOtherEncryption: Deny s3:PutObject
      to *
      on ${ArchiveBucket.Arn}/*
      if Null s3:x-amz-server-side-encryption: false
      if StringNotEquals s3:x-amz-server-side-encryption: AES256
    with HasKey
    DenyKeyLeftOut: Deny s3:PutObject
      to *
      on ${ArchiveBucket.Arn}/*
      if Null s3:x-amz-server-side-encryption: false
      if Null s3:x-amz-server-side-encryption-aws-kms-key-id: true
    DenyCallersKey: Deny s3:PutObject
      to *
      on ${ArchiveBucket.Arn}/*
      if Null s3:x-amz-server-side-encryption-customer-algorithm: false
    ");
}

#[test]
fn state_bucket_policy_denies_exactly_this() {
    let template = template();
    let policy = properties(&template, "StateBucketPolicy");
    assert_eq!(text(&policy["Bucket"]), "${StateBucket}");
    insta::assert_snapshot!(document(&policy["PolicyDocument"]), @"
    DenyPlainHttp: Deny s3:*
      to *
      on ${StateBucket.Arn} ${StateBucket.Arn}/*
      if Bool aws:SecureTransport: false
    DenyOldTls: Deny s3:*
      to *
      on ${StateBucket.Arn} ${StateBucket.Arn}/*
      if NumericLessThan s3:TlsVersion: 1.2
    DenyOverwrite: Deny s3:PutObject
      to *
      on ${StateBucket.Arn}/*
      if Null s3:if-none-match: true
    DenyReplication: Deny s3:ReplicateObject s3:ReplicateDelete s3:ReplicateTags
      to *
      on ${StateBucket.Arn}/*
    DenyDeleteByCollector: Deny s3:DeleteObject s3:DeleteObjectVersion
      to *
      on ${StateBucket.Arn}/*
      if ArnEquals aws:PrincipalArn: ${CollectorRole.Arn}
    DenyOtherAccounts: Deny s3:*
      to *
      on ${StateBucket.Arn} ${StateBucket.Arn}/*
      if BoolIfExists aws:PrincipalIsAWSService: false
      if StringNotEquals aws:PrincipalAccount: ${AWS::AccountId}
    with HasKey
    DenyOtherKey: Deny s3:PutObject
      to *
      on ${StateBucket.Arn}/*
      if Null s3:x-amz-server-side-encryption-aws-kms-key-id: false
      if StringNotEquals s3:x-amz-server-side-encryption-aws-kms-key-id: ${KmsKeyArn}
    without HasKey
    DenyOtherEncryption: Deny s3:PutObject
      to *
      on ${StateBucket.Arn}/*
      if Null s3:x-amz-server-side-encryption: false
      if StringNotEquals s3:x-amz-server-side-encryption: AES256
    with HasKey
    DenyKeyLeftOut: Deny s3:PutObject
      to *
      on ${StateBucket.Arn}/*
      if Null s3:x-amz-server-side-encryption: false
      if Null s3:x-amz-server-side-encryption-aws-kms-key-id: true
    DenyCallersKey: Deny s3:PutObject
      to *
      on ${StateBucket.Arn}/*
      if Null s3:x-amz-server-side-encryption-customer-algorithm: false
    ");
}

/// Every statement that allows something, wherever in the resources it is.
fn allowed(template: &Value) -> Vec<&Value> {
    let all = statements(&template["Resources"]);
    all.into_iter().filter(|it| it["Effect"] == "Allow").collect()
}

/// Every policy statement in a part of the template.
fn statements(part: &Value) -> Vec<&Value> {
    let own = part.get("Effect").map(|_| part);
    let below: Vec<&Value> = match part {
        Value::Object(members) => members.values().flat_map(statements).collect(),
        Value::Array(items) => items.iter().flat_map(statements).collect(),
        _ => Vec::new(),
    };
    own.into_iter().chain(below).collect()
}

/// A role's trust and permissions as text.
fn role(template: &Value, id: &str) -> String {
    let role = properties(template, id);
    let mut all = document(&role["AssumeRolePolicyDocument"]);
    for policy in role["Policies"].as_array().unwrap() {
        all.push_str(&document(&policy["PolicyDocument"]));
    }
    all
}
