"""What can be wrong with a login to Elasticsearch."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from keyferry.api.providers.elasticsearch import ElasticsearchMethod
from keyferry.backends.elasticsearch.backend import ElasticsearchBackend
from keyferry.errors import BackendUnavailable
from tests.contract.bad_logins.table import Bad, Case, Login, Scene, Table, Way
from tests.contract.elasticsearch_stores import API_KEY, BASIC, CA, DB, LOGIN, holding, store
from tests.servers import certificates, elasticsearch_server
from tests.servers.elasticsearch_server import PASSWORD, ApiKey, ElasticsearchServer, allowing
from tests.standins.wire import Answer, Listener

KEY = f"the API key in Secret payments/{LOGIN}: "
NO_END = "a user's password has no end in Elasticsearch"


@dataclass
class World:
    scene: Scene
    server: ElasticsearchServer
    index: str
    ref = DB

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    def user(self, way: Way | None = None, **login: str) -> ElasticsearchBackend:
        """A store that logs in as a user."""
        known = {"username": self.server.user(allowing(self.index, "read")), "password": PASSWORD}
        return self._store(BASIC, way, **{**known, **login})

    def key(self, way: Way | None = None, key: str = "") -> ElasticsearchBackend:
        """A store that logs in with an API key."""
        return self._store(API_KEY, way, apiKey=key or self.made().encoded)

    def made(self, **more: str) -> ApiKey:
        return self.server.key(allowing(self.index, "read"), **more)

    def elsewhere(self) -> Way:
        """Where a deployment is not, or not any more: what stands before all of them answers."""
        authority = certificates.write(self.scene.folder)
        unknown = Answer.of({"ok": False, "message": "canary"}, 404)
        listener = Listener(lambda _: unknown, self.scene.folder)
        self.scene.stack.callback(listener.down)
        return Way(f"127.0.0.1:{listener.port}", authority)

    def _store(self, auth: dict[str, Any], way: Way | None, **login: Any) -> ElasticsearchBackend:
        cluster = holding(self.server, **login)
        if way is None:
            return store(self.server, self.index, auth, cluster=cluster)
        if way.authority:
            cluster.secrets = {**cluster.secrets, CA: {"ca.crt": way.authority}}
        url = f"https://{way.address}"
        return store(self.server, self.index, auth, url=url, cluster=cluster, timeout=way.timeout)


@asynccontextmanager
async def world(scene: Scene) -> AsyncIterator[World]:
    server, index = elasticsearch_server.SHARED.get(), elasticsearch_server.unique("logins")
    async with aclosing(store(server, index)) as writer:
        await writer.put(DB.id, b"v", {})
    yield World(scene, server, index)
    server.request("DELETE", index)


def no_deployment(make: Callable[[World, Way], ElasticsearchBackend]) -> Bad:
    """There is no such deployment behind the address."""
    return Bad(
        lambda world: make(world, world.elsewhere()),
        "there is no Elasticsearch of version 8, or no deployment with this Cloud ID",
        BackendUnavailable,
    )


TABLE = Table(
    world,
    frozenset(ElasticsearchMethod),
    {
        "Basic": Login(
            {
                Case.SECRET: [
                    Bad(
                        lambda world: world.user(password="canary"),
                        f"with the password in Secret payments/{LOGIN}: there is no such user, or the password is "
                        "another",
                        name="password",
                    ),
                    Bad(
                        lambda world: world.user(username="nobody"),
                        f"{{world.host}} does not accept user nobody with the password in Secret payments/{LOGIN}: "
                        "there is no such user, or the password is another",
                        name="user",
                    ),
                ],
                Case.EXPIRED: NO_END,
                Case.TENANT: [no_deployment(World.user)],
            },
            World.user,
        ),
        "ApiKey": Login(
            {
                Case.SECRET: [
                    Bad(
                        lambda world: world.key(key=f"{world.made().id}:canary"),
                        KEY + "there is a key with this ID, and its secret is another",
                        name="its secret",
                    ),
                    Bad(
                        lambda world: world.key(key="no-such-id:canary"),
                        KEY + "there is no key with this ID: it was deleted, or is another cluster's",
                        name="its ID",
                    ),
                    Bad(
                        lambda world: world.key(key="canary"),
                        KEY + "it is no API key: take what Elasticsearch calls `encoded`, or id:api_key",
                        name="no key",
                    ),
                ],
                Case.EXPIRED: [
                    Bad(
                        lambda world: world.key(key=world.made(expiration="1ms").encoded),
                        KEY + "the key has expired: make another; or a clock is off",
                    )
                ],
                Case.TENANT: [no_deployment(World.key)],
            },
            World.key,
        ),
    },
    server="elastic",
)
