"""Nothing good is lost at the first look."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from keyferry.api.external_secret import ExternalSecretStatus, Source
from keyferry.errors import SecretMissing, SyncError
from keyferry.sync.doubt import Doubt
from keyferry.sync.outcome import Deed, Outcome
from keyferry.values import Found, Key, Looked, Lookup, Ref, Search

KEY = Key("team", "db")
A, B = Source(key="a", id="a", version="1"), Source(key="b", id="b", version="1")
EVERYTHING = Search(regexp=".")


@dataclass
class Now:
    """As much of a situation as doubt looks at."""

    status: ExternalSecretStatus
    key: Key = KEY
    same_spec: bool = True
    moved: bool = False
    target: Any = "there"


@dataclass
class Bed:
    doubt: Doubt = field(default_factory=Doubt)
    had: tuple[Source, ...] = (A, B)
    digest: str | None = None  # of sources that are too many to be listed

    @property
    def now(self) -> Any:
        return Now(ExternalSecretStatus(observed_generation=1, sources=self.had, sources_digest=self.digest))

    def sees(self, looked: Looked, outcome: Outcome, *, at: float) -> Outcome | None:
        return self.doubt.checked(self.now, looked, outcome, at)


def found(*keys: str) -> tuple[Found, ...]:
    return tuple(Found(key, Ref(key), "1") for key in keys)


def write(*sources: Source, error: SyncError | None = None) -> Outcome:
    return Outcome(Deed.WRITE, {}, error=error, sources=sources)


def test_a_find_that_shrinks_is_looked_at_again_and_then_believed():
    bed = Bed()
    assert bed.sees({EVERYTHING: found("a")}, write(A), at=0) is None
    assert bed.sees({EVERYTHING: found("a")}, write(A), at=4.9) is None
    assert bed.sees({EVERYTHING: found("a")}, write(A), at=5) == write(A)


def test_what_comes_back_was_never_lost():
    bed = Bed()
    bed.sees({EVERYTHING: found("a")}, write(A), at=0)
    assert bed.sees({EVERYTHING: found("a", "b")}, write(A, B), at=3) == write(A, B)
    assert bed.sees({EVERYTHING: found("a")}, write(A), at=6) is None


def test_what_vanishes_after_the_first_has_a_time_of_its_own():
    bed = Bed()
    bed.sees({EVERYTHING: found("a")}, write(A), at=0)
    assert bed.sees({EVERYTHING: ()}, write(), at=6) is None


def test_what_is_optional_and_was_never_there_is_not_waited_for():
    bed = Bed(had=())
    assert bed.sees({Lookup("c"): SecretMissing("no c")}, write(), at=0) == write()


def test_an_optional_key_that_was_there_is_looked_at_again():
    bed = Bed()
    looked: Looked = {Lookup("a"): found("a"), Lookup("b"): SecretMissing("no b")}
    assert bed.sees(looked, write(A), at=0) is None


@pytest.mark.parametrize("had", [(A,), ()], ids=["known", "unknown"])
def test_a_deletion_waits_and_says_meanwhile_what_is_missing(had: tuple[Source, ...]):
    bed, error = Bed(had=had), SecretMissing("no a")
    delete = Outcome(Deed.DELETE, error=error, note="the Secret was deleted")
    assert bed.sees({Lookup("a"): error}, delete, at=0) == Outcome(error=error)
    assert bed.sees({Lookup("a"): error}, delete, at=5) is delete


def test_even_a_deletion_for_an_empty_find_waits():
    bed, error = Bed(had=()), SecretMissing("nothing")
    assert bed.sees({EVERYTHING: ()}, Outcome(Deed.DELETE, error=error), at=0) == Outcome(error=error)


def test_what_is_done_about_an_error_is_told_when_it_is_done():
    outcome = Outcome(Deed.DELETE, error=SecretMissing("no a"), note="the Secret was deleted")
    assert str(outcome.told) == "no a; the Secret was deleted"
    assert str(outcome.error) == "no a"


def test_what_a_digest_stands_for_may_have_shrunk_while_nobody_looked():
    bed = Bed(had=(), digest="d")
    assert bed.sees({EVERYTHING: found("a")}, write(A), at=0) is None
    assert bed.sees({EVERYTHING: found("a")}, write(A), at=5) == write(A)


def test_what_a_digest_stands_for_is_known_once_it_was_seen_unchanged():
    bed = Bed(had=(), digest="d")
    bed.doubt.seen(bed.now, {EVERYTHING: found("a", "b")})
    assert bed.sees({EVERYTHING: found("a", "b", "c")}, write(A, B), at=0) == write(A, B)
    assert bed.sees({EVERYTHING: found("a")}, write(A), at=1) is None


def test_keys_that_are_named_are_missed_one_by_one_whatever_the_digest():
    bed = Bed(had=(), digest="d")
    assert bed.sees({Lookup("a"): found("a")}, write(A), at=0) == write(A)
