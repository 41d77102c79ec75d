"""Runs the ingest pipelines of infra/siem, as far as they need it, after Elastic's and OpenSearch's reference."""

import hashlib
import ipaddress
import json
import re
from datetime import datetime, timezone

CONDITION = re.compile(r"ctx\.(?P<path>[\w?.]+) (?P<operator>==|!=) (?P<literal>true|false|null|'[^']*')")
ONE_OF = re.compile(r"(?P<list>\[[^\]]*\])\.contains\(ctx\.(?P<path>[\w?.]+)\)")
SNIPPET = re.compile(r"\{\{\{([\w.]+)\}\}\}")


class Failure(Exception):
    """A processor that cannot do what it should."""


def get(document, path):
    """The value at a path, or None."""
    for step in path.split("."):
        document = document.get(step) if isinstance(document, dict) else None
    return document


def put(document, path, value):
    """Puts a value at a path; the objects on the way are made."""
    *parents, last = path.split(".")
    for step in parents:
        document = document.setdefault(step, {})
        if not isinstance(document, dict):
            raise Failure(f"{step} of {path} is no object")
    document[last] = value


def holds(condition, document):
    """Whether a condition in Painless, of one of two forms, holds."""
    if condition is None:
        return True
    if one_of := ONE_OF.fullmatch(condition):
        return get(document, one_of["path"].replace("?", "")) in json.loads(one_of["list"].replace("'", '"'))
    compared = CONDITION.fullmatch(condition)
    assert compared, f"no condition that is understood here: {condition}"
    literal = json.loads(compared["literal"].replace("'", '"'))
    value = get(document, compared["path"].replace("?", ""))
    return (value is literal if isinstance(literal, bool) else value == literal) == (compared["operator"] == "==")


def rendered(value, document):
    """A value with its snippets filled in."""
    if not isinstance(value, str):
        return value
    return SNIPPET.sub(lambda it: str(get(document, it[1]) or ""), value)


def rename(of, document):
    value = get(document, of["field"])
    if value is not None:
        put(document, of["target_field"], value)
        document.pop(of["field"])


def remove(of, document):
    document.pop(of["field"], None)


def parse(of, document):
    try:
        put(document, of["target_field"], json.loads(get(document, of["field"])))
    except (TypeError, ValueError) as error:
        raise Failure(str(error)) from error


def date(of, document):
    assert of["formats"] == ["ISO8601"]
    text = get(document, of["field"])
    try:
        whole, fraction = re.fullmatch(r"([\d:T-]{19})(?:\.(\d{1,9}))?Z", text).groups()
        datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S")
    except (AttributeError, TypeError, ValueError) as error:
        raise Failure("no time") from error
    put(document, of["target_field"], f"{whole}.{(fraction or '')[:3]:0<3}Z")


def fingerprint(of, document):
    assert of["method"] == "SHA-256" and of["ignore_missing"]
    values = [get(document, field) for field in of["fields"]]
    put(document, of["target_field"], hashlib.sha256(json.dumps(values).encode()).hexdigest())


def set_value(of, document):
    value = get(document, of["copy_from"]) if "copy_from" in of else rendered(of["value"], document)
    if of.get("ignore_empty_value") and value in (None, ""):
        return
    if of.get("override", True) or get(document, of["field"]) is None:
        put(document, of["field"], value)


def copy(of, document):
    assert of["ignore_missing"] and not of["override_target"]
    value = get(document, of["source_field"])
    if value is not None and get(document, of["target_field"]) is None:
        put(document, of["target_field"], value)


def convert(of, document):
    assert of["type"] == "ip" and of["ignore_missing"]
    value = get(document, of["field"])
    if value is None:
        return
    try:
        ipaddress.ip_address(value)
    except ValueError as error:
        raise Failure("no address") from error
    put(document, of["target_field"], value)


def append(of, document):
    assert of["allow_duplicates"] is False
    values, value = get(document, of["field"]) or [], rendered(of["value"], document)
    put(document, of["field"], values if value in values else [*values, value])


PROCESSORS = {
    "append": append,
    "convert": convert,
    "copy": copy,
    "date": date,
    "fingerprint": fingerprint,
    "json": parse,
    "remove": remove,
    "rename": rename,
    "set": set_value,
}


def run(pipeline, document):
    """The document that the pipeline makes of one."""
    document.setdefault("_ingest", {"timestamp": datetime.now(timezone.utc).isoformat()})
    try:
        steps(pipeline["processors"], document)
    except Failure as failure:
        document["_ingest"] |= {"on_failure_message": str(failure), "on_failure_processor_type": "json"}
        steps(pipeline["on_failure"], document)
    document.pop("_ingest")
    return document


def steps(processors, document):
    for step in processors:
        ((name, of),) = step.items()
        if not holds(of.get("if"), document):
            continue
        try:
            PROCESSORS[name](of, document)
        except Failure:
            if "on_failure" in of:
                steps(of["on_failure"], document)
            elif not of.get("ignore_failure"):
                raise
