"""The bare minimum: a loop that writes the same Secrets and statuses and does nothing else.

`python -m tests.bench.bare KUBECONFIG PLAN` runs it as a process of its own, over the same kind of connection, as the
same ServiceAccount, as many requests at once as the operator has connections; it prints its seconds and its CPU.
"""

import asyncio
import base64
import json
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

from keyferry.settings import Settings
from tests.bench.ground import AT_REST, Ground, Group
from tests.cluster.world import path_of
from tests.controlplane.deployment import search_path

CONNECTIONS = Settings().kube_connections
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_APPLY, _MERGE = "application/apply-patch+yaml", "application/merge-patch+json"
_WITHIN = 600.0


@dataclass(frozen=True, slots=True)
class Bare:
    """What the loop took to write so many Secrets and statuses."""

    size: int
    seconds: float
    cpu: float
    others: float  # the share of the machine that went to other work

    def of(self, size: int) -> float:
        """Seconds for so many."""
        return self.seconds * size / self.size


def measure(ground: Ground, like: Group, size: int) -> Bare:
    """Write as many as `size` in namespaces of their own, made like those of a group that is in sync.

    The operator must not run: it would take them for its own. Nothing is left of them.
    """
    folder, per = ground.plane.folder, size // len(like.namespaces)
    group = Group(like.account, like.store, tuple(f"plain-{n}" for n in range(len(like.namespaces))), like.names[:per])
    for namespace in group.namespaces:
        ground.world.namespace(namespace)
    ground.declare(group, AT_REST)
    plan = folder / "bare.json"
    plan.write_text(json.dumps(list(_orders(ground, like, group))))
    pod = ground.operator.pod
    kubeconfig = ground.plane.service_account_kubeconfig(pod.namespace, pod.service_account, folder)
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.bare", kubeconfig, plan],
        cwd=Path(__file__).parents[2],
        env={"PATH": search_path()},
        capture_output=True,
        text=True,
        check=False,
        timeout=_WITHIN,
    )
    for namespace in group.namespaces:  # the Secrets first: so nobody has to collect them
        ground.plane.request("DELETE", path_of("Secret", namespace))
        ground.plane.request("DELETE", path_of("ExternalSecret", namespace))
    if done.returncode:
        raise RuntimeError(f"the bare minimum failed: {done.stderr}")
    took = json.loads(done.stdout)
    return Bare(group.size, took["seconds"], took["cpu"], ground.sampler.share_of_others(took["began"], took["ended"]))


def _orders(ground: Ground, like: Group, group: Group) -> Iterator[dict[str, Any]]:
    """What to write: for each its Secret and its status, as the operator wrote them for another namespace."""
    for model, namespace in zip(like.namespaces, group.namespaces, strict=True):
        secrets = {each["metadata"]["name"]: each for each in ground.world.listed("Secret", model)}
        states = {each["metadata"]["name"]: each for each in ground.world.listed("ExternalSecret", model)}
        for item in ground.world.listed("ExternalSecret", namespace):
            name = item["metadata"]["name"]
            made = secrets[name]
            owner = {**made["metadata"]["ownerReferences"][0], "uid": item["metadata"]["uid"]}
            metadata = {key: made["metadata"][key] for key in ("name", "labels", "annotations")}
            metadata |= {"namespace": namespace, "ownerReferences": [owner]}
            manager = made["metadata"]["managedFields"][0]["manager"]
            yield {
                "secret": f"{path_of('Secret', namespace, name)}?fieldManager={manager}&force=false",
                "made": {
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "metadata": metadata,
                    "type": made["type"],
                    "data": made["data"],
                },
                "state": f"{path_of('ExternalSecret', namespace, name)}/status?fieldManager=keyferry",
                "status": states[name]["status"],
                "version": item["metadata"]["resourceVersion"],
            }


async def _write(config: dict[str, Any], orders: list[dict[str, Any]]) -> None:
    cluster, token = config["clusters"][0]["cluster"], config["users"][0]["user"]["token"]
    trust = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    left = iter(orders)
    async with (
        aiohttp.ClientSession(
            cluster["server"],
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=trust),
            headers={"Authorization": f"Bearer {token}", "User-Agent": "bare"},
        ) as http,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(CONNECTIONS):
            group.create_task(_some(http, left))


async def _some(http: aiohttp.ClientSession, left: Iterator[dict[str, Any]]) -> None:
    for order in left:
        made = await _patched(http, order["secret"], order["made"], _APPLY)
        target = {**order["status"]["target"], "resourceVersion": made["metadata"]["resourceVersion"]}
        status = {**order["status"], "target": target}
        body = {"metadata": {"resourceVersion": order["version"]}, "status": status}
        await _patched(http, order["state"], body, _MERGE)


async def _patched(http: aiohttp.ClientSession, path: str, body: Any, content_type: str) -> Any:
    headers = {"Content-Type": content_type, "Accept": _METADATA if content_type == _APPLY else "application/json"}
    async with http.patch(path, data=json.dumps(body), headers=headers) as answer:
        text = await answer.read()
    if answer.status >= 400:
        raise RuntimeError(f"{answer.status} for {path}: {text[:500]!r}")
    return json.loads(text)


def main() -> None:
    """Time it, the opening of the connections included."""
    kubeconfig, plan = map(Path, sys.argv[1:])
    config, orders = json.loads(kubeconfig.read_text()), json.loads(plan.read_text())
    began, spent = time.perf_counter(), time.process_time()
    uvloop.run(_write(config, orders))
    seconds, ended = time.perf_counter() - began, time.time()
    told = {"seconds": seconds, "cpu": time.process_time() - spent, "began": ended - seconds, "ended": ended}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
