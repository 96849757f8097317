"""Entra of the Azure stand-in: applications with secrets, certificates and federated credentials; tokens are real."""

import base64
import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.standins.azure_tls import signing_key
from tests.standins.azure_wire import Answer, Request, json_answer

TENANT = "11111111-1111-1111-1111-111111111111"
RESOURCE = "https://vault.azure.net"
HEADER = "the identity endpoint's own header"
SKEW = 300.0  # seconds by which Entra bears that clocks differ
WHENEVER: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class Trust:
    """A federated credential: whose tokens an application accepts."""

    subject: str
    issuer: str
    audience: str
    keys: Callable[[str], Any]  # a token's key ID -> the public key

    @classmethod
    def of_jwks(cls, jwks: Mapping[str, Any], subject: str, issuer: str, audience: str) -> "Trust":
        """One in an issuer that publishes its keys as an API server does, at /openid/v1/jwks."""
        keys = jwt.PyJWKSet.from_dict(dict(jwks))
        return cls(subject, issuer, audience, lambda key_id: keys[key_id].key)


@dataclass(slots=True)
class App:
    """An application, or a managed identity."""

    client_id: str
    secrets: list[str] = field(default_factory=list, repr=False)
    certificates: list[x509.Certificate] = field(default_factory=list, repr=False)
    trusts: list[Trust] = field(default_factory=list)
    managed: bool = False  # may be had from the identity endpoint


class EntraError(Exception):
    """What Entra refuses, by its number."""

    def __init__(self, number: int, message: str, error: str = "invalid_client", status: int = 401) -> None:
        super().__init__(message)
        self.answer = json_answer(
            {
                "error": error,
                "error_description": f"AADSTS{number}: {message} Trace ID: {uuid.uuid4()}",
                "error_codes": [number],
            },
            status,
        )


@dataclass(slots=True)
class Entra:
    """One tenant. Its tokens are RS256, and what a vault accepts is checked by `caller`."""

    apps: dict[str, App] = field(default_factory=dict)
    lifetime: float = 3600.0  # seconds, of its tokens
    revoked: set[str] = field(default_factory=set)  # tokens by their ID
    known: set[str] = field(default_factory=set)  # every token's ID
    base: str = ""
    ahead: float = 0.0  # seconds by which its clock is

    def app(self, secret: str = "", **more: Any) -> App:
        """A new application. `more`: as in `App`."""
        made = App(str(uuid.uuid4()), [secret] if secret else [], **more)
        self.apps[made.client_id] = made
        return made

    def revoke_all(self) -> None:
        """No token that is out is good any more."""
        self.revoked |= self.known

    def token(self, request: Request) -> Answer:
        try:
            return self._token(request)
        except EntraError as e:
            return e.answer

    def identity(self, request: Request) -> Answer:
        """The identity endpoint of App Service, or of a node (IMDS)."""
        shown = request.headers.get("x-identity-header") == HEADER or request.headers.get("metadata") == "true"
        if not shown:
            return json_answer({"statusCode": 401, "message": "no header"}, 401)
        wanted = request.query.get("client_id")
        found = [app for app in self.apps.values() if app.managed and wanted in (None, app.client_id)]
        if not found:
            return json_answer({"error": "invalid_request", "error_description": "Identity not found"}, 400)
        text = self._signed(found[0], request.query["resource"])
        until = int(time.time() + self.lifetime)
        said = {"access_token": text, "expires_on": str(until), "token_type": "Bearer"}
        return json_answer({**said, "resource": request.query["resource"]})

    def caller(self, header: str) -> str:
        """Whose token it is. Raises PyJWTError where it is nobody's, not for a vault, or too old."""
        claims = jwt.decode(
            header.removeprefix("Bearer "), signing_key().public_key(), algorithms=["RS256"], audience=RESOURCE
        )
        if claims["jti"] in self.revoked:
            raise jwt.InvalidTokenError("revoked")
        return str(claims["appid"])

    def _token(self, request: Request) -> Answer:
        form = dict(parse_qsl(request.body.decode()))
        tenant, client_id = request.path.split("/")[1], form.get("client_id", "")
        if tenant != TENANT:
            raise EntraError(90002, f"Tenant '{tenant}' not found.", "invalid_request", 400)
        if form.get("grant_type") != "client_credentials":
            raise EntraError(70003, "Unsupported grant.", "unsupported_grant_type", 400)
        app = self.apps.get(client_id)
        if app is None:
            raise EntraError(700016, f"Application with identifier '{client_id}' was not found.", status=400)
        scope = form.get("scope", "")
        if scope != f"{RESOURCE}/.default":
            raise EntraError(500011, f"The resource principal named {scope} was not found.", "invalid_resource", 400)
        self._check(app, form)
        text = self._signed(app, RESOURCE)
        return json_answer({"token_type": "Bearer", "expires_in": int(self.lifetime), "access_token": text})

    def _check(self, app: App, form: Mapping[str, str]) -> None:
        if "client_assertion" in form:
            if form.get("client_assertion_type") != _BEARER:
                raise EntraError(50027, "Not a JWT bearer assertion.", "invalid_request", 400)
            claims = _asserted(app, form["client_assertion"], f"{self.base}/{TENANT}/oauth2/v2.0/token")
            if not claims.get("nbf", 0) - SKEW <= time.time() + self.ahead < claims["exp"] + SKEW:
                raise EntraError(700024, "Client assertion is not within its valid time range.")
        elif form.get("client_secret") not in app.secrets:
            given = form.get("client_secret")
            raise EntraError(7000215, f"Invalid client secret provided. (A real Entra does not recite it: {given})")

    def _signed(self, app: App, resource: str) -> str:
        now, token_id = int(time.time()), str(uuid.uuid4())
        self.known.add(token_id)
        claims = {"aud": resource, "iss": f"{self.base}/{TENANT}/v2.0", "appid": app.client_id, "jti": token_id}
        times = {"iat": now, "nbf": now, "exp": now + int(self.lifetime)}
        return jwt.encode({**claims, **times}, signing_key(), algorithm="RS256")


