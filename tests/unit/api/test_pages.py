"""What the pages say to write can be written: each manifest in docs/, and each field of a provider's table."""

import re
from pathlib import Path

import pytest
import yaml

from keyferry.api.kinds import KINDS
from keyferry.api.reference import fields
from keyferry.settings import GROUP
from tests.unit.api.paths import paths

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "decisions" not in path.parts)
PROVIDERS = sorted((DOCS / "providers").glob("*.md"))
SPECS = {kind.kind: kind.spec for kind in KINDS}
BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TABLE = re.compile(r"^\| field \|.*\n\| --- .*\n((?:\|.*\n)+)", re.MULTILINE)


def manifests(page):
    """Keyferry's own of its whole ones; a block without a kind is a part of one."""
    for block in BLOCK.findall(page.read_text()):
        for manifest in yaml.safe_load_all(block):
            if isinstance(manifest, dict) and str(manifest.get("apiVersion", "")).startswith(f"{GROUP}/"):
                yield manifest


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_manifest_of_a_page_is_read_as_it_stands(page):
    for manifest in manifests(page):
        read = SPECS[manifest["kind"]].model_validate(manifest["spec"])
        written = read.model_dump(mode="json", by_alias=True, exclude_unset=True)
        assert sorted(paths(written)) == sorted(paths(manifest["spec"]))


@pytest.mark.parametrize("page", PROVIDERS, ids=lambda page: page.stem)
def test_every_field_of_a_providers_table_is_one_of_its_fields(page):
    at = f"spec.provider.{page.stem}."
    known = {field.removeprefix(at) for kind in KINDS for field, _, _ in fields(kind) if field.startswith(at)}
    rows = "".join(TABLE.findall(page.read_text())).splitlines()
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])}
    assert named
    assert sorted(named - known) == []


def test_the_pages_show_each_provider_whole():
    specs = [manifest["spec"] for page in PROVIDERS for manifest in manifests(page)]
    shown = {provider for spec in specs for provider in spec.get("provider", ())}
    assert shown == {page.stem for page in PROVIDERS}
