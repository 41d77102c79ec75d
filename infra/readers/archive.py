"""An archive in a folder: its objects, and their lines as bytes."""

import gzip
import re
from dataclasses import dataclass

KEY = re.compile(r"events/service=(?P<service>[a-z0-9_]+)/date=(?P<date>\d{4}-\d{2}-\d{2})/[^/]+\.ndjson\.gz")


@dataclass
class Part:
    """An object: its key, the partition the key names, and its lines."""

    key: str
    partition: tuple
    body: bytes
    lines: list


def parts(folder):
    """The objects below a folder, by key."""
    found = []
    for file in sorted(folder.glob("events/**/*.gz")):
        key = str(file.relative_to(folder))
        named = KEY.fullmatch(key)
        assert named, f"{key} is no key of the default layout"
        body = gzip.decompress(file.read_bytes())
        assert body.endswith(b"\n"), f"the last line of {key} does not end"
        found.append(Part(key, named.groups(), body, body[:-1].split(b"\n")))
    return found
