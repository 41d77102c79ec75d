"""Reads an archive with readers' own code, and compares each line with what the mock of JumpCloud serves.

    python -m readers.read_back FOLDER MOCK [MESSAGES]

FOLDER holds `events/`; MOCK is what the mock says of itself, as JSON; MESSAGES are the bodies of a SIEM's queue, a line
each.
"""

import json
import re
import sys
import urllib.parse
from collections import Counter
from pathlib import Path

import duckdb
import orjson
import polars
from aws_lambda_powertools.utilities.data_classes import SQSEvent

from . import archive, hostile, mock, queries

# The largest line the archive may hold, in bytes, and room for its end.
LINE_BYTES_MAX = 16 * 1024 * 1024 + 64 * 1024
ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|.)")


def has_lone_surrogate(line):
    """Whether a line holds an escaped half of a surrogate pair without its other half."""
    high_ends = None
    for escape in ESCAPE.finditer(line):
        unit = int(escape[1] or b"0", 16)
        is_low = 0xDC00 <= unit <= 0xDFFF
        if is_low != (high_ends == escape.start()):
            return True
        if high_ends is not None and not is_low:
            return True
        high_ends = escape.end() if 0xD800 <= unit <= 0xDBFF else None
    return high_ends is not None


def as_text(parts):
    """What a reader of lines finds; Datadog's and New Relic's functions split bytes like this."""
    for part in parts:
        assert part.body.splitlines() == part.lines, f"bytes split otherwise in {part.key}"
        texts = [line.decode() for line in part.lines]
        assert part.body.decode().splitlines() == texts, f"text splits otherwise in {part.key}"
    return [(part.partition, line) for part in parts for line in part.lines]


def duckdb_text(folder):
    """The line as one column, as docs/siem/sql.md says."""
    rows = duckdb.sql(
        f"SELECT service, date, event FROM read_csv('{folder}/events/**/*.ndjson.gz', delim='\x01', header=false,"
        f" quote='', escape='', columns={{'event': 'VARCHAR'}}, max_line_size={LINE_BYTES_MAX}, hive_partitioning=true,"
        " hive_types={'service': VARCHAR, 'date': VARCHAR})"
    ).fetchall()
    return [((service, date), event.encode()) for service, date, event in rows]


def polars_text(folder):
    """The line as one column, as docs/siem/sql.md says."""
    frame = polars.scan_lines(f"{folder}/events/**/*.ndjson.gz", name="event", include_file_paths="path").select(
        polars.col("path").str.extract(r"/service=([^/]+)/").alias("service"),
        polars.col("path").str.extract(r"/date=([^/]+)/").alias("date"),
        "event",
    )
    return [((service, date), event.encode()) for service, date, event in frame.collect().iter_rows()]


def duckdb_json(files):
    """The ids that DuckDB's JSON reader finds in some objects."""
    return [
        row[0]
        for row in duckdb.sql(
            f"SELECT id FROM read_json({files}, format='newline_delimited', columns={{'id': 'VARCHAR'}}, records=true,"
            f" maximum_object_size={LINE_BYTES_MAX})"
        ).fetchall()
    ]


def polars_json(files):
    """The ids that Polars' JSON reader finds in some objects."""
    return polars.scan_ndjson(files, schema={"id": polars.String}).collect()["id"].to_list()


def refused_by_orjson(lines):
    """The lines that orjson, a strict parser, refuses; each of the others is an object."""
    refused = []
    for line in lines:
        try:
            event = orjson.loads(line)
        except orjson.JSONDecodeError:
            refused.append(line)
            continue
        assert isinstance(event, dict), line[:200]
    return refused


def in_place(part, line):
    """Whether a line lies in the partition of its own service and date, as far as it names them."""
    event = orjson.loads(line)
    service, date = part.partition
    named = event.get("service")
    fits = isinstance(named, str) and re.fullmatch("[a-z0-9_]{1,40}", named)
    time = event.get("timestamp")
    return service == (named if fits else "_other") and (time is None or " " in time or time.startswith(date))


