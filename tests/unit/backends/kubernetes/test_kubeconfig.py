"""Kubeconfigs that a tenant wrote."""

import base64
from typing import Any

import pytest
import yaml

from keyferry.backends.kubernetes.kubeconfig import Kubeconfig, read
from keyferry.errors import CredentialsMissing, SpecInvalid

WHERE = "Secret a/b, key c"
CODED = base64.b64encode(b"pem").decode()


def written(user: Any, cluster: Any = None, **more: Any) -> bytes:
    config = {
        "apiVersion": "v1",
        "clusters": [
            {"name": "other", "cluster": {}},
            {"name": "c", "cluster": {"server": "https://s"} | (cluster or {})},
        ],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "n"}}],
        "current-context": "x",
    }
    return yaml.safe_dump(config | more).encode()


def test_server_certificates_and_token_are_taken():
    found = read(written({"token": "t\n"}, {"certificate-authority-data": CODED}), WHERE)
    assert found == Kubeconfig("https://s", b"pem", "t")
    found = read(written({"client-certificate-data": CODED, "client-key-data": CODED}), WHERE)
    assert (found.certificate, found.key, found.token, found.authority) == (b"pem", b"pem", "", None)


def test_what_it_holds_is_in_no_repr():
    assert "canary" not in repr(read(written({"token": "canary"}), WHERE))


@pytest.mark.parametrize(
    "name",
    ["exec", "auth-provider", "tokenFile", "client-certificate", "client-key", "username", "password", "as"],
)
def test_a_user_that_would_run_or_read_something_is_refused_by_name(name: str):
    with pytest.raises(SpecInvalid, match=f"the kubeconfig has {name}, which is not obeyed"):
        read(written({"token": "t", name: "canary"}), WHERE)


@pytest.mark.parametrize("name", ["certificate-authority", "insecure-skip-tls-verify", "proxy-url", "tls-server-name"])
def test_a_cluster_that_would_be_trusted_otherwise_is_refused_by_name(name: str):
    with pytest.raises(SpecInvalid, match=f"the kubeconfig has {name}, which is not obeyed"):
        read(written({"token": "t"}, {name: "canary"}), WHERE)


def test_a_field_of_the_future_is_refused_and_not_quoted():
    with pytest.raises(SpecInvalid, match="a field that Keyferry does not know"):
        read(written({"token": "t", "canary": "canary"}), WHERE)


def test_what_other_contexts_have_is_of_no_interest():
    users = [{"name": "evil", "user": {"exec": {}}}, {"name": "u", "user": {"token": "t"}}]
    assert read(written({}, users=users), WHERE).token == "t"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "holds no kubeconfig"),
        (b"\xff\xfe\x00", "holds no kubeconfig"),
        (b"{canary", "holds no kubeconfig"),
        (b"!!python/object/apply:os.system [canary]", "holds no kubeconfig"),
        (b"[" * 5000, "holds no kubeconfig"),
        (written({"token": "t"}, **{"current-context": "canary"}), "leads to none of its contexts"),
        (written({"token": "t"}, users=[]), "leads to none of its users"),
        (written({"token": "t"}, clusters="canary"), "leads to none of its clusters"),
        (written({"token": "t"}, {"server": ""}), "has no server"),
        (written({}), "has neither a token nor"),
        (written({"client-certificate-data": CODED}), "has neither a token nor"),
        (written({"token": 1}), "token is no text"),
        (written({"token": "t"}, {"certificate-authority-data": "canary?"}), "is no Base64"),
    ],
)
def test_what_is_no_kubeconfig_is_told_and_not_quoted(text: bytes, words: str):
    with pytest.raises(CredentialsMissing, match=words) as told:
        read(text, WHERE)
    assert "canary" not in str(told.value)
    assert str(told.value).startswith(WHERE)
