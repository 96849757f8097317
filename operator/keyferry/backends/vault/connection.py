"""A store's way to Vault: a client with a token that is seen to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hvac.adapters import JSONAdapter

from keyferry.api.providers.vault import Vault
from keyferry.backends.address import checked_address
from keyferry.backends.base import Context
from keyferry.backends.calling import Caller
from keyferry.backends.route import route_of
from keyferry.backends.session import Session
from keyferry.backends.vault import sdk
from keyferry.backends.vault.errors import About, CallDenied, TokenRefused
from keyferry.backends.vault.logins import login_of
from keyferry.errors import SpecInvalid, SyncError

Call = Callable[[JSONAdapter], Any]


@dataclass(frozen=True, slots=True)
class Connection:
    """Asks Vault. A token that it refuses is replaced, once, where the login can be repeated."""

    caller: Caller
    client: sdk.Client
    session: Session

    async def ask(self, operation: str, capability: str, path: str, call: Call) -> dict[str, Any]:
        """What Vault answers. Raises SyncError; `path` and `capability` are what a policy would have to grant."""
        lease = await self.session.fresh()
        about = About(operation, self.session.login.name, self.client.host, capability, path)
        try:
            return await ask(self.caller, self.client, about, lease.token, call)
        except (TokenRefused, CallDenied) as refused:
            other = await self.session.instead_of(lease, certainly=isinstance(refused, TokenRefused))
            if other is None:
                raise
        return await ask(self.caller, self.client, about, other.token, call)


async def ask(caller: Caller, client: sdk.Client, about: About, token: str | None, call: Call) -> dict[str, Any]:
    """One call, off the event loop and within the store's budget. Raises SyncError."""
    return await caller.call(about.operation, lambda: client.ask(about, token, call))


async def connect(spec: Vault, context: Context, caller: Caller) -> Connection:
    """Check the spec, read the certificates, make the client, log in. Raises SyncError."""
    server = checked_address("spec.provider.vault.server", spec.server, context.endpoint_allowed)
    for name, path in (
        ("rootEngine", spec.root_engine),
        ("auth.mount", spec.auth.mount),
        ("namespace", spec.namespace),
    ):
        _checked_path(name, path)
    ca = await context.cluster.authority(spec.ca_provider) if spec.ca_provider else None
    route = await route_of(context)
    client = await caller.aside(
        lambda: sdk.client(server, spec.namespace, (context.timeout, context.concurrency), ca, route),
    )
    login = login_of(
        spec.auth, context, client.host, lambda about, token, call: ask(caller, client, about, token, call)
    )
    session = Session(login)
    try:
        await session.fresh()
    except SyncError:
        client.close()  # the next try makes another
        raise
    return Connection(caller, client, session)


def _checked_path(name: str, path: str | None) -> None:
    if path is not None and any(not part.strip(".") for part in path.rstrip("/").split("/")):
        raise SpecInvalid(f"spec.provider.vault.{name}: write a path such as team/secret, without the parts . and ..")
