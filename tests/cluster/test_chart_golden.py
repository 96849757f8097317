"""What the chart makes of a few typical files of values: a change of the chart shows what it means for its users.

`KEYFERRY_GOLDEN=write` in the environment has the files written anew.
"""

import difflib
import os
from pathlib import Path

import pytest
import yaml

from tests.controlplane import binaries, render_chart

FILES = sorted((Path(__file__).parent / "golden").glob("*.values.yaml"))
ELSEWHERE = {"PrometheusRule", "ConfigMap"}  # alerts and dashboard are files of their own, with tests of their own


@pytest.mark.parametrize("values", FILES, ids=lambda path: path.name.partition(".")[0])
def test_it_renders_what_it_did(values: Path):
    asked = {"crds": {"install": False}} | yaml.safe_load(values.read_text())
    manifests = sorted(render_chart(binaries.find(), asked), key=lambda each: (each["kind"], each["metadata"]["name"]))
    made = yaml.safe_dump_all([each for each in manifests if each["kind"] not in ELSEWHERE], sort_keys=False, width=110)
    golden = values.with_name(values.name.replace(".values.", ".golden."))
    if os.environ.get("KEYFERRY_GOLDEN") == "write":
        golden.write_text(made)

    lines = difflib.unified_diff(golden.read_text().splitlines(), made.splitlines(), golden.name, "now", lineterm="")
    assert "\n".join(lines) == ""
