"""Reads an archive as SIEMs do: by the messages of a queue, with DuckDB, Polars, a strict JSON parser, and splitlines."""

import gzip
import json
import re
import sys
import urllib.parse

import duckdb
import polars
import sqlglot
import yaml

from deployment.emulator import wait_for

COLLECTED_SECONDS_MAX = 240


def lines_of(body):
    text = gzip.decompress(body).decode()
    assert text.endswith("\n"), "the last line ends"
    return text[:-1].split("\n")


class Messages:
    """What a SIEM learns from its queue: the keys of new objects."""

    def __init__(self, sqs, queue):
        self.sqs, self.queue, self.keys = sqs, queue, []
        # What is no message of an object, like the test that S3 publishes.
        self.others = []

    def take(self):
        got = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10, WaitTimeSeconds=0)
        for message in got.get("Messages", []):
            body = json.loads(message["Body"])
            if "Records" not in body:
                self.others.append(body)
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


def read_back(objects, folder):
    """How many events each reader finds, and what they were grouped by."""
    for key, body in objects.items():
        file = folder / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
    pattern = f"{folder}/events/**/*.ndjson.gz"
    by_duckdb = duckdb.sql(
        f"SELECT service, date, count(*) AS events FROM read_json('{pattern}', format='newline_delimited',"
        " columns={'id': 'VARCHAR', 'timestamp': 'VARCHAR'}, hive_partitioning=true,"
        " hive_types={'service': VARCHAR, 'date': DATE}) GROUP BY ALL"
    ).fetchall()
    duckdb_counts = {(service, str(date)): count for service, date, count in by_duckdb}

    # Polars has Hive partitions for Parquet alone; of line-delimited JSON it tells the file of each row.
    frame = polars.scan_ndjson(
        f"{folder}/events/**/*.ndjson.gz",
        schema={"id": polars.String, "timestamp": polars.String},
        include_file_paths="path",
    )
    parts = frame.select(
        polars.col("path").str.extract(r"service=([^/]+)/").alias("service"),
        polars.col("path").str.extract(r"date=([^/]+)/").alias("date"),
    )
    by_polars = parts.group_by("service", "date").len().collect().rows()
    polars_counts = {(service, date): count for service, date, count in by_polars}

    strict, split = {}, {}
    for key, body in objects.items():
        service, date = re.search(r"service=([^/]+)/date=([^/]+)/", key).groups()
        lines = lines_of(body)
        for line in lines:
            event = json.loads(line, parse_constant=lambda constant: sys.exit(f"{constant} is no JSON"))
            assert isinstance(event, dict) and event["timestamp"].startswith(date), line
        strict[service, date] = strict.get((service, date), 0) + len(lines)
        datadog = len(gzip.decompress(body).decode().splitlines())
        split[service, date] = split.get((service, date), 0) + datadog
    return {"DuckDB": duckdb_counts, "Polars": polars_counts, "strict JSON": strict, "splitlines": split}


def compare(objects, messages, s3, bucket, folder, events):
    assert len(messages.keys) == len(set(messages.keys)), "a message names an object a second time"
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="events/")
    listed = {item["Key"] for page in pages for item in page.get("Contents", [])}
    assert listed == set(messages.keys), f"without a message: {listed - set(messages.keys)}"
    counts = read_back(objects, folder)
    for reader, found in counts.items():
        total = sum(found.values())
        assert total == events, f"{reader} finds {total} events, JumpCloud served {events}"
        assert found == counts["strict JSON"], f"{reader} sees other partitions"
        print(f"{reader}: {total} events in {len(found)} partitions")
    ids = [json.loads(line)["id"] for body in objects.values() for line in lines_of(body)]
    assert len(ids) == len(set(ids)), "an event is there twice"
    print(f"{len(objects)} objects, each named by one message of the SIEM's queue")


def named_queries():
    """The named queries of the Athena template, by their logical ids."""

    class Tags(yaml.SafeLoader):
        """Leaves CloudFormation's short tags out: no query holds one."""

    Tags.add_multi_constructor("!", lambda *_: None)
    with open("infra/athena.yaml", encoding="utf-8") as file:
        resources = yaml.load(file, Loader=Tags)["Resources"]
    queries = {name: it for name, it in resources.items() if it["Type"] == "AWS::Athena::NamedQuery"}
    return {name: query["Properties"]["QueryString"] for name, query in queries.items()}


def for_duckdb(query):
    """An Athena query in DuckDB's words."""
    tree = sqlglot.parse_one(query, read="athena")
    for call in list(tree.find_all(sqlglot.exp.Anonymous)):
        if call.name.lower() == "any_match":
            kept = sqlglot.exp.Anonymous(this="list_filter", expressions=call.expressions)
            call.replace(sqlglot.exp.Anonymous(this="list_any", expressions=[kept]))
    return tree.sql(dialect="duckdb")


def ask(folder, events):
    """Asks the archive what security teams ask; every question has an answer in what the stand-in serves."""
    duckdb.sql("CREATE MACRO list_any(items) AS coalesce(len(items) > 0, false)")
    # As Athena's table: one column, ended by a byte that no JSON holds.
    duckdb.sql(
        f"CREATE VIEW events AS SELECT event, service, date FROM read_csv('{folder}/events/**/*.ndjson.gz',"
        " delim='\x01', header=false, quote='', escape='', columns={'event': 'VARCHAR'}, max_line_size=20000000,"
        " hive_partitioning=true, hive_types={'service': VARCHAR, 'date': VARCHAR})"
    )
    for name, query in named_queries().items():
        rows = duckdb.sql(for_duckdb(query)).fetchall()
        assert rows, f"{name} finds nothing"
        if name == "EventsByDayQuery":
            assert sum(row[2] for row in rows) == events, rows
    print(f"{len(named_queries())} named queries of infra/athena.yaml, each with an answer")


def look_at_log(logs, group, secret, events):
    """The function's log holds its metrics, which count the events, and nowhere the key."""

    def metrics():
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        lines = [event["message"] for page in pages for event in page["events"]]
        assert not any(secret in line for line in lines), "the key is in the log"
        counted = [json.loads(line)["EventsDelivered"] for line in lines if '"_aws"' in line]
        # A run's metrics are logged when it ends, some time after its last event is there.
        return (len(lines), len(counted)) if sum(counted) >= events else None

    lines, counted = wait_for("metrics that count every event", 120, metrics)
    print(f"{lines} lines of log, {counted} with metrics, {events} events delivered by them")


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
