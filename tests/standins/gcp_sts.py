"""Google's STS and IAM Credentials API: what logs in by workload identity federation."""

import datetime as dt
import json
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt

from tests.standins.gcp_iam import Iam
from tests.standins.gcp_tls import Certified
from tests.standins.gcp_wire import Call, Calls

PublicKey = Any


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider of a workload identity pool."""

    issuer: str
    keys: Callable[[str], PublicKey]  # a token's key ID -> the public key
    condition: Callable[[Mapping[str, Any]], bool] = lambda _: True

    @classmethod
    def of_jwks(cls, issuer: str, jwks: Mapping[str, Any]) -> "Provider":
        """One that knows the keys that an API server publishes at /openid/v1/jwks."""
        keys = jwt.PyJWKSet.from_dict(dict(jwks))
        return cls(issuer, lambda key_id: keys[key_id].key)


class Refused(Exception):
    """What STS or the IAM Credentials API refuses."""

    def __init__(self, status: int, content: Mapping[str, Any]) -> None:
        super().__init__(status)
        self.status, self.content = status, content


@dataclass(slots=True)
class Sts:
    """Answers both services' calls."""

    iam: Iam
    providers: dict[str, Provider] = field(default_factory=dict)  # by full name
    fault: Refused | None = None

    def answer(self, path: str, request: Mapping[str, Any], bearer: str) -> Mapping[str, Any]:
        if self.fault:
            raise self.fault
        if path == "/v1/token":
            return self._exchanged(request)
        who, _, action = path.rpartition("/")[2].partition(":")
        if action == "generateAccessToken":
            return self._impersonated(who, request, bearer)
        raise Refused(404, {})

    def _exchanged(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        name = request["audience"].removeprefix("//iam.googleapis.com/")
        provider = self.providers.get(name)
        if provider is None:
            raise _refusal("invalid_target", 'The target service indicated by the "audience" parameters is invalid.')
        claims = self._verified(request["subjectToken"], name, provider)
        if not provider.condition(claims):
            raise _refusal("unauthorized_client", "The given credential is rejected by the attribute condition.", 401)
        pool = name.rpartition("/providers/")[0]
        who = f"principal://iam.googleapis.com/{pool}/subject/{claims['sub']}"
        return {
            "access_token": self.iam.issue(who),
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "token_type": "Bearer",
            "expires_in": 3600,
        }

    def _verified(self, token: str, name: str, provider: Provider) -> Mapping[str, Any]:
        claimed = jwt.decode(token, options={"verify_signature": False})
        if claimed.get("iss") != provider.issuer:
            raise _refusal("invalid_grant", f"The issuer in ID Token {claimed.get('iss')} does not match the expected.")
        try:
            key = provider.keys(jwt.get_unverified_header(token).get("kid", ""))
            verified: Mapping[str, Any] = jwt.decode(
                token, key, algorithms=["RS256", "ES256"], audience=f"https://iam.googleapis.com/{name}"
            )
        except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError):
            raise _refusal("invalid_grant", f"ID Token issued at {claimed.get('iat')} is stale to sign-in.") from None
        except jwt.InvalidAudienceError:
            raise _refusal(
                "invalid_grant", f"The audience in ID Token {claimed.get('aud')} does not match the expected audience."
            ) from None
        except jwt.PyJWTError:
            raise _refusal("invalid_grant", "Invalid ID Token signature.") from None
        return verified

    def _impersonated(self, who: str, request: Mapping[str, Any], bearer: str) -> Mapping[str, Any]:
        caller = self.iam.who(bearer)
        if who not in self.iam.accounts:
            raise Refused(404, {"error": {"code": 404, "status": "NOT_FOUND", "message": "Unknown service account"}})
        if not self.iam.may(caller, "iam.serviceAccounts.getAccessToken", who):
            message = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."
            raise Refused(403, {"error": {"code": 403, "status": "PERMISSION_DENIED", "message": message}})
        until = dt.datetime.fromtimestamp(time.time() + int(request["lifetime"].removesuffix("s")), dt.UTC)
        return {"accessToken": self.iam.issue(who), "expireTime": until.strftime("%Y-%m-%dT%H:%M:%SZ")}


def _refusal(code: str, text: str, status: int = 400) -> Refused:
    return Refused(status, {"error": code, "error_description": text})


class AuthListener:
    """The same over HTTPS, on a port of 127.0.0.1."""

    def __init__(self, sts: Sts, tls: Certified, calls: Calls) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(sts, calls))
        self._server.daemon_threads = True
        self._server.socket = _trusted(tls).wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def down(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _trusted(tls: Certified) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:  # it takes files only
        file = Path(folder) / "both.pem"
        file.write_bytes(tls.key + tls.certificate)
        context.load_cert_chain(file)
    return context


def _handler(sts: Sts, calls: Calls) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            calls.note(Call(self.path.rpartition("/")[2].rpartition(":")[2], self.path, request))
            bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
            try:
                status, content = 200, sts.answer(self.path, request, bearer)
            except Refused as refused:
                status, content = refused.status, refused.content
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """The log of calls says it better."""

    return Handler
