"""Tries the rules of infra/detections: over events that each must find and must not find, and over an archive.

    python -m readers.detections FOLDER
"""

import json
import sqlite3
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import yaml
from sigma.backends.elasticsearch import ESQLBackend, LuceneBackend
from sigma.backends.splunk import SplunkBackend
from sigma.backends.sqlite import sqliteBackend
from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule
from sigma.plugins import InstalledSigmaPlugins
from sigma.processing.pipeline import ProcessingPipeline
from sigma.validation import SigmaValidator

from . import archive
from .fields import Known, made_up, paths

RULES = Path("infra/detections")
# Sigma's validators that fetch lists of tags.
ASKS_THE_NETWORK = {"attacktag", "d3_fendtag"}
NOON = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)


class Detection:
    """A rule file: its rules, the SQL that finds what they describe, and the members they name."""

    def __init__(self, file):
        self.name = file.stem
        self.rules = SigmaCollection.from_yaml(file.read_text(encoding="utf-8"))
        *self.bases, self.rule = self.rules.rules
        self.counts = isinstance(self.rule, SigmaCorrelationRule)
        assert len(self.bases) == int(self.counts), f"{file}: one rule, or an event and what counts it"
        (self.query,) = sqliteBackend().convert(SigmaCollection.from_yaml(file.read_text(encoding="utf-8")))
        self.items = [item for rule in self.bases or [self.rule] for item in detection_items(rule)]
        self.members = {item.field for item in self.items}
        if self.counts:
            condition_field = self.rule.condition.fieldref
            self.members |= {*self.rule.group_by, *([condition_field] if condition_field else [])}

    def find(self, events):
        """How often the rule finds something in events: alerts of a counting rule, else events."""
        with_changes = any(name.startswith("changes.") for name in self.members)
        columns = sorted({"timestamp", *self.members})
        database = sqlite3.connect(":memory:")
        database.execute(f"CREATE TABLE logs (event, {', '.join(f'`{name}`' for name in columns)})")
        rows = [
            [number, *(column(event, change, name) for name in columns)]
            for number, event in enumerate(events)
            for change in changes_of(event, with_changes)
        ]
        database.executemany(f"INSERT INTO logs VALUES (?, {', '.join('?' * len(columns))})", rows)
        found = database.execute(self.query).fetchall()
        return len(found) if self.counts else len({row[0] for row in found})


def detection_items(rule):
    """The comparisons of a rule."""

    def below(detection):
        for item in detection.detection_items:
            yield from below(item) if hasattr(item, "detection_items") else [item]

    for detection in rule.detection.detections.values():
        yield from below(detection)


def changes_of(event, wanted):
    """The changes an event tells of, a row each, so that a field and its new value are those of one change."""
    changes = event.get("changes") if wanted else None
    objects = [change for change in changes if isinstance(change, dict)] if isinstance(changes, list) else []
    return objects or [{}]


def column(event, change, name):
    """A member's value as text, as readers of JSON index it."""
    value = event
    if name.startswith("changes."):
        value, name = change, name.removeprefix("changes.")
    for step in name.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)


def played(steps):
    """A case's events with times: one a second, or as a step says."""
    time = NOON
    for step in steps:
        repeated = "times" in step
        event = step["event"] if repeated else step
        for _ in range(step["times"] if repeated else 1):
            yield {"timestamp": f"{time:%Y-%m-%dT%H:%M:%S.000Z}", **event}
            time += timedelta(seconds=step["every_seconds"] if repeated else 1)


def try_cases(detection, known):
    """The rule finds each case that it must find, and none that it must not."""
    file = RULES / "events" / f"{detection.name}.yml"
    cases = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert set(cases) == {"matches", "others"} and all(cases.values()), f"{file}: both kinds of cases"
    for kind, named in cases.items():
        for name, steps in named.items():
            events = list(played(steps))
            known.expect({path for event in events for path in paths(event)}, f"{file}, {name}")
            known.expect_types({event["event_type"] for event in events}, f"{file}, {name}")
            found = detection.find(events) > 0
            assert found == (kind == "matches"), f"{detection.name} {'finds' if found else 'misses'} {name!r}"
    return sum(len(named) for named in cases.values())


def convert(detection):
    """The rule in the words of Splunk and of Elastic; every member of it has a name there."""
    text = (RULES / f"{detection.name}.yml").read_text(encoding="utf-8")
    elastic = ESQLBackend if detection.counts else LuceneBackend
    for name, backend in {"splunk": SplunkBackend, "elastic": elastic}.items():
        pipeline = ProcessingPipeline.from_yaml((RULES / "pipelines" / f"{name}.yml").read_text(encoding="utf-8"))
        (query,) = backend(pipeline).convert(SigmaCollection.from_yaml(text))
        assert "jumpcloud" in query, query
        if name == "elastic":
            for member in detection.members:
                assert mapped(pipeline, member) in query.replace("\\", ""), f"{member} is not in: {query}"


def mapped(pipeline, member):
    """A member's name in a pipeline's words."""
    names = pipeline.items[0].transformation.mapping
    assert member in names, f"{member} has no name in {pipeline.name}"
    return names[member]


def expect_whole(detections):
    """Sigma's own validators find nothing, and every rule says what it is about and when it is wrong."""
    for detection in detections:
        rule = detection.rule
        assert rule.description and rule.falsepositives and rule.level and rule.tags, detection.name
    page = Path("docs/detections.md").read_text(encoding="utf-8")
    assert all(f"[{it.name}]" in page for it in detections), "a rule is in no list"
    known = InstalledSigmaPlugins.autodiscover().validators
    validator = SigmaValidator([kind for name, kind in known.items() if name not in ASKS_THE_NETWORK])
    rules = (rule for detection in detections for rule in (*detection.bases, detection.rule))
    issues = validator.validate_rules(rules)
    assert not issues, "; ".join(f"{issue.rules[0].title}: {issue.description}" for issue in issues)
    cases = {file.stem for file in (RULES / "events").glob("*.yml")}
    assert cases == {detection.name for detection in detections}, "rules and their events differ"


def main(folder):
    events = made_up(archive.parts(Path(folder)))
    known = Known(events)
    detections = [Detection(file) for file in sorted(RULES.glob("*.yml"))]
    assert detections
    expect_whole(detections)
    tried = 0
    for detection in detections:
        known.expect(detection.members, detection.name)
        for item in detection.items:
            if item.field == "event_type":
                known.expect_types(map(str, item.value), detection.name)
        convert(detection)
        tried += try_cases(detection, known)
        found = detection.find(events)
        print(f"{detection.name:36}{detection.rule.level!s:>14}{found:6} found in {len(events)} events")
    print(f"{len(detections)} rules, {tried} cases")


if __name__ == "__main__":
    main(*sys.argv[1:])
