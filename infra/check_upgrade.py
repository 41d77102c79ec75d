"""Follows the pages with nothing but the files of two releases, in an emulator of AWS. Called by infra/check-upgrade.

    python infra/check_upgrade.py BEFORE AFTER SCRATCH

The stack runs the programs of the releases, as they are; they answer no deployment on a loopback address, so that here
the check at deployment is left out, and `validate` is asked for by hand. What only AWS can give or take is in
`for_emulator`, and in REPLACED: words of the pages' commands, and what is run in their place.
"""

import base64
import hashlib
import json
import os
import re
import shutil
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

from deployment import siem
from deployment.emulator import Emulator, emulated, free_port, wait_for
from deployment.person import Person, block
from deployment.procedures import Procedures
from deployment.proxy import Proxy
from readers.mock import served

EVENTS, LIVE = 2000, 3600
# A run that an update of the emulated function ends has its lease for six minutes; AWS lets it finish.
SECONDS_MAX = 600
STACK = "jumpcloud-collector"
REPLACED = {"ValidateOnDeploy=$(date +%s)": "ValidateOnDeploy=false"}


class Release:
    """The files of a release in a folder of their own."""

    def __init__(self, dist, folder):
        shutil.copytree(dist, folder)
        self.folder = folder
        (archive,) = folder.glob("*-function-x86_64.zip")
        self.version = re.search(r"-(\d+\.\d+\.\d+)-", archive.name)[1]
        self.code = base64.b64encode(hashlib.sha256(archive.read_bytes()).digest()).decode()
        self.name = f"{STACK}-{self.version}"

    def lines(self, page, heading, nth=1):
        """A page's commands, as the page of this release has them."""
        for line in block(page, heading, nth):
            for old, new in REPLACED.items():
                line = line.replace(old, new)
            yield re.sub(rf"{STACK}-\d+\.\d+\.\d+", self.name, line)


def for_emulator(template, variables):
    """The template with variables that no parameter can give; its defaults are those of a person in a hurry."""
    text = template.read_text()
    lines = "".join(f"          {name}: {value}\n" for name, value in variables.items())
    for old, new in (
        ("          LOG_LEVEL:", f"{lines}          LOG_LEVEL:"),
        ('  ValidateOnDeploy:\n    Type: String\n    Default: "true"', '  ValidateOnDeploy:\n    Type: String\n    Default: "false"'),
        ("  ScheduleMinutes:\n    Type: Number\n    Default: 5", "  ScheduleMinutes:\n    Type: Number\n    Default: 1"),
    ):
        assert text.count(old) == 1, f"{template.name} does not have once: {old}"
        text = text.replace(old, new)
    template.write_text(text)


class Archive:
    """The stack's archive, by the messages of a SIEM's queue."""

    def __init__(self, emulator, found):
        self.s3, self.bucket = emulator.client("s3"), found["ArchiveBucketName"]
        self.messages = siem.Messages(emulator.client("sqs"), found["SiemQueue1Url"])
        self.objects = {}

    def events(self):
        while self.messages.take():
            pass
        for key in self.messages.keys:
            if key not in self.objects:
                self.objects[key] = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return [line for body in self.objects.values() for line in siem.lines_of(body)]

    def grows(self, since):
        """Waits for an event that happened after a time."""

        def grown():
            later = [line for line in self.events() if json.loads(line)["timestamp"] > f"{since:%Y-%m-%dT%H:%M:%S}"]
            return later or None

        return len(wait_for("an event that has happened since", SECONDS_MAX, grown))


