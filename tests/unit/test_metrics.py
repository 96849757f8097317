"""docs/operations.md names every metric there is, with its labels, and none that is not there."""

import re
from pathlib import Path

from tests.unit import exported

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
METRIC = re.compile(r"`(keyferry_\w+)(?:\{([\w,]+)\})?`")
PEOPLES = {"name", "namespace", "key", "secret", "external_secret", "external_secrets"}


def in_the_table():
    rows = [line.split("|")[1] for line in PAGE.read_text().splitlines() if line.startswith("| `keyferry_")]
    return {name: frozenset(filter(None, labels.split(","))) for row in rows for name, labels in METRIC.findall(row)}


def test_the_page_tells_of_every_metric_with_its_labels():
    assert in_the_table() == exported.labels()


def test_no_metric_has_a_label_that_grows_with_the_number_of_external_secrets():
    assert {name: labels & PEOPLES for name, labels in exported.labels().items() if labels & PEOPLES} == {}