def _asserted(app: App, assertion: str, endpoint: str) -> Mapping[str, Any]:
    """What it claims, whenever. Raises EntraError where the assertion is none of the application's."""
    try:
        header = jwt.get_unverified_header(assertion)
    except jwt.PyJWTError:
        raise EntraError(50027, "Invalid JWT token.", "invalid_request", 400) from None
    if "x5t#S256" in header:
        return _signed_by_certificate(app, assertion, header, endpoint)
    return _signed_by_issuer(app, assertion, header)


def _signed_by_certificate(app: App, assertion: str, header: Mapping[str, Any], endpoint: str) -> Mapping[str, Any]:
    thumbprint = header["x5t#S256"]
    known = next((each for each in app.certificates if _thumbprint(each) == thumbprint), None)
    if known is None:
        raise EntraError(700027, "The certificate with identifier used to sign the client assertion is not registered.")
    if known.not_valid_after_utc.timestamp() < time.time():
        raise EntraError(700027, "The certificate with identifier used to sign the client assertion is expired.")
    key: Any = known.public_key()
    claims = jwt.decode(assertion, key, algorithms=["PS256", "RS256"], audience=endpoint, options=WHENEVER)
    if claims["iss"] != app.client_id:
        raise EntraError(700021, "Client assertion's issuer is not the application.")
    return claims


def _signed_by_issuer(app: App, assertion: str, header: Mapping[str, Any]) -> Mapping[str, Any]:
    claims = json.loads(_decoded(assertion.split(".")[1]))
    audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    of_issuer = [each for each in app.trusts if each.issuer == claims["iss"]]
    if not of_issuer:
        raise EntraError(700211, f"No matching federated identity record found for issuer '{claims['iss']}'.")
    of_subject = [each for each in of_issuer if each.subject == claims["sub"]]
    if not of_subject:
        raise EntraError(700213, f"No matching federated identity record found for subject '{claims['sub']}'.")
    trust = next((each for each in of_subject if each.audience in audience), None)
    if trust is None:
        raise EntraError(700212, f"No matching federated identity record found for audience '{audience}'.")
    try:
        verified: Mapping[str, Any] = jwt.decode(
            assertion,
            trust.keys(str(header.get("kid"))),
            algorithms=["RS256", "ES256"],
            audience=trust.audience,
            options=WHENEVER,
        )
    except jwt.InvalidSignatureError:
        raise EntraError(7000272, "The certificate used to sign the federated credential was not found.") from None
    return verified


def _thumbprint(certificate: x509.Certificate) -> str:
    return base64.urlsafe_b64encode(certificate.fingerprint(hashes.SHA256())).decode()


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
