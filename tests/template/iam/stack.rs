//! The template as CloudFormation would make it of a set of parameters: intrinsic functions resolved, and who holds
//! which policy.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use super::policy::{ACCOUNT, Call, Caller, Decision, Statement, decide};
use super::reading::template;

pub(crate) const REGION: &str = "us-east-1";
pub(crate) const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/now";
pub(crate) const FORMER_KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/before";
/// A key of the account that the stack is not told of.
pub(crate) const OTHER_KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/another";
pub(crate) const SECRET: &str =
    "arn:aws:secretsmanager:us-east-1:111122223333:secret:jumpcloud/api-key-AbCdEf";
pub(crate) const SIEM: &str = "arn:aws:iam::444455556666:role/siem";
/// Who may do everything in the account.
pub(crate) const ADMINISTRATOR: &str = "arn:aws:iam::111122223333:role/administrator";
/// Who may do everything in another one.
pub(crate) const STRANGER: &str = "arn:aws:iam::444455556666:role/stranger";
/// The account whose queues may subscribe, where one may.
pub(crate) const SUBSCRIBER: &str = "777788889999";

/// The sets of parameters that everything is evaluated for; what is not named has its default.
pub(crate) const SETS: [(&str, &[(&str, &str)]); 10] = [
    ("defaults", &[]),
    ("a secret is given", &[("JumpCloudSecretArn", SECRET)]),
    ("a key of one's own", &[("KmsKeyArn", KEY)]),
    ("the key was changed", &[("KmsKeyArn", KEY), ("FormerKmsKeyArns", FORMER_KEY)]),
    ("the key was taken away", &[("FormerKmsKeyArns", FORMER_KEY)]),
    ("a reader's role", &[("SiemPrincipalArn", SIEM), ("SiemExternalId", "external")]),
    ("three queues", &[("SiemQueues", "3")]),
    ("no queue, and subscribers", &[("SiemQueues", "0"), ("SubscriberAccountIds", SUBSCRIBER)]),
    (
        "another prefix, locked",
        &[("ArchivePrefix", "logs/jumpcloud/"), ("ObjectLockMode", "COMPLIANCE")],
    ),
    (
        "everything",
        &[
            ("JumpCloudSecretArn", SECRET),
            ("KmsKeyArn", KEY),
            ("FormerKmsKeyArns", FORMER_KEY),
            ("SiemPrincipalArn", SIEM),
            ("SiemExternalId", "external"),
            ("SiemQueues", "3"),
            ("SubscriberAccountIds", SUBSCRIBER),
            ("ArchivePrefix", "logs/"),
        ],
    ),
];

/// The template with parameters.
pub(crate) struct Stack {
    template: &'static Value,
    parameters: BTreeMap<String, Value>,
}

/// Who holds which statements.
#[derive(Clone, Debug)]
pub(crate) struct Policies {
    /// By the ARN of a role.
    pub(crate) identity: BTreeMap<String, Vec<Statement>>,
    /// By the ARN of a resource; a role's are its trust.
    pub(crate) resource: BTreeMap<String, Vec<Statement>>,
}

impl Stack {
    pub(crate) fn of(set: &[(&str, &str)]) -> Self {
        static TEMPLATE: OnceLock<Value> = OnceLock::new();
        let template = TEMPLATE.get_or_init(template);
        let mut parameters = BTreeMap::new();
        for (name, parameter) in template["Parameters"].as_object().unwrap() {
            let default = &parameter["Default"];
            let default = match name.as_str() {
                "JumpCloudApiKey" => "the-key-of-an-administrator".to_owned(),
                _ => default.as_str().map_or_else(|| default.to_string(), str::to_owned),
            };
            let given = set.iter().find(|(given, _)| given == name);
            let text = given.map_or(default, |(_, value)| (*value).to_owned());
            let is_list = parameter["Type"] == "CommaDelimitedList";
            let value = if is_list { text.split(',').collect() } else { json!(text) };
            parameters.insert(name.clone(), value);
        }
        for (name, _) in set {
            assert!(parameters.contains_key(*name), "no parameter {name}");
        }
        Self { template, parameters }
    }

    /// Whether the template's rules let these parameters pass.
    pub(crate) fn passes_its_rules(&self) -> bool {
        let rules = self.template["Rules"].as_object().unwrap();
        rules.values().all(|rule| {
            let is_asked = rule.get("RuleCondition").is_none_or(|condition| self.test(condition));
            let assertions = rule["Assertions"].as_array().unwrap();
            !is_asked || assertions.iter().all(|assertion| self.test(&assertion["Assert"]))
        })
    }

    pub(crate) fn has(&self, id: &str) -> bool {
        let condition = self.template["Resources"][id].get("Condition");
        condition.is_none_or(|name| self.condition(name.as_str().unwrap()))
    }

