"""Tries what infra/siem has ready made: each file is parsed, every member it names is real, and what can run here runs."""

import configparser
import json
import re
from pathlib import Path

import duckdb
import sqlglot
import yaml

from . import ingest, queries

SIEM = Path("infra/siem")
TEMPLATES = {"elasticsearch": "flattened", "opensearch": "flat_object"}
# Folders of no name that a document has at its top level.
HIVE_LAYOUT = "jumpcloud_service={service}/jumpcloud_date={date}/"
# What a document of OUTPUT_FORMAT=ecs has and the pipeline does not fill.
BEYOND_PIPELINE = {"client.address", "client.geo.location", "client.geo.region_iso_code", "source.address", "user.target.id"}


def ecs_fields():
    """The fields of the engine's documents and their types, from its own table."""
    (file,) = Path("src").rglob("ecs/fields.txt")
    section = file.read_text(encoding="utf-8").split("\n[fields]\n")[1].split("\n[duplicates]\n")[0]
    rows = (line.split()[:2] for line in section.splitlines() if line and line[0] not in "# ")
    return dict(rows)


def flat(properties, prefix=""):
    """The fields of a mapping, in dot notation, and their types."""
    for name, field in properties.items():
        if "properties" in field:
            yield from flat(field["properties"], f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field["type"]


def index_templates():
    """The index templates map every field of the engine's documents to its type, and the event to one that takes any."""
    for reader, event_type in TEMPLATES.items():
        template = json.loads((SIEM / reader / "index-template.json").read_text(encoding="utf-8"))
        fields = dict(flat(template["template"]["mappings"]["properties"]))
        assert fields.pop("jumpcloud.event") == event_type and fields.pop("event.ingested") == "date"
        if reader == "opensearch":
            assert template["template"]["settings"]["index"]["default_pipeline"] == "jumpcloud-directory-insights"
        text = {"elasticsearch": "match_only_text", "opensearch": "text"}[reader]
        wanted = {name: text if kind == "match_only_text" else kind for name, kind in ecs_fields().items()}
        assert fields == wanted, f"{reader}: {set(fields.items()) ^ set(wanted.items())}"
    print(f"index templates for {' and '.join(TEMPLATES)}: {len(wanted)} fields as the engine writes them")


def leaves(document, prefix=""):
    """The values of a document but for the event itself, by path; lists count as values."""
    for name, value in document.items():
        path = f"{prefix}{name}"
        if path not in ("jumpcloud.event", "event.original", "event.ingested", "_id"):
            nested = isinstance(value, dict) and path != "client.geo.location"
            yield from leaves(value, f"{path}.") if nested else [(path, sorted(value) if isinstance(value, list) else value)]


def pipelines(raw, ecs, known):
    """The ingest pipelines make of a raw line what the engine makes of it; they may know fewer types of events."""
    lines = [line for part in raw for line in part.lines if b'"hostile":' not in line]
    written = {event["event"]["id"]: event for event in (json.loads(line) for part in ecs for line in part.lines) if "id" in event["event"]}
    for reader in TEMPLATES:
        pipeline = json.loads((SIEM / reader / "pipeline.json").read_text(encoding="utf-8"))
        named = set(re.findall(r'"jumpcloud\.event\.([\w.]+)"', json.dumps(pipeline)))
        known.expect(named, f"{reader}/pipeline.json")
        known.expect_types(listed_types(pipeline), f"{reader}/pipeline.json")
        for line in lines:
            document = ingest.run(pipeline, {"message": line.decode(), "@timestamp": "when it was read"})
            made = {path: value for path, value in leaves(document) if value != ""}
            expected = dict(leaves(written[made["event.id"]]))
            differ(made, expected, line)
        print(f"{reader}/pipeline.json: {len(lines)} lines as OUTPUT_FORMAT=ecs has them")


def listed_types(pipeline):
    """The types of events that conditions of a pipeline list."""
    lists = re.findall(r"\[('[^\]]*')\]\.contains", json.dumps(pipeline))
    return {name.strip(" '") for names in lists for name in names.split(",")}


def differ(made, expected, line):
    """Fails where a field is missing, is one too many, or has another value."""
    for path in {*made, *expected} - BEYOND_PIPELINE:
        if path == "event.kind" and expected[path] == "alert":
            continue
        if path in ("event.category", "event.type") and path not in made:
            continue
        if path == "related.hosts":
            assert set(made.get(path, [])) <= set(expected[path]), line
            continue
        assert path in made and path in expected and made[path] == expected[path], (
            f"{path}: {made.get(path)!r} instead of {expected.get(path)!r} for {line[:300]}"
        )


def shippers():
    """The readers' own configuration: YAML, with the stack's queue and the pipeline by its name."""
    for name in ("elasticsearch/filebeat.yml", "elasticsearch/elastic-agent.yml", "opensearch/data-prepper.yaml"):
        text = (SIEM / name).read_text(encoding="utf-8")
        assert yaml.safe_load(text) and "<SiemQueue1Url>" in text, name
        assert name.startswith("opensearch") or "pipeline: jumpcloud-directory-insights" in text, name
        outputs = set(re.findall(r"<(Siem\w+)>", text))
        template = Path("template.yaml").read_text(encoding="utf-8")
        assert all(re.search(rf"^  {output}:", template, re.MULTILINE) for output in outputs), f"{name}: {outputs}"
    print("filebeat.yml, elastic-agent.yml, data-prepper.yaml")


def settings(file):
    """A .conf file of Splunk's."""
    parser = configparser.RawConfigParser(strict=True, delimiters="=", comment_prefixes="#")
    parser.optionxform = str
    parser.read_string((SIEM / "splunk" / file).read_text(encoding="utf-8"))
    return parser


def splunk(parts, known):
    """Lines break where events end, the time is the event's own, and aliases are of real members."""
    props, transforms = settings("props.conf"), settings("transforms.conf")
    lines = props["jumpcloud:directory_insights"]
    own = {name.split("-", 1)[1] for name in lines if name.startswith("EVAL-")} | {"src_ip"}
    for name, value in lines.items():
        if name.startswith("FIELDALIAS-"):
            known.expect([value.split(" AS ")[0]], f"props.conf, {name}")
        if name.startswith("EVAL-"):
            words = set(re.findall(r"'([\w.]+)'|\b([a-z_]+)\b(?!\()", re.sub(r'"[^"]*"', "", value)))
            known.expect({quoted or bare for quoted, bare in words} - own, f"props.conf, {name}")
    breaker, prefix = re.compile(lines["LINE_BREAKER"].encode()), re.compile(lines["TIME_PREFIX"].encode())
    for part in parts:
        assert [line for line in breaker.split(part.body) if line.strip(b"\n")] == part.lines, part.key
        for line in part.lines:
            if b'"hostile":' in line:
                continue
            found = prefix.search(line)
            shown = line[found.end() :][: int(lines["MAX_TIMESTAMP_LOOKAHEAD"])].split(b'"')[0].decode()
            assert shown == json.loads(line)["timestamp"], line
            assert len(line) < int(lines["TRUNCATE"])
    users = transforms["jumpcloud_system_users"]
    assert lines["TRANSFORMS-users"] in transforms and users["FORMAT"].removeprefix("sourcetype::") in props
    for key, wanted in (("s3://a/events/service=systemusers/date=2026-11-26/x", True), ("s3://a/events/service=sso/x", False)):
        assert bool(re.search(users["REGEX"], key)) == wanted
    types, tags = settings("eventtypes.conf"), settings("tags.conf")
    for name in types.sections():
        known.expect_types(re.findall(r'"(\w+)"', types[name]["search"].split(" IN ")[1]), f"eventtypes.conf, {name}")
        assert f"eventtype={name}" in tags
    print(f"props.conf, transforms.conf, {len(types.sections())} event types with tags, over {len(parts)} objects")


def panther(parts):
    """Every event fits the schema: each member has the type that it says."""
    schema = yaml.safe_load((SIEM / "panther" / "schema.yml").read_text(encoding="utf-8"))
    assert re.fullmatch(r"Custom(\.[A-Z][A-Za-z0-9]+)+", schema["schema"])
    types = {field["name"]: field["type"] for field in schema["fields"]}
    assert len(types) == len(schema["fields"])
    fits = {
        "string": lambda it: isinstance(it, str),
        "timestamp": lambda it: re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", it),
        "boolean": lambda it: isinstance(it, bool),
        "bigint": lambda it: isinstance(it, int) and not isinstance(it, bool),
        "json": lambda it: True,
    }
    required = {field["name"] for field in schema["fields"] if field.get("required")}
    for event in parts:
        assert required <= set(event), event
        for name, value in event.items():
            if name in types and value is not None:
                assert fits[types[name]](value), f"{name} of {event['event_type']} is no {types[name]}: {value!r}"
    print(f"schema.yml: {len(types)} fields, {len(parts)} events fit")
    return types


TRIP = [
    ("2026-11-20T08:00:00Z", "DE", 52.5, 13.4),
    ("2026-11-21T08:00:00Z", "US", 39.7, -104.9),
    ("2026-11-21T09:00:00Z", "DE", 52.5, 13.4),
    ("2026-11-21T10:00:00Z", "DE", 52.4, 13.1),
]


def take_trip(database):
    """Puts the trip's sign-ins, of one user, into a table of lines."""
    database.execute("CREATE TABLE trip (line VARCHAR)")
    for number, (time, country, latitude, longitude) in enumerate(TRIP):
        event = {
            "id": f"{number}",
            "service": "directory",
            "event_type": "user_login_attempt",
            "timestamp": time,
            "success": True,
            "geoip": {"country_code": country, "latitude": latitude, "longitude": longitude},
            "initiated_by": {"type": "user", "username": "traveller"},
        }
        database.execute("INSERT INTO trip VALUES (?)", [json.dumps(event)])


def duckdb_views(folder, events, known):
    """DuckDB's own views over the archive: one row an event, every column filled for some."""
    text = (SIEM / "duckdb" / "events.sql").read_text(encoding="utf-8")
    known.expect(re.findall(r"event->>?'\$\.([\w.]+)'", text), "duckdb/events.sql")
    database = duckdb.connect()
    database.sql(f"SET VARIABLE archive = '{folder}'")
    database.execute(text)
    filled(database, "SELECT * FROM events", events)
    take_trip(database)
    database.execute(
        "CREATE OR REPLACE VIEW lines AS SELECT line, line::JSON AS event, 'directory' AS service, DATE '2026-11-21' AS date FROM trip"
    )
    assert database.sql("SELECT actor, country FROM new_countries").fetchall() == [("traveller", "US")]
    assert database.sql("SELECT actor, from_country, country FROM impossible_travel").fetchall() == [("traveller", "US", "DE")]
    print(f"duckdb/events.sql: {events} events, views of countries and travel")


def athena_views(folder, events, known):
    """Athena's views in DuckDB's words, over the archive."""
    text = (SIEM / "athena" / "events.sql").read_text(encoding="utf-8")
    known.expect(re.findall(r"'\$\.([\w.]+)'", text), "athena/events.sql")
    database = queries.table(folder)
    database.execute("CREATE MACRO json_format(value) AS CAST(value AS VARCHAR)")
    for statement in sqlglot.parse(text, read="athena"):
        database.execute(queries.for_duckdb(statement.sql(dialect="athena")))
    filled(database, "SELECT * FROM events_typed", events)
    database.execute("ALTER TABLE events RENAME TO archived")
    take_trip(database)
    database.execute("CREATE VIEW events AS SELECT line AS event, 'directory' AS service, '2026-11-21' AS date FROM trip")
    assert database.sql("SELECT actor, from_country, country FROM impossible_travel").fetchall() == [("traveller", "US", "DE")]
    print(f"athena/events.sql: {events} events, view of travel")


def filled(database, query, events):
    """As many rows as events, and no column that is empty everywhere."""
    columns = database.sql(query).columns
    counted = ", ".join(["count(*)", *(f"count({column})" for column in columns)])
    (total, *counts) = database.execute(f"SELECT {counted} FROM ({query})").fetchone()
    assert total == events, f"{total} rows of {events} events"
    empty = [column for column, count in zip(columns, counts) if count == 0]
    assert not empty, f"empty: {empty}"


def layouts(default, other):
    """With documents in the default layout a Hive partition hides the field `service`; docs/siem/README.md names another."""
    query = (
        "SELECT typeof(service), count({name}) FROM read_json('{folder}/events/**/*.ndjson.gz', format='newline_delimited',"
        " records=true, columns={{'service': 'STRUCT(name VARCHAR)'}}, maximum_object_size=20000000, hive_partitioning=true)"
        " GROUP BY ALL"
    )
    ((hidden, _),) = duckdb.sql(query.format(folder=default, name="*")).fetchall()
    assert hidden == "VARCHAR", hidden
    ((kind, named),) = duckdb.sql(query.format(folder=other, name="service.name")).fetchall()
    assert kind.startswith("STRUCT") and named > 0, (kind, named)
    assert HIVE_LAYOUT in Path("docs/siem/README.md").read_text(encoding="utf-8")
    print(f"KEY_LAYOUT={HIVE_LAYOUT} hides no field: {named} events with service.name")


def clickhouse(known):
    """ClickHouse's statements are parsed; that they ran is on its page."""
    text = (SIEM / "clickhouse" / "events.sql").read_text(encoding="utf-8")
    paths = [re.findall(r"'([^']+)'", call) for call in re.findall(r"JSONExtract(?:String|Raw)?\(event((?:, '[^']+')+)", text)]
    known.expect([".".join(name for name in path if "(" not in name) for path in paths], "clickhouse/events.sql")
    statements = sqlglot.parse(text, read="clickhouse", error_level=sqlglot.ErrorLevel.RAISE)
    assert len(statements) == 4
    print(f"clickhouse/events.sql: {len(paths)} members")
