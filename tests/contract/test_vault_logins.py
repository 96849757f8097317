"""Every login to Vault, end to end against a real one: what it takes, what it gives, and what it says when it fails."""

import time
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from keyferry.backends.vault import VaultBackend
from keyferry.errors import AuthFailed, BackendUnavailable, CredentialsMissing, SpecInvalid, SyncError
from keyferry.values import Ref
from tests.contract.aws_stores import SIGNER
from tests.contract.context import SeededCluster, counts
from tests.contract.vault_stores import (
    CA,
    LOGIN,
    TOKEN,
    app_role,
    holding,
    jwt_login,
    kubernetes_login,
    reads,
    store,
    token_of,
    userpass,
    with_tokens,
)
from tests.controlplane import credentials
from tests.servers import certificates
from tests.standins.token_review import TokenReviews
from tests.standins.vault_proxy import VaultProxy, refuses

HOUR, DAY = 3600, 86400  # seconds


async def said(backend: VaultBackend, kind: type[SyncError] = AuthFailed) -> str:
    """What the failing login is told as, by `check` and by every answer alike."""
    with pytest.raises(kind) as failure:
        await backend.check()
    answer = (await backend.fetch([Ref("db")]))[Ref("db")]
    assert isinstance(answer, kind)
    assert str(answer) == str(failure.value)
    return str(answer)


@pytest.fixture
def api_server() -> Iterator[TokenReviews]:
    with TokenReviews(SIGNER.public_key) as reviews:
        yield reviews


async def test_a_token_logs_in(vault: VaultProxy, kv: str, all_of_kv: str):
    async with aclosing(store(vault, kv, token=vault.vault.token(all_of_kv) + "\n")) as backend:
        assert await reads(backend, vault, kv)


async def test_a_token_without_the_right_to_look_at_itself_logs_in(vault: VaultProxy, kv: str, all_of_kv: str):
    token = vault.vault.token(all_of_kv, no_default_policy=True)
    async with aclosing(store(vault, kv, token=token)) as backend:
        assert await reads(backend, vault, kv)


async def test_a_token_that_was_revoked_is_told_by_the_secret_that_holds_it(vault: VaultProxy, kv: str):
    token = vault.vault.token("default")
    vault.vault.revoke(token)
    async with aclosing(store(vault, kv, token=token)) as backend:
        text = await said(backend)
    assert (
        text == f"{vault.host} does not accept the token in Secret payments/{LOGIN}: the token is spent, or was revoked"
    )
    assert token not in text


async def test_a_secret_that_is_not_there_is_named(vault: VaultProxy, kv: str):
    cluster = holding(vault.vault)
    async with aclosing(store(vault, kv, cluster=cluster)) as backend:
        assert await said(backend, CredentialsMissing) == f"Secret {LOGIN} has no key token"
        cluster.secrets = holding(vault.vault, token=vault.vault.root_token).secrets
        assert await reads(backend, vault, kv)


@pytest.mark.parametrize("data", [b"", b" \n", b"two words", b"\xff\xfe", "klíč".encode()])
async def test_what_is_no_token_is_told_by_secret_and_key_and_not_shown(vault: VaultProxy, kv: str, data: bytes):
    cluster = SeededCluster({**holding(vault.vault).secrets, LOGIN: {"token": data}})
    async with aclosing(store(vault, kv, cluster=cluster)) as backend:
        assert (await said(backend, CredentialsMissing)).startswith(f"Secret payments/{LOGIN}, key token holds no ")


async def test_an_app_role_logs_in(vault: VaultProxy, kv: str, all_of_kv: str):
    auth, secret_id = app_role(vault.vault, all_of_kv)
    async with aclosing(store(vault, kv, auth, cluster=holding(vault.vault, **{"secret-id": secret_id}))) as backend:
        assert await reads(backend, vault, kv)


@pytest.mark.parametrize("wrong", ["role", "secret"])
async def test_an_app_role_that_is_not_accepted_is_told(vault: VaultProxy, kv: str, all_of_kv: str, wrong: str):
    auth, secret_id = app_role(vault.vault, all_of_kv)
    if wrong == "role":
        auth["role"] = "no-such-role"
    given = "canary" if wrong == "secret" else secret_id
    async with aclosing(store(vault, kv, auth, cluster=holding(vault.vault, **{"secret-id": given}))) as backend:
        text = await said(backend)
    assert text == (
        f"the AppRole with the secret ID in Secret payments/{LOGIN}: there is no such role ID, or the secret ID is "
        f"not, or not any more, one of it (auth/{auth['mount']})"
    )