    /// The ids of a type's resources that these parameters make.
    pub(crate) fn ids(&self, kind: &str) -> Vec<String> {
        let resources = self.template["Resources"].as_object().unwrap();
        let made = resources.iter().filter(|(id, it)| it["Type"] == kind && self.has(id));
        made.map(|(id, _)| id.clone()).collect()
    }

    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.parameters[name].as_str().unwrap()
    }

    /// Whether a parameter, or the first of a list, is not empty.
    pub(crate) fn is_given(&self, parameter: &str) -> bool {
        let value = &self.parameters[parameter];
        value.get(0).unwrap_or(value) != ""
    }

    /// A part of the template as CloudFormation would have it; nothing for `AWS::NoValue`.
    pub(crate) fn resolve(&self, part: &Value) -> Option<Value> {
        match part {
            Value::Object(members) if members.len() == 1 => {
                let (name, argument) = members.iter().next().unwrap();
                if name == "Ref" || name.starts_with("Fn::") {
                    return self.function(name, argument);
                }
                Some(self.members(members))
            }
            Value::Object(members) => Some(self.members(members)),
            Value::Array(items) => {
                Some(items.iter().filter_map(|item| self.resolve(item)).collect())
            }
            plain => Some(plain.clone()),
        }
    }

    fn members(&self, members: &Map<String, Value>) -> Value {
        let resolved =
            members.iter().filter_map(|(name, it)| Some((name.clone(), self.resolve(it)?)));
        Value::Object(resolved.collect())
    }

    fn function(&self, name: &str, argument: &Value) -> Option<Value> {
        Some(match name {
            "Ref" => match argument.as_str().unwrap() {
                "AWS::NoValue" => return None,
                name => self.reference(name),
            },
            "Fn::GetAtt" => json!(self.attribute(argument.as_str().unwrap())),
            "Fn::Sub" => json!(self.substitute(argument.as_str().unwrap())),
            "Fn::If" => {
                let is_so = self.condition(argument[0].as_str().unwrap());
                return self.resolve(&argument[if is_so { 1 } else { 2 }]);
            }
            "Fn::Join" => {
                let parts = self.resolve(&argument[1]).unwrap();
                let parts: Vec<_> = parts.as_array().unwrap().iter().map(as_text).collect();
                json!(parts.join(argument[0].as_str().unwrap()))
            }
            "Fn::FindInMap" => {
                let [table, row, column] = [0, 1, 2].map(|n| self.text(&argument[n]));
                self.template["Mappings"][&table][&row][&column].clone()
            }
            other => panic!("not resolved: {other}"),
        })
    }

    fn reference(&self, name: &str) -> Value {
        if let Some(value) = self.parameters.get(name) {
            return value.clone();
        }
        let kind = self.template["Resources"][name]["Type"].as_str();
        json!(match (name, kind) {
            ("AWS::Region", _) => REGION.to_owned(),
            ("AWS::AccountId", _) => ACCOUNT.to_owned(),
            ("AWS::Partition", _) => "aws".to_owned(),
            ("AWS::URLSuffix", _) => "amazonaws.com".to_owned(),
            // By their ARNs, which tell more than a queue's URL.
            (_, Some("AWS::SNS::Topic" | "AWS::SQS::Queue" | "AWS::SecretsManager::Secret")) =>
                self.arn(name),
            (_, Some(_)) => physical(name),
            (_, None) => panic!("not in the template: {name}"),
        })
    }

    fn attribute(&self, of: &str) -> String {
        match of.split_once('.').unwrap() {
            (id, "Arn") => self.arn(id),
            (id, "QueueName") => physical(id),
            _ => panic!("not resolved: {of}"),
        }
    }

    /// The ARN of a resource.
    pub(crate) fn arn(&self, id: &str) -> String {
        let name = physical(id);
        let (service, place) = match self.template["Resources"][id]["Type"].as_str().unwrap() {
            "AWS::S3::Bucket" => return format!("arn:aws:s3:::{name}"),
            "AWS::IAM::Role" => return format!("arn:aws:iam::{ACCOUNT}:role/{name}"),
            "AWS::SecretsManager::Secret" => return SECRET.to_owned(),
            "AWS::Serverless::Function" => ("lambda", format!("function:{name}")),
            "AWS::DynamoDB::Table" => ("dynamodb", format!("table/{name}")),
            "AWS::SQS::Queue" => ("sqs", name),
            "AWS::SNS::Topic" => ("sns", name),
            "AWS::Logs::LogGroup" => ("logs", format!("log-group:{name}:*")),
            "AWS::Scheduler::ScheduleGroup" => ("scheduler", format!("schedule-group/{name}")),
            other => panic!("no ARN: {other}"),
        };
        format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{place}")
    }

    fn substitute(&self, text: &str) -> String {
        let mut parts = text.split("${");
        let mut all = parts.next().unwrap().to_owned();
        for part in parts {
            let (name, behind) = part.split_once('}').unwrap();
            let value = if self.template["Resources"].get(name.split('.').next().unwrap()).is_some()
                && name.contains('.')
            {
                self.attribute(name)
            } else {
                as_text(&self.reference(name))
            };
            all.push_str(&value);
            all.push_str(behind);
        }
        all
    }

    fn condition(&self, name: &str) -> bool {
        self.test(&self.template["Conditions"][name])
    }

    fn test(&self, test: &Value) -> bool {
        let (name, argument) = test.as_object().unwrap().iter().next().unwrap();
        let each = || argument.as_array().unwrap().iter();
        match name.as_str() {
            "Fn::Condition" => self.condition(argument.as_str().unwrap()),
            "Fn::Not" => !self.test(&argument[0]),
            "Fn::And" => each().all(|it| self.test(it)),
            "Fn::Or" => each().any(|it| self.test(it)),
            "Fn::Equals" => {
                assert!(each().all(|it| !it.is_number()), "text is compared with a number: {test}");
                self.text(&argument[0]) == self.text(&argument[1])
            }
            "Fn::Contains" => {
                argument[0].as_array().unwrap().contains(&json!(self.text(&argument[1])))
            }
            other => panic!("no test: {other}"),
        }
    }

    fn text(&self, part: &Value) -> String {
        as_text(&self.resolve(part).unwrap())
    }

    /// Every policy that these parameters make, and the default policy of every key.
    pub(crate) fn policies(&self) -> Policies {
        let (mut identity, mut resource) = (BTreeMap::new(), BTreeMap::new());
        let read = |document: &Value| -> Vec<Statement> {
            let statements = self.resolve(&document["Statement"]).unwrap();
            statements.as_array().unwrap().iter().map(Statement::read).collect()
        };
        let of = |id: &str| &self.template["Resources"][id]["Properties"];
        for id in self.ids("AWS::IAM::Role") {
            let policies = of(&id)["Policies"].as_array().unwrap();
            let all = policies.iter().flat_map(|policy| read(&policy["PolicyDocument"])).collect();
            identity.insert(self.arn(&id), all);
            resource.insert(self.arn(&id), read(&of(&id)["AssumeRolePolicyDocument"]));
        }
        for (kind, about) in [
            ("AWS::S3::BucketPolicy", "Bucket"),
            ("AWS::SNS::TopicPolicy", "Topics"),
            ("AWS::SQS::QueuePolicy", "Queues"),
        ] {
            for id in self.ids(kind) {
                let about = &of(&id)[about];
                let about = about.get(0).unwrap_or(about)["Ref"].as_str().unwrap();
                resource.insert(self.arn(about), read(&of(&id)["PolicyDocument"]));
            }
        }
        let default = json!({"Sid": "EnableIamUserPermissions", "Effect": "Allow", "Action": "kms:*", "Resource": "*",
            "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}});
        let everything = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
        for powerful in [ADMINISTRATOR, STRANGER, SIEM] {
            identity.insert(powerful.to_owned(), vec![Statement::read(&everything)]);
        }
        for key in [KEY, FORMER_KEY, OTHER_KEY] {
            resource.insert(key.to_owned(), vec![Statement::read(&default)]);
        }
        Policies { identity, resource }
    }
}

impl Policies {
    /// What AWS would answer.
    pub(crate) fn decide(&self, call: &Call) -> Decision {
        let own = match &call.caller {
            Caller::Identity(arn) => self.identity.get(arn),
            _ => None,
        };
        decide(call, own.map_or(&[], Vec::as_slice), self.of_resource(&call.resource))
    }

    /// The policy of a resource.
    pub(crate) fn of_resource(&self, arn: &str) -> &[Statement] {
        self.resource.get(Self::holder(arn)).map_or(&[], Vec::as_slice)
    }

    /// What holds the policy of a resource: of an object, its bucket.
    pub(crate) fn holder(arn: &str) -> &str {
        let is_object = arn.starts_with("arn:aws:s3:::");
        if is_object { arn.split('/').next().unwrap_or(arn) } else { arn }
    }
}

/// The name that AWS would give a resource: here as the end-to-end tests have it, where they do.
fn physical(id: &str) -> String {
    match id {
        "ArchiveBucket" => "archive".to_owned(),
        "StateBucket" => "state".to_owned(),
        "CursorTable" => "cursors".to_owned(),
        "WorkQueue" => "work".to_owned(),
        other => other.to_owned(),
    }
}

fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
