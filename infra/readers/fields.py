"""Which members events have: those of the mock of JumpCloud, and those that JumpCloud documents."""

import json
from pathlib import Path


def documented():
    """The members that infra/siem/documented-fields.txt names, in dot notation."""
    text = Path("infra/siem/documented-fields.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and line[0] not in "#["]
    return {name for line in lines for name in line.split()}


def documented_types():
    """The types of events that JumpCloud documents, as the engine's table has them."""
    (file,) = Path("src").rglob("event_types.txt")
    lines = file.read_text(encoding="utf-8").splitlines()
    return {line.strip() for line in lines if line and line[0] not in "#["}


def paths(value, prefix=""):
    """The members of an event in dot notation, those of objects in a list as if there were only one."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{prefix}{name}"
            yield from paths(inner, f"{prefix}{name}.")
    elif isinstance(value, list):
        for inner in value:
            yield from paths(inner, prefix)


def made_up(parts):
    """The made-up events of an archive: all but the hostile ones and the snapshots of users."""
    events = (part for part in parts if part.partition[0] != "systemusers")
    lines = (line for part in events for line in part.lines if b'"hostile":' not in line)
    return [json.loads(line) for line in lines]


class Known:
    """The members and the types of events that something ready made may name."""

    def __init__(self, events):
        self.members = documented().union(*map(paths, events))
        self.types = documented_types() | {event["event_type"] for event in events}

    def expect(self, names, where):
        """Every name is that of a member."""
        unknown = sorted(set(names) - self.members)
        assert not unknown, f"{where} names what no event has: {', '.join(unknown)}"

    def expect_types(self, names, where):
        """Every name is that of a type of events."""
        unknown = sorted(set(names) - self.types)
        assert not unknown, f"{where} names a type that is not one of events: {', '.join(unknown)}"
