from typing import Any

import pytest

from keyferry.backends.infisical.answers import secret_of, secrets_in
from keyferry.errors import BackendUnavailable, PermissionDenied
from keyferry.values import Value


def told(key: str = "db", value: str = "canary", **more: Any) -> dict[str, Any]:
    return {"id": "id-1", "version": 3, "secretKey": key, "secretValue": value, "secretPath": "/", **more}


def names(*secrets: dict[str, Any], recursive: bool = True, asked: str = "/") -> set[str]:
    return set(secrets_in({"secrets": list(secrets)}, "/", asked, recursive=recursive))


def test_a_version_is_the_number_with_what_tells_values_apart():
    one = secret_of(told())
    assert one.version.startswith("3@")
    assert one.version == secret_of(told()).version
    assert len({one.version, *(secret_of(told(**each)).version for each in OTHER)}) == 1 + len(OTHER)


OTHER: list[dict[str, Any]] = [{"value": "other"}, {"id": "id-2"}, {"version": 4}]


def test_a_value_is_not_in_what_is_printed_of_a_secret():
    secret = secret_of(told())
    assert "canary" not in f"{secret!r}{secret.entry('db')!r}"


def test_a_hidden_value_is_never_a_value():
    secret = secret_of(told(value="<hidden-by-infisical>", secretValueHidden=True))
    assert isinstance(secret.fetched("grant it"), PermissionDenied)
    assert secret.version == "3@hidden"


def test_an_empty_value_is_a_value():
    secret = secret_of(told(value=""))
    assert secret.fetched("") == Value(b"", secret.version)


def test_personal_secrets_are_nobodys():
    assert names(told(type="personal"), told("api", type="shared")) == {"api"}


def test_without_recursion_only_the_folder_itself_counts():
    below = told("api", secretPath="/deep")
    assert names(told(), below, recursive=False) == {"db"}
    assert names(told(), below) == {"db", "deep/api"}


def test_an_answer_that_tells_no_folders_does_for_one_folder_only():
    bare = {**told(), "secretPath": None}
    assert names(bare, recursive=False) == {"db"}
    with pytest.raises(BackendUnavailable, match="recursive: false"):
        names(bare)


def test_the_answer_for_another_folder_is_not_taken_for_the_one_that_was_asked_for():
    assert names(told(secretPath="/"), asked="/team", recursive=False) == set()


@pytest.mark.parametrize("lacking", ["id", "version", "secretKey", "secretValue"])
def test_half_a_secret_is_an_error_and_not_a_missing_secret(lacking: str):
    with pytest.raises(BackendUnavailable):
        names({name: each for name, each in told().items() if name != lacking})


@pytest.mark.parametrize("body", [{}, {"secrets": None}, {"secrets": {}}, {"secrets": ["x"]}], ids=str)
def test_half_a_list_is_an_error_and_not_an_empty_one(body: dict[str, Any]):
    with pytest.raises(BackendUnavailable):
        secrets_in(body, "/", "/", recursive=True)
