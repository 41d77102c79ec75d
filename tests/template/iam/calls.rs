//! Calls that must be allowed: those of the built function, as the end-to-end tests record them in `calls.txt`, and
//! those that AWS and a SIEM make for the stack to work.

use super::conditions::Context;
use super::policy::{ACCOUNT, Call, Caller, context};
use super::stack::{ADMINISTRATOR, FORMER_KEY, KEY, REGION, SIEM, SUBSCRIBER, Stack};

/// What S3 is told by a request of the function's: one object a folder stands for all of it.
const OBJECT: &str = "x";

/// The calls of the function, one a line: action, resource, condition keys. Every call that the end-to-end tests see
/// has its line here, and each of them must be allowed for every set of parameters.
pub(crate) fn recorded() -> Vec<&'static str> {
    include_str!("calls.txt").lines().collect()
}

/// The call that a line stands for.
pub(crate) fn read(stack: &Stack, line: &str) -> Call {
    let mut words = line.split(' ');
    let [action, resource] = [0, 1].map(|_| words.next().unwrap());
    let resource = match resource.split_once('/') {
        _ if action == "secretsmanager:GetSecretValue" => stack.arn("JumpCloudSecret"),
        Some((bucket, folder)) => format!("arn:aws:s3:::{bucket}/{folder}{OBJECT}"),
        None if action.starts_with("s3:") => format!("arn:aws:s3:::{resource}"),
        None if action.starts_with("dynamodb:") => stack.arn("CursorTable"),
        None => stack.arn("WorkQueue"),
    };
    let keys = words.map(|word| word.split_once('=').unwrap());
    let context = keys.map(|(key, value)| (key.to_owned(), vec![value.to_owned()])).collect();
    collector(stack, action, &resource, context)
}

pub(crate) fn collector(stack: &Stack, action: &str, resource: &str, context: Context) -> Call {
    let caller = Caller::Identity(stack.arn("CollectorRole"));
    Call { caller, action: action.to_owned(), resource: resource.to_owned(), context }
}

/// What a call to S3, DynamoDB or Secrets Manager asks of the key that the data is under.
pub(crate) fn of_key(call: &Call, key: &str) -> Option<Call> {
    let (service, action) = call.action.split_once(':').unwrap();
    let via = format!("{service}.{REGION}.amazonaws.com");
    let mut keys = context([("kms:ViaService", &via)]);
    let action = match (service, action) {
        ("s3", "PutObject") | ("dynamodb", "UpdateItem") => "kms:GenerateDataKey",
        ("s3", "GetObject") | ("dynamodb" | "secretsmanager", _) => "kms:Decrypt",
        _ => return None,
    };
    if service == "s3" {
        let bucket = call.resource.split('/').next().unwrap().to_owned();
        keys.insert("kms:EncryptionContext:aws:s3:arn".to_owned(), vec![bucket]);
    }
    let caller = call.caller.clone();
    Some(Call { caller, action: action.to_owned(), resource: key.to_owned(), context: keys })
}

/// Everything that must be allowed for these parameters.
pub(crate) fn expected(stack: &Stack) -> Vec<Call> {
    let mut calls: Vec<_> = recorded().into_iter().map(|line| read(stack, line)).collect();
    let of_stack = calls.clone();
    let with_key =
        |key: &str| of_stack.iter().filter_map(|call| of_key(call, key)).collect::<Vec<_>>();
    if stack.is_given("KmsKeyArn") {
        calls.extend(with_key(KEY));
    }
    if stack.is_given("FormerKmsKeyArns") {
        let reading = with_key(FORMER_KEY).into_iter().filter(|call| call.action == "kms:Decrypt");
        calls.extend(reading);
    }
    calls.extend(by_aws(stack));
    calls.extend(by_readers(stack));
    calls.extend(by_people(stack));
    calls
}

/// What administrators must be able to do: restore, and write an object anew as it should be encrypted.
fn by_people(stack: &Stack) -> Vec<Call> {
    let encryption = "s3:x-amz-server-side-encryption";
    let mut keys = context([("s3:if-none-match", "*"), (encryption, "AES256")]);
    if stack.is_given("KmsKeyArn") {
        keys.insert(encryption.to_owned(), vec!["aws:kms".to_owned()]);
        keys.insert(format!("{encryption}-aws-kms-key-id"), vec![KEY.to_owned()]);
    }
    let caller = Caller::Identity(ADMINISTRATOR.to_owned());
    let call = |bucket: &str, action: &str, context: &Context| Call {
        caller: caller.clone(),
        action: action.to_owned(),
        resource: format!("{}/journal/v1/self/x", stack.arn(bucket)),
        context: context.clone(),
    };
    let of_bucket = |bucket| {
        let none = Context::new();
        [("s3:DeleteObject", &none), ("s3:DeleteObjectVersion", &none), ("s3:PutObject", &keys)]
            .map(|(action, keys)| call(bucket, action, keys))
    };
    ["ArchiveBucket", "StateBucket"].into_iter().flat_map(of_bucket).collect()
}

