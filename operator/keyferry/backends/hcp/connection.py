"""A store's way to its app: a client, and a token that is seen to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keyferry.api.providers.hcp import Hcp
from keyferry.backends.address import checked_address
from keyferry.backends.base import Calls, Context
from keyferry.backends.hcp.client import Client, Query, Request, host_of
from keyferry.backends.hcp.errors import About, TokenRefused
from keyferry.backends.hcp.logins import ServicePrincipal
from keyferry.backends.https import connections
from keyferry.backends.route import route_of
from keyferry.backends.session import Session
from keyferry.errors import SyncError

_VERSION = "2023-11-28"


@dataclass(frozen=True, slots=True)
class Connection:
    """Asks HCP about an app. A token that it refuses is replaced, once."""

    budget: Calls
    client: Client
    session: Session
    url: str  # of the app
    app: str  # as error texts name it

    @property
    def host(self) -> str:
        return host_of(self.url)

    @property
    def login(self) -> str:
        return self.session.login.name

    async def ask(self, operation: str, path: str = "", query: Query = ()) -> Mapping[str, Any]:
        """What HCP answers to a path below the app's. Raises SyncError."""
        lease = await self.session.fresh()
        about = About(operation, self.login, self.host, self.app)
        request = Request(f"{self.url}{path}", query)
        try:
            return await self._send(about, request, lease.token)
        except TokenRefused:
            other = await self.session.instead_of(lease, certainly=True)
            if other is None:
                raise
        return await self._send(about, request, other.token)

    async def _send(self, about: About, request: Request, token: str) -> Mapping[str, Any]:
        return await self.budget(about.operation, lambda: self.client.ask(about, request, token))

    async def aclose(self) -> None:
        await self.client.aclose()


async def connect(spec: Hcp, context: Context) -> Connection:
    """Check the spec, read the certificates, log in. Raises SyncError."""
    api = checked_address("spec.provider.hcp.endpoint", spec.endpoint, context.endpoint_allowed)
    auth = checked_address("spec.provider.hcp.authEndpoint", spec.auth_endpoint, context.endpoint_allowed)
    ca = await context.cluster.authority(spec.ca_provider) if spec.ca_provider else None
    route, field = await route_of(context), "spec.provider.hcp.caProvider"
    made = Client(connections(context.timeout, context.concurrency, ca, field, route))

    async def exchange(about: About, request: Request) -> Mapping[str, Any]:
        return await context.call(about.operation, lambda: made.ask(about, request, None))

    project = f"{api.rstrip('/')}/secrets/{_VERSION}/organizations/{spec.organization}/projects/{spec.project}"
    connection = Connection(
        budget=context.call,
        client=made,
        session=Session(ServicePrincipal(spec.auth, context, auth.rstrip("/"), exchange)),
        url=f"{project}/apps/{spec.app}",
        app=f"app {spec.app} of project {spec.project}",
    )
    try:
        await connection.session.fresh()
    except SyncError:
        await made.aclose()  # the next try makes another
        raise
    return connection
