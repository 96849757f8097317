"""Killed at random moments while everything changes, and then compared with the truth."""

import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.cluster.team import Team
from tests.controlplane.api import RequestFailed

pytest_plugins = ["tests.cluster.fixtures"]

KILLS = 15
STABLE = [f"stable{number}" for number in range(8)]
FLEETING = [f"fleeting{number}" for number in range(8)]  # these come and go in the backend
MOST_MISSING = 3  # of sixteen: more at once would be held back by the deletion guard
EXTERNAL_SECRETS = [f"es{number}" for number in range(16)]
TAMPERED = b"edited by hand"


@dataclass(slots=True)
class Wanted:
    """What an ExternalSecret asks for."""

    keys: dict[str, str]
    target: str
    policy: str


@dataclass(slots=True)
class Truth:
    """What the backend holds and what the ExternalSecrets ask for, and random changes of both."""

    team: Team
    chance: random.Random
    backend: dict[str, str] = field(default_factory=dict)
    wanted: dict[str, Wanted] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    def begin(self) -> None:
        """Everything is there."""
        for key in STABLE + FLEETING:
            self._put(key)
        for name in EXTERNAL_SECRETS:
            self._make(name)

    def change(self) -> None:
        """One random change, somewhere."""
        self._do(self.chance.choices(*zip(*self._changes(), strict=True))[0])

    def change_in_every_way(self) -> None:
        """One of each, somewhere, and some more edits by hand, of which nobody else tells."""
        for change, _ in [*self._changes(), *[(self._tamper, 1)] * 6]:
            self._do(change)

    def _do(self, change: Callable[[], None]) -> None:
        self.told.append(change.__name__)
        change()

    def _changes(self) -> list[tuple[Callable[[], None], int]]:
        """What may change, and how often it does."""
        backend = [(self._rotate, 6), (self._vanish, 2), (self._return, 2)]
        return [*backend, (self._edit, 3), (self._retarget, 4), (self._remake, 2), (self._tamper, 3), (self._drop, 2)]

    def secrets(self) -> dict[str, dict[str, bytes]]:
        """The Secrets that there should be."""
        made = {}
        for wanted in self.wanted.values():
            data = {key: self.backend[remote].encode() for key, remote in wanted.keys.items() if remote in self.backend}
            if data or wanted.policy == "Merge":
                made[wanted.target] = data
        return made

    def differences(self) -> dict[str, str]:
        """How the Secrets that there are differ from those, by name. No values."""
        there, right = self.team.world.secrets(self.team.namespace), self.secrets()
        found = {name: "left over" for name in there.keys() - right if not self._kept(name.partition("-")[0])}
        for name, data in right.items():
            # What somebody edited is that somebody's; if it is not asked for any more, it stays.
            held = {key: value for key, value in there.get(name, {}).items() if key in data or value != TAMPERED}
            if name not in there and data:
                found[name] = "lost"
            elif held != data:
                found[name] = f"keys {sorted(held)} instead of {sorted(data)}, or other values"
        return found

    def _kept(self, name: str) -> bool:
        """Whether what it made before stays: it asks for what was never there since it was edited."""
        wanted = self.wanted.get(name)
        if wanted is None or any(remote in self.backend for remote in wanted.keys.values()):
            return False
        now = self.team.world.get("ExternalSecret", self.team.namespace, name) or {}
        return bool(now.get("status", {}).get("syncedGeneration") != now.get("metadata", {}).get("generation"))

    def _put(self, key: str) -> None:
        self.backend[key] = f"{key}-{self.chance.getrandbits(32)}"
        self.team.put(key, self.backend[key])

    def _rotate(self) -> None:
        for key in self.chance.sample(sorted(self.backend), 4):
            self._put(key)

    def _vanish(self) -> None:
        there = [key for key in FLEETING if key in self.backend]
        if len(FLEETING) - len(there) < MOST_MISSING:
            key = self.chance.choice(there)
            del self.backend[key]
            self.team.remove(key)

    def _return(self) -> None:
        for key in FLEETING:
            if key not in self.backend:
                self._put(key)
                return

    def _edit(self) -> None:
        name = self.chance.choice(sorted(self.wanted))
        self.wanted[name].keys = self._keys(self.wanted[name].policy)
        self._declare(name)

    def _retarget(self) -> None:
        name = self.chance.choice(sorted(self.wanted))
        self.wanted[name].target = f"{name}-{self.chance.choice('abc')}"
        self._declare(name)

    def _tamper(self) -> None:
        there = sorted(self.team.world.secrets(self.team.namespace).items())
        if edible := [(name, data) for name, data in there if data]:
            name, data = self.chance.choice(edible)
            with contextlib.suppress(RequestFailed):  # it may have gone meanwhile
                self.team.tamper(name, **{self.chance.choice(sorted(data)): TAMPERED})

    def _drop(self) -> None:
        if there := sorted(self.team.world.secrets(self.team.namespace)):
            self.team.world.delete("Secret", self.team.namespace, self.chance.choice(there))

    def _remake(self) -> None:
        """Delete an ExternalSecret, or make one that was deleted."""
        if gone := sorted(set(EXTERNAL_SECRETS) - set(self.wanted)):
            self._make(gone[0])
            return
        name = self.chance.choice(sorted(self.wanted))
        del self.wanted[name]
        self.team.world.delete("ExternalSecret", self.team.namespace, name)

    def _make(self, name: str) -> None:
        policy = self.chance.choice(["Retain", "Delete", "Merge"])
        self.wanted[name] = Wanted(self._keys(policy), f"{name}-a", policy)
        self._declare(name)

    def _keys(self, policy: str) -> dict[str, str]:
        pool, most = {"Retain": (STABLE, 3), "Delete": (FLEETING, 1), "Merge": (STABLE + FLEETING, 3)}[policy]
        remotes = self.chance.sample(pool, self.chance.randint(1, most))
        return {f"key{self.chance.randint(0, 3)}-{index}": remote for index, remote in enumerate(remotes)}

    def _declare(self, name: str) -> None:
        wanted = self.wanted[name]
        target = {"name": wanted.target, "deletionPolicy": wanted.policy}
        self.team.declare(name, keys=wanted.keys, every="1s", target=target)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", [20261124])
def test_whenever_it_is_killed_nothing_is_lost_nothing_is_left_over_and_all_is_true_in_the_end(team, seed):
    truth = Truth(team, random.Random(seed))  # noqa: S311 - it is to be the same again
    truth.begin()
    operator = team.world.operator

    for _ in range(KILLS):
        for _ in range(truth.chance.randint(4, 14)):
            truth.change()
        time.sleep(truth.chance.uniform(0.0, 0.4))  # a random moment is what is meant here
        operator.kill()
        for _ in range(truth.chance.randint(0, 3)):
            truth.change()
        operator.start()
        if truth.chance.random() < 0.8:
            operator.wait_ready()
    await_truth(truth, seed)

    operator.kill()
    truth.change_in_every_way()
    operator.start()
    await_truth(truth, seed)


def await_truth(truth, seed):
    """Return when everything is as it should be."""
    truth.team.world.operator.wait_ready()
    try:
        truth.team.world.eventually(lambda: not truth.differences(), within=60.0)
    except AssertionError as late:
        raise AssertionError(f"seed {seed}: {truth.differences()}\n{truth.told}\n{late}") from None
    for name, wanted in truth.wanted.items():
        if all(remote in truth.backend for remote in wanted.keys.values()):
            truth.team.says("Synced", name)
