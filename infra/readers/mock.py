"""The mock of JumpCloud: starting it, collecting from it, and asking it what it serves."""

import json
import os
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

from . import hostile


def command(collector, events, further):
    """Serves so many made-up events of a day, and those of a file."""
    return [collector, "mock", "--events", str(events), "--with", str(further)]


def write_hostile(file):
    """Writes the hostile events where the command above finds them."""
    file.write_bytes("\n".join(hostile.events().values()).encode())


@contextmanager
def running(collector, events, scratch):
    """What the mock says of itself: its addresses, a key and how many events that may see."""
    further = scratch / "hostile.ndjson"
    write_hostile(further)
    process = subprocess.Popen(
        command(collector, events, further), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(10)


def collect(collector, mock, folder, **settings):
    """Collects all the mock serves into a folder, with further settings."""
    environment = {
        "PATH": os.environ["PATH"],
        "JUMPCLOUD_API_KEY": mock["api_key"],
        "JUMPCLOUD_INSIGHTS_URL": mock["insights_url"],
        "JUMPCLOUD_CONSOLE_URL": mock["console_url"],
        "JUMPCLOUD_TOKEN_URL": mock["token_url"],
    } | settings
    result = subprocess.run(
        [collector, "collect", "--to", folder], env=environment, capture_output=True, text=True, timeout=120
    )
    if result.returncode != 0:
        sys.exit(f"nothing was collected:\n{result.stdout}\n{result.stderr}")


def served(mock, until=None, since=None):
    """Every event of a day that the mock serves, as the archive must hold it, in the order of its answers."""
    until = until or datetime.now(timezone.utc)
    since = since or until - timedelta(hours=25)
    query = {
        "service": ["all"],
        "start_time": f"{since:%Y-%m-%dT%H:%M:%SZ}",
        "end_time": f"{until:%Y-%m-%dT%H:%M:%SZ}",
        "limit": 10_000,
    }
    rows = []
    while True:
        request = urllib.request.Request(
            f"{mock['insights_url']}/events",
            json.dumps(query).encode(),
            {"x-api-key": mock["api_key"], "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            page = list(split(answer.read().decode()))
            rows += page
            if len(page) < int(answer.headers["X-Limit"]):
                return [hostile.as_archived(row).encode() for row in rows]
            query["search_after"] = json.loads(answer.headers["X-Search_after"])


def split(array):
    """The texts of an array's elements, each byte for byte."""
    decoder, place = json.JSONDecoder(), 1
    while array[place] != "]":
        _, end = decoder.raw_decode(array, place)
        yield array[place:end]
        place = end + (array[end] == ",")
