"""What Entra says to a login, by its numbers (AADSTS…), and what Keyferry says instead. Its words are not passed on."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from keyferry.backends.azure.errors import Failure, out_of_reach, throttled
from keyferry.errors import AuthFailed, BackendUnavailable, SyncError

OPERATION = "GetToken"
_NUMBER = re.compile(r"AADSTS(?P<number>[0-9]{5,8})")


@dataclass(frozen=True, slots=True)
class Applicant:
    """Who logs in where, for texts."""

    name: str  # the client secret in Secret …
    host: str  # of Entra
    tenant: str = ""
    client_id: str = ""
    subject: str = ""  # of a ServiceAccount's token
    audience: str = ""
    own: bool = False  # the operator's own
    near: bool = False  # whether it is the node that is asked, which no proxy stands before


def number_in(message: str) -> str:
    """The number of Entra's error in a text of its own; empty where there is none."""
    found = _NUMBER.search(message)
    return found["number"] if found else ""


def refused(number: str, failure: Failure, applicant: Applicant) -> SyncError:
    """The error for the user's status: which login, what is wrong with it, and what to do."""
    if failure.kind != "answer" and not number:
        return out_of_reach(failure.kind, OPERATION, applicant.host)
    if failure.status == 429:
        return throttled(applicant.host, failure.retry_after)
    if number in _TRANSIENT or failure.status >= 500:
        code = f"AADSTS{number}" if number else failure.told
        return BackendUnavailable(f"{applicant.host} fails at {OPERATION} ({code})")
    if number in _REASONS:
        why = _REASONS[number].format(applicant=applicant)
        return AuthFailed(f"{applicant.name}: {why} (AADSTS{number})")
    if number:
        return AuthFailed(f"{applicant.name}: {applicant.host} does not accept it (AADSTS{number})")
    return BackendUnavailable(
        f"{applicant.host} answers {OPERATION} with what Keyferry does not understand (status {failure.status})"
    )


_TENANT = "there is no tenant {applicant.tenant} at {applicant.host}: check tenantId, and environmentType"
_NO_APPLICATION = (
    "tenant {applicant.tenant} has no application {applicant.client_id}: check clientId and tenantId, or let its "
    "administrator consent to the application"
)
_NO_TRUST = (
    "application {applicant.client_id} has no federated credential for this token: it must name the cluster's issuer, "
    "the subject {applicant.subject} and the audience {applicant.audience}"
)
_NO_KEY = "it is not signed with a key that the cluster's issuer publishes, or Entra cannot fetch the keys"
_NOT_FOR_THIS_CLOUD = "the application is in another cloud than {applicant.host}: check environmentType"
_REASONS: Mapping[str, str] = {
    "7000215": "it is not the application's. What is needed is the secret's value, not its ID",
    "7000216": "the application needs a client secret or a certificate, and got neither",
    "7000218": "the application needs a client secret or a certificate, and got neither",
    "7000222": "its time is over: add a new client secret to the application",
    "7000112": "the application {applicant.client_id} is disabled in its tenant",
    "700016": _NO_APPLICATION,
    "700027": "the application {applicant.client_id} does not know this certificate, or its time is over: upload it "
    "there, or give the Secret the one that is there",
    "700024": "it is not valid now: the operator's clock is off, or its time is over",
    "70021": _NO_TRUST,
    "700211": _NO_TRUST,
    "700212": _NO_TRUST,
    "700213": _NO_TRUST,
    "700223": _NO_TRUST,
    "50013": _NO_KEY,
    "7000272": _NO_KEY,
    "50027": "Entra does not take the token for one",
    "5002710": "Entra does not take the token for one",
    "500133": "it is not valid now: the operator's clock is off, or its time is over",
    "90002": _TENANT,
    "900021": _TENANT,
    "900023": _TENANT,
    "50059": _TENANT,
    "500011": "tenant {applicant.tenant} knows no Key Vault of this cloud: check environmentType",
    "650057": "tenant {applicant.tenant} knows no Key Vault of this cloud: check environmentType",
    "53003": "a conditional access policy of the tenant blocks it",
    "530035": "a security policy of the tenant blocks it",
    "900382": _NOT_FOR_THIS_CLOUD,
    "900439": _NOT_FOR_THIS_CLOUD,
    "50034": _NO_APPLICATION,
}
_TRANSIENT = frozenset({"90033", "50196", "90024", "50001", "50131"})
