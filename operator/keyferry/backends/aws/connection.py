"""A store's way to Secrets Manager: a client that is logged in, and stays so."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from keyferry.api.providers import Aws
from keyferry.backends.aws import sdk
from keyferry.backends.aws.auth import login_of, uses_environment
from keyferry.backends.aws.errors import About, LoginRefused
from keyferry.backends.aws.keys import Wallet
from keyferry.backends.aws.place import Place, place_of
from keyferry.backends.base import Context
from keyferry.backends.calling import Caller

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Connection:
    """Asks Secrets Manager. Keys that it refuses are renewed, once, where they came from a login that can be redone."""

    caller: Caller
    wallet: Wallet
    client: "SecretsManagerClient"

    async def ask(
        self, operation: str, call: Callable[["SecretsManagerClient"], T], *, resource: str = "*", version: str = ""
    ) -> T:
        """What the call gives, with the keys that there are. Raises SyncError."""
        about = self.about(operation, resource, version)
        keys = self.wallet.current
        try:
            return await self._ask(about, call)
        except LoginRefused:
            if not self.wallet.login.renewable:
                raise
        await self.wallet.renew(keys)
        return await self._ask(about, call)

    def about(self, operation: str, resource: str, version: str = "") -> About:
        """For errors about this call."""
        return About("secretsmanager", operation, self.wallet.login.name, resource, version, host=sdk.host(self.client))

    async def _ask(self, about: About, call: Callable[["SecretsManagerClient"], T]) -> T:
        def work() -> T:
            with sdk.mapped(about):
                return call(self.client)

        return await self.caller.call(about.operation, work)


async def connect(spec: Aws, context: Context, caller: Caller) -> Connection:
    """Check the spec, log in, make the client. Raises SyncError."""
    place = await caller.aside(lambda: _place(spec, context))
    clients = sdk.Clients(place, context.timeout, context.concurrency, files=uses_environment(spec))
    wallet = Wallet(login_of(spec, context, caller, clients))
    await wallet.fresh()
    client = await caller.aside(lambda: clients.secrets_manager(lambda: wallet.current))
    return Connection(caller, wallet, client)


def _place(spec: Aws, context: Context) -> Place:
    ambient = sdk.ambient_region() if context.ambient and spec.region is None else None
    return place_of(spec, ambient_region=ambient, known=sdk.regions(), allowed=context.endpoint_allowed)
