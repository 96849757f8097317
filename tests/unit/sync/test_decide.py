"""What is done with what was rendered: all or nothing, and nothing good is lost to a failure."""

import pytest

from keyferry.api.external_secret import ExternalSecretSpec, Source
from keyferry.errors import BackendUnavailable, SecretMissing, SyncError, ValueInvalid
from keyferry.render.secret import Rendered
from keyferry.sync.decide import decide
from keyferry.sync.outcome import Deed, Outcome
from tests.unit.render.rendering import item, spec_of

SOURCES = (Source(key="k", id="id", version="1"),)
GONE, FAILED = SecretMissing("k is gone"), BackendUnavailable("down")


def spec(deletion: str = "Retain", creation: str = "Owner") -> ExternalSecretSpec:
    return spec_of(item(), target={"deletionPolicy": deletion, "creationPolicy": creation})


def decided(wanted: ExternalSecretSpec, made: Rendered) -> Outcome:
    return decide(wanted, made, SOURCES)


def made(*, failures: tuple[SyncError, ...] = (), gone: tuple[SyncError, ...] = (), data: bool = True) -> Rendered:
    return Rendered({"k": b"v"} if data else {}, gone, failures)


def test_what_is_whole_is_written():
    assert decided(spec(), made()) == Outcome(Deed.WRITE, {"k": b"v"}, sources=SOURCES)


def test_what_is_not_wanted_as_a_secret_is_noted_and_not_written():
    assert decided(spec(creation="None"), made()) == Outcome(sources=SOURCES)


@pytest.mark.parametrize("creation", ["Owner", "Orphan", "Merge", "None"])
@pytest.mark.parametrize("deletion", ["Retain", "Delete", "Merge"])
def test_one_failure_and_nothing_is_written_or_deleted(creation: str, deletion: str):
    outcome = decided(spec(deletion, creation), made(failures=(FAILED,), gone=(GONE,)))
    assert (outcome.deed, outcome.sources) == (Deed.KEEP, None)
    assert isinstance(outcome.error, BackendUnavailable)


def test_the_first_failure_is_told_and_how_many_more_there_are():
    outcome = decided(spec(), made(failures=(FAILED, ValueInvalid("x")), gone=(GONE,)))
    assert str(outcome.error) == "down; and 2 more like it"


@pytest.mark.parametrize("creation", ["Owner", "Orphan", "Merge", "None"])
def test_retain_keeps_what_was_good(creation: str):
    outcome = decided(spec("Retain", creation), made(gone=(GONE,)))
    assert (outcome.deed, outcome.sources, str(outcome.error)) == (Deed.KEEP, None, "k is gone")


def test_delete_deletes_when_nothing_is_left():
    assert decided(spec("Delete"), made(gone=(GONE,), data=False)).deed is Deed.DELETE


def test_delete_keeps_a_secret_of_which_something_is_left():
    assert decided(spec("Delete"), made(gone=(GONE,), data=True)).deed is Deed.KEEP


def test_merge_drops_what_is_gone_and_keeps_the_rest():
    outcome = decided(spec("Merge"), made(gone=(GONE,)))
    assert (outcome.deed, outcome.data) == (Deed.WRITE, {"k": b"v"})
    assert isinstance(outcome.error, SecretMissing)


@pytest.mark.parametrize("deletion", ["Delete", "Merge"])
def test_what_keyferry_does_not_write_it_does_not_take_away(deletion: str):
    assert decided(spec(deletion, "None"), made(gone=(GONE,), data=False)).deed is Deed.KEEP


def test_an_outcome_does_not_show_its_data():
    assert "canary" not in repr(Outcome(Deed.WRITE, {"k": b"canary-9f3b"}))
