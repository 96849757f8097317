"""The operator's own credentials: whatever Google's library finds in its pod (Application Default Credentials)."""

import asyncio
import functools
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from typing import Any

from keyferry.backends.base import Context
from keyferry.backends.gcp.federation import SCOPE
from keyferry.backends.gcp.tokens import Bearer
from keyferry.backends.route import Route
from keyferry.errors import AuthFailed, BackendUnavailable

_PATIENCE = 0.9  # of the store's timeout: so that an error that tells more comes before the budget's
_LASTS = 300.0  # seconds that a token is taken to hold of which nothing is known


class Ambient:
    """Credentials that Google's library finds and renews. It blocks, and so works in a thread of the store's own."""

    name = "the operator's own Google credentials"

    def __init__(self, context: Context, route: Route) -> None:
        self._context = context
        self._route = route
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"gcp {context.store}")
        self._found: Any = None

    async def bearer(self) -> Bearer:
        return await self._context.call("GetCredentials", self._asked)

    async def _asked(self) -> Bearer:
        try:
            async with asyncio.timeout(self._context.timeout * _PATIENCE):
                return await asyncio.get_running_loop().run_in_executor(self._thread, self._ask)
        except TimeoutError:
            silence = BackendUnavailable(f"{self.name}: whoever hands them over does not answer in time")
        raise silence

    async def aclose(self) -> None:
        """Wait for nothing: what is under way ends by its own timeout."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _ask(self) -> Bearer:
        import google.auth  # noqa: PLC0415 - together with requests it costs 5 MiB, which other logins do without
        from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError  # noqa: PLC0415
        from google.auth.transport.requests import Request  # noqa: PLC0415

        logging.getLogger("urllib3").setLevel(logging.WARNING)
        try:
            if self._found is None:
                self._found, _ = google.auth.default(scopes=[SCOPE])
            # Its own limit of two minutes would keep the thread long after nobody waits any more.
            # What it asks without TLS is the metadata server, and no proxy's business.
            through = {"https": self._route.own.url} if self._route.own else None
            self._found.refresh(functools.partial(Request(), timeout=self._context.timeout, proxies=through))
        except DefaultCredentialsError as e:
            raise AuthFailed(
                f"{self.name}: Google's library finds none in the operator's pod; give spec.provider.gcp.auth, or bind "
                "the operator's ServiceAccount to a Google service account"
            ) from e
        except (GoogleAuthError, OSError, ValueError) as e:
            fault = self._route.fault(e, "GetCredentials", "https://sts.googleapis.com") if self._route.own else None
            raise fault or AuthFailed(f"{self.name}: whoever hands them over does not do so just now") from e
        if not self._found.token:
            raise BackendUnavailable(f"{self.name}: no token came")
        return self._bearer(time.time())

    def _bearer(self, now: float) -> Bearer:
        until = self._found.expiry  # without a time zone, in UTC
        seconds = until.replace(tzinfo=UTC).timestamp() - now if until else _LASTS
        return Bearer.lasting(self._found.token, seconds, now)
