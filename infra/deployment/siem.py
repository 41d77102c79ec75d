"""Reads an archive as SIEMs do: by the messages of a queue, with readers' own code (readers/read_back.py)."""

import gzip
import json
import os
import subprocess
import sys
import urllib.parse
from pathlib import Path

from deployment.emulator import wait_for

COLLECTED_SECONDS_MAX = 240


def lines_of(body):
    text = gzip.decompress(body).decode()
    assert text.endswith("\n"), "the last line ends"
    return text[:-1].split("\n")


class Messages:
    """What a SIEM learns from its queue: the keys of new objects."""

    def __init__(self, sqs, queue):
        self.sqs, self.queue, self.keys, self.bodies = sqs, queue, [], []
        # Not a message about an object, like the test that S3 publishes.
        self.others = []

    def take(self):
        got = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10, WaitTimeSeconds=0)
        for message in got.get("Messages", []):
            body = json.loads(message["Body"])
            (self.bodies if "Records" in body else self.others).append(body)
            for record in body.get("Records", []):
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
    bodies.write_text("".join(f"{json.dumps(body)}\n" for body in messages.bodies))
    command = [python, "-m", "readers.read_back", folder, json.dumps(jumpcloud), bodies]
    sys.stdout.flush()
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)})


def look_at_log(logs, group, secret, events):
    """The function's log holds its metrics, counts the events, and has the key nowhere."""

    def counted():
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        lines = [event["message"] for page in pages for event in page["events"]]
        assert not any(secret in line for line in lines), "the key is in the log"
        written = [json.loads(line)["events"] for line in lines if '"message":"part written"' in line]
        measured = sum('"_aws"' in line for line in lines)
        # A run's metrics are logged when it ends, some time after its last event is there.
        return (len(lines), measured) if sum(written) >= events and measured else None

    lines, measured = wait_for("a log that counts every event", 120, counted)
    print(f"{lines} lines of log, {measured} with metrics, {events} events counted by them")


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
