"""Aspects: what a store may name; what a Secret must hold; words for both."""

from typing import Any

import pytest

from keyferry.api.providers.sql import Sql
from keyferry.backends.sql.login import ServerPlace, login_of, place_on_server
from keyferry.errors import CredentialsMissing, SpecInvalid
from tests.contract.context import SeededCluster, context

KEY = {"encryption": {"keySecretRef": {"name": "sql", "key": "key"}}}
AUTH = {"auth": {"secretRef": {"name": "login", "key": "password"}}}
PG = {"postgresql": {"host": "db.example", "database": "app"}}


def spec(**given: Any) -> Sql:
    return Sql.model_validate({**KEY, **given})


def test_a_server_is_named_with_its_port_where_endpoints_are_allowed():
    asked: list[str] = []

    def allowed(url: str) -> bool:
        asked.append(url)
        return True

    place = place_on_server(
        spec(**AUTH, mysql={"host": "fd00::7", "database": "app"}), context(endpoint_allowed=allowed)
    )
    assert asked == ["mysql://[fd00::7]:3306"]
    assert str(place) == "MySQL database app at [fd00::7]:3306"


def test_a_server_that_was_not_allowed_is_refused_with_the_flag():
    with pytest.raises(SpecInvalid, match=r"allow it with --allow-endpoint=postgresql://db\.example:5432$"):
        place_on_server(spec(**AUTH, **PG), context(endpoint_allowed=lambda _: False))


@pytest.mark.parametrize(
    "host", ["/run/postgresql", "@socket", "a,b", "a b", "a/../b", "user@host", "host:1", "-x", ""]
)
def test_a_host_that_is_none_is_refused(host: str):
    whole = spec(**AUTH, **PG)
    assert whole.postgresql is not None
    place = whole.model_copy(update={"postgresql": whole.postgresql.model_copy(update={"host": host})})
    with pytest.raises(SpecInvalid, match="is no address; write one such as postgresql://"):
        place_on_server(place, context())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({**AUTH}, "give one of"),
        ({**AUTH, **PG, "mysql": {"host": "h", "database": "d"}}, "give one of"),
        ({**PG, "database": "app"}, "give one of"),
        ({**AUTH, "h2": {"host": "h", "database": "d"}}, "H2's PostgreSQL port knows no TLS"),
        ({**AUTH, "h2": {"host": "h", "database": "d"}, "tls": "Verified"}, "H2's PostgreSQL port knows no TLS"),
    ],
)
def test_what_the_schema_refuses_is_refused_here_too(given: dict[str, Any], words: str):
    with pytest.raises(SpecInvalid, match=words):
        place_on_server(spec(**given), context())


def test_the_printed_command_names_the_schema():
    place = ServerPlace("postgresql", "h", 5432, "app", "keyferry", tls=True)
    assert place.ddl == "keyferry sql ddl --dialect postgresql --schema keyferry"


async def test_a_line_end_after_name_and_password_is_no_part_of_them():
    cluster = SeededCluster({"login": {"username": b"user\n", "password": b" pass word\r\n"}})
    login = await login_of(spec(**AUTH, **PG), context(cluster=cluster))
    assert (login.user, login.password, login.name) == ("user", " pass word", "user user of Secret payments/login")


@pytest.mark.parametrize("held", [b"", b"\n", b"\xff", b"a\0b"], ids=ascii)
async def test_what_is_no_password_is_told(held: bytes):
    cluster = SeededCluster({"login": {"username": b"user", "password": held}})
    with pytest.raises(
        CredentialsMissing, match="Secret payments/login, key password, holds nothing, or what is no text"
    ):
        await login_of(spec(**AUTH, **PG), context(cluster=cluster))
