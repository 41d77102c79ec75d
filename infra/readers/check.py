"""Makes an archive with hostile lines, and tries readers and what is ready made for them over it.

    python -m readers.check COLLECTOR SCRATCH
"""

import sys
from pathlib import Path

from . import archive, ecs, mock, pages, panther, read_back, splunk, views
from .fields import Known, made_up

EVENTS = 5000


def main(collector, scratch):
    sys.setrecursionlimit(10_000)
    scratch = Path(scratch)
    raw, documents, layout = (scratch / name / "archive" for name in ("raw", "ecs", "layout"))
    with mock.running(collector, EVENTS, scratch) as jumpcloud:
        mock.collect(collector, jumpcloud, raw.parent)
        mock.collect(collector, jumpcloud, documents.parent, OUTPUT_FORMAT="ecs")
        mock.collect(collector, jumpcloud, layout.parent, OUTPUT_FORMAT="ecs", KEY_LAYOUT=views.HIVE_LAYOUT)
        served = mock.served(jumpcloud)
    parts = archive.parts(raw)
    events = made_up(parts)
    known = Known(events)
    ecs.templates()
    ecs.pipelines(parts, archive.parts(documents), known)
    ecs.shippers()
    splunk.check(parts, known)
    panther.check(events, known)
    views.for_duckdb(raw, len(served), known)
    views.for_athena(raw, len(served), known)
    views.for_clickhouse(known)
    pages.check(raw, len(served))
    views.layouts(documents, layout)
    read_back.apart(read_back.everything(raw, served))


if __name__ == "__main__":
    main(*sys.argv[1:])
