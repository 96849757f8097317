"""A store's way to its vault: a client that is logged in, and stays so."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from azure.keyvault.secrets.aio import SecretClient

from keyferry.api.providers.azure import Azure
from keyferry.backends.azure import sdk
from keyferry.backends.azure.errors import About, CallDenied, LoginRefused, Operation
from keyferry.backends.azure.logins import Office, login_of
from keyferry.backends.azure.place import Place, place_of
from keyferry.backends.azure.wallet import Wallet
from keyferry.backends.base import Context
from keyferry.backends.route import Route, route_of
from keyferry.errors import SpecInvalid

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Connection:
    """Asks the vault. A token that it refuses is renewed once; one that may not do something is, once in a while."""

    context: Context
    place: Place
    wallet: Wallet
    client: SecretClient
    route: Route

    async def ask(
        self,
        operation: Operation,
        call: Callable[[SecretClient], Awaitable[T]],
        *,
        resource: str = "",
        version: str = "",
    ) -> T:
        """What the call gives, with the token that there is. Raises SyncError."""
        about = self.about(operation, resource, version)
        await self.wallet.fresh()
        token = self.wallet.current
        try:
            return await self._ask(about, call)
        except LoginRefused:
            await self.wallet.renew(token)
        except CallDenied:
            if not await self.wallet.reconsidered(token):
                raise
        return await self._ask(about, call)

    def about(self, operation: Operation, resource: str = "", version: str = "") -> About:
        """For errors about this call."""
        return About(operation, self.wallet.login.name, self.place.host, resource, version)

    async def _ask(self, about: About, call: Callable[[SecretClient], Awaitable[T]]) -> T:
        async def work() -> T:
            with sdk.mapped(about, self.route):
                return await call(self.client)

        return await self.context.call(about.operation.name, work)


async def connect(spec: Azure, context: Context) -> Connection:
    """Check the spec, log in, make the client. Raises SyncError."""
    place = place_of(spec, allowed=context.endpoint_allowed)
    route = await route_of(context)
    network = sdk.Network(context.timeout, context.concurrency, route, await _authorities(spec, context))
    wallet = Wallet(login_of(spec, Office(place, network, context)))
    await wallet.fresh()
    return Connection(context, place, wallet, sdk.client(place, network, lambda: wallet.current), route)


async def _authorities(spec: Azure, context: Context) -> str:
    if spec.ca_provider is None:
        return ""
    text = (await context.cluster.authority(spec.ca_provider)).decode("ascii", errors="replace")
    if "-----BEGIN" not in text:
        raise SpecInvalid("spec.provider.azure.caProvider: what it names holds no certificates in PEM")
    return text
