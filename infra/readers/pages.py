"""Runs what the readers' pages have people run, as it is there."""

import re
from pathlib import Path

import duckdb
import polars

from . import SIEM, queries

PAGES = Path("docs")


def block(page, language, beginning):
    """The block of a page that begins with these words."""
    text = (PAGES / page).read_text(encoding="utf-8")
    blocks = re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (found,) = [block for block in blocks if block.startswith(beginning)]
    return found


def for_duckdb(folder):
    """What DuckDB's own shell would be told: it reads a file of views, and asks one of them."""
    database = duckdb.connect()
    told = block("siem/sql.md", "sql", "SET VARIABLE").replace("s3://<ArchiveBucketName>", str(folder))
    before, file, query = re.fullmatch(r"(.*)^\.read (\S+)\n(.*)", told, re.MULTILINE | re.DOTALL).groups()
    database.execute(before)
    database.execute((SIEM / "duckdb" / file).read_text(encoding="utf-8"))
    rows = database.sql(query).fetchall()
    assert rows and all(count > 0 for _, count in rows), rows
    return len(rows)


def for_polars(folder, events):
    """The lines of the whole archive."""
    told = block("siem/sql.md", "python", "import polars").replace('"archive/', f'"{folder}/')
    names = {}
    exec(told, names)
    lines = names["lines"].collect().height
    assert lines == events, f"{lines} lines of {events} events"
    assert names["polars"] is polars


def for_athena():
    """The query of the view that has the users, over a table of its columns."""
    query = block("athena.md", "sql", "SELECT json_extract_scalar(person")
    database = duckdb.connect()
    database.execute("CREATE TABLE events_with_users (event VARCHAR, person VARCHAR, date VARCHAR)")
    day = re.search(r"\d{4}-\d\d-\d\d", query).group()
    persons = ['{"department": "Sales"}', '{"department": "Sales"}', None]
    for person in persons:
        database.execute("INSERT INTO events_with_users VALUES ('{}', ?, ?)", [person, day])
    rows = database.sql(queries.for_duckdb(query)).fetchall()
    assert rows == [("Sales", 2), (None, 1)], rows


def check(folder, events):
    users = for_duckdb(folder)
    for_polars(folder, events)
    for_athena()
    print(f"the commands of docs/siem/sql.md and docs/athena.md, {users} users with failed logins")