class Check:
    def __init__(self, emulator, jumpcloud, scratch, variables):
        self.emulator, self.jumpcloud, self.scratch, self.variables = emulator, jumpcloud, scratch, variables
        self.environment = emulator.environment | {"HOME": str(scratch / "home"), "AWS_PAGER": ""}

    def person(self, release):
        return Person(release.folder, self.environment)

    def unpacked(self, release, lines):
        """Runs the lines that check and unpack, and prepares the template."""
        (packed,) = [nth for nth, line in enumerate(lines) if line.startswith("tar ")]
        self.person(release).runs(lines[: packed + 1])
        for template in release.folder.glob(f"{release.name}/template*.yaml"):
            for_emulator(template, self.variables)
        return lines[packed + 1 :]

    def follow(self, release, lines, answers=""):
        began = time.monotonic()
        shown = self.person(release).runs(self.unpacked(release, lines), answers, release.name)
        assert self.jumpcloud["api_key"] not in shown, "the key is shown"
        print(f"{release.name}: deployed in {time.monotonic() - began:.0f} s", flush=True)

    def runs(self, release, archive, found):
        """The stack has this release's program, which is well and collects what happens from now on."""
        now = datetime.now(timezone.utc)
        function = self.emulator.client("lambda").get_function(FunctionName=found["CollectorName"])
        code = function["Configuration"]["CodeSha256"]
        assert code == release.code, f"the stack has another program than {release.name}: {code}"
        (validate,) = [line for line in release.lines("README.md", "## Deploy") if "remote invoke" in line]
        assert '"ok": true' in self.person(release).runs([validate], within=release.name).replace('":true', '": true')
        print(f"{release.name}: {archive.grows(now)} events since it was deployed", flush=True)

    def cursor_lost(self, found, procedures):
        """Somebody deletes the stream's item of the table: nothing is to be done, the next run makes it again."""
        table = {"TableName": found["CursorTableName"], "Key": {"stream": {"S": "self"}}}
        before = procedures.dynamodb.get_item(**table)["Item"]
        procedures.dynamodb.delete_item(**table)
        procedures.three_schedules(found)
        after = procedures.dynamodb.get_item(**table)["Item"]
        assert after["epoch"] == before["epoch"] and int(after["seq"]["N"]) >= int(before["seq"]["N"]), (before, after)
        print("the cursor was deleted, and made again from the journal", flush=True)

    def without_sam(self, release, found):
        """Deploys by the AWS CLI alone."""
        self.emulator.client("s3").create_bucket(Bucket="of-the-person")
        secret = self.emulator.client("secretsmanager").describe_secret(SecretId="jumpcloud")["ARN"]
        lines = [line.replace("<bucket>", "of-the-person") for line in release.lines("infra/README.md", "### Without SAM")]
        self.person(release).runs([f"SECRET={secret}", *lines], within=release.name)

    def removed(self, release, found):
        """The function is gone; the archive, the state and the table are not."""
        lines = [line.replace("<stack>", STACK) for line in release.lines("docs/operate.md", "## Remove")]
        self.person(release).runs(lines, "y\n" * 6, release.name)
        functions = self.emulator.client("lambda").list_functions()["Functions"]
        assert found["CollectorName"] not in [it["FunctionName"] for it in functions], functions
        for bucket in ("ArchiveBucketName", "StateBucketName"):
            assert self.emulator.client("s3").list_objects_v2(Bucket=found[bucket])["KeyCount"], bucket
        self.emulator.client("dynamodb").describe_table(TableName=found["CursorTableName"])
        self.person(release).runs(list(release.lines("docs/operate.md", "## Remove", 2)), within=release.name)
        secrets = self.emulator.client("secretsmanager").list_secrets()["SecretList"]
        assert "jumpcloud" not in [it["Name"] for it in secrets], secrets
        print("the stack and its secret are removed; its buckets and its table are there", flush=True)

    def whole(self, archive):
        """Nothing that was served is missing, nothing else is there, and nothing is there twice."""
        until = datetime.now(timezone.utc) - timedelta(seconds=30)
        since = until - timedelta(hours=25)
        expected = {line.decode() for line in served(self.jumpcloud, until, since)}
        deadline = time.monotonic() + SECONDS_MAX
        while missing := expected - set(events := archive.events()):
            assert time.monotonic() < deadline, f"{len(missing)} events are missing, one of them {missing.pop()}"
            time.sleep(1)
        assert len(events) == len(set(events)), "an event is there twice"
        later = {line.decode() for line in served(self.jumpcloud, until + timedelta(hours=2), since)}
        assert set(events) <= later, "an event that was never served"
        siem.compare(archive.objects, archive.messages, archive.s3, archive.bucket)
        print(f"{len(events)} events, each once; {len(expected)} had to be there", flush=True)


def check(run, before, after, collector):
    emulator, key = run.emulator, run.jumpcloud["api_key"]
    run.follow(before, list(before.lines("README.md", "## Deploy")), f"{key}\ny\n")
    found = emulator.outputs(STACK)
    archive = Archive(emulator, found)
    run.runs(before, archive, found)
    run.cursor_lost(found, Procedures(emulator, None, collector, run.jumpcloud))
    run.follow(after, list(after.lines("docs/operate.md", "## Upgrade")), "y\n")
    run.runs(after, archive, found)
    back = list(before.lines("docs/operate.md", "## Roll back"))
    folder = str(before.folder / before.name)
    run.person(before).runs([line.replace("<folder of the previous release>", folder) for line in back], "y\n")
    run.runs(before, archive, found)
    run.without_sam(after, found)
    run.runs(after, archive, found)
    run.whole(archive)
    run.removed(after, found)


def main(before, after, scratch):
    scratch = Path(scratch)
    (scratch / "home").mkdir()
    before, after = Release(before, scratch / "before"), Release(after, scratch / "after")
    assert before.code != after.code, "both releases have the same program"
    Person(before.folder, dict(os.environ)).runs([f"tar xf {before.name}-collector-x86_64.tar.gz"])
    collector = before.folder / f"{before.name}-collector-x86_64" / "collector"
    emulator, proxy_port = Emulator(free_port(), shutil.which("sam")), free_port()
    mock = [collector, "mock", "--events", str(EVENTS), "--live", str(LIVE)]
    began = time.monotonic()
    with emulated(emulator, mock, scratch) as jumpcloud, Proxy(emulator, proxy_port):
        variables = {f"JUMPCLOUD_{it.upper()}": jumpcloud[it] for it in ("insights_url", "console_url", "token_url")}
        variables["AWS_ENDPOINT_URL_S3"] = f"http://127.0.0.1:{proxy_port}"
        check(Check(emulator, jumpcloud, scratch, variables), before, after, collector)
    print(f"passed in {time.monotonic() - began:.0f} s")


main(*sys.argv[1:])
