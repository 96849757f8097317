"""The manifests as the models read them. The API server's word on them is in tests/cluster/test_crds.py."""

from pathlib import Path

import pytest
import yaml

from keyferry.api.kinds import KINDS
from keyferry.api.reference import fields
from tests.unit.api.paths import paths

MANIFESTS = Path(__file__).resolve().parents[2] / "crds"
ACCEPTED = sorted((MANIFESTS / "accepted").glob("*.yaml"))
REJECTED = sorted((MANIFESTS / "rejected").glob("*.yaml"))
SPECS = {kind.kind: kind.spec for kind in KINDS}
BY_FILE = pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)


@BY_FILE
def test_a_manifest_survives_being_read_and_written(path):
    manifest = yaml.safe_load(path.read_text())
    model = SPECS[manifest["kind"]]
    read = model.model_validate(manifest["spec"])
    written = read.model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert model.model_validate(written) == read
    assert sorted(paths(written)) == sorted(paths(manifest["spec"]))


def test_between_them_the_manifests_use_every_field():
    """But for the namespaces of references, which are one and the same type everywhere."""
    used = {field for path in ACCEPTED for field in paths(yaml.safe_load(path.read_text())["spec"])}
    wanted = {field for kind in KINDS for field, _, _ in fields(kind) if not field.startswith("status")}
    assert (
        sorted(field for field in wanted - used if not field.endswith(("Ref.namespace", "caProvider.namespace"))) == []
    )


def test_every_rejected_manifest_says_what_the_api_server_must_answer():
    assert [path.name for path in REJECTED if not path.read_text().startswith("# expect: ")] == []


def test_every_message_of_a_rule_is_provoked_by_some_manifest():
    expected = "\n".join(path.read_text() for path in REJECTED)
    messages = {rule["message"] for kind in KINDS for rule in kind.rules}
    for kind in KINDS:
        for _, schema, _ in fields(kind):
            parts = (schema, schema.get("items", {}), schema.get("additionalProperties", {}))
            messages |= {rule["message"] for part in parts for rule in part.get("x-kubernetes-validations", ())}
    assert sorted(message for message in messages if message not in expected) == []