async def test_a_login_that_is_mounted_nowhere_is_told(vault: VaultProxy, kv: str, all_of_kv: str):
    auth, secret_id = app_role(vault.vault, all_of_kv)
    auth["mount"] = "elsewhere"
    async with aclosing(store(vault, kv, auth, cluster=holding(vault.vault, **{"secret-id": secret_id}))) as backend:
        text = await said(backend)
    assert "auth/elsewhere" in text
    assert "is the login mounted there" in text or "no login is mounted there" in text


async def test_a_user_logs_in(vault: VaultProxy, kv: str, all_of_kv: str):
    auth = userpass(vault.vault, all_of_kv, "a pass phrase")
    async with aclosing(store(vault, kv, auth, cluster=holding(vault.vault, password="a pass phrase\n"))) as backend:
        assert await reads(backend, vault, kv)


async def test_a_wrong_password_is_told_and_not_shown(vault: VaultProxy, kv: str, all_of_kv: str):
    auth = userpass(vault.vault, all_of_kv, "right")
    async with aclosing(store(vault, kv, auth, cluster=holding(vault.vault, password="canary"))) as backend:
        text = await said(backend)
    assert text.startswith(f"user keyferry with the password in Secret payments/{LOGIN}: there is no such user, or ")


async def test_a_service_accounts_token_logs_in_by_the_issuers_key(vault: VaultProxy, kv: str, all_of_kv: str):
    auth = jwt_login(vault.vault, all_of_kv)
    async with aclosing(store(vault, kv, auth, cluster=with_tokens(vault.vault))) as backend:
        assert await reads(backend, vault, kv)


@pytest.mark.parametrize(
    ("claims", "telling"),
    [
        ({"sub": "system:serviceaccount:payments:intruder"}, "the role is bound to other claims than its token has"),
        ({"aud": ["elsewhere"]}, "the role does not accept its token's audience"),
        ({"exp": time.time() - HOUR, "iat": time.time() - 2 * HOUR}, "its token's time is over; a clock may be off"),
        ({"nbf": time.time() + HOUR, "exp": time.time() + 2 * HOUR}, "its token's time has not come; a clock may be"),
        ({"iss": "https://elsewhere.example"}, "Vault does not know the issuer of its token"),
    ],
    ids=["another account", "another audience", "an hour late", "an hour early", "another issuer"],
)
async def test_a_token_that_the_role_does_not_take_is_told_by_what_is_wrong(
    vault: VaultProxy, kv: str, all_of_kv: str, claims: dict[str, Any], telling: str
):
    auth = jwt_login(vault.vault, all_of_kv)
    cluster = with_tokens(vault.vault, lambda ref, to: token_of(ref, to, **claims))
    async with aclosing(store(vault, kv, auth, cluster=cluster)) as backend:
        text = await said(backend)
    assert text.startswith(f"role payments with the token of ServiceAccount payments/keyferry: {telling}")


async def test_a_role_that_is_not_there_is_told(vault: VaultProxy, kv: str, all_of_kv: str):
    auth = {**jwt_login(vault.vault, all_of_kv), "role": "elsewhere"}
    async with aclosing(store(vault, kv, auth, cluster=with_tokens(vault.vault))) as backend:
        assert "Vault has no such role" in await said(backend)


async def test_a_service_accounts_token_logs_in_by_a_review(
    vault: VaultProxy, kv: str, all_of_kv: str, api_server: TokenReviews
):
    auth = kubernetes_login(vault.vault, all_of_kv, api_server.url)
    async with aclosing(store(vault, kv, auth, cluster=with_tokens(vault.vault))) as backend:
        assert await reads(backend, vault, kv)


@pytest.mark.parametrize(
    ("change", "telling"),
    [
        ({"serviceAccountRef": {"name": "intruder"}}, "the role is bound to other ServiceAccounts or namespaces"),
        ({"audience": "elsewhere"}, "the role does not accept its token's audience"),
        ({"role": "elsewhere"}, "Vault has no such role"),
    ],
    ids=["another account", "another audience", "another role"],
)
async def test_a_review_that_fails_is_told_by_what_is_wrong(
    vault: VaultProxy, kv: str, all_of_kv: str, api_server: TokenReviews, change: dict[str, Any], telling: str
):
    auth = kubernetes_login(vault.vault, all_of_kv, api_server.url) | change
    async with aclosing(store(vault, kv, auth, cluster=with_tokens(vault.vault))) as backend:
        assert telling in await said(backend)


