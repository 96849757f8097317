"""Workload identity federation: STS exchanges a ServiceAccount's token, and perhaps that acts as a service account.

Google's library builds this login from a JSON file that names files, commands and addresses. Here it is two requests,
of fields that the API server has checked; the token goes from memory to memory.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from keyferry.api.providers.gcp import GcpWorkloadIdentity
from keyferry.backends.base import Context
from keyferry.backends.gcp.http import Answer, Https
from keyferry.backends.gcp.place import Place
from keyferry.backends.gcp.tokens import Bearer
from keyferry.errors import AuthFailed, BackendUnavailable

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_LASTS = 3600  # seconds, of a token to act as a service account
_OAUTH = "urn:ietf:params:oauth"


@dataclass(frozen=True, slots=True)
class Federated:
    """The login."""

    spec: GcpWorkloadIdentity
    context: Context
    place: Place
    https: Https

    @property
    def name(self) -> str:
        if self.spec.impersonate:
            return f"{self.spec.impersonate}, as which {self._account} acts,"
        return self._account

    @property
    def _account(self) -> str:
        namespace = self.spec.service_account_ref.namespace or self.context.store.namespace
        return f"ServiceAccount {namespace}/{self.spec.service_account_ref.name}"

    async def bearer(self) -> Bearer:
        exchanged = await self._exchanged()
        return await self._impersonated(exchanged) if self.spec.impersonate else exchanged

    async def aclose(self) -> None:
        """It holds nothing."""

    async def _exchanged(self) -> Bearer:
        token = await self.context.cluster.token(
            self.spec.service_account_ref, f"https://iam.googleapis.com/{self.spec.provider}"
        )
        request = {
            "grantType": f"{_OAUTH}:grant-type:token-exchange",
            "audience": f"//iam.googleapis.com/{self.spec.provider}",
            "scope": SCOPE,
            "requestedTokenType": f"{_OAUTH}:token-type:access_token",
            "subjectTokenType": f"{_OAUTH}:token-type:jwt",
            "subjectToken": token.text,
        }
        answer = await self.https.post("ExchangeToken", f"{self.place.sts}/v1/token", request)
        text, seconds = answer.content.get("access_token"), answer.content.get("expires_in")
        if answer.status != 200:
            raise AuthFailed(f"the token of {self._account}: {_refusal(answer.content, self.spec.provider)}")
        if not isinstance(text, str) or not text or not isinstance(seconds, int):
            raise BackendUnavailable("STS's answer lacks the token or how long it holds")
        return Bearer.lasting(text, float(seconds), time.time())

    async def _impersonated(self, exchanged: Bearer) -> Bearer:
        who = self.spec.impersonate
        url = f"{self.place.iam}/v1/projects/-/serviceAccounts/{who}:generateAccessToken"
        request = {"scope": [SCOPE], "lifetime": f"{_LASTS}s"}
        answer = await self.https.post("GenerateAccessToken", url, request, exchanged.text)
        text, until = answer.content.get("accessToken"), _seconds_until(answer.content.get("expireTime"))
        if answer.status != 200:
            raise AuthFailed(f"{self._account} {_not_let(answer, str(who))}")
        if not isinstance(text, str) or not text or until is None:
            raise BackendUnavailable("the IAM Credentials API's answer lacks the token or how long it holds")
        return Bearer.lasting(text, until, time.time())


def _refusal(content: Mapping[str, object], provider: str) -> str:
    """Why STS refuses a token, by its code and by known parts of what it adds."""
    code, said = content.get("error"), str(content.get("error_description", "")).lower()
    if code == "invalid_target":
        return f"there is no provider {provider}, or it or its pool is disabled"
    if code == "unauthorized_client" or "attribute condition" in said:
        return f"the attribute condition of {provider} does not accept it"
    for part, why in _REFUSALS:
        if part in said:
            return why.format(provider=provider)
    return f"{provider} does not accept it: its issuer must be the cluster's, and its audience the default one"


_REFUSALS = (
    ("audience", "{provider} does not accept its audience: add https://iam.googleapis.com/{provider} to those allowed"),
    ("stale", "it came too early or too late; the operator's clock may be off"),
    ("expired", "it came too early or too late; the operator's clock may be off"),
    ("issuer", "its issuer is not the one that {provider} names, or Google cannot fetch the issuer's keys"),
    ("signature", "it is not signed with a key that the issuer of {provider} publishes"),
)


def _not_let(answer: Answer, who: str) -> str:
    if answer.status == 404:
        return f"cannot act as {who}: there is no such service account"
    return (
        f"is not allowed iam.serviceAccounts.getAccessToken on {who}: grant it roles/iam.workloadIdentityUser on that "
        "service account"
    )


def _seconds_until(moment: object) -> float | None:
    try:
        at = datetime.fromisoformat(str(moment))
    except ValueError:
        return None
    left = at.timestamp() - time.time()
    return left if at.tzinfo and math.isfinite(left) else None
