"""The only place that sends something to HCP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from yarl import URL

from keyferry.backends.hcp import errors
from keyferry.backends.hcp.errors import About
from keyferry.backends.https import Broken, Https

Query = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    """One call. The parts of its address are quoted already."""

    url: str
    query: Query = ()
    form: Mapping[str, str] | None = field(default=None, repr=False)  # what is posted; None: it is a GET


@dataclass(frozen=True, slots=True)
class Client:
    """One store's connections, to HCP's API and to where tokens come from."""

    https: Https

    async def ask(self, about: About, request: Request, token: str | None) -> Mapping[str, Any]:
        """What HCP answers. Raises SyncError."""
        url = URL(request.url, encoded=True).with_query(list(request.query))
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        method, content = "GET", None
        if request.form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            method, content = "POST", urlencode(request.form).encode()
        try:
            reply = await self.https.send(about.operation, method, url, headers=headers, content=content)
        except Broken as broken:
            failure = errors.unreached(broken.kinds, about)
        else:
            body = reply.json
            if reply.status == 200 and isinstance(body, dict):
                return body
            failure = errors.told(reply.status, about, reply.retry_after)
        raise failure

    async def aclose(self) -> None:
        await self.https.aclose()


def host_of(url: str) -> str:
    """As error texts name it."""
    return urlsplit(url).netloc