async def test_a_service_account_that_is_not_there_is_told(vault: VaultProxy, kv: str, all_of_kv: str):
    auth = jwt_login(vault.vault, all_of_kv)
    async with aclosing(store(vault, kv, auth)) as backend:
        assert await said(backend, CredentialsMissing) == "no such ServiceAccount"


async def test_the_namespace_goes_with_every_call(vault: VaultProxy, kv: str):
    async with aclosing(store(vault, kv, spec={"namespace": "team/a"})) as backend:
        await backend.fetch([Ref("db")])
    assert {call.namespace for call in vault.calls} == {"team/a"}


async def test_a_namespace_that_is_not_there_is_told(vault: VaultProxy, kv: str, all_of_kv: str):
    auth, secret_id = app_role(vault.vault, all_of_kv)
    cluster = holding(vault.vault, **{"secret-id": secret_id})
    with vault.wire.failing(refuses(404, 'no handler for route "nowhere/auth/approle/login". route entry not found.')):
        async with aclosing(store(vault, kv, auth, cluster=cluster, spec={"namespace": "nowhere"})) as backend:
            assert "no login is mounted there, or there is no such namespace" in await said(backend)


async def test_an_authority_that_is_not_the_right_one_is_told(vault: VaultProxy, kv: str, tmp_path: Path):
    other = credentials.write(tmp_path).ca.read_bytes()
    good = holding(vault.vault, token=vault.vault.root_token)
    cluster = SeededCluster({**good.secrets, CA: {"ca.crt": other}})
    async with aclosing(store(vault, kv, cluster=cluster)) as backend:
        text = await said(backend, BackendUnavailable)
        assert text.endswith(
            f"no secure connection to {vault.host}: its certificate is of an authority that is not trusted: name the "
            "right one in caProvider"
        )
        cluster.secrets = good.secrets
        assert await reads(backend, vault, kv)


@pytest.mark.parametrize(
    ("fault", "telling"),
    [
        ({"since": -2 * DAY, "until": -HOUR}, "its certificate has expired, or the operator's clock is off"),
        ({"since": HOUR, "until": 2 * DAY}, "its certificate is not yet valid, or the operator's clock is off"),
        ({"address": "127.0.0.2"}, "its certificate is for another name or address"),
    ],
    ids=["an hour late", "an hour early", "another address"],
)
async def test_a_certificate_that_is_not_good_here_and_now_is_told(
    vault: VaultProxy, kv: str, tmp_path: Path, fault: dict[str, Any], telling: str
):
    vault.wire.down()
    vault.wire.certificate, authority = tmp_path, certificates.write(tmp_path, **fault)
    vault.wire.up()
    cluster = SeededCluster({**holding(vault.vault, token="t").secrets, CA: {"ca.crt": authority}})
    async with aclosing(store(vault, kv, cluster=cluster)) as backend:
        assert await said(backend, BackendUnavailable) == f"LookupSelf: no secure connection to {vault.host}: {telling}"


async def test_another_authority_is_used_after_the_next_check(vault: VaultProxy, kv: str, tmp_path: Path):
    cluster = holding(vault.vault, token=vault.vault.root_token)
    async with aclosing(store(vault, kv, cluster=cluster)) as backend:
        assert await reads(backend, vault, kv)
        vault.wire.down()
        vault.wire.certificate, authority = tmp_path, credentials.write(tmp_path).ca.read_bytes()
        vault.wire.up()
        cluster.secrets = {**cluster.secrets, CA: {"ca.crt": authority}}
        assert not await reads(backend, vault, kv)
        with pytest.raises(BackendUnavailable, match="an authority that is not trusted"):
            await backend.check()
        assert await reads(backend, vault, kv)


async def test_without_an_authority_of_its_own_the_operators_are_trusted_and_no_other(vault: VaultProxy, kv: str):
    async with aclosing(store(vault, kv, spec={"caProvider": None})) as backend:
        assert "an authority that is not trusted" in await said(backend, BackendUnavailable)


