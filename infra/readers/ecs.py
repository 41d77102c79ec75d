"""Tries what is ready made for Elasticsearch and OpenSearch: templates, ingest pipelines, shippers' configuration."""

import json
import re
from pathlib import Path

import yaml

from . import SIEM, ingest

# What a template maps the event itself to: a type that takes members of any type.
EVENT_TYPES = {"elasticsearch": "flattened", "opensearch": "flat_object"}
# What OpenSearch calls a type of Elasticsearch's.
OPENSEARCH_TYPES = {"match_only_text": "text"}
SHIPPERS = ("elasticsearch/filebeat.yml", "elasticsearch/elastic-agent.yml", "opensearch/data-prepper.yaml")
PIPELINE = "jumpcloud-directory-insights"
# What a document of OUTPUT_FORMAT=ecs has and the pipelines do not fill.
NOT_FILLED = {
    "client.address",
    "client.geo.location",
    "client.geo.region_iso_code",
    "source.address",
    "user.target.id",
}
# The types of events that the pipelines know the category of.
CATEGORIZED = {
    "admin_login_attempt",
    "ldap_bind",
    "login_attempt",
    "radius_auth",
    "radius_auth_attempt",
    "sso_auth",
    "user_activation_email",
    "user_login_attempt",
    "user_password_reset_request",
    "user_password_warning_email",
    "user_unlocked",
}


def engine_fields():
    """The fields of the engine's documents and their types, from its own table."""
    (file,) = Path("src").rglob("ecs/fields.txt")
    section = file.read_text(encoding="utf-8").split("\n[fields]\n")[1].split("\n[duplicates]\n")[0]
    rows = (line.split()[:2] for line in section.splitlines() if line and line[0] not in "# ")
    return dict(rows)


def mapped(properties, prefix=""):
    """The fields of a mapping, in dot notation, and their types."""
    for name, field in properties.items():
        if "properties" in field:
            yield from mapped(field["properties"], f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field["type"]


def load(reader, name):
    return json.loads((SIEM / reader / name).read_text(encoding="utf-8"))


def templates():
    """The templates map every field of the engine's documents to its type, and nothing else but two."""
    for reader, event_type in EVENT_TYPES.items():
        template = load(reader, "index-template.json")["template"]
        fields = dict(mapped(template["mappings"]["properties"]))
        assert fields.pop("jumpcloud.event") == event_type and fields.pop("event.ingested") == "date"
        other_names = OPENSEARCH_TYPES if reader == "opensearch" else {}
        wanted = {name: other_names.get(kind, kind) for name, kind in engine_fields().items()}
        assert fields == wanted, f"{reader}: {set(fields.items()) ^ set(wanted.items())}"
    assert template["settings"]["index"]["default_pipeline"] == PIPELINE
    print(f"index templates for {' and '.join(EVENT_TYPES)}: {len(wanted)} fields as the engine writes them")


def leaves(document, prefix=""):
    """The values of a document but for the event itself, by path; lists count as values."""
    for name, value in document.items():
        path = f"{prefix}{name}"
        if path in ("jumpcloud.event", "event.original", "event.ingested", "_id"):
            continue
        if isinstance(value, dict) and path != "client.geo.location":
            yield from leaves(value, f"{path}.")
        elif value != "":
            yield path, sorted(value) if isinstance(value, list) else value


def pipelines(raw, ecs, known):
    """The pipelines make of a raw line what the engine makes of it; they may know fewer types of events."""
    lines = [line for part in raw for line in part.lines if b'"hostile":' not in line]
    documents = (json.loads(line) for part in ecs for line in part.lines)
    written = {document["event"]["id"]: document for document in documents if "id" in document["event"]}
    for reader in EVENT_TYPES:
        pipeline = load(reader, "pipeline.json")
        text = json.dumps(pipeline)
        known.expect(re.findall(r'"jumpcloud\.event\.([\w.]+)"', text), f"{reader}/pipeline.json")
        listed = set(re.findall(r"'(\w+)'", ",".join(re.findall(r"\[('[^\]]*')\]\.contains", text))))
        known.expect_types(listed, f"{reader}/pipeline.json")
        assert listed == CATEGORIZED, f"{reader}: {listed ^ CATEGORIZED}"
        for line in lines:
            made = dict(leaves(ingest.run(pipeline, {"message": line.decode(), "@timestamp": "when it was read"})))
            expect_alike(made, dict(leaves(written[made["event.id"]])), line)
        print(f"{reader}/pipeline.json: {len(lines)} lines as OUTPUT_FORMAT=ecs has them")


def expect_alike(made, written, line):
    """Fails where a field is missing, is one too many, or has another value."""
    if written["event.kind"] == "alert":
        made["event.kind"] = "alert"
    for path in {*made, *written} - NOT_FILLED:
        is_fewer = path in ("event.category", "event.type") and made["event.action"] not in CATEGORIZED
        is_fewer |= path == "related.hosts" and set(made.get(path, [])) < set(written[path])
        assert is_fewer or made.get(path) == written.get(path), (
            f"{path}: {made.get(path)!r} instead of {written.get(path)!r} for {line[:300]}"
        )


def shippers():
    """Configuration of shippers: YAML, with outputs of the stack and the pipeline by its name."""
    stack = Path("template.yaml").read_text(encoding="utf-8")
    for name in SHIPPERS:
        text = (SIEM / name).read_text(encoding="utf-8")
        assert yaml.safe_load(text) and "<SiemQueue1Url>" in text, name
        assert name.startswith("opensearch") or f"pipeline: {PIPELINE}" in text, name
        for output in re.findall(r"<(Siem\w+)>", text):
            assert re.search(rf"^  {output}:", stack, re.MULTILINE), f"{name}: the stack has no output {output}"
    print(", ".join(SHIPPERS))
