"""A store's way to Infisical: a client with a token that is seen to, a place, and the API that the server knows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from keyferry.api.providers.infisical import Infisical
from keyferry.backends.address import checked_address
from keyferry.backends.base import Calls, Context
from keyferry.backends.infisical.client import Answer, Client, Request, client
from keyferry.backends.infisical.errors import About, CallDenied, RouteUnknown, TokenRefused
from keyferry.backends.infisical.logins import login_of
from keyferry.backends.infisical.place import Place, found
from keyferry.backends.route import route_of
from keyferry.backends.session import Session
from keyferry.errors import SpecInvalid, SyncError

READING = "Describe Secret and Read Value"


@dataclass(frozen=True, slots=True)
class Api:
    """A generation of Infisical's API."""

    secrets: str
    folders: str
    project: str  # what it calls the project's ID


CURRENT = Api("/api/v4/secrets", "/api/v2/folders", "projectId")
OLDER = Api("/api/v3/secrets/raw", "/api/v1/folders", "workspaceId")


@dataclass(slots=True)
class Link:
    """Asks Infisical. A token that it refuses is replaced, once, where the login can be repeated."""

    budget: Calls
    client: Client
    session: Session

    async def ask(self, operation: str, request: Request, where: str = "", needs: str = "") -> Answer:
        """What Infisical answers. Raises SyncError; `where` and `needs` are what a role would have to grant."""
        lease = await self.session.fresh()
        about = About(operation, self.session.login.name, self.client.host, where, needs)
        try:
            return await self.send(about, request, lease.token)
        except (TokenRefused, CallDenied) as refused:
            other = await self.session.instead_of(lease, certainly=isinstance(refused, TokenRefused))
            if other is None:
                raise
        return await self.send(about, request, other.token)

    async def send(self, about: About, request: Request, token: str | None) -> Answer:
        """One call, within the store's budget. Raises SyncError."""
        return await self.budget(about.operation, lambda: self.client.ask(about, request, token))


@dataclass(slots=True)
class Connection:
    """Asks for secrets of a place. Which API the server knows is found out once, and remembered."""

    link: Link
    place: Place
    api: Api = CURRENT

    @property
    def login(self) -> str:
        return self.link.session.login.name

    async def ask(self, operation: str, make: Callable[[Api], Request], folder: str, needs: str = READING) -> Answer:
        """What Infisical answers to the request that is made for its API. Raises SyncError."""
        where, api = self.place.words(folder), self.api
        try:
            return await self.link.ask(operation, make(api), where, needs)
        except RouteUnknown:
            if api is OLDER:
                raise
        try:
            answer = await self.link.ask(operation, make(OLDER), where, needs)
        except RouteUnknown as unknown:
            raise SpecInvalid(
                f"spec.provider.infisical.siteUrl: at {self.link.client.host} there is no Infisical whose API "
                "Keyferry knows (version 4 or 3)"
            ) from unknown
        self.api = OLDER
        return answer

    def at(self, api: Api, folder: str) -> dict[str, str]:
        """A folder, as every call names it."""
        return {api.project: self.place.project, "environment": self.place.environment, "secretPath": folder}

    async def aclose(self) -> None:
        await self.link.client.aclose()


async def connect(spec: Infisical, context: Context) -> Connection:
    """Check the spec, read the certificates, make the client, log in, find the place. Raises SyncError."""
    site = checked_address("spec.provider.infisical.siteUrl", spec.site_url, context.endpoint_allowed)
    ca = await context.cluster.authority(spec.ca_provider) if spec.ca_provider else None
    made = client(site, context.timeout, context.concurrency, ca, await route_of(context))

    async def send(about: About, request: Request, token: str | None) -> Answer:
        return await context.call(about.operation, lambda: made.ask(about, request, token))

    try:
        link = Link(context.call, made, Session(login_of(spec.auth, context, made.host, send)))
        await link.session.fresh()
        return Connection(link, await found(spec, link.ask))
    except SyncError:
        await made.aclose()  # the next try makes another
        raise


def switches(**said: bool) -> Mapping[str, str]:
    """Switches of a query. All are always said: their defaults differ from one Infisical to the next."""
    return {name: "true" if on else "false" for name, on in said.items()}


def body_of(at: Mapping[str, str], **more: Any) -> dict[str, Any]:
    """What is sent with a write."""
    return {**at, "type": "shared", **more}
