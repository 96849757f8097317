"""A store's way to Secrets Manager: a client that is logged in, and stays so."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from keyferry.api.providers.aws import Aws
from keyferry.backends.aws import sdk
from keyferry.backends.aws.auth import login_of, uses_environment
from keyferry.backends.aws.errors import About
from keyferry.backends.aws.keys import Wallet
from keyferry.backends.aws.place import POLL_SECONDS, Place, place_of, queue_of
from keyferry.backends.aws.sqs import Sqs
from keyferry.backends.base import Context
from keyferry.backends.calling import Caller
from keyferry.backends.route import route_of

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Connection:
    """Asks Secrets Manager. Keys that it refuses are renewed, once, where they came from a login that can be redone."""

    caller: Caller
    wallet: Wallet
    clients: sdk.Clients
    client: "SecretsManagerClient"

    async def ask(
        self, operation: str, call: Callable[["SecretsManagerClient"], T], *, resource: str = "*", version: str = ""
    ) -> T:
        """What the call gives, with the keys that there are. Raises SyncError."""
        about = self.about(operation, resource, version)
        return await self.wallet.used(lambda: self._ask(about, call))

    def about(self, operation: str, resource: str, version: str = "") -> About:
        """For errors about this call."""
        return About("secretsmanager", operation, self.wallet.login.name, resource, version, host=sdk.host(self.client))

    async def queue(self, url: str, context: Context) -> Sqs:
        """A queue, asked with the same login. Raises SpecInvalid where the store may send nothing there."""
        queue = queue_of(url, region=self.clients.place.region, allowed=context.endpoint_allowed)
        there = replace(self.clients, place=replace(self.clients.place, region=queue.region), concurrency=1)
        make = functools.partial(there.sqs, lambda: self.wallet.current, queue.endpoint)
        prompt, patient = await self.caller.aside(lambda: (make(), make(wait=POLL_SECONDS)))
        return Sqs(queue, self.wallet, context, self.clients.route, prompt, patient)

    async def _ask(self, about: About, call: Callable[["SecretsManagerClient"], T]) -> T:
        def work() -> T:
            with sdk.mapped(about, self.clients.route):
                return call(self.client)

        return await self.caller.call(about.operation, work)


async def connect(spec: Aws, context: Context, caller: Caller) -> Connection:
    """Check the spec, log in, make the client. Raises SyncError."""
    place = await caller.aside(lambda: _place(spec, context))
    route = await route_of(context)
    clients = sdk.Clients(place, context.timeout, context.concurrency, files=uses_environment(spec), route=route)
    wallet = Wallet(login_of(spec, context, caller, clients))
    await wallet.fresh()
    client = await caller.aside(lambda: clients.secrets_manager(lambda: wallet.current))
    return Connection(caller, wallet, clients, client)


def _place(spec: Aws, context: Context) -> Place:
    ambient = sdk.ambient_region() if context.ambient and spec.region is None else None
    return place_of(spec, ambient_region=ambient, known=sdk.regions(), allowed=context.endpoint_allowed)
