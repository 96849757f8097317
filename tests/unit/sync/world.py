"""The whole engine in one process: the app between an API server and backends in memory, on a clock that does not wait.

`async with World() as world:` starts it; `await world.rest(seconds)` lets that much time pass.
"""

import asyncio
import base64
from collections import Counter
from dataclasses import replace
from typing import Any, Self

from keyferry.app import App
from keyferry.backends import registry
from keyferry.kube.client import Json
from keyferry.settings import OWNER_ANNOTATION, Settings
from keyferry.sync.shard import Shard
from keyferry.values import Key
from tests.unit.fakes import FakeBackend, FakeKube, Request
from tests.unit.sync import backends

TEAM = "team"
_IN_NAMESPACES = ("secretstores", "externalsecrets")
_SEEN = ("namespaces", "clustersecretstores", *_IN_NAMESPACES)


class World:
    """A cluster with one namespace `team`, and `backend` behind every store that names no other."""

    def __init__(self, *, backend: FakeBackend | None = None, settings: Settings | None = None) -> None:
        self.kube = FakeKube()
        self.backend = backend or FakeBackend()
        self.app: App
        self.settings = settings or Settings()
        self._tasks: list[asyncio.Task[Any]] = []
        backends.FAR.clear()
        backends.FAR["db"] = self.backend
        self.namespace(TEAM)

    async def __aenter__(self) -> Self:
        registry._MODULES["sql"], self._real = backends.__name__, registry._MODULES["sql"]
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        registry._MODULES["sql"] = self._real

    async def start(self) -> None:
        """Start the operator, as a new process over what is there."""
        self.app = await self.replica()

    async def replica(self, *, sees: bool = True, **settings: Any) -> App:
        """Another operator beside those that run. Where it does not see, no watch tells it anything but of Secrets."""
        mine = replace(self.settings, **settings)
        app = App(self.kube, self.kube, mine, clock=asyncio.get_running_loop().time)
        self._tasks += [asyncio.create_task(app.run()), *([asyncio.create_task(self._see(app))] if sees else [])]
        await self.rest(2)
        return app

    def deafen(self) -> None:
        """From now on no watch tells the first operator anything, as if Kopf hung."""
        self._tasks[1].cancel()

    async def stop(self) -> None:
        """End the operator without a chance to tidy up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def _see(self, app: App) -> None:
        """What Kopf does: tell of everything that is there and of every change, a little later."""
        told, only = 0, app.settings.namespaces
        await app.learnt.wait()
        while True:
            for resource, event in self.kube.history[told:]:
                told += 1
                if resource in (_IN_NAMESPACES if only else _SEEN) and (
                    not only or event["object"]["metadata"]["namespace"] in only
                ):
                    app.picture.told(resource, event["object"], deleted=event["type"] == "DELETED")
            await self.kube.news.wait()
            await asyncio.sleep(0.05)

    @property
    def shard(self) -> Shard:
        """The only one there is."""
        return self.app.shards[0]

    async def rest(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)

    def namespace(self, name: str, labels: dict[str, str] | None = None, **annotations: str) -> None:
        """Make a namespace, or label and annotate it anew; `_` in an annotation's name stands for a slash."""
        named = {f"keyferry.dev/{each}": text for each, text in annotations.items()}
        self.kube.put("namespaces", name, metadata={"labels": labels or {}, "annotations": named})

    def store(self, name: str = "store", *, login: str = backends.NO_LOGIN, database: str = "db", **spec: Any) -> None:
        """Make or edit a SecretStore of the team; with `cluster=True` a ClusterSecretStore."""
        cluster: bool = spec.pop("cluster", False)
        ref = {"name": login, "key": "key", **({"namespace": TEAM} if cluster else {})}
        provider = {"sql": {"database": database, "encryption": {"keySecretRef": ref}}}
        resource = "clustersecretstores" if cluster else "secretstores"
        self.kube.put(resource, name, "" if cluster else TEAM, spec={"provider": provider, **spec})

    def external_secret(self, name: str = "es", **spec: Any) -> None:
        """Make or edit an ExternalSecret. By default it takes key k of the team's store."""
        namespace: str = spec.pop("namespace", TEAM)
        made = {
            "secretStoreRef": {"kind": "SecretStore", "name": "store"},
            "data": [] if "dataFrom" in spec else [item()],
        }
        self.kube.put("externalsecrets", name, namespace, spec={**made, **spec})

    def annotate(self, resource: str, name: str, namespace: str = TEAM, **annotations: str) -> None:
        """Annotate an object of ours: refresh="1" is keyferry.dev/refresh."""
        named = {f"keyferry.dev/{each}": text for each, text in annotations.items()}
        self.kube.put(resource, name, namespace, metadata={"annotations": named})

    def secret(self, name: str, data: dict[str, bytes], namespace: str = TEAM, **metadata: Any) -> None:
        """Make or edit a Secret by hand."""
        encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        self.kube.put("secrets", name, namespace, type="Opaque", data=encoded, metadata=metadata)

    def held(self, name: str = "es", namespace: str = TEAM) -> dict[str, bytes] | None:
        """What a Secret holds; None when it is not there."""
        found = self.kube.objects.get(("secrets", namespace, name))
        return None if found is None else {key: base64.b64decode(text) for key, text in found["data"].items()}

    def owner(self, name: str = "es", namespace: str = TEAM) -> str | None:
        """Whose a Secret is, as its annotation says."""
        metadata = self.kube.objects["secrets", namespace, name]["metadata"]
        owner: str | None = metadata.get("annotations", {}).get(OWNER_ANNOTATION)
        return owner

    def status(self, name: str = "es", namespace: str = TEAM, *, of: str = "externalsecrets") -> Json:
        """The status of one of our objects."""
        status: Json = self.kube.objects[of, namespace, name].get("status") or {}
        return status

    def condition(
        self, type_: str = "Ready", name: str = "es", namespace: str = TEAM, *, of: str = "externalsecrets"
    ) -> Json:
        """One condition of its status."""
        return next(each for each in self.status(name, namespace, of=of)["conditions"] if each["type"] == type_)

    def reason(self, name: str = "es", **where: Any) -> str:
        """The reason of its Ready condition."""
        reason: str = self.condition(name=name, **where)["reason"]
        return reason

    def writes(self) -> Counter[str]:
        """What was written since the last time this was asked, by resource."""
        written = Counter(each.resource for each in self.kube.writes)
        self.kube.requests.clear()
        return written

    def calls(self) -> Counter[str]:
        """What the backend was asked since the last time this was asked, by operation."""
        calls = Counter(self.backend.calls)
        self.backend.calls.clear()
        return calls

    def key(self, name: str = "es") -> Key:
        return Key(TEAM, name)


def item(name: str = "k", key: str = "k", **more: Any) -> dict[str, Any]:
    """An entry of `data`."""
    own: dict[str, Any] = {part: more.pop(part) for part in ("optional", "default") if part in more}
    return {"secretKey": name, "remoteRef": {"key": key, **more}, **own}


def failing(resource: str, error: Exception, *, method: str = "PATCH", times: int = 1) -> Any:
    """For `kube.before` or `kube.after`: the next such requests fail."""
    left = [times]

    def fail(request: Request) -> None:
        if request.resource == resource and request.method == method and left[0]:
            left[0] -= 1
            raise error

    return fail
