"""Follows the procedures that change a stack's program, or end the stack: upgrade, roll back, remove."""

import re
import shutil
import subprocess

from deployment import pages
from deployment.emulator import wait_for
from deployment.failures import FAILED_UPDATE, loosened
from deployment.steps import OPERATE, calls, fill, section, steps

ROLLBACK_FAILED = "UPDATE_ROLLBACK_FAILED"
SECONDS_MAX = 120


def another_version(template):
    """A copy of the built template whose program has other bytes, as another version's has."""
    text, folder = template.read_text(), template.parent / "AnotherVersion"
    code = "CodeUri: Collector\n"
    assert text.count(code) == 1, "the function's folder is not where it was"
    shutil.copytree(template.parent / "Collector", folder)
    with (folder / "bootstrap").open("ab") as program:
        program.write(b"another version")
    copy = template.with_name(f"another-{template.name}")
    copy.write_text(text.replace(code, f"CodeUri: {folder.name}\n"))
    return copy


def from_source(heading):
    """From the one of git on. What comes before is for those who have a release, and tried by infra/check-upgrade."""
    commands = [step for step in steps(OPERATE, heading) if not step[1].startswith("aws")]
    (first,) = (nth for nth, (_, command) in enumerate(commands) if command.startswith("git"))
    return commands[first:]


class Changes:
    """Of stacks of one template; after each change the schedule runs three times."""

    def __init__(self, emulator, template, key, procedures):
        self.emulator, self.template, self.key = emulator, template, key
        self.three_schedules = procedures.three_schedules
        self.next = another_version(template)

    def program(self, found):
        function = self.emulator.client("lambda").get_function(FunctionName=found["CollectorName"])
        return function["Configuration"]["CodeSha256"]

    def deploy(self, heading, template, stack):
        """A section's commands for those who build from the source, with the program of this template."""
        for place, command in from_source(heading):
            for program, *arguments in calls(command.replace("<", "").replace(">", "")):
                if (program, arguments[0]) == ("sam", "deploy"):
                    assert arguments[1:2] in ([], ["--parameter-overrides"]), arguments
                    self.emulator.deploy_well(template, stack, *arguments[2:])
            print(f"{place}: {command}", flush=True)

    def upgraded(self, stack, found):
        before = self.program(found)
        self.deploy("Upgrade", self.next, stack)
        assert self.program(found) != before, "the program is the same"
        self.three_schedules(found)

    def rolled_back(self, stack, found):
        upgraded = self.program(found)
        self.deploy("Roll back", self.template, stack)
        assert self.program(found) != upgraded, "the program is the same"
        self.three_schedules(found)

    def rollback_failed(self, stack, found):
        """Neither version passes its check: with what is wrong corrected, and without."""
        ((place, command),) = (step for step in steps(OPERATE, "Upgrade") if step[1].startswith("aws"))
        (without,) = re.findall(r"`(--resources-to-skip \w+)`", section(OPERATE, "Upgrade")[0])
        missing = "the statement DenyOverwrite of StateBucketPolicy is missing"
        for is_corrected in (True, False):
            put_back = loosened(self.emulator, found["StateBucketName"])
            self.emulator.deploy_in_vain(self.template, stack, ROLLBACK_FAILED, missing, "LateHorizon=48h")
            told = command if is_corrected else f"{command} {without}"
            if is_corrected:
                put_back()
            pages.call(self.emulator, fill(told, found, stack=stack))
            wait_for("a stack that is rolled back", SECONDS_MAX, lambda: self.is_rolled_back(stack))
            if not is_corrected:
                put_back()
            print(f"{place}: {told}", flush=True)
            self.three_schedules(found)

    def is_rolled_back(self, stack):
        return True if self.emulator.status(stack) == FAILED_UPDATE else None

    def removed(self, stack):
        """What stays is what the page says; deployed again, the stack begins like a first one."""
        key = f"JumpCloudApiKey={self.key}"
        found = self.emulator.deploy_well(self.template, stack, key)
        self.three_schedules(found)
        before = self.resources(stack)
        archived = self.archived(found)
        assert archived, "nothing was archived"
        # These stacks make their secrets themselves.
        removing = [step for step in steps(OPERATE, "Remove") if not step[1].startswith("aws secretsmanager")]
        for place, command in removing:
            ((_, *arguments),) = calls(fill(command, found, stack=stack))
            delete = [self.emulator.sam, *arguments, "--no-prompts"]
            subprocess.run(delete, env=self.emulator.environment, check=True, timeout=SECONDS_MAX)
            print(f"{place}: {command}", flush=True)
        self.assert_kept(found, before)
        again = self.emulator.deploy_well(self.template, stack, key)
        self.three_schedules(again)
        assert self.archived(again), "nothing was archived"
        assert not set(again.values()) & {found["ArchiveBucketName"], found["StateBucketName"]}, again
        assert self.archived(found) == archived, "the old stack's archive is not what it was"
        self.emptied(found)

    def resources(self, stack):
        listed = self.emulator.client("cloudformation").list_stack_resources(StackName=stack)
        return {it["LogicalResourceId"]: it["PhysicalResourceId"] for it in listed["StackResourceSummaries"]}

    def archived(self, found):
        """The archive's keys, each of an object that can be read."""
        s3, bucket = self.emulator.client("s3"), found["ArchiveBucketName"]
        keys = [it["Key"] for it in s3.list_objects_v2(Bucket=bucket, Prefix="events/").get("Contents", [])]
        assert all(s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys)
        return keys

    def assert_kept(self, found, before):
        """Buckets, policies and table are there, and nothing else."""
        client = self.emulator.client
        s3 = client("s3")
        for name in ("ArchiveBucketName", "StateBucketName"):
            assert "DenyOverwrite" in s3.get_bucket_policy(Bucket=found[name])["Policy"], name
        assert client("dynamodb").describe_table(TableName=found["CursorTableName"])
        functions = client("lambda").list_functions()["Functions"]
        assert found["CollectorName"] not in [it["FunctionName"] for it in functions], "the function"
        groups = client("logs").describe_log_groups()["logGroups"]
        assert found["CollectorLogGroupName"] not in [it["logGroupName"] for it in groups], "the log"
        queues = client("sqs").list_queues().get("QueueUrls", [])
        assert not set(queues) & set(found.values()), "queues"
        secrets = client("secretsmanager").list_secrets()["SecretList"]
        assert not [it for it in secrets if before["JumpCloudSecret"] in (it["ARN"], it["Name"])], "the secret"
        alarms = client("cloudwatch").describe_alarms()["MetricAlarms"]
        assert not {it["AlarmName"] for it in alarms} & set(before.values()), "alarms"
        schedules = client("scheduler").list_schedules()["Schedules"]
        assert found["ScheduleName"] not in [it["Name"] for it in schedules], "the schedule"

    def emptied(self, found):
        """By hand: what stays is removed, too."""
        s3, dynamodb, table = self.emulator.client("s3"), self.emulator.client("dynamodb"), found["CursorTableName"]
        for name in ("ArchiveBucketName", "StateBucketName"):
            for page in s3.get_paginator("list_object_versions").paginate(Bucket=found[name]):
                for it in page.get("Versions", []) + page.get("DeleteMarkers", []):
                    s3.delete_object(Bucket=found[name], Key=it["Key"], VersionId=it["VersionId"])
            s3.delete_bucket(Bucket=found[name])
        dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
        dynamodb.delete_table(TableName=table)
