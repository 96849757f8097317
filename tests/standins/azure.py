"""A stand-in for Azure: key vaults, Entra and the identity endpoints, by TLS on addresses of this machine.

`with AzureStandIn() as azure:`, then `azure.put("db", "a value", {"key": "db"})`, `azure.url` and `azure.authority`.
The vault is at the machine's first address; `azure.vault_at(2)` is another one. Whoever is not `azure.reader` may
nothing until `azure.grant` says so.
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Any, Self

from tests.standins.azure_entra import HEADER, TENANT, Entra
from tests.standins.azure_faults import Faults
from tests.standins.azure_tls import ADDRESSES, Authority
from tests.standins.azure_vaults import EVERYTHING, Vaults
from tests.standins.azure_wire import Answer, Listener, Request

_ACTIONS = (
    ("GET", r"/secrets/?", "ListSecrets"),
    ("GET", r"/secrets/[^/]+/versions", "ListVersions"),
    ("GET", r"/secrets/[^/]+(/[^/]*)?", "GetSecret"),
    ("PUT", r"/secrets/[^/]+", "SetSecret"),
    ("DELETE", r"/secrets/[^/]+", "DeleteSecret"),
    ("GET", r"/deletedsecrets/[^/]+", "GetDeletedSecret"),
    ("POST", r"/deletedsecrets/[^/]+/recover", "RecoverDeletedSecret"),
    ("POST", r"/[^/]+/oauth2/v2.0/token", "GetToken"),
    ("GET", r"/metadata/identity/oauth2/token|/msi/token", "GetIdentity"),
)


class AzureStandIn:
    """One tenant and its vaults. What it is asked is in `calls`, what goes wrong in `faults`."""

    def __init__(self, authority: Authority | None = None) -> None:
        self.ca = authority or Authority.new()
        self.entra = Entra()
        self.vaults = Vaults(self.entra)
        self.faults = Faults()
        self.calls: list[Request] = []
        self._listener = Listener(self._respond, action_of, ADDRESSES)
        self._context = self.ca.server()
        self.up()
        self.entra.base = self.authority
        self.secret = "a~client~secret~of~the~stand-in"
        self.reader = self.entra.app(self.secret)
        self.grant(self.reader.client_id, EVERYTHING)

    @property
    def tenant(self) -> str:
        return TENANT

    @property
    def authority(self) -> str:
        return f"https://{ADDRESSES[0]}:{self._listener.port}"

    @property
    def url(self) -> str:
        """The first vault's."""
        return self.vault_at(1)

    @property
    def host(self) -> str:
        """As error texts name it."""
        return f"{ADDRESSES[0]}:{self._listener.port}"

    @property
    def app_service(self) -> dict[str, str]:
        """What App Service puts into a pod that has a managed identity."""
        return {"IDENTITY_ENDPOINT": f"{self._plain}/msi/token", "IDENTITY_HEADER": HEADER}

    @property
    def node(self) -> dict[str, str]:
        """What has the SDK find the identity endpoint of a node."""
        return {"AZURE_POD_IDENTITY_AUTHORITY_HOST": self._plain}

    def vault_at(self, number: int) -> str:
        """The address of the first, second or third vault."""
        return f"https://{ADDRESSES[number - 1]}:{self._listener.port}"

    def grant(self, client_id: str, actions: Collection[str], *, vault: int = 1) -> None:
        """The application may do just this in the vault."""
        with self.vaults.lock:
            self.vaults.vault(ADDRESSES[vault - 1]).grants[client_id] = actions

    def put(
        self, name: str, value: str, tags: Mapping[str, str] | None = None, *, vault: int = 1, **attributes: Any
    ) -> str:
        """Create the secret, or give it a new version; returns that version's ID. Tags stay unless they are given."""
        with self.vaults.lock:
            at = self.vaults.vault(ADDRESSES[vault - 1])
            before = at.secrets.get(name.lower())
            kept = before.versions[-1].tags if before and tags is None else tags or {}
            return self.vaults.write(at, name, value, kept, **attributes).id

    def change(self, name: str, *, touched: bool = True, **attributes: Any) -> None:
        """Change attributes of the current version, and with them when it was changed."""
        with self.vaults.lock:
            version = self.vaults.vault(ADDRESSES[0]).secrets[name.lower()].versions[-1]
            version.attributes |= attributes
            if touched:
                version.attributes["updated"] = int(self.vaults.clock.now())

    def held(self, name: str) -> tuple[str, dict[str, str]]:
        """What a secret holds, and its tags."""
        with self.vaults.lock:
            version = self.vaults.vault(ADDRESSES[0]).secrets[name.lower()].versions[-1]
            return version.value, dict(version.tags)

    def delete(self, name: str, *, for_good: bool = True) -> None:
        """Delete the secret, for good or so that it can be recovered."""
        with self.vaults.lock:
            vault = self.vaults.vault(ADDRESSES[0])
            gone = vault.secrets.pop(name.lower())
            if not for_good:
                vault.deleted[name.lower()] = gone

    def counts(self) -> dict[str, int]:
        """How many calls there were of each action."""
        return dict(Counter(call.action for call in self.calls))

    def down(self) -> None:
        """Be unreachable: stop listening, and break open connections."""
        self._listener.down()

    def up(self) -> None:
        """Be back, on the same port, with all that was there."""
        self._listener.up(self._context)

    def present(self, authority: Authority, *, days: int = 2) -> None:
        """Be back with a certificate of another authority, or one whose time is over."""
        self.down()
        self._context = authority.server(days=days)
        self.up()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.faults.clear()
        self._listener.close()

    @property
    def _plain(self) -> str:
        return f"http://{ADDRESSES[0]}:{self._listener.plain_port}"

    async def _respond(self, request: Request) -> Answer:
        self.calls.append(request)
        return await self.faults.answer(request, lambda: self._rightly(request))

    def _rightly(self, request: Request) -> Answer:
        match request.action:
            case "GetToken":
                return self.entra.token(request)
            case "GetIdentity":
                return self.entra.identity(request)
            case _:
                return self.vaults.answer(request)


def action_of(method: str, path: str) -> str:
    """What a request asks for, in a word."""
    found = (action for verb, pattern, action in _ACTIONS if verb == method and re.fullmatch(pattern, path))
    return next(found, "Unknown")
