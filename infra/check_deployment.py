"""Deploys the built stack into MiniStack and reads its archive as SIEMs do. Called by infra/check-deployment.

What is compared with what the mock of JumpCloud serves are the events in the objects that the messages of a SIEM's
queue name, as readers' own code reads them (readers/read_back.py). Between the function and MiniStack's S3 is a proxy
that enforces what MiniStack does not; see deployment/proxy.py. With `--all`, the template is deployed with several sets
of parameters, more failures are caused, and the procedures of the pages are followed.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deployment import pages, siem, steps
from deployment.changes import Changes
from deployment.emulator import Emulator, emulated, free_port, wait_for, with_variables
from deployment.failures import Failures
from deployment.procedures import Procedures
from deployment.proxy import Proxy
from readers.mock import command as mock_command, write_hostile

STACK = "defaults"
EVENTS = 3000


def deploy_sets(emulator, template, jumpcloud):
    """One stack for each set of parameters, but for the defaults: its name, and what was made."""
    key = jumpcloud["api_key"]
    made = emulator.client("secretsmanager").create_secret(Name="given", SecretString=json.dumps({"api_key": key}))
    by_key = f"JumpCloudApiKey={key}"
    role = "SiemPrincipalArn=arn:aws:iam::444455556666:root"
    sets = {
        "secret-given": (f"JumpCloudSecretArn={made['ARN']}",),
        "reader-role": (by_key, role, "SiemExternalId=given-by-the-siem", "SubscriberAccountIds=444455556666"),
        "three-queues": (by_key, "SiemQueues=3"),
        "snapshots": (by_key, "SystemUsers=daily"),
        "ecs": (by_key, "OutputFormat=ecs"),
    }
    with ThreadPoolExecutor(2) as two:
        made = two.map(lambda stack: emulator.deploy_well(template, stack, *sets[stack]), sets)
        return dict(zip(sets, made))


def check_sets(emulator, stacks, events):
    """Each set has what it is for."""
    s3, sqs = emulator.client("s3"), emulator.client("sqs")

    def collect(stack, queue="SiemQueue1Url"):
        messages = siem.Messages(sqs, stacks[stack][queue])
        return siem.collected(s3, stacks[stack]["ArchiveBucketName"], messages, events)

    assert collect("secret-given"), "nothing was collected with a secret that was given"
    role = stacks["reader-role"]["SiemReaderRoleArn"].split("/")[-1]
    trust = emulator.client("iam").get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    assert "given-by-the-siem" in json.dumps(trust), trust
    by_queue = [set(collect("three-queues", f"SiemQueue{n}Url")) for n in (1, 2, 3)]
    assert by_queue[0] == by_queue[1] == by_queue[2], "the queues name different objects"
    lines = [line for body in collect("ecs").values() for line in siem.lines_of(body)]
    assert all('"@timestamp":' in line and '"ecs":' in line for line in lines), lines[0]
    bucket = stacks["snapshots"]["ArchiveBucketName"]

    def snapshot():
        found = s3.list_objects_v2(Bucket=bucket, Prefix="snapshots/").get("Contents", [])
        return [item["Key"] for item in found] or None

    print(f"snapshots: {wait_for('a snapshot of the users', 240, snapshot)}")
    print(f"{len(by_queue[0])} objects in each of three queues, {len(lines)} documents of ECS")


def check_defaults(emulator, found, scratch, jumpcloud, python):
    """The archive, read as SIEMs read it, and the log."""
    bucket = found["ArchiveBucketName"]
    s3 = emulator.client("s3")
    messages = siem.Messages(emulator.client("sqs"), found["SiemQueue1Url"])
    objects = siem.collected(s3, bucket, messages, jumpcloud["events"])
    assert messages.others == [], f"a message that names no object: {messages.others}"
    siem.compare(objects, messages, s3, bucket)
    siem.read_back(python, objects, messages, jumpcloud, scratch / "archive")
    log = emulator.client("logs")
    siem.look_at_log(log, found["CollectorLogGroupName"], jumpcloud["api_key"], jumpcloud["events"])


def check(emulator, built, jumpcloud, scratch, python, collector, everything):
    own = {f"JUMPCLOUD_{name.upper()}": jumpcloud[name] for name in ("insights_url", "console_url", "token_url")}
    proxy = f"http://127.0.0.1:{jumpcloud['proxy']}"
    template = with_variables(built, "template-with-proxy.yaml", own | {"AWS_ENDPOINT_URL_S3": proxy})
    key = jumpcloud["api_key"]
    failures = Failures(emulator, template, key)
    procedures = Procedures(emulator, template, collector, jumpcloud)
    changes = Changes(emulator, template, key, procedures)
    found = emulator.deploy_well(template, STACK, f"JumpCloudApiKey={key}")
    # Meanwhile the schedule waits for its first minute.
    failures.wrong_key()
    check_defaults(emulator, found, scratch, jumpcloud, python)
    # After it: an update sets the notification again, and S3 sends its test message again.
    failures.another_prefix(STACK)
    changes.upgraded(STACK, found)
    if everything:
        without_proxy = with_variables(built, "template-without-proxy.yaml", own)
        check_everything(emulator, (template, without_proxy), found, jumpcloud, (failures, procedures, changes))


def check_everything(emulator, templates, found, jumpcloud, checks):
    """What takes too long for every test run."""
    (template, without_proxy), (failures, procedures, changes) = templates, checks
    steps.show_by_hand()
    changes.rolled_back(STACK, found)
    changes.rollback_failed(STACK, found)
    changes.removed("removed")
    fleet = jumpcloud["fleet"]
    provider = (f"JumpCloudApiKey={fleet['api_key']}", f"JumpCloudProviderId={fleet['provider']}")
    found_fleet = emulator.deploy_well(template, "fleet", *provider)
    stacks = deploy_sets(emulator, template, jumpcloud)
    siem.through_the_queue(emulator.client, found_fleet, fleet)
    check_sets(emulator, stacks, jumpcloud["events"])
    pages.follow(emulator, found, jumpcloud["api_key"])
    procedures.follow(found, found_fleet)
    failures.not_write_once(without_proxy)
    failures.policy_loosened(STACK, found)
    failures.table_deleted(STACK, found)
    failures.keys("keys")


def main(build, collector, sam, python, scratch, *options):
    scratch = Path(scratch)
    emulator = Emulator(free_port(), sam)
    proxy_port = free_port()
    hostile = scratch / "hostile.json"
    write_hostile(hostile)
    began = time.monotonic()
    with emulated(emulator, mock_command(collector, EVENTS, hostile), scratch) as found, Proxy(emulator, proxy_port):
        jumpcloud = found | {"proxy": proxy_port}
        check(emulator, Path(build), jumpcloud, scratch, python, collector, "--all" in options)
    print(f"passed in {time.monotonic() - began:.0f} s")


main(*sys.argv[1:])
