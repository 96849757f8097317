"""The login: a service principal's client ID and client secret, exchanged for a token of an hour."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from keyferry.api.providers.hcp import HcpAuth
from keyferry.backends.base import Context
from keyferry.backends.hcp.client import Request, host_of
from keyferry.backends.hcp.errors import About
from keyferry.backends.held import where, word
from keyferry.backends.session import Grant
from keyferry.errors import BackendUnavailable

# A call without a token, within the store's budget.
Ask = Callable[[About, Request], Awaitable[Mapping[str, Any]]]

AUDIENCE = "https://api.hashicorp.cloud"  # whatever the API's address
_WORD = "ID or secret of HCP's"


@dataclass(frozen=True, slots=True)
class ServicePrincipal:
    """A key of a service principal."""

    auth: HcpAuth
    context: Context
    url: str
    ask: Ask = field(repr=False)
    repeatable = True

    @property
    def name(self) -> str:
        return f"the service principal in {where(self.auth.client_secret_secret_ref, self.context)}"

    async def log_in(self) -> Grant:
        form = {
            "client_id": await word(self.auth.client_id_secret_ref, self.context, _WORD),
            "client_secret": await word(self.auth.client_secret_secret_ref, self.context, _WORD),
            "grant_type": "client_credentials",
            "audience": AUDIENCE,
        }
        host = host_of(self.url)
        about = About("Login", self.name, host, "", logging_in=True)
        answer = await self.ask(about, Request(f"{self.url}/oauth2/token", form=form))
        token, life = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or not token or not isinstance(life, int | float):
            raise BackendUnavailable(f"{host} answers Login without a token")
        return Grant(token, life)

    async def renew(self, token: str) -> Grant:  # noqa: ARG002 - there is no renewal but another login
        return await self.log_in()
