"""Which shard a store belongs to, and whose each shard should be. Pure, and the same at every replica."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field


def shard_of(name: str, shards: int) -> int:
    """The shard that something of this name belongs to. It depends on nothing else."""
    if shards == 1:
        return 0
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big") % shards


def shared(shards: int, holders: Mapping[int, str], replicas: Collection[str]) -> dict[int, str]:
    """Whose each shard should be: as now, but evenly, with as few changes of hands as that takes.

    `holders` are those who hold a shard now; a holder that is no replica any more has lost it.
    """
    loads: dict[str, list[int]] = {replica: [] for replica in sorted(replicas)}
    free: list[int] = []
    for shard in range(shards):
        loads.get(holders.get(shard, ""), free).append(shard)
    while loads:
        least, most = min(loads.values(), key=len), max(loads.values(), key=len)
        if free:
            least.append(free.pop(0))
        elif len(most) - len(least) > 1:
            least.append(most.pop())
        else:
            break
    return {shard: replica for replica, own in loads.items() for shard in own}


@dataclass(frozen=True, slots=True)
class View:
    """What one replica sees of all: who lives, and who of them holds what.

    Replicas that cut the work into another number of shards are rivals: what one of them holds overlaps with what
    another does, so the two kinds never work at the same time.
    """

    me: str
    shards: int
    replicas: Mapping[str, int] = field(default_factory=dict)  # who lives, and into how many shards each cuts
    holders: Mapping[int, str] = field(default_factory=dict)  # of my kind of shards, where the holder lives
    idle: bool = False  # nobody has held any shard, of whichever kind, for a Lease's whole duration

    @property
    def alone(self) -> bool:
        """Whether no other replica lives."""
        return not self.replicas.keys() - {self.me}

    def mine(self) -> frozenset[int]:
        """The shards that I should hold."""
        rivals = {shards for shards in self.replicas.values() if shards != self.shards}
        foremost = self.idle and self.shards > max(rivals, default=0)  # all wait for each other: one has to begin
        if rivals and not self.holders and not foremost:
            return frozenset()
        peers = {replica for replica, shards in self.replicas.items() if shards == self.shards}
        whose = shared(self.shards, self.holders, peers | {self.me} | set(self.holders.values()))
        return frozenset(shard for shard, replica in whose.items() if replica == self.me)
