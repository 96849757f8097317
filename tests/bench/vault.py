"""The second backend: Vault's real core, behind a proxy that counts. It has no batches, and lists no versions."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.bench.ground import AT_REST, Ground, quiet_store
from tests.bench.ledger import SECRETS, STATUSES
from tests.bench.rows import Row, row
from tests.cluster.manifests import cluster_store, external_secret, secret
from tests.servers import vault_server
from tests.standins.vault_proxy import VaultProxy

_NAMESPACE, _LOGIN = "vault-0", "vault-login"
_EVERY = 2  # seconds
_SHARED = 5  # ExternalSecrets that read one secret


@dataclass(frozen=True, slots=True)
class _Engine:
    """An engine with so many secrets, and what it is asked for."""

    proxy: VaultProxy
    mount: str
    names: tuple[str, ...]

    def write(self, names: tuple[str, ...], word: str) -> None:
        """Give secrets a new value."""
        for name in names:
            at = f"{self.mount}/data/{_NAMESPACE}/{name}"
            self.proxy.vault.request("POST", at, {"data": {"value": f"{word} {name}"}})

    def reads(self) -> int:
        """How many values were read since this was last asked; what else it was asked is put aside."""
        number = sum("/data/" in call.path and _NAMESPACE in call.path for call in self.proxy.calls)
        self.proxy.wire.clear()
        return number


def vault(ground: Ground, size: int) -> Iterator[Row]:
    """First sync, a refresh with nothing new, and a rotation, where several ExternalSecrets read each secret."""
    with VaultProxy(vault_server.SHARED.get()) as proxy:
        names = tuple(f"s{number}" for number in range(size // _SHARED))
        engine = _Engine(proxy, vault_server.SHARED.get().engine(2), names)
        engine.write(names, "first")
        store = _declared(ground, engine)
        wanted = {f"{name}-{number}": name for name in names for number in range(_SHARED)}
        since = len(ground.ledger)
        engine.reads()
        _apply(ground, store, wanted, AT_REST)
        _written(ground, SECRETS, size, since)
        _written(ground, STATUSES, size, since)
        name = f"Vault: {size} ExternalSecrets on {len(names)} secrets"
        yield row(name, "reads of values at the first sync", engine.reads(), at_most=len(names))
        yield from _refreshed(ground, engine, store, wanted, name)
        for each in wanted:
            ground.world.delete("ExternalSecret", _NAMESPACE, each)
        ground.world.delete("ClusterSecretStore", "", store)


def _refreshed(ground: Ground, engine: _Engine, store: str, wanted: dict[str, str], name: str) -> Iterator[Row]:
    since = len(ground.ledger)
    _apply(ground, store, wanted, f"{_EVERY}s")
    _written(ground, STATUSES, len(wanted), since)
    ground.quiet(1.0)
    since, looks = len(ground.ledger), ground.world.syncs()
    engine.reads()
    ground.until(lambda: ground.world.syncs() >= looks + 2 * len(wanted), "two refreshes", within=60)
    rounds = (ground.world.syncs() - looks) / len(wanted)
    yield row(
        name,
        "reads of values in a refresh with nothing new",
        engine.reads() / rounds,
        at_most=len(engine.names),
        goal=f"≤ {len(engine.names)}: one for each secret, for nothing cheaper tells what changed",
        note=f"{rounds:.1f} refreshes",
    )
    written = [each for each in ground.ledger.writes(since) if each.namespace == _NAMESPACE]
    yield row(name, "writes to the API server", len(written), at_most=0)
    changed = engine.names[:10]
    since = len(ground.ledger)
    engine.write(changed, "second")
    _written(ground, SECRETS, len(changed) * _SHARED, since)
    ground.quiet(1.0)
    wrong = sum(
        found.get(each) != {"value": f"{'second' if of in changed else 'first'} {of}".encode()}
        for found in [ground.world.secrets(_NAMESPACE)]
        for each, of in wanted.items()
    )
    yield row(name, "Secrets that do not hold what they should, after 10 rotations", wrong, at_most=0)


def _declared(ground: Ground, engine: _Engine) -> str:
    """A store by Paths on the engine."""
    server = engine.proxy.vault
    ground.world.namespace(_NAMESPACE)
    ca = {"token": server.root_token, "ca.crt": server.ca.read_text()}
    ground.world.apply(secret(_NAMESPACE, _LOGIN, ca))
    of_login: dict[str, Any] = {"name": _LOGIN, "namespace": _NAMESPACE}
    provider = {
        "server": engine.proxy.url,
        "rootEngine": engine.mount,
        "caProvider": {"type": "Secret", "key": "ca.crt", **of_login},
        "auth": {"method": "Token", "secretRef": {"key": "token", **of_login}},
    }
    store = quiet_store("vault")
    ground.world.apply(
        cluster_store(store, {"vault": provider}, mapping={"by": "Paths"}, refresh={"callsPerSecond": 1000})
    )
    return store


def _apply(ground: Ground, store: str, wanted: dict[str, str], every: str) -> None:
    data = {
        each: [{"secretKey": "value", "remoteRef": {"key": of, "property": "value"}}] for each, of in wanted.items()
    }
    ground.world.apply_all(
        external_secret(_NAMESPACE, each, store=store, every=every, data=items) for each, items in data.items()
    )


def _written(ground: Ground, what: str, number: int, since: int) -> None:
    ground.until(
        lambda: len(ground.ledger.writes(since, what=what, namespaces=(_NAMESPACE,))) >= number,
        f"{number} writes of {what} for Vault",
        within=90,
        poll=0.1,
    )
