"""What the vault's list says of a secret, and how a change is told from it without reading a value. Pure.

The list has no versions, only when a secret was last changed, in whole seconds. That time is the version, once it is
over: as long as the second may not have ended everywhere, more may happen in it, and the version says so by a `?`.
Whoever saw a secret at such a version sees another one soon after, and reads it once more.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from keyferry.backends.azure.names import decoded, version_possible
from keyferry.errors import BackendUnavailable
from keyferry.values import Entry

PAGE = 25  # the most that the vault lists at once
PAGES = 100_000
SETTLING = 5  # seconds after which a second is over everywhere, however the clocks of the vault's machines differ

_PATH = re.compile(r"https://[^/]+/secrets/(?P<name>[0-9A-Za-z-]+)(/(?P<version>[0-9A-Za-z]+))?/?")


@dataclass(frozen=True, slots=True)
class Attributes:
    """What the vault says of a secret besides its value. Times are seconds since the epoch, by the vault's clock."""

    id: str  # an address, as the vault gives it
    enabled: bool
    updated: int
    not_before: int | None
    expires: int | None
    tags: Mapping[str, str]
    answered_at: float  # when the vault said so

    @property
    def name(self) -> str:
        """The secret's name, in Keyferry's words. Raises BackendUnavailable where the answer lacks it."""
        return decoded(self._part("name"))

    @property
    def version(self) -> str:
        """The version's own ID, where the answer is about a version. Raises BackendUnavailable where it is not."""
        return self._part("version").lower()

    @property
    def settled(self) -> bool:
        """Whether nothing more can happen at the time of the last change."""
        return self.answered_at - self.updated >= SETTLING

    @property
    def flaw(self) -> str:
        """Why the secret must not be used now; empty where it may be."""
        if not self.enabled:
            return "is disabled: enable it, or take another"
        if self.expires is not None and self.expires <= self.answered_at:
            return f"expired at {moment(self.expires)}: give it a new version, or a later expiration date"
        if self.not_before is not None and self.not_before > self.answered_at:
            return (
                f"is not valid before {moment(self.not_before)}: wait for that, or give it an earlier activation date"
            )
        return ""

    @property
    def mark(self) -> str:
        """The version as far as list and read can agree on it: when it was changed, and whether that is settled."""
        return f"{moment(self.updated)}{'' if self.settled else '?'}"

    def _part(self, part: str) -> str:
        found = _PATH.fullmatch(self.id)
        if found is None or not found[part]:
            raise BackendUnavailable("the vault's answer lacks the name or the version of a secret")
        return found[part]


class Versions(Mapping[str, str]):
    """The versions of a listed secret: the current one, and every other that somebody may name by its ID.

    The list does not tell which there are. But what a version holds never changes, so its ID is all there is to know of
    it: it is read once, when it is first asked for, and that tells whether it is there.
    """

    def __init__(self, current: str) -> None:
        self._current = current

    def __getitem__(self, label: str) -> str:
        if not label:
            return self._current
        if version_possible(label):
            return label
        raise KeyError(label)

    def __repr__(self) -> str:
        return f"Versions({self._current})"

    def __iter__(self) -> Iterator[str]:
        return iter(("",))

    def __len__(self) -> int:
        return 1


def entry(listed: Attributes) -> Entry:
    """A line of the catalogue. A secret that must not be used is at a version of its own, which a read refuses."""
    state = " (not to be used)" if listed.flaw else ""
    return Entry(listed.name, listed.name, Versions(listed.mark + state), listed.tags)


def moment(seconds: int) -> str:
    """A time as people and other machines read it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
