"""What goes wrong with a stack: deployments that must fail, with the reason, and come back; and what repairs each."""

import json
import time

from deployment.emulator import wait_for

FAILED_FIRST = "ROLLBACK_COMPLETE"
FAILED_UPDATE = "UPDATE_ROLLBACK_COMPLETE"


def check_again():
    """The parameter that has a deployment make its check again, as the pages have it."""
    return f"ValidateOnDeploy={int(time.time())}"


def loosened(emulator, bucket):
    """Takes the statement against overwriting out of a bucket's policy; returns what puts it back."""
    s3 = emulator.client("s3")
    whole = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    policy = json.loads(whole)
    policy["Statement"] = [it for it in policy["Statement"] if it["Sid"] != "DenyOverwrite"]
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    return lambda: s3.put_bucket_policy(Bucket=bucket, Policy=whole)


class Failures:
    """Failures are injected into one stack after the other; each is as it was afterwards."""

    def __init__(self, emulator, template, key):
        self.emulator, self.template, self.key = emulator, template, key

    def fails(self, stack, says, *parameters):
        parameters = (check_again(), *parameters)
        self.emulator.deploy_in_vain(self.template, stack, FAILED_UPDATE, says, *parameters)

    def works(self, stack, *parameters):
        return self.emulator.deploy_well(self.template, stack, check_again(), *parameters)

    def wrong_key(self):
        """A first deployment with a key that JumpCloud does not know."""
        wrong_key = "JumpCloudApiKey=a-key-that-does-not-exist"
        refused = "JumpCloud refuses the credential (401"
        self.emulator.deploy_in_vain(self.template, "wrong-key", FAILED_FIRST, refused, wrong_key)
        self.nothing_is_left("wrong-key")

    def not_write_once(self, without_proxy):
        """A first deployment into an account that lets objects be overwritten, as MiniStack does by itself."""
        missing = "the statement DenyOverwrite of ArchiveBucketPolicy is missing"
        key = f"JumpCloudApiKey={self.key}"
        self.emulator.deploy_in_vain(without_proxy, "not-write-once", FAILED_FIRST, missing, key)
        self.nothing_is_left("not-write-once")

    def nothing_is_left(self, stack):
        """A first deployment that failed leaves its table, which is protected, and nothing else."""
        resources = self.emulator.client("cloudformation").list_stack_resources(StackName=stack)
        left = [it for it in resources["StackResourceSummaries"] if it["ResourceStatus"] != "DELETE_COMPLETE"]
        kinds = {it["ResourceType"] for it in left}
        assert kinds <= {"AWS::DynamoDB::Table"}, left
        buckets = [bucket["Name"] for bucket in self.emulator.client("s3").list_buckets()["Buckets"]]
        assert not [name for name in buckets if name.startswith(stack)], buckets

    def another_prefix(self, stack):
        self.fails(stack, "but this archive began with events/", "ArchivePrefix=logs/")
        self.works(stack, "ArchivePrefix=events/")

    def table_deleted(self, stack, found):
        """By hand. Made again under its name, it is filled from the journal by the next run."""
        dynamodb = self.emulator.client("dynamodb")
        table = found["CursorTableName"]
        before = dynamodb.get_item(TableName=table, Key={"stream": {"S": "self"}})["Item"]
        dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
        dynamodb.delete_table(TableName=table)
        self.fails(stack, "cursor table: ")
        dynamodb.create_table(
            TableName=table,
            AttributeDefinitions=[{"AttributeName": "stream", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "stream", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
            DeletionProtectionEnabled=True,
        )
        self.works(stack)

        def rebuilt():
            item = dynamodb.get_item(TableName=table, Key={"stream": {"S": "self"}}).get("Item", {})
            return item if item.get("last_success_ms") else None

        after = wait_for("a cursor that is made again", 150, rebuilt)
        assert after["epoch"] == before["epoch"], (before, after)
        assert int(after["seq"]["N"]) >= int(before["seq"]["N"]), (before, after)
        print(f"{stack}: the cursor was made again, at entry {after['seq']['N']}", flush=True)

    def policy_loosened(self, stack, found):
        """By hand, in the state bucket: `validate` says which statement is missing."""
        put_back = loosened(self.emulator, found["StateBucketName"])
        self.fails(stack, "the statement DenyOverwrite of StateBucketPolicy is missing")
        put_back()
        self.works(stack)

    def keys(self, stack):
        """A stack with a key: the key is lost, taken away, taken away and named, and changed."""
        kms = self.emulator.client("kms")
        first, second = (kms.create_key()["KeyMetadata"] for _ in range(2))
        key = f"JumpCloudApiKey={self.key}"
        self.emulator.deploy_well(self.template, stack, key, f"KmsKeyArn={first['Arn']}")
        whole = kms.get_key_policy(KeyId=first["KeyId"], PolicyName="default")["Policy"]
        lost = {"Version": "2012-10-17", "Statement": [{"Sid": "Nobody", "Effect": "Deny", "Principal": "*"}]}
        lost["Statement"][0] |= {"Action": "kms:Encrypt", "Resource": "*"}
        kms.put_key_policy(KeyId=first["KeyId"], PolicyName="default", Policy=json.dumps(lost))
        self.fails(stack, "not authorized to perform: kms:GenerateDataKey")
        kms.put_key_policy(KeyId=first["KeyId"], PolicyName="default", Policy=whole)
        self.works(stack)
        no_key = 'KmsKeyArn=""'
        self.fails(stack, "give that one in FormerKmsKeyArns", no_key)
        former = f"FormerKmsKeyArns={first['Arn']}"
        self.works(stack, no_key, former)
        self.works(stack, f"KmsKeyArn={second['Arn']}", former)
