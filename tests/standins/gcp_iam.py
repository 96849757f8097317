"""Who asks the stand-in, and what they may: service accounts with keys, tokens that STS gave, roles as permissions."""

import itertools
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.standins.gcp_wire import GcpError

AUDIENCE = "https://secretmanager.googleapis.com/"
EVERYTHING = ("*",)
SKEW = 300.0  # seconds by which Google bears that clocks differ


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A Google service account with one key."""

    email: str
    key: rsa.RSAPrivateKey = field(repr=False)

    def key_file(self, **more: Any) -> bytes:
        """The JSON that Google hands out. Its token_uri leads nowhere: no login may follow it."""
        pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        content = {
            "type": "service_account",
            "project_id": "elsewhere",
            "private_key_id": "k1",
            "private_key": pem.decode(),
            "client_email": self.email,
            "token_uri": "https://127.0.0.1:1/token",
        }
        return json.dumps(content | more).encode()


@dataclass(slots=True)
class Iam:
    """Principals by the token that they show. One lock guards it."""

    project: str
    accounts: dict[str, ServiceAccount] = field(default_factory=dict)
    grants: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  # who -> (permission, resource), patterns
    clock: Callable[[], float] = time.time  # Google's; seconds since the epoch
    _tokens: dict[str, tuple[str, float]] = field(default_factory=dict, repr=False)  # -> who, until when
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def account(self, name: str, permissions: Iterable[str] = EVERYTHING, on: str = "*") -> ServiceAccount:
        """A new service account that may do this."""
        made = ServiceAccount(f"{name}@{self.project}.iam.gserviceaccount.com", next(_keys))
        self.accounts[made.email] = made
        self.allow(made.email, permissions, on)
        return made

    def allow(self, who: str, permissions: Iterable[str], on: str = "*") -> None:
        """Instead of what that principal might do before."""
        self.grants[who] = [(permission, on) for permission in permissions]

    def also(self, who: str, permissions: Iterable[str], on: str) -> None:
        """Beside what that principal may do already."""
        self.grants.setdefault(who, []).extend((permission, on) for permission in permissions)

    def issue(self, who: str, lifetime: float = 3600.0) -> str:
        """A new access token."""
        with self._lock:
            token = f"ya29.{secrets.token_hex(16)}"
            self._tokens[token] = (who, time.time() + lifetime)
            return token

    def tokens(self) -> list[str]:
        """Every access token that was issued."""
        return list(self._tokens)

    def revoke(self) -> None:
        """No access token that was issued holds any more."""
        with self._lock:
            self._tokens.clear()

    def who(self, bearer: str) -> str:
        """The principal, by an access token or one that a service account signed itself."""
        known = self._tokens.get(bearer)
        if known and time.time() < known[1]:
            return known[0]
        try:
            claimed: Mapping[str, Any] = jwt.decode(bearer, options={"verify_signature": False})
            account = self.accounts[claimed["iss"]]
            claims = jwt.decode(
                bearer,
                account.key.public_key(),
                algorithms=["RS256"],
                audience=AUDIENCE,
                options={"verify_exp": False, "verify_iat": False},
            )
            current = claims["iat"] - SKEW < self.clock() < claims["exp"] + SKEW
            if claims["sub"] == account.email and claims["exp"] - claims["iat"] <= 3600 and current:
                return account.email
        except (jwt.PyJWTError, KeyError):
            pass
        raise GcpError(
            "UNAUTHENTICATED",
            "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other "
            "valid authentication credential.",
            reason="ACCESS_TOKEN_TYPE_UNSUPPORTED",
        )

    def may(self, who: str, permission: str, resource: str) -> bool:
        granted = self.grants.get(who, ())
        return any(fnmatchcase(permission, each) and fnmatchcase(resource, on) for each, on in granted)

    def demand(self, who: str, permission: str, resource: str) -> None:
        if not self.may(who, permission, resource):
            raise GcpError(
                "PERMISSION_DENIED",
                f"Permission '{permission}' denied for resource '{resource}' (or it may not exist).",
                reason="IAM_PERMISSION_DENIED",
            )


def _some() -> Iterator[rsa.RSAPrivateKey]:
    """Keys take a while to make: a few go round, and those who come after one another have different ones."""
    made: list[rsa.RSAPrivateKey] = []
    for number in itertools.count():
        if number < 4:
            made.append(rsa.generate_private_key(public_exponent=65537, key_size=2048))
        yield made[number % 4]


_keys = _some()
