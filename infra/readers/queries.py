"""Asks an archive, in DuckDB's words, what the named queries of infra/athena.yaml ask of Athena."""

import duckdb
import sqlglot
import yaml


def named_queries():
    """The named queries of the Athena template, by their logical ids."""

    class Tags(yaml.SafeLoader):
        """Leaves CloudFormation's short tags out: no query holds one."""

    Tags.add_multi_constructor("!", lambda *_: None)
    with open("infra/athena.yaml", encoding="utf-8") as file:
        resources = yaml.load(file, Loader=Tags)["Resources"]
    queries = {name: it for name, it in resources.items() if it["Type"] == "AWS::Athena::NamedQuery"}
    return {name: query["Properties"]["QueryString"] for name, query in queries.items()}


def for_duckdb(query):
    """An Athena query in DuckDB's words."""
    tree = sqlglot.parse_one(query, read="athena")
    for call in list(tree.find_all(sqlglot.exp.Anonymous)):
        if call.name.lower() == "any_match":
            kept = sqlglot.exp.Anonymous(this="list_filter", expressions=call.expressions)
            call.replace(sqlglot.exp.Anonymous(this="list_any", expressions=[kept]))
    return tree.sql(dialect="duckdb")


def table(folder):
    """Athena's table: one column, and partitions. Over a line it cannot parse DuckDB fails; Athena finds nothing."""
    database = duckdb.connect()
    database.sql("CREATE MACRO list_any(items) AS coalesce(len(items) > 0, false)")
    database.sql(
        f"CREATE TABLE events AS SELECT CASE WHEN json_valid(event) THEN event ELSE '{{}}' END AS event, service, date"
        f" FROM read_csv('{folder}/events/**/*.ndjson.gz', delim='\x01', header=false, quote='', escape='',"
        " columns={'event': 'VARCHAR'}, max_line_size=20000000, hive_partitioning=true,"
        " hive_types={'service': VARCHAR, 'date': VARCHAR})"
    )
    return database


def ask(folder, events):
    """Every question has an answer in what the mock of JumpCloud serves."""
    database = table(folder)
    for name, query in named_queries().items():
        rows = database.sql(for_duckdb(query)).fetchall()
        assert rows, f"{name} finds nothing"
        if name == "EventsByDayQuery":
            assert sum(row[2] for row in rows) == events, rows
    print(f"{len(named_queries())} named queries of infra/athena.yaml, each with an answer")