def compare_text(folder, parts, expected):
    """Readers of lines get every line, and Hive partitions as the keys name them."""
    lines = as_text(parts)
    assert Counter(line for _, line in lines) == Counter(expected), difference(lines, expected)
    print(f"bytes split at line feeds: {len(lines)} of {len(expected)} lines, each byte for byte what was served")
    for name, found in {"DuckDB": duckdb_text(folder), "Polars": polars_text(folder)}.items():
        assert Counter(found) == Counter(lines), f"{name}: {difference(found, expected)}"
        print(f"{name}, lines as text: {len(found)} of {len(expected)} in {len({it for it, _ in found})} partitions")


def difference(lines, expected):
    found, wanted = Counter(line for _, line in lines), Counter(expected)
    lost, more = list((wanted - found).elements()), list((found - wanted).elements())
    return f"{len(lost)} lost, {len(more)} too many: {[line[:120] for line in (lost[:3], more[:3]) if line]}"


def compare_json(folder, parts):
    """Strict parsers refuse what is known to be refused, and that costs no other object's lines."""
    lines = [line for part in parts for line in part.lines]
    refused = {oddity(line) for line in refused_by_orjson(lines)}
    beyond = {*hostile.LONE_SURROGATES, *hostile.BEYOND_LIMITS}
    assert refused == beyond - hostile.TAKEN_BY_ORJSON, refused ^ beyond
    print(f"orjson: {len(lines) - len(refused)} of {len(lines)} lines; refused: {', '.join(sorted(refused))}")
    strict = [part for part in parts if beyond.isdisjoint(map(oddity, part.lines))]
    assert all(in_place(part, line) for part in strict for line in part.lines), "an event lies in another's partition"
    expected = Counter(as_column(line) for part in strict for line in part.lines)
    files = [str(folder / part.key) for part in strict]
    for name, read in {"DuckDB": duckdb_json, "Polars": polars_json}.items():
        assert Counter(read(files)) == expected, f"{name} reads other events"
        print(f"{name}, lines as JSON: {sum(expected.values())} lines of {len(strict)} objects without such lines")


def oddity(line):
    """What is odd about a hostile line; None of any other."""
    named = re.search(rb'"hostile":("[^"]*")', line)
    return json.loads(named[1]) if named else None


def as_column(line):
    """An event's id as a column of text has it."""
    identity = orjson.loads(line).get("id")
    return identity if identity is None or isinstance(identity, str) else str(identity)


def apart(parts):
    """Lines with half of a surrogate pair are in objects of their own, so that no other line is lost with them."""
    halves = 0
    for part in parts:
        of, with_halves = len(part.lines), sum(has_lone_surrogate(line) for line in part.lines)
        assert with_halves in (0, of), f"{part.key}: {with_halves} of {of} lines have half a pair"
        halves += with_halves
    assert halves == len(hostile.LONE_SURROGATES), halves
    print(f"{halves} lines with half of a surrogate pair, in objects of their own")


def messages(file, parts):
    """The queue's messages, as a function of AWS's own toolkit reads them, name each object once."""
    bodies = [line for line in file.read_text().splitlines() if line]
    event = SQSEvent({"Records": [{"body": body, "eventSource": "aws:sqs"} for body in bodies]})
    keys = []
    for record in event.records:
        if json.loads(record.body).get("Event") == "s3:TestEvent":
            continue
        for nested in record.decoded_nested_s3_event.records:
            keys.append(urllib.parse.unquote_plus(nested.s3.get_object.key))
    assert Counter(keys) == Counter(part.key for part in parts), "messages and objects differ"
    print(f"aws-lambda-powertools: {len(keys)} objects named by {len(bodies)} messages, each once")


def everything(folder, expected):
    """Reads an archive in every way, and compares it with what was served."""
    parts = archive.parts(folder)
    compare_text(folder, parts, expected)
    compare_json(folder, parts)
    queries.ask(folder, len(expected))
    return parts


def main(folder, served_by, bodies=None):
    sys.setrecursionlimit(10_000)
    parts = everything(Path(folder), mock.served(json.loads(served_by)))
    if bodies:
        messages(Path(bodies), parts)
    apart(parts)


if __name__ == "__main__":
    main(*sys.argv[1:])
