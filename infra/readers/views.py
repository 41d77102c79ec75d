"""Tries the views that are ready made in SQL, over an archive and over the sign-ins of someone who travels."""

import json
import math
import re
from pathlib import Path

import duckdb
import sqlglot

from . import SIEM, queries

# Folders whose names no document has at its top level.
HIVE_LAYOUT = "jumpcloud_service={service}/jumpcloud_date={date}/"
# A day's journey to a new country, and a way back that takes an hour.
TRIP = [
    ("2026-11-20T08:00:00Z", "DE", 52.5, 13.4),
    ("2026-11-21T08:00:00Z", "US", 39.7, -104.9),
    ("2026-11-21T09:00:00Z", "DE", 52.5, 13.4),
    ("2026-11-21T10:00:00Z", "DE", 52.4, 13.1),
]


def text_of(name):
    return (SIEM / name).read_text(encoding="utf-8")


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


def expect_filled(database, view, events):
    """As many rows as events, and no column that is empty everywhere."""
    columns = database.sql(f"FROM {view}").columns
    counted = ", ".join(["count(*)", *(f"count({column})" for column in columns)])
    (total, *counts) = database.execute(f"SELECT {counted} FROM {view}").fetchone()
    assert total == events, f"{total} rows of {events} events in {view}"
    empty = [column for column, count in zip(columns, counts) if count == 0]
    assert not empty, f"empty in {view}: {empty}"


def expect_travel(database):
    """The way back is the one that nobody can travel."""
    found = database.sql("SELECT actor, from_country, country, km FROM impossible_travel").fetchall()
    assert found == [("traveller", "US", "DE", round(kilometres(TRIP[1], TRIP[2])))], found


def kilometres(one, other):
    """The distance of two stops, by the spherical law of cosines, which the views do not use."""
    latitude, other_latitude = math.radians(one[2]), math.radians(other[2])
    longitudes = math.radians(one[3] - other[3])
    along = math.sin(latitude) * math.sin(other_latitude)
    across = math.cos(latitude) * math.cos(other_latitude) * math.cos(longitudes)
    return 6371 * math.acos(along + across)


def for_duckdb(folder, events, known):
    """DuckDB's own views."""
    text = text_of("duckdb/events.sql")
    known.expect(re.findall(r"event->>?'\$\.([\w.]+)'", text), "duckdb/events.sql")
    database = duckdb.connect()
    database.sql(f"SET VARIABLE archive = '{folder}'")
    database.execute(text)
    expect_filled(database, "events", events)
    take_trip(database)
    database.execute(
        "CREATE OR REPLACE VIEW lines AS"
        " SELECT line, line::JSON AS event, 'directory' AS service, DATE '2026-11-21' AS date FROM trip"
    )
    expect_travel(database)
    assert database.sql("SELECT actor, country FROM new_countries").fetchall() == [("traveller", "US")]
    print(f"duckdb/events.sql: {events} events, views of countries and travel")


def for_athena(folder, events, known):
    """Athena's views, in DuckDB's words."""
    text = text_of("athena/events.sql")
    known.expect(re.findall(r"'\$\.([\w.]+)'", text), "athena/events.sql")
    database = queries.table(folder)
    database.execute("CREATE MACRO json_format(value) AS CAST(value AS VARCHAR)")
    for statement in sqlglot.parse(text, read="athena"):
        database.execute(queries.for_duckdb(statement.sql(dialect="athena")))
    expect_filled(database, "events_typed", events)
    take_trip(database)
    database.execute("DROP TABLE events")
    database.execute(
        "CREATE VIEW events AS SELECT line AS event, 'directory' AS service, '2026-11-21' AS date FROM trip"
    )
    expect_travel(database)
    print(f"athena/events.sql: {events} events, view of travel")


def for_clickhouse(known):
    """ClickHouse's statements are parsed; that they ran is on ClickHouse's page."""
    text = text_of("clickhouse/events.sql")
    calls = re.findall(r"JSONExtract(?:String|Raw)?\(event((?:, '\w+')+)", text)
    known.expect([".".join(re.findall(r"'(\w+)'", call)) for call in calls], "clickhouse/events.sql")
    statements = sqlglot.parse(text, read="clickhouse", error_level=sqlglot.ErrorLevel.RAISE)
    assert len(statements) == 4, len(statements)
    print(f"clickhouse/events.sql: {len(calls)} members")


def layouts(default, other):
    """In the default layout a Hive partition hides the documents' field `service`; the readers' page names another."""
    query = (
        "SELECT typeof(service), count({name}) FROM read_json('{folder}/events/**/*.ndjson.gz',"
        " format='newline_delimited', records=true, columns={{'service': 'STRUCT(name VARCHAR)'}},"
        " maximum_object_size=20000000, hive_partitioning=true) GROUP BY ALL"
    )
    ((hidden, _),) = duckdb.sql(query.format(folder=default, name="*")).fetchall()
    assert hidden == "VARCHAR", hidden
    ((kind, named),) = duckdb.sql(query.format(folder=other, name="service.name")).fetchall()
    assert kind.startswith("STRUCT") and named > 0, (kind, named)
    assert HIVE_LAYOUT in Path("docs/siem/README.md").read_text(encoding="utf-8")
    print(f"KEY_LAYOUT={HIVE_LAYOUT} hides no field: {named} events with service.name")
