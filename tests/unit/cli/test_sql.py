"""`keyferry sql ddl` prints what an administrator can run as it is."""

import pytest
from typer.testing import CliRunner, Result

from keyferry.cli import commands


def run(*words: str) -> Result:
    return CliRunner().invoke(commands(), ["sql", "ddl", *words])


@pytest.mark.parametrize("dialect", ["postgresql", "mysql", "h2"])
def test_each_dialect_has_both_tables_and_every_statement_ends(dialect: str):
    result = run("--dialect", dialect)
    assert result.exit_code == 0
    assert [result.stdout.count(f"CREATE TABLE IF NOT EXISTS keyferry_{table} (") for table in ("meta", "secret")] == [
        1,
        1,
    ]
    assert result.stdout.rstrip().endswith(";")
    assert ("keyferry_told" in result.stdout) is (dialect == "postgresql")


def test_a_schema_is_made_and_named_everywhere():
    printed = run("--dialect", "postgresql", "--schema", "Team_1").stdout
    assert printed.startswith('CREATE SCHEMA IF NOT EXISTS "Team_1";')
    assert printed.count('"Team_1".keyferry_secret') == 3


@pytest.mark.parametrize(
    "words",
    [
        ("--dialect", "oracle"),
        (),
        ("--dialect", "mysql", "--schema", "x"),
        ("--dialect", "postgresql", "--schema", 'a"; DROP'),
    ],
)
def test_what_makes_no_sense_is_refused(words: tuple[str, ...]):
    assert run(*words).exit_code == 2
