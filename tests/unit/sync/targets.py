"""A team's store and an ExternalSecret of it, for tests that look at the Secret."""

from typing import Any

from tests.unit.sync.world import TEAM, World


async def ready(world: World) -> None:
    world.backend.put("k", b"v1")
    world.store()
    await world.rest(62)


async def made(world: World, **spec: Any) -> None:
    await ready(world)
    world.external_secret(**spec)
    await world.rest(3)
    world.writes()
    world.calls()


def metadata(world: World, name: str = "es") -> Any:
    return world.kube.objects["secrets", TEAM, name]["metadata"]
