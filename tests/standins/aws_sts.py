"""STS of the AWS stand-in: roles that trust users and roles, and the tokens of OIDC issuers."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jwt

from tests.standins.aws_iam import EVERYTHING, AccessKey, Iam, Principal
from tests.standins.aws_wire import Answer, AwsError, Request, xml

PublicKey = Any  # what PyJWT takes: a key object of `cryptography`, or PEM


@dataclass(frozen=True, slots=True)
class Role:
    """A role: who may take it on, under which conditions, and what it may do then."""

    arn: str
    policy: Mapping[str, Any] = field(default_factory=lambda: EVERYTHING)
    trusts: tuple[str, ...] = ()  # ARNs of users and sessions
    external_id: str | None = None  # that must be given
    tag_sessions: bool = True  # whether session tags are let through
    issuer: str | None = None  # of web identities that it trusts
    subject: str | None = None  # likewise
    lifetime: float = 3600.0  # seconds, of its sessions


@dataclass(frozen=True, slots=True)
class Issuer:
    """An OIDC provider as IAM knows it."""

    audiences: tuple[str, ...]
    keys: Callable[[str], PublicKey]  # a token's key ID -> the public key

    @classmethod
    def of_jwks(cls, jwks: Mapping[str, Any], *audiences: str) -> "Issuer":
        """One that publishes its keys as an API server does, at /openid/v1/jwks."""
        keys = jwt.PyJWKSet.from_dict(dict(jwks))
        return cls(audiences, lambda key_id: keys[key_id].key)


@dataclass(slots=True)
class Sts:
    """Answers STS's calls."""

    iam: Iam
    roles: dict[str, Role] = field(default_factory=dict)
    issuers: dict[str, Issuer] = field(default_factory=dict)

    def role(self, name: str, **trust: Any) -> Role:
        """A new role. `trust`: as in `Role`."""
        role = Role(f"arn:aws:iam::{self.iam.account}:role/{name}", **trust)
        self.roles[role.arn] = role
        return role

    def trust(self, role: Role, **trust: Any) -> None:
        """Change a role. Its sessions stay."""
        self.roles[role.arn] = replace(role, **trust)

    def answer(self, request: Request) -> Answer:
        if request.action == "AssumeRoleWithWebIdentity":
            return self._with_web_identity(request.params)
        caller = self.iam.principal(request)
        if request.action == "AssumeRole":
            return self._assume_role(caller, request.params)
        if request.action == "GetCallerIdentity":
            return xml(
                "<GetCallerIdentityResponse><GetCallerIdentityResult>"
                f"<Arn>{caller.arn}</Arn><UserId>0</UserId><Account>{self.iam.account}</Account>"
                "</GetCallerIdentityResult></GetCallerIdentityResponse>"
            )
        raise AwsError("InvalidAction", f"the stand-in knows no {request.action}")

    def _assume_role(self, caller: Principal, params: Mapping[str, str]) -> Answer:
        arn = params["RoleArn"]
        tags = _tags(params)
        self.iam.demand(caller, "sts:AssumeRole", arn)
        if tags:
            self.iam.demand(caller, "sts:TagSession", arn)
        role = self.roles.get(arn)
        if (
            role is None
            or caller.arn not in role.trusts
            or (role.external_id is not None and params.get("ExternalId") != role.external_id)
        ):
            raise _denied(caller.arn, "sts:AssumeRole", arn)
        if tags and not role.tag_sessions:
            raise _denied(caller.arn, "sts:TagSession", arn)
        return _session("AssumeRole", self.session(role, params["RoleSessionName"], tags))

    def session(self, role: Role, name: str, tags: Mapping[str, str] | None = None) -> AccessKey:
        """The temporary key of a new session of the role."""
        session = role.arn.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + f"/{name}"
        return self.iam.issue(Principal(session, role.policy, tags or {}), lifetime=role.lifetime)

    def _with_web_identity(self, params: Mapping[str, str]) -> Answer:
        subject, issuer = self._verified(params["WebIdentityToken"])
        role = self.roles.get(params["RoleArn"])
        if role is None or (role.issuer, role.subject) != (issuer, subject):
            raise AwsError("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", 403)
        return _session("AssumeRoleWithWebIdentity", self.session(role, params["RoleSessionName"]))

    def _verified(self, token: str) -> tuple[str, str]:
        try:
            claims = jwt.decode(token, options={"verify_signature": False})
            issuer = self.issuers.get(claims.get("iss", ""))
            if issuer is None:
                said = claims.get("iss")
                raise AwsError("InvalidIdentityToken", f"No OpenIDConnect provider found in your account for {said}")
            key = issuer.keys(jwt.get_unverified_header(token).get("kid", ""))
            jwt.decode(token, key, algorithms=["RS256", "ES256"], audience=issuer.audiences)
        except jwt.ExpiredSignatureError as e:
            raise AwsError("ExpiredTokenException", "Token expired") from e
        except jwt.PyJWTError as e:
            raise AwsError("InvalidIdentityToken", str(e)) from e
        return claims["sub"], claims["iss"]


def _denied(who: str, action: str, arn: str) -> AwsError:
    return AwsError("AccessDenied", f"User: {who} is not authorized to perform: {action} on resource: {arn}", 403)


def _tags(params: Mapping[str, str]) -> dict[str, str]:
    numbers = range(1, 51)
    return {
        params[f"Tags.member.{n}.Key"]: params[f"Tags.member.{n}.Value"]
        for n in numbers
        if f"Tags.member.{n}.Key" in params
    }


def _session(action: str, key: AccessKey) -> Answer:
    assert key.expires_at is not None
    until = dt.datetime.fromtimestamp(key.expires_at, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return xml(
        f"<{action}Response><{action}Result><Credentials><AccessKeyId>{key.id}</AccessKeyId>"
        f"<SecretAccessKey>{key.secret}</SecretAccessKey><SessionToken>{key.token}</SessionToken>"
        f"<Expiration>{until}</Expiration></Credentials></{action}Result></{action}Response>"
    )
