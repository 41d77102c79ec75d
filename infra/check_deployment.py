"""Deploys the built stack into MiniStack and reads its archive as SIEMs do. Called by infra/check-deployment.

What is compared with what the mock of JumpCloud serves: the events in the objects that the messages of a SIEM's queue
name, as readers' own code reads them (readers/read_back.py).
"""

import gzip
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.parse
from contextlib import contextmanager
from pathlib import Path

import boto3

from readers.mock import command as mock_command, write_hostile

STACK = "jumpcloud-collector"
FLEET_STACK = "jumpcloud-collector-fleet"
EVENTS = 3000
DEPLOYED_SECONDS_MAX = 300
COLLECTED_SECONDS_MAX = 240


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(command, **options):
    """A process that ends with the block; what it wrote is shown if the block fails."""
    with open(options.pop("log"), "wb") as log:
        process = subprocess.Popen(command, stderr=log, stdout=options.pop("stdout", log), **options)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_for(what, seconds, test):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = test()
        if found is not None:
            return found
        time.sleep(0.5)
    sys.exit(f"{what}: not within {seconds} s")


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return None


def with_mock(built, jumpcloud):
    """A copy of the built template whose function asks the mock, which no parameter could make it do."""
    template = (built / "template.yaml").read_text()
    (before, after) = split_environment(template)
    own = {
        "JUMPCLOUD_INSIGHTS_URL": jumpcloud["insights_url"],
        "JUMPCLOUD_CONSOLE_URL": jumpcloud["console_url"],
        "JUMPCLOUD_TOKEN_URL": jumpcloud["token_url"],
    }
    lines = "".join(f"          {name}: {value}\n" for name, value in own.items())
    copy = built / "template-with-mock.yaml"
    copy.write_text(before + lines + after)
    return copy


def split_environment(template):
    place = re.search(r"^( +)LOG_LEVEL:", template, re.MULTILINE)
    if place is None or len(place.group(1)) != 10:
        sys.exit("the function's environment is not where it was")
    return template[: place.start()], template[place.start() :]


def deploy(sam, template, environment, stack, key, *parameters):
    """Deploys with parameters at their defaults but for the key, the shortest schedule, and those that are given."""
    command = [
        sam,
        "deploy",
        "--template-file",
        template,
        "--stack-name",
        stack,
        "--resolve-s3",
        "--capabilities",
        "CAPABILITY_IAM",
        "--no-confirm-changeset",
        "--no-progressbar",
        "--parameter-overrides",
        f"JumpCloudApiKey={key}",
        "ScheduleMinutes=1",
        *parameters,
    ]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEPLOYED_SECONDS_MAX)


def deploy_well(*arguments):
    began = time.monotonic()
    result = deploy(*arguments)
    if result.returncode != 0:
        sys.exit(f"sam deploy failed:\n{result.stdout[-6000:]}\n{result.stderr[-3000:]}")
    print(f"deployed in {time.monotonic() - began:.0f} s")


def deploy_in_vain(cloudformation, sam, template, environment):
    """With a key that JumpCloud does not know, the stack fails with JumpCloud's reason, and is taken back whole."""
    stack = f"{STACK}-refused"
    result = deploy(sam, template, environment, stack, "a-key-that-nobody-has-given")
    assert result.returncode != 0, "a stack that cannot work was deployed"
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    reasons = [event.get("ResourceStatusReason", "") for event in events if event["LogicalResourceId"] == "Preflight"]
    refused = [reason for reason in reasons if "JumpCloud refuses the credential (401" in reason]
    assert refused, reasons
    status = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
    assert status == "ROLLBACK_COMPLETE", status
    print(f"a wrong key fails the stack: {refused[0]}")


def outputs(cloudformation, stack):
    stack = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def lines_of(body):
    text = gzip.decompress(body).decode()
    assert text.endswith("\n"), "the last line ends"
    return text[:-1].split("\n")


class Messages:
    """What a SIEM learns from its queue: the keys of new objects."""

    def __init__(self, sqs, queue):
        self.sqs, self.queue, self.keys, self.bodies = sqs, queue, [], []

    def take(self):
        got = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10, WaitTimeSeconds=0)
        for message in got.get("Messages", []):
            self.bodies.append(message["Body"])
            for record in json.loads(message["Body"]).get("Records", []):
                self.keys.append(urllib.parse.unquote_plus(record["s3"]["object"]["key"]))
            self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return got.get("Messages", [])


def collected(s3, bucket, messages, events):
    """The objects the messages name, once they hold all events; no message may name one twice."""
    objects = {}

    def enough():
        while messages.take():
            pass
        for key in messages.keys:
            if key not in objects:
                objects[key] = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        found = sum(len(lines_of(body)) for body in objects.values())
        return objects if found >= events else None

    return wait_for(f"{events} events in the archive", COLLECTED_SECONDS_MAX, enough)


