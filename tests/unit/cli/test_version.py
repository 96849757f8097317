"""Which Keyferry it is: whoever is called asks that first."""

from pathlib import Path

import yaml
from typer.testing import CliRunner

from keyferry.cli import commands

CHART = Path(__file__).resolve().parents[3] / "helm" / "keyferry" / "Chart.yaml"


def test_it_tells_its_version_which_is_the_charts():
    told = CliRunner().invoke(commands(), ["--version"])
    assert (told.exit_code, told.output) == (0, f"{yaml.safe_load(CHART.read_text())['appVersion']}\n")


def test_without_a_command_it_tells_what_there_is():
    told = CliRunner().invoke(commands(), []).output
    assert all(command in told for command in ("run", "check", "probe", "secret", "sql", "--version"))
