"""A store's way to Secret Manager: a client, and a login whose token every call carries."""

from dataclasses import dataclass
from typing import TypeVar

from keyferry.api.providers.gcp import Gcp
from keyferry.backends.base import Context
from keyferry.backends.gcp.auth import login_of
from keyferry.backends.gcp.errors import About, LoginRefused
from keyferry.backends.gcp.http import Https
from keyferry.backends.gcp.place import Place, place_of
from keyferry.backends.gcp.sdk import Call, Client
from keyferry.backends.gcp.tokens import Bearer, Wallet
from keyferry.backends.route import route_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Connection:
    """Asks Secret Manager. A token that it refuses is replaced, once."""

    context: Context
    place: Place
    wallet: Wallet
    client: Client
    https: Https

    async def ask(self, operation: str, permission: str, resource: str, call: Call[T], *, version: str = "") -> T:
        """What the call gives. `permission`: what IAM asks for it, without the service's name. Raises SyncError."""
        about = About(
            operation, f"secretmanager.{permission}", resource, self.wallet.login.name, self.client.host, version
        )
        bearer = await self.wallet.current()
        try:
            return await self._ask(about, bearer, call)
        except LoginRefused:
            another = await self.wallet.another(bearer)
        return await self._ask(about, another, call)

    async def aclose(self) -> None:
        await self.client.aclose()
        await self.wallet.login.aclose()
        await self.https.aclose()

    async def _ask(self, about: About, bearer: Bearer, call: Call[T]) -> T:
        return await self.context.call(about.operation, lambda: self.client.ask(about, bearer, call))


async def connect(spec: Gcp, context: Context) -> Connection:
    """Check the spec, find the login, make the client. Nobody is called yet. Raises SyncError."""
    place = place_of(spec, context.endpoint_allowed)
    ca = await context.cluster.authority(spec.ca_provider) if spec.ca_provider else None
    route = await route_of(context)
    https = Https(context, ca, route)
    wallet = Wallet(login_of(spec, context, place, https))
    return Connection(context, place, wallet, Client(place.target, ca, context.timeout, route), https)
