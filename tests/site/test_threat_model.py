"""What the threat model calls as witness is there; its links to decisions are checked by the build."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "threat-model.md").read_text()


def test_every_test_that_it_names_is_one():
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    sources = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) > 25
    assert sorted(named - set(re.findall(r"def (test_\w+)\(", sources))) == []
