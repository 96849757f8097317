"""The three kinds as kubectl and the API server know them."""

import json

import pytest

from keyferry.api.kinds import KINDS, REFERENCES
from keyferry.api.model import given
from keyferry.api.providers import Provider
from keyferry.api.providers.aws import AwsAuth

ANY_KIND = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
BY_NAME = {kind.kind: kind for kind in KINDS}
ANNOTATION_LIMIT = 262144  # bytes: all annotations of an object together

# The short names and categories of External Secrets Operator, which may be installed beside.
OTHERS = {"es", "ss", "css", "ces", "ps", "cps", "externalsecrets", "external-secrets"}
# Words that mean something to kubectl by themselves.
TAKEN = {"secret", "secrets", "all", "sa", "svc", "ns", "po", "no", "cm", "rs", "sts", "ds", "ep", "ev", "pv", "pvc"}


def references(schema, path=""):
    """Every reference to a credential below a schema, with its path."""
    for name, field in schema.get("properties", {}).items():
        if "namespace" in field.get("properties", {}) and "name" in field["properties"]:
            yield f"{path}.{name}", field
        yield from references(field, f"{path}.{name}")


def test_short_names_are_nobody_elses_and_all_different():
    short = [kind.short for kind in KINDS]
    assert len(set(short)) == len(short)
    assert OTHERS.isdisjoint(short)
    assert TAKEN.isdisjoint(short)


@ANY_KIND
def test_the_category_hides_no_other_word_of_kubectl(kind):
    assert kind.as_json()["spec"]["names"]["categories"] == ["keyferry"]


@ANY_KIND
def test_the_status_is_written_apart_from_the_spec(kind):
    (version,) = kind.as_json()["spec"]["versions"]
    assert version["subresources"] == {"status": {}}


@ANY_KIND
def test_rules_of_the_resource_as_a_whole_are_in_its_schema(kind):
    assert tuple(kind.schema().get("x-kubernetes-validations", ())) == kind.rules


@ANY_KIND
def test_columns_answer_whether_since_when_and_why(kind):
    narrow = [column.name for column in kind.columns if not column.wide]
    assert {"Ready", "Reason", "Since"} <= set(narrow)
    assert [column.name for column in kind.columns if column.wide][-1] == "Message"


def test_an_external_secret_tells_where_it_reads_from_first():
    assert BY_NAME["ExternalSecret"].columns[0].name == "Store"


@ANY_KIND
def test_every_column_and_selectable_field_is_a_field(kind):
    for path in (*(column.path for column in kind.columns), *kind.selectable):
        assert at(kind.schema(), path) is not None, path


@ANY_KIND
def test_plain_kubectl_apply_can_keep_each_crd_in_its_annotation(kind):
    assert len(json.dumps(kind.as_json())) < ANNOTATION_LIMIT / 2


def test_a_secret_stores_references_refuse_a_namespace():
    for path, reference in references(BY_NAME["SecretStore"].schema()):
        assert reference["properties"]["namespace"]["x-kubernetes-validations"][0]["rule"] == "false", path


def test_a_cluster_secret_stores_references_demand_a_namespace():
    for path, reference in references(BY_NAME["ClusterSecretStore"].schema()):
        assert "namespace" in reference["required"], path


def test_both_stores_have_the_same_references():
    one, other = (dict(references(BY_NAME[kind].schema())) for kind in ("SecretStore", "ClusterSecretStore"))
    assert one.keys() == other.keys()
    assert len(one) >= len(REFERENCES)


@ANY_KIND
def test_references_are_taken_as_a_whole(kind):
    for path, reference in references(kind.schema()):
        assert reference["x-kubernetes-map-type"] == "atomic", path


@pytest.mark.parametrize(
    ("model", "several"), [(Provider, set()), (AwsAuth, {"assumeRole"})], ids=["providers", "logins to AWS"]
)
def test_no_choice_is_forgotten_where_only_one_may_be_given(model, several):
    schema = model.model_json_schema()
    (rule,) = schema["x-kubernetes-validations"]
    choices = [name for name in schema["properties"] if name not in several]
    assert given(*choices) in rule["rule"]
    assert all(choice in rule["message"] for choice in choices)


def at(schema, path):
    """The schema of the field at a JSONPath; a filter in brackets picks the entries of a list."""
    for name in path.split("[")[0].strip(".").split("."):
        schema = schema["properties"].get(name, {})
    if "[" in path:
        schema = schema["items"]["properties"].get(path.rpartition(".")[2], {})
    return schema.get("type")
