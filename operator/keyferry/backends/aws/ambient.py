"""The operator's own credentials: what EKS gives to its pod, or whatever AWS's SDK finds there."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from keyferry.backends.aws import sdk
from keyferry.backends.aws.errors import About
from keyferry.backends.aws.keys import Keys
from keyferry.backends.calling import Caller
from keyferry.backends.route import Route
from keyferry.errors import AuthFailed

if TYPE_CHECKING:
    from botocore.credentials import Credentials

LOOK_EVERY = 60.0  # seconds between looks at credentials that the SDK renews by itself
SDK_RENEWS = 900  # seconds before expiry at which the SDK does so
EVER = 10**9  # seconds


@dataclass(slots=True)
class OfOperator:
    """Credentials of the operator's own, which the SDK finds and renews. Owned by the turns of its wallet."""

    name: str
    absent: str  # the error when there are none
    load: Callable[[], "Credentials | None"] = field(repr=False)
    caller: Caller = field(repr=False)
    route: Route | None = None  # None: a proxy is never asked
    renewable: bool = True
    held: "Credentials | None" = field(default=None, repr=False)

    async def keys(self, *, anew: bool = False) -> Keys:
        if anew:
            self.held = None
        if self.held is None or sdk.renews_within(self.held, SDK_RENEWS):
            return await self.caller.call("GetCredentials", self._ask)
        return self._frozen(self.held)

    def _ask(self) -> Keys:
        with sdk.mapped(About("credentials", "GetCredentials", self.name), self.route):
            self.held = self.held or self.load()
            if self.held is None:
                raise AuthFailed(self.absent)
            return self._frozen(self.held)

    def _frozen(self, held: "Credentials") -> Keys:
        """The keys of the moment. The SDK may ask somebody for newer ones first, if theirs are near their end."""
        frozen = held.get_frozen_credentials()
        if not frozen.access_key or not frozen.secret_key:
            raise AuthFailed(self.absent)
        again = time.time() + LOOK_EVERY if sdk.renews_within(held, EVER) else None
        return Keys(frozen.access_key, frozen.secret_key, frozen.token, renew_at=again)


def of_pod(caller: Caller) -> OfOperator:
    name = "EKS Pod Identity of the operator's pod"
    absent = (
        f"{name}: the pod has none ({' and '.join(sdk.POD_IDENTITY)} are not set): associate a role with the "
        "operator's ServiceAccount in EKS and restart the operator, or log in another way"
    )
    return OfOperator(name, absent, sdk.pod_identity, caller)


def of_environment(caller: Caller, route: Route) -> OfOperator:
    name = "the operator's own AWS credentials"
    absent = f"{name}: AWS's SDK finds none in the operator's pod; give spec.provider.aws.auth, or the pod a role"
    return OfOperator(name, absent, lambda: sdk.ambient(route), caller, route)
