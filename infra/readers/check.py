"""Makes an archive with hostile lines, and tries readers and what is ready made for them over it.

    python -m readers.check COLLECTOR SCRATCH
"""

import sys
from pathlib import Path

from . import archive, content, mock, read_back
from .fields import Known, made_up

EVENTS = 5000


def main(collector, scratch):
    sys.setrecursionlimit(10_000)
    scratch = Path(scratch)
    with mock.running(collector, EVENTS, scratch) as jumpcloud:
        mock.collect(collector, jumpcloud, scratch / "raw")
        mock.collect(collector, jumpcloud, scratch / "ecs", OUTPUT_FORMAT="ecs")
        mock.collect(collector, jumpcloud, scratch / "layout", OUTPUT_FORMAT="ecs", KEY_LAYOUT=content.HIVE_LAYOUT)
        expected = mock.served(jumpcloud)
    folder = scratch / "raw" / "archive"
    parts = archive.parts(folder)
    events = made_up(parts)
    known = Known(events)
    content.index_templates()
    content.pipelines(parts, archive.parts(scratch / "ecs" / "archive"), known)
    content.shippers()
    content.splunk(parts, known)
    known.expect(content.panther(events), "panther/schema.yml")
    content.duckdb_views(folder, len(expected), known)
    content.athena_views(folder, len(expected), known)
    content.clickhouse(known)
    content.layouts(scratch / "ecs" / "archive", scratch / "layout" / "archive")
    read_back.apart(read_back.everything(folder, expected))


if __name__ == "__main__":
    main(*sys.argv[1:])
