"""Tries what is ready made for Splunk: how it breaks lines, finds times and names fields."""

import configparser
import json
import re

from . import SIEM

SOURCE_TYPE = "jumpcloud:directory_insights"
# What Splunk takes for a name in an expression, and is none of a field.
FUNCTION = r"\b[a-z]+\("


def settings(file):
    """A .conf file of Splunk's."""
    parser = configparser.RawConfigParser(strict=True, delimiters="=", comment_prefixes="#")
    parser.optionxform = str
    parser.read_string((SIEM / "splunk" / file).read_text(encoding="utf-8"))
    return parser


def names(expression):
    """The fields that an eval expression names."""
    bare = re.sub(FUNCTION, "(", re.sub(r'"[^"]*"', "", expression)).replace("OR", "")
    return set(re.findall(r"[\w.]+", bare))


def fields(known):
    """Aliases and expressions name real members."""
    for name, value in settings("props.conf")[SOURCE_TYPE].items():
        if name.startswith("FIELDALIAS-"):
            known.expect([value.split(" AS ")[0]], f"props.conf, {name}")
        elif name.startswith("EVAL-"):
            known.expect(names(value), f"props.conf, {name}")


def lines(parts):
    """Objects break into their lines, and each line's time is the event's own."""
    props = settings("props.conf")[SOURCE_TYPE]
    breaker, prefix = re.compile(props["LINE_BREAKER"].encode()), re.compile(props["TIME_PREFIX"].encode())
    for part in parts:
        assert [line for line in breaker.split(part.body) if line.strip(b"\n")] == part.lines, part.key
        for line in part.lines:
            assert len(line) < int(props["TRUNCATE"]), part.key
            if b'"hostile":' not in line:
                shown = line[prefix.search(line).end() :][: int(props["MAX_TIMESTAMP_LOOKAHEAD"])]
                assert shown.split(b'"')[0].decode() == json.loads(line)["timestamp"], line
    print(f"splunk/props.conf: {len(parts)} objects broken into lines, each with its time")


def users():
    """The snapshots of users, by their keys as they are and as messages have them, get a source type of their own."""
    props, transforms = settings("props.conf"), settings("transforms.conf")
    (name,) = transforms.sections()
    assert props[SOURCE_TYPE]["TRANSFORMS-users"] == name
    assert transforms[name]["FORMAT"].removeprefix("sourcetype::") in props
    pattern = re.compile(transforms[name]["REGEX"])
    assert pattern.search("s3://a/events/service=systemusers/date=2026-11-26/x")
    assert pattern.search("s3://a/events/service%3Dsystemusers/date%3D2026-11-26/x")
    assert not pattern.search("s3://a/events/service=sso/date=2026-11-26/x")


def event_types(known):
    """Event types list real types of events, and have tags."""
    types, tags = settings("eventtypes.conf"), settings("tags.conf")
    for name in types.sections():
        search = types[name]["search"]
        assert f'sourcetype="{SOURCE_TYPE}"' in search
        known.expect_types(re.findall(r'"(\w+)"', search.split(" IN ")[1]), f"eventtypes.conf, {name}")
    assert {f"eventtype={name}" for name in types.sections()} == set(tags.sections())
    print(f"splunk/eventtypes.conf: {len(types.sections())} event types with tags")


def check(parts, known):
    fields(known)
    lines(parts)
    users()
    event_types(known)