async def test_a_comment_among_certificates_means_nothing(vault: VaultProxy, kv: str):
    good = holding(vault.vault, token=vault.vault.root_token)
    bundle = "# Certifikát žluťoučkého koně\n".encode() + vault.vault.ca.read_bytes()
    cluster = SeededCluster({**good.secrets, CA: {"ca.crt": bundle}})
    async with aclosing(store(vault, kv, cluster=cluster)) as backend:
        assert await reads(backend, vault, kv)


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"-----BEGIN NOTHING", b"-----BEGIN CERTIFICATE-----\nAAAA"])
async def test_what_are_no_certificates_is_told(vault: VaultProxy, kv: str, data: bytes):
    cluster = SeededCluster({**holding(vault.vault).secrets, CA: {"ca.crt": data}})
    async with aclosing(store(vault, kv, cluster=cluster)) as backend:
        assert "holds no certificates in PEM" in await said(backend, CredentialsMissing)


async def test_an_address_that_nobody_listens_at_is_no_wrong_login(vault: VaultProxy, kv: str):
    async with aclosing(store(vault, kv, spec={"server": "https://127.0.0.1:1"})) as backend:
        assert "cannot connect to 127.0.0.1:1" in await said(backend, BackendUnavailable)


async def test_an_address_that_the_operator_does_not_allow_is_not_asked(vault: VaultProxy, kv: str):
    async with aclosing(store(vault, kv, endpoint_allowed=lambda _: False)) as backend:
        text = await said(backend, SpecInvalid)
    assert text.endswith(f"can allow it with --allow-endpoint={vault.url}")
    assert vault.calls == []


@pytest.mark.parametrize("field", ["rootEngine", "namespace"])
@pytest.mark.parametrize("path", ["a/../b", "a/./b", "a//b", "a/.."])
async def test_a_path_that_leads_elsewhere_is_refused_and_nobody_is_asked(
    vault: VaultProxy, kv: str, field: str, path: str
):
    async with aclosing(store(vault, kv, spec={field: path})) as backend:
        assert f"spec.provider.vault.{field}: write a path such as" in await said(backend, SpecInvalid)
    assert vault.calls == []


async def test_a_slash_after_a_path_means_nothing(vault: VaultProxy, kv: str, all_of_kv: str):
    auth, secret_id = app_role(vault.vault, all_of_kv)
    auth["mount"] += "/"
    cluster = holding(vault.vault, **{"secret-id": secret_id})
    async with aclosing(store(vault, kv, auth, cluster=cluster, spec={"rootEngine": f"{kv}/"})) as backend:
        assert (await backend.check()).lacking == ()
        assert await reads(backend, vault, kv)


async def test_a_method_without_its_parts_is_told(vault: VaultProxy, kv: str):
    async with aclosing(store(vault, kv, {"method": "JWT", "serviceAccountRef": {"name": "x"}})) as backend:
        assert await said(backend, SpecInvalid) == "spec.provider.vault.auth: this method needs role"


async def test_the_operators_own_environment_is_nobodys_login(
    vault: VaultProxy, kv: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    (tmp_path / ".vault-token").write_text(vault.vault.root_token)
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login operator password canary\n")
    for name, value in {"HOME": tmp_path, "VAULT_TOKEN": vault.vault.root_token, "VAULT_ADDR": vault.url}.items():
        monkeypatch.setenv(name, str(value))
    async with aclosing(store(vault, kv, TOKEN, token="hvs.nothing")) as backend:
        await said(backend)
    assert {call.token for call in vault.calls} == {"hvs.nothing"}
    assert not any(call.authorization for call in vault.calls)


async def test_a_login_that_fails_leaves_no_connection_behind(vault: VaultProxy, kv: str):
    async with aclosing(store(vault, kv, token="hvs.nothing")) as backend:
        await said(backend)
        assert len(vault.calls) == 2
        assert vault.wire.left_alone()


async def test_logging_in_costs_one_call(vault: VaultProxy, kv: str, all_of_kv: str):
    auth = jwt_login(vault.vault, all_of_kv)
    backend = store(vault, kv, auth, cluster=with_tokens(vault.vault))
    async with aclosing(backend):
        await backend.fetch([Ref("db")])
    assert counts(backend._context) == {"Login": 1, "ReadData": 1}
