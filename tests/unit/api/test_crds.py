"""The generated files: the same bytes from the same models, and up to date."""

from pathlib import Path

import pytest
import yaml

from keyferry.api import crds
from keyferry.api.kinds import KINDS

ROOT = Path(__file__).resolve().parents[3]
ANY_KIND = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
PAGES = {
    "docs/reference/externalsecret.md": ["ExternalSecret"],
    "docs/reference/secretstore.md": ["SecretStore", "ClusterSecretStore"],
}


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout whose pages of the reference have nothing generated in them yet."""
    for page, kinds in PAGES.items():
        (tmp_path / page).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / page).write_text("By hand.\n" + "".join(f"<!-- generated: {k} -->\n<!-- end -->\n" for k in kinds))
    monkeypatch.setattr(crds, "checkout", lambda: tmp_path)
    return tmp_path


def test_the_generated_files_are_what_the_models_say():
    assert "\n".join(crds.stale(crds.generated(ROOT), ROOT)) == ""


@ANY_KIND
def test_yaml_says_just_what_the_kind_says(kind):
    assert yaml.safe_load(crds.to_yaml(kind)) == kind.as_json()


@ANY_KIND
def test_a_reader_of_the_yaml_meets_no_alias_and_no_long_line(kind):
    lines = crds.to_yaml(kind).splitlines()
    assert not [line for line in lines if "&id" in line or ": *id" in line]
    assert max(len(line) for line in lines) <= 210  # a rule, a pattern or an enum cannot be broken everywhere


def test_all_crds_together_stay_under_150_kb():
    assert sum(len(crds.to_yaml(kind).encode()) for kind in KINDS) < 150_000


def test_check_is_content_with_what_write_wrote(checkout):
    assert crds.main(["--write"]) == 0
    assert crds.main(["--check"]) == 0


def test_check_names_the_file_that_somebody_edited_and_what_it_should_be(checkout, capsys):
    crds.main(["--write"])
    edited = checkout / "crds" / "externalsecrets.yaml"
    edited.write_text(edited.read_text().replace("kes", "es"))

    assert crds.main(["--check"]) == 1
    told = capsys.readouterr().err
    assert "crds/externalsecrets.yaml (as it is)" in told
    assert "+    shortNames: [kes]" in told
    assert "run make generate" in told


def test_check_misses_a_file_that_is_not_there(checkout):
    crds.main(["--write"])
    (checkout / "helm/keyferry/files/crds/secretstores.yaml").unlink()
    assert crds.main(["--check"]) == 1


def test_check_sees_that_a_page_of_the_reference_is_old(checkout):
    crds.main(["--write"])
    page = checkout / "docs/reference/externalsecret.md"
    page.write_text(page.read_text().replace("secretStoreRef", "storeRef"))
    assert crds.main(["--check"]) == 1


def test_the_chart_gets_the_same_bytes(checkout):
    crds.main(["--write"])
    for kind in KINDS:
        copies = {
            (checkout / folder / f"{kind.plural}.yaml").read_bytes() for folder in ("crds", "helm/keyferry/files/crds")
        }
        assert len(copies) == 1


def test_without_an_option_the_crds_are_printed(capsys):
    assert crds.main([]) == 0
    printed = list(yaml.safe_load_all(capsys.readouterr().out))
    assert [crd["metadata"]["name"] for crd in printed] == [
        "externalsecrets.keyferry.dev",
        "secretstores.keyferry.dev",
        "clustersecretstores.keyferry.dev",
    ]


def test_the_checkout_is_found_from_the_package():
    assert crds.checkout() == ROOT
