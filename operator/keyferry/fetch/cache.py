"""Values that were read, for whoever asks for them soon after: bounded in number, bytes and time."""

from collections import OrderedDict
from dataclasses import dataclass, field

from keyferry.values import Ref, Value

_OF_A_STORE = 64 * 1024 * 1024  # bytes, however many values it may keep
_OF_ALL = 128 * 1024 * 1024
_LINE = 500  # bytes, of what is around a value


@dataclass(slots=True)
class Room:
    """What the caches of all stores may hold together. One event loop owns it."""

    limit: int = _OF_ALL  # bytes
    used: int = field(default=0, init=False)
    _caches: dict[int, "Cache"] = field(default_factory=dict, init=False, repr=False)  # those that hold something

    def count(self, cache: "Cache", more: int) -> None:
        """A cache holds so much more than before, or less."""
        self.used += more
        if cache.used:
            self._caches[id(cache)] = cache
        else:
            self._caches.pop(id(cache), None)

    def make(self) -> None:
        """Let the largest cache give way until all is within the limit: a store that keeps little loses nothing."""
        while self.used > self.limit:
            max(self._caches.values(), key=lambda cache: cache.used).let_go_of_one()

    def purge(self, now: float) -> None:
        """Let go of everything that is too old, though nobody asks for anything."""
        for cache in list(self._caches.values()):
            cache.purge(now)


@dataclass(slots=True)
class Cache:
    """One store's values by ref, the oldest out first. Times are the loop's, of the call that read it, in seconds."""

    size: int
    age: float
    room: Room = field(default_factory=Room, repr=False)
    used: int = field(default=0, init=False)  # bytes
    _kept: OrderedDict[Ref, tuple[float, Value]] = field(default_factory=OrderedDict, init=False)

    def get(self, ref: Ref, version: str, now: float) -> Value | None:
        """The value at just that version, if it is kept and young enough."""
        kept = self._kept.get(ref)
        return kept[1] if kept and kept[1].version == version and now - kept[0] < self.age else None

    def since(self, ref: Ref, not_before: float, now: float) -> Value | None:
        """The value, if it is kept and was read by a call that began then or later."""
        kept = self._kept.get(ref)
        return kept[1] if kept and not_before <= kept[0] and now - kept[0] < self.age else None

    def put(self, ref: Ref, value: Value, now: float) -> None:
        """Keep a value, and let go of what is too old or too much."""
        if former := self._kept.pop(ref, None):
            self._count(-_size(former[1]))
        self._kept[ref] = (now, value)
        self._count(_size(value))
        self.purge(now)
        while len(self._kept) > self.size or self.used > _OF_A_STORE:
            self.let_go_of_one()
        self.room.make()

    def purge(self, now: float) -> None:
        """Let go of what is too old."""
        while self._kept and now - next(iter(self._kept.values()))[0] >= self.age:
            self.let_go_of_one()

    def let_go_of_one(self) -> None:
        """Let go of the oldest."""
        _, (_, gone) = self._kept.popitem(last=False)
        self._count(-_size(gone))

    def clear(self) -> None:
        """Let go of everything."""
        while self._kept:
            self.let_go_of_one()

    def _count(self, more: int) -> None:
        self.used += more
        self.room.count(self, more)


def _size(value: Value) -> int:
    return value.size + _LINE
