"""What can be wrong with a login: a row a login, a column a case, and in the cell what the condition then says."""

import enum
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket
from typing import Any, Protocol

import pytest

from keyferry.errors import AuthFailed, SyncError
from keyferry.values import Ref


class Case(enum.StrEnum):
    """What is wrong."""

    SECRET = "wrong secret"
    EXPIRED = "expired token"
    TENANT = "unknown tenant"
    ADDRESS = "unreachable address"
    AUTHORITY = "untrusted CA"
    CLOCK = "clock off by an hour"


@dataclass(frozen=True, slots=True)
class Scene:
    """What a test lends to a provider's world. What is opened on the stack ends with the test."""

    stack: AsyncExitStack
    folder: Path
    environment: pytest.MonkeyPatch


class World(Protocol):
    """A provider's server or stand-in, where all is well."""

    ref: Ref  # of a secret


@dataclass(frozen=True, slots=True)
class Way:
    """Where a store is led to, whom it trusts there, and for how long it waits."""

    address: str  # host:port
    authority: bytes = b""  # in PEM; empty: as is right
    timeout: float = 10.0


Make = Callable[[Any], Any]  # of a world, a backend


@dataclass(frozen=True, slots=True)
class Bad:
    """A store with one thing that is wrong, and what the condition says."""

    make: Make
    words: str  # in part; {world.…} is what the world has
    kind: type[SyncError] = AuthFailed
    name: str = ""  # where a cell has several
    lacking: str = ""  # what a check says instead, where nothing is wrong with the login itself


Cell = Sequence[Bad] | str  # a text: why it cannot be


@dataclass(frozen=True, slots=True)
class Login:
    """A way to log in. Where there is an address, each bad way to it is a test by itself."""

    cells: Mapping[Case, Cell]
    at: Callable[[Any, Way], Any] | None = None  # a store that is good but for where it is led
    begin: Callable[[socket], None] | None = lambda _: None  # what is said before TLS; None: there is no TLS

    def lacks(self) -> list[Case]:
        """The cases of which nothing is known."""
        by_itself = {Case.ADDRESS} if self.at else set()
        if self.at and self.begin:
            by_itself |= {Case.AUTHORITY, Case.CLOCK}
        return [case for case in Case if not self.cells.get(case) and case not in by_itself]


@dataclass(frozen=True, slots=True)
class Table:
    """A provider's logins, by what its model calls them; behind a space stands which of several it is."""

    world: Callable[[Scene], AbstractAsyncContextManager[World]]
    offered: frozenset[str]  # by the model
    logins: Mapping[str, Login] = field(repr=False)
    nobody: str = "cannot connect to {address}"
    silence: str = "{address} does not answer in time"
    server: str = ""  # that it asks `tests.servers` for

    def __str__(self) -> str:
        return self.server