def compare(objects, messages, s3, bucket):
    assert len(messages.keys) == len(set(messages.keys)), "a message names an object a second time"
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="events/")
    listed = {item["Key"] for page in pages for item in page.get("Contents", [])}
    assert listed == set(messages.keys), f"without a message: {listed - set(messages.keys)}"
    print(f"{len(objects)} objects, each named by one message of the SIEM's queue")


def read_back(python, objects, messages, jumpcloud, folder):
    """Has the readers read what the messages name."""
    for key, body in objects.items():
        file = folder / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
    bodies = folder / "messages.ndjson"
    bodies.write_text("".join(f"{json.dumps(json.loads(body))}\n" for body in messages.bodies))
    command = [python, "-m", "readers.read_back", folder, json.dumps(jumpcloud), bodies]
    sys.stdout.flush()
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)})


def look_at_log(logs, group, secret):
    """The function's log holds its metrics, and nowhere the key."""
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
    lines = [event["message"] for page in pages for event in page["events"]]
    assert not any(secret in line for line in lines), "the key is in the log"
    metrics = [line for line in lines if '"_aws"' in line]
    assert metrics, f"no metrics among {len(lines)} lines"
    delivered = sum(json.loads(line)["EventsDelivered"] for line in metrics)
    print(f"{len(lines)} lines of log, {len(metrics)} with metrics, {delivered} events delivered by them")
    return delivered


def through_the_queue(client, found, fleet):
    """A provider's organizations are found, queued, and worked on message by message, and nothing is left over."""
    messages = Messages(client("sqs"), found["SiemQueue1Url"])
    objects = collected(client("s3"), found["ArchiveBucketName"], messages, fleet["events"])
    ids = [json.loads(line)["id"] for body in objects.values() for line in lines_of(body)]
    assert len(ids) == len(set(ids)) == fleet["events"], "an event is there twice, or one too many"
    pages = client("logs").get_paginator("filter_log_events").paginate(logGroupName=found["CollectorLogGroupName"])
    lines = [event["message"] for page in pages for event in page["events"]]
    assert any("answered the work queue" in line for line in lines), "nothing went through the queue"
    for name in ("WorkDeadLetterQueueUrl", "FailureQueueUrl", "ScheduleDeadLetterQueueUrl"):
        left = client("sqs").get_queue_attributes(QueueUrl=found[name], AttributeNames=["ApproximateNumberOfMessages"])
        assert left["Attributes"]["ApproximateNumberOfMessages"] == "0", name
    print(f"a provider's {fleet['organizations']} organizations: {len(ids)} events through the work queue")


def main(build, collector, sam, python, scratch):
    scratch = Path(scratch)
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    aws = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
    }
    ministack_environment = os.environ | {"AWS_ENDPOINT_URL": endpoint, "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port)}
    hostile = scratch / "hostile.json"
    write_hostile(hostile)
    mock = running(
        mock_command(collector, EVENTS, hostile),
        log=scratch / "mock.log",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    ministack = running(
        [Path(sys.executable).with_name("ministack")],
        log=scratch / "ministack.log",
        env=ministack_environment,
        cwd=scratch,
    )
    with mock as process, ministack:
        jumpcloud = json.loads(process.stdout.readline())
        wait_for("MiniStack", 60, lambda: answers(port))
        template = with_mock(Path(build), jumpcloud)
        try:
            session = boto3.Session("test", "test", region_name="us-east-1")
            client = lambda name: session.client(name, endpoint_url=endpoint)
            deploy_in_vain(client("cloudformation"), sam, template, os.environ | aws)
            deploy_well(sam, template, os.environ | aws, STACK, jumpcloud["api_key"])
            fleet = jumpcloud["fleet"]
            many = f"JumpCloudProviderId={fleet['provider']}"
            deploy_well(sam, template, os.environ | aws, FLEET_STACK, fleet["api_key"], many)
            found = outputs(client("cloudformation"), STACK)
            bucket = found["ArchiveBucketName"]
            messages = Messages(client("sqs"), found["SiemQueue1Url"])
            s3 = client("s3")
            began = time.monotonic()
            objects = collected(s3, bucket, messages, jumpcloud["events"])
            print(f"the schedule fired and the function had collected after {time.monotonic() - began:.0f} s")
            compare(objects, messages, s3, bucket)
            read_back(python, objects, messages, jumpcloud, scratch / "archive")
            delivered = look_at_log(client("logs"), found["CollectorLogGroupName"], jumpcloud["api_key"])
            assert delivered == jumpcloud["events"], "metrics and archive differ"
            through_the_queue(client, outputs(client("cloudformation"), FLEET_STACK), fleet)
        except BaseException:
            print((scratch / "ministack.log").read_text(errors="replace")[-6000:], file=sys.stderr)
            raise


main(*sys.argv[1:])
