"""Tries the schema that is ready made for Panther: every event fits it."""

import re

import yaml

from . import SIEM

FITS = {
    "string": lambda value: isinstance(value, str),
    "timestamp": lambda value: re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value),
    "boolean": lambda value: isinstance(value, bool),
    "bigint": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "json": lambda value: True,
}


def check(events, known):
    schema = yaml.safe_load((SIEM / "panther" / "schema.yml").read_text(encoding="utf-8"))
    assert re.fullmatch(r"Custom(\.[A-Z][A-Za-z0-9]+)+", schema["schema"])
    types = {field["name"]: field["type"] for field in schema["fields"]}
    required = {field["name"] for field in schema["fields"] if field.get("required")}
    assert len(types) == len(schema["fields"]), "a field is there twice"
    known.expect(types, "panther/schema.yml")
    for event in events:
        assert required <= set(event), event
        for name, value in event.items():
            if name in types and value is not None:
                assert FITS[types[name]](value), f"{name} of {event['event_type']} is no {types[name]}: {value!r}"
    print(f"panther/schema.yml: {len(types)} fields, {len(events)} events fit")
