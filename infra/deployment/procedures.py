"""Follows procedures of the pages, in their order, in stacks that run; after each, the schedule runs three times.

The commands are taken from the pages. What only a person can do between them is in steps.py, with what is done here
in its place.
"""

import json
import re
import subprocess
from pathlib import Path

from deployment import pages
from deployment.emulator import wait_for
from deployment.steps import OPERATE, RUNBOOK, fill, steps

SECONDS_MAX = 240


class Procedures:
    def __init__(self, emulator, template, collector, jumpcloud):
        self.emulator, self.template, self.collector = emulator, template, collector
        self.key, self.fleet = jumpcloud["api_key"], jumpcloud["fleet"]
        self.s3, self.dynamodb = emulator.client("s3"), emulator.client("dynamodb")

    def follow(self, found, found_fleet):
        self.restored("defaults", found)
        self.damaged("defaults", found)
        self.second_stack(found_fleet)

    def invoke(self, found, event):
        """The function's answer to an event of `events/`, and whether it is one."""
        answer = self.emulator.client("lambda").invoke(
            FunctionName=found["CollectorName"], Payload=Path(f"events/{event}.json").read_bytes()
        )
        return json.loads(answer["Payload"].read()), "FunctionError" not in answer

    def three_schedules(self, found):
        """Three scheduled runs, after which no stream needs anybody."""

        def run():
            answer, is_well = self.invoke(found, "scheduler")
            outcomes = {line["outcome"] for line in answer.get("streams", [])}
            # The schedule itself may be running.
            return answer if is_well and outcomes <= {"ok", "waiting"} else None

        for _ in range(3):
            wait_for("a scheduled run", SECONDS_MAX, run)

        def is_well():
            status, _ = self.invoke(found, "status")
            return status if not [line for line in status["streams"] if line["last_error"]] else None

        return wait_for("streams without an error", SECONDS_MAX, is_well)

    def verify(self, command):
        """`collector verify`, as it is on the page and filled in."""
        words = command.split()
        assert words[0] == "collector", command
        environment = {name: it for name, it in self.emulator.environment.items() if not name.startswith("JUMPCLOUD")}
        told = subprocess.run([self.collector, *words[1:]], env=environment, capture_output=True, text=True)
        return told.returncode, told.stdout + told.stderr

    def verify_command(self, found):
        (command,) = (command for _, command in steps(RUNBOOK, "Damaged state") if command.startswith("collector"))
        return self.fill(command, found)

    def fill(self, command, found, **further):
        return fill(command, found | {"StateBucketName, or ArchiveBucketName": found["StateBucketName"]}, **further)

    def next_entry(self, found, stream):
        """The key of the entry that a run looks for."""
        item = self.dynamodb.get_item(TableName=found["CursorTableName"], Key={"stream": {"S": stream}})["Item"]
        return f"journal/v1/{stream}/{int(item['seq']['N']) + 1:020}"

    def restored(self, stack, found):
        """Restore: an item of the table and, while the stack is paused, an object of each bucket."""
        self.dynamodb.delete_item(TableName=found["CursorTableName"], Key={"stream": {"S": "self"}})
        self.three_schedules(found)
        self.emulator.deploy_well(self.template, stack, "ScheduleState=DISABLED")
        schedule = {"Name": found["ScheduleName"], "GroupName": found["ScheduleGroupName"]}
        state = self.emulator.client("scheduler").get_schedule(**schedule)["State"]
        assert state == "DISABLED", state
        for bucket, prefix in ((found["ArchiveBucketName"], "events/"), (found["StateBucketName"], "index/v1/self/")):
            key = self.s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"][0]["Key"]
            self.s3.delete_object(Bucket=bucket, Key=key)
            code, told = self.verify(self.verify_command(found))
            assert code == 1 and key in told, (code, told)
            self.remove_markers(bucket, key)
            code, told = self.verify(self.verify_command(found))
            assert code == 0, told
            print(f"{OPERATE}: restored: {bucket}/{key}", flush=True)
        self.emulator.deploy_well(self.template, stack, "ScheduleState=ENABLED")
        self.three_schedules(found)

    def remove_markers(self, bucket, key):
        markers = self.s3.list_object_versions(Bucket=bucket, Prefix=key).get("DeleteMarkers", [])
        assert markers, f"{bucket}/{key} has no delete marker"
        for marker in markers:
            self.s3.delete_object(Bucket=bucket, Key=key, VersionId=marker["VersionId"])

    def damaged(self, stack, found):
        """Damaged state: somebody has written where the next entry belongs."""
        key = self.next_entry(found, "self")
        self.s3.put_object(Bucket=found["StateBucketName"], Key=key, Body=b"not an entry")

        def stopped():
            answer, is_well = self.invoke(found, "scheduler")
            return None if is_well else answer["errorMessage"]

        told = wait_for("a stream that stops", SECONDS_MAX, stopped)
        assert f"damaged: {key}" in told and "nothing was overwritten" in told, told
        versions = None
        for place, command in steps(RUNBOOK, "Damaged state"):
            if command.startswith("aws s3api list-object-versions"):
                versions = pages.call(self.emulator, self.fill(command, found, key=key))["Versions"]
                assert [it["Key"] for it in versions] == [key], versions
            elif command.startswith("aws s3api delete-object"):
                pages.call(self.emulator, self.fill(command, found, key=key, VersionId=versions[0]["VersionId"]))
            else:
                code, told = self.verify(self.fill(command, found))
                assert code == 0, told
            print(f"{place}: {command}", flush=True)
        self.three_schedules(found)

    def second_stack(self, found):
        """A second stack, for an organization whose journal cannot be restored."""
        stream, *others = (f"{nth:024x}" for nth in range(1, self.fleet["organizations"] + 1))
        key = self.next_entry(found, stream)
        self.s3.put_object(Bucket=found["StateBucketName"], Key=key, Body=b"not an entry")

        def line():
            self.invoke(found, "scheduler")
            status, _ = self.invoke(found, "status")
            (of_stream,) = (it for it in status["streams"] if it["stream"] == stream)
            return of_stream if of_stream["needs_operator"] else None

        stopped = wait_for("a stream that stops", SECONDS_MAX, line)
        assert f"damaged: {key}" in stopped["last_error"] and stopped["frontier"], stopped
        provider = f"JumpCloudProviderId={self.fleet['provider']}"
        self.emulator.deploy_well(self.template, "fleet", provider, f"JumpCloudOrgIds={','.join(others)}")
        # In AWS the stack's output is the ARN already; the emulator's is the secret's name.
        secret = self.emulator.client("secretsmanager").describe_secret(SecretId=found["SecretArn"])["ARN"]
        for place, command in steps(RUNBOOK, "A second stack"):
            filled = self.fill(command, found, second="second", organization=stream, stream=stream, SecretArn=secret)
            if command.startswith("sam deploy"):
                deploy = r"sam deploy --stack-name (\S+) --parameter-overrides (.+)"
                name, overrides = re.fullmatch(deploy, filled).groups()
                second = self.emulator.deploy_well(self.template, name, *overrides.split())
                self.collects(second, stream)
            else:
                bucket, stored = re.fullmatch(r"aws s3 rm s3://([^/]+)/(\S+)", filled).groups()
                self.s3.head_object(Bucket=bucket, Key=stored)
                self.s3.delete_object(Bucket=bucket, Key=stored)
            print(f"{place}: {command}", flush=True)
        status = self.three_schedules(found)
        assert stream not in [it["stream"] for it in status["streams"]], status
        self.three_schedules(second)

    def collects(self, found, stream):
        """The organization's events are in the archive of its own stack, from before what the first one had read."""

        def events():
            bucket = found["ArchiveBucketName"]
            listed = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="events/")
            keys = [item["Key"] for page in listed for item in page.get("Contents", [])]
            assert all(f"/{stream}-" in key for key in keys), keys
            heads = [self.s3.head_object(Bucket=bucket, Key=key) for key in keys]
            count = sum(int(head["Metadata"]["event-count"]) for head in heads)
            return count if count == self.fleet["events"] // self.fleet["organizations"] else None

        wait_for("the organization's events in the second stack", SECONDS_MAX, events)
