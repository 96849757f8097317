"""Aspects: what each server's codes and words come to; that none of its own are passed on; what must be granted."""

import aiomysql
import psycopg
import pytest

from keyferry.backends.sql import h2, mysql, postgresql
from keyferry.backends.sql.login import Login, ServerPlace
from keyferry.backends.sql.refusals import About, Need, Refusal, told
from keyferry.errors import AuthFailed, BackendUnavailable, PermissionDenied, SyncError, Throttled

LOGIN = Login("keyferry", "canary-password", "Secret payments/db")


def about(scheme: str = "postgresql", need: Need = Need.READ) -> About:
    return About(ServerPlace(scheme, "db.example", 5432, "app", "keyferry", tls=True), LOGIN, need)


def failure(state: str) -> psycopg.Error:
    error = psycopg.Error("canary: relation canary")
    error.sqlstate = state
    return error


@pytest.mark.parametrize(
    ("state", "refusal"),
    [
        ("42501", Refusal.RIGHTS),
        ("42P01", Refusal.TABLES),
        ("25006", Refusal.READ_ONLY),
        ("55P03", Refusal.LOCKED),
        ("40P01", Refusal.LOCKED),
        ("57P01", Refusal.STARTING),
        ("53300", Refusal.CROWDED),
        ("53100", Refusal.FULL),
        ("08006", Refusal.BROKEN_OFF),
        ("22000", Refusal.SENSELESS),
    ],
)
def test_postgresqls_states_are_known(state: str, refusal: Refusal):
    assert postgresql.refusal_of(failure(state)) == (refusal, state)


WORDS = {
    'FATAL:  password authentication failed for user "x"': Refusal.LOGIN,
    'FATAL:  role "x" does not exist': Refusal.LOGIN,
    'FATAL:  role "x" is not permitted to log in': Refusal.LOGIN,
    'FATAL:  database "x" does not exist': Refusal.DATABASE,
    'FATAL:  permission denied for database "x"': Refusal.DATABASE,
    'FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "x", database "x", SSL encryption': Refusal.HOST,
    'FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "x", database "x", no encryption': Refusal.PLAIN_DENIED,
    "FATAL:  the database system is starting up": Refusal.STARTING,
    "FATAL:  sorry, too many clients already": Refusal.CROWDED,
    "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute": Refusal.CROWDED,
    'FATAL:  LDAP authentication failed for user "x"': Refusal.LOGIN_WAY,
    "server does not support SSL, but SSL was required": Refusal.PLAIN,
    "failed to resolve host 'x': [Errno -2] Name or service not known": Refusal.UNKNOWN_HOST,
    "Connection refused": Refusal.NOBODY,
    "server closed the connection unexpectedly": Refusal.BROKEN_OFF,
    "FATAL:  Passwort-Authentifizierung für Benutzer »x« fehlgeschlagen": Refusal.SENSELESS,
}


@pytest.mark.parametrize(("words", "refusal"), WORDS.items(), ids=[each[:40] for each in WORDS])
def test_what_libpq_says_of_a_connection_that_failed_is_known(words: str, refusal: Refusal):
    assert postgresql.Connection.refused(f'connection to server at "x", port 5432 failed: {words}') is refusal


def test_h2_that_closes_the_connection_means_the_login_most_likely():
    assert h2.Connection.refused("server closed the connection unexpectedly") is Refusal.LOGIN_UNTOLD
    assert h2.Connection.refused("Connection refused") is Refusal.NOBODY


@pytest.mark.parametrize(
    ("state", "refusal"), [("42S02", Refusal.TABLES), ("90096", Refusal.RIGHTS), ("HYT00", Refusal.LOCKED)]
)
def test_h2s_states_are_its_own(state: str, refusal: Refusal):
    assert h2.refusal_of(failure(state)) == (refusal, state)


@pytest.mark.parametrize(("code", "refusal"), [*mysql.CODES.items(), (1064, Refusal.SENSELESS)])
def test_mysqls_codes_are_known(code: int, refusal: Refusal):
    assert mysql.refusal_of(aiomysql.OperationalError(code, "canary")) == (refusal, str(code))


@pytest.mark.parametrize("error", [EOFError(), OSError("canary"), aiomysql.InterfaceError("(0, 'Not connected')")])
def test_a_connection_that_breaks_off_is_told_so(error: Exception):
    assert mysql.refusal_of(error)[0] is Refusal.BROKEN_OFF
    assert postgresql.refusal_of(psycopg.OperationalError("the connection is lost"))[0] is Refusal.BROKEN_OFF


@pytest.mark.parametrize("refusal", Refusal)
@pytest.mark.parametrize("need", Need)
def test_each_refusal_has_words_that_name_the_database_and_nothing_secret(refusal: Refusal, need: Need):
    error = told(refusal, about(need=need))
    assert isinstance(error, SyncError)
    assert str(error).startswith("PostgreSQL database app at db.example:5432")
    assert "canary" not in f"{error!r} {LOGIN!r}"


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (Refusal.LOGIN, AuthFailed),
        (Refusal.CROWDED, Throttled),
        (Refusal.RIGHTS, PermissionDenied),
        (Refusal.READ_ONLY, PermissionDenied),
        (Refusal.PLAIN, BackendUnavailable),
    ],
)
def test_a_refusal_has_the_reason_that_fits(refusal: Refusal, kind: type[SyncError]):
    assert type(told(refusal, about())) is kind


@pytest.mark.parametrize(
    ("need", "words"),
    [
        (Need.READ, "GRANT SELECT on keyferry_meta and keyferry_secret, and USAGE on its schema"),
        (Need.WRITE, "GRANT SELECT on keyferry_meta, and SELECT, INSERT and UPDATE on keyferry_secret"),
        (Need.BEGIN, "GRANT INSERT on keyferry_meta, until"),
        (
            Need.MAKE,
            "let an administrator run what this prints: keyferry sql ddl --dialect postgresql --schema keyferry",
        ),
    ],
)
def test_a_right_that_is_missing_is_named(need: Need, words: str):
    assert words in str(told(Refusal.RIGHTS, about(need=need)))