/// What Lambda does with the function's role, and services by themselves.
fn by_aws(stack: &Stack) -> Vec<Call> {
    let with_role =
        |action: &str, resource: String| collector(stack, action, &resource, Context::new());
    let work = stack.arn("WorkQueue");
    let stream = stack.arn("CollectorLogGroup").replace(":*", ":log-stream:s");
    let mut calls = vec![
        with_role("sqs:ReceiveMessage", work.clone()),
        with_role("sqs:DeleteMessage", work.clone()),
        with_role("sqs:ChangeMessageVisibility", work.clone()),
        with_role("sqs:GetQueueAttributes", work),
        with_role("sqs:SendMessage", stack.arn("FailureQueue")),
        with_role("logs:CreateLogStream", stream.clone()),
        with_role("logs:PutLogEvents", stream),
    ];
    let service = |name: &str, action: &str, resource: String, keys: Context| Call {
        caller: Caller::Service(format!("{name}.amazonaws.com")),
        action: action.to_owned(),
        resource,
        context: keys,
    };
    let of = |arn: &str| context([("aws:SourceArn", arn), ("aws:SourceAccount", ACCOUNT)]);
    let alarm = format!("arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:ErrorsAlarm");
    let assume = "sts:AssumeRole";
    calls.extend([
        service("s3", "sns:Publish", stack.arn("ArchiveTopic"), of(&stack.arn("ArchiveBucket"))),
        service("cloudwatch", "sns:Publish", stack.arn("AlarmTopic"), of(&alarm)),
        service("lambda", assume, stack.arn("CollectorRole"), Context::new()),
        service("scheduler", assume, stack.arn("ScheduleRole"), of(&stack.arn("ScheduleGroup"))),
    ]);
    for queue in siem_queues(stack) {
        calls.push(service(
            "sns",
            "sqs:SendMessage",
            stack.arn(&queue),
            of(&stack.arn("ArchiveTopic")),
        ));
    }
    for (action, id) in
        [("lambda:InvokeFunction", "Collector"), ("sqs:SendMessage", "ScheduleDeadLetterQueue")]
    {
        let caller = Caller::Identity(stack.arn("ScheduleRole"));
        let action = action.to_owned();
        calls.push(Call { caller, action, resource: stack.arn(id), context: Context::new() });
    }
    calls
}

/// What a SIEM does with the role it is given, and with the topic.
fn by_readers(stack: &Stack) -> Vec<Call> {
    let mut calls = Vec::new();
    if stack.is_given("SubscriberAccountIds") {
        calls.push(Call {
            caller: Caller::Root(SUBSCRIBER.to_owned()),
            action: "sns:Subscribe".to_owned(),
            resource: stack.arn("ArchiveTopic"),
            context: context([("sns:Protocol", "sqs")]),
        });
    }
    if !stack.has("SiemReaderRole") {
        return calls;
    }
    let external = context([("sts:ExternalId", "external")]);
    calls.push(Call {
        caller: Caller::Identity(SIEM.to_owned()),
        action: "sts:AssumeRole".to_owned(),
        resource: stack.arn("SiemReaderRole"),
        context: external,
    });
    let mut with_role = |action: &str, resource: String, keys: Context| {
        let caller = Caller::Identity(stack.arn("SiemReaderRole"));
        calls.push(Call { caller, action: action.to_owned(), resource, context: keys });
    };
    let (bucket, prefix) = (stack.arn("ArchiveBucket"), stack.parameter("ArchivePrefix"));
    let read = format!("{bucket}/{prefix}service=sso/date=2026-11-21/x");
    with_role("s3:GetObject", read.clone(), Context::new());
    with_role("s3:GetBucketLocation", bucket.clone(), Context::new());
    with_role("s3:ListBucket", bucket, context([("s3:prefix", prefix)]));
    for queue in siem_queues(stack) {
        for action in [
            "ReceiveMessage",
            "DeleteMessage",
            "ChangeMessageVisibility",
            "GetQueueAttributes",
            "GetQueueUrl",
        ] {
            with_role(&format!("sqs:{action}"), stack.arn(&queue), Context::new());
        }
    }
    let caller = Caller::Identity(stack.arn("SiemReaderRole"));
    let reading =
        Call { caller, action: "s3:GetObject".to_owned(), resource: read, context: Context::new() };
    if stack.is_given("KmsKeyArn") {
        calls.extend(of_key(&reading, KEY));
    }
    if stack.is_given("FormerKmsKeyArns") {
        calls.extend(of_key(&reading, FORMER_KEY));
    }
    calls
}

/// The queues of readers that there are.
pub(crate) fn siem_queues(stack: &Stack) -> Vec<String> {
    let all = stack.ids("AWS::SQS::Queue").into_iter();
    all.filter(|id| id.starts_with("SiemQueue")).collect()
}
