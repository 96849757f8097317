"""The logins, a class each: every one hands over keys. Which one a store has, and may have, `login_of` says."""

import functools
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from keyferry.api.providers import (
    Aws,
    AwsAccessKey,
    AwsAssumeRole,
    AwsAuth,
    AwsPodIdentity,
    AwsSharedCredentials,
    AwsWebIdentity,
    SecretKeyRef,
)
from keyferry.backends.aws import credentials_file, sdk
from keyferry.backends.aws.calling import Caller
from keyferry.backends.aws.errors import About, LoginRefused
from keyferry.backends.aws.keys import Keys, Login, Wallet
from keyferry.backends.aws.place import AMBIENT_FLAG
from keyferry.backends.base import Cluster, Context
from keyferry.errors import AuthFailed, CredentialsMissing, SpecInvalid

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from mypy_boto3_sts import STSClient
    from mypy_boto3_sts.type_defs import AssumeRoleRequestTypeDef, CredentialsTypeDef

Ask = Callable[["STSClient"], "CredentialsTypeDef"]

LOOK_EVERY = 60.0  # seconds between looks at credentials that the SDK renews by itself
SDK_RENEWS = 900  # seconds before expiry at which the SDK does so
EVER = 10**9  # seconds


def login_of(spec: Aws, context: Context, caller: Caller, clients: sdk.Clients) -> Login:
    """The store's login. Raises SpecInvalid where the store may not log in so."""
    auth = spec.auth or AwsAuth()
    login = _first_login(auth, context, caller, clients)
    if auth.assume_role is None:
        return login
    return AssumedRole(auth.assume_role, Wallet(login), Sts(caller, clients))


def uses_environment(spec: Aws) -> bool:
    """Whether the login is the SDK's own chain, so that the operator's own configuration files apply."""
    auth = spec.auth
    return auth is None or not (auth.access_key or auth.shared_credentials or auth.web_identity or auth.pod_identity)


def _first_login(auth: AwsAuth, context: Context, caller: Caller, clients: sdk.Clients) -> Login:
    given = [auth.access_key, auth.shared_credentials, auth.web_identity, auth.pod_identity, auth.ambient]
    chosen = [each for each in given if each is not None]
    if len(chosen) > 1:
        raise SpecInvalid(
            "spec.provider.aws.auth: give only one of accessKey, sharedCredentials, webIdentity, podIdentity "
            "and ambient"
        )
    if auth.access_key:
        return AccessKey(auth.access_key, context)
    if auth.shared_credentials:
        return SharedCredentials(auth.shared_credentials, context)
    if auth.web_identity:
        return WebIdentity(auth.web_identity, context, Sts(caller, clients))
    if not context.ambient:
        raise SpecInvalid(
            f"spec.provider.aws.auth: a {context.store.kind} may not use the operator's own credentials; give "
            "accessKey, sharedCredentials or webIdentity. Whoever runs the operator can allow it with "
            f"{AMBIENT_FLAG}"
        )
    return _of_pod(caller) if isinstance(auth.pod_identity, AwsPodIdentity) else _of_environment(caller)


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key held in Secrets."""

    spec: AwsAccessKey
    context: Context
    renewable = False

    @property
    def name(self) -> str:
        return f"the access key in {_where(self.spec.secret_access_key_secret_ref, self.context)}"

    async def keys(self, *, anew: bool = False) -> Keys:  # noqa: ARG002 - an edited Secret makes a new backend
        cluster, spec = self.context.cluster, self.spec
        return Keys(
            _word(await cluster.secret(spec.access_key_id_secret_ref), spec.access_key_id_secret_ref, self.context),
            _word(
                await cluster.secret(spec.secret_access_key_secret_ref),
                spec.secret_access_key_secret_ref,
                self.context,
            ),
            _word(await cluster.secret(spec.session_token_secret_ref), spec.session_token_secret_ref, self.context)
            if spec.session_token_secret_ref
            else None,
        )


@dataclass(frozen=True, slots=True)
class SharedCredentials:
    """A profile of a shared credentials file held in a Secret."""

    spec: AwsSharedCredentials
    context: Context
    renewable = False

    @property
    def name(self) -> str:
        return f"profile {self.spec.profile} in {_where(self.spec.secret_ref, self.context)}"

    async def keys(self, *, anew: bool = False) -> Keys:  # noqa: ARG002 - an edited Secret makes a new backend
        where = f"{_where(self.spec.secret_ref, self.context)}, key {self.spec.secret_ref.key}"
        data = await self.context.cluster.secret(self.spec.secret_ref)
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = None
        if text is None:
            raise CredentialsMissing(f"{where} is no credentials file: it is no text in UTF-8")
        return Keys(*credentials_file.keys_in(text, self.spec.profile, where))


@dataclass(frozen=True, slots=True)
class Sts:
    """Exchanges what one has for the keys of a role. A client for each exchange: they are an hour apart."""

    caller: Caller
    clients: sdk.Clients

    async def exchange(self, about: About, keys: Callable[[], Keys] | None, ask: Ask) -> Keys:
        return await self.caller.call(about.operation, functools.partial(self._exchange, about, keys, ask))

    def _exchange(self, about: About, keys: Callable[[], Keys] | None, ask: Ask) -> Keys:
        with closing(self.clients.sts(keys)) as client, sdk.mapped(about.at(sdk.host(client))):
            got = ask(client)
            return Keys.lasting_until(
                got["Expiration"].timestamp(),
                time.time(),
                id=got["AccessKeyId"],
                secret=got["SecretAccessKey"],
                token=got["SessionToken"],
            )


@dataclass(frozen=True, slots=True)
class WebIdentity:
    """A ServiceAccount's token, exchanged at STS for a role."""

    spec: AwsWebIdentity
    context: Context
    sts: Sts
    renewable = True

    @property
    def name(self) -> str:
        namespace = self.spec.service_account_ref.namespace or self.context.store.namespace
        return f"the token of ServiceAccount {namespace}/{self.spec.service_account_ref.name}"

    async def keys(self, *, anew: bool = False) -> Keys:  # noqa: ARG002 - every login is a new one
        cluster: Cluster = self.context.cluster
        token = await cluster.token(self.spec.service_account_ref, self.spec.audience)
        return await self.sts.exchange(
            About("sts", "AssumeRoleWithWebIdentity", self.name, self.spec.role_arn),
            None,
            lambda client: client.assume_role_with_web_identity(
                RoleArn=self.spec.role_arn, RoleSessionName="keyferry", WebIdentityToken=token.text
            )["Credentials"],
        )


@dataclass(frozen=True, slots=True)
class AssumedRole:
    """A role, assumed with another login."""

    spec: AwsAssumeRole
    base: Wallet
    sts: Sts
    renewable = True

    @property
    def name(self) -> str:
        return f"role {self.spec.role_arn}, assumed with {self.base.login.name}"

    async def keys(self, *, anew: bool = False) -> Keys:  # noqa: ARG002 - every login is a new one
        await self.base.fresh()
        spent = self.base.current
        try:
            return await self._assume()
        except LoginRefused:
            if not self.base.login.renewable:
                raise
        await self.base.renew(spent)
        return await self._assume()

    async def _assume(self) -> Keys:
        return await self.sts.exchange(
            About("sts", "AssumeRole", self.base.login.name, self.spec.role_arn),
            lambda: self.base.current,
            self._ask,
        )

    def _ask(self, client: "STSClient") -> "CredentialsTypeDef":
        request: AssumeRoleRequestTypeDef = {
            "RoleArn": self.spec.role_arn,
            "RoleSessionName": self.spec.session_name,
        }
        if self.spec.external_id:
            request["ExternalId"] = self.spec.external_id
        if self.spec.session_tags:
            request["Tags"] = [{"Key": tag.key, "Value": tag.value} for tag in self.spec.session_tags]
        return client.assume_role(**request)["Credentials"]


@dataclass(slots=True)
class OfOperator:
    """Credentials of the operator's own, which the SDK finds and renews. Owned by the turns of its wallet."""

    name: str
    absent: str  # the error when there are none
    load: Callable[[], "Credentials | None"] = field(repr=False)
    caller: Caller = field(repr=False)
    renewable: bool = True
    held: "Credentials | None" = field(default=None, repr=False)

    async def keys(self, *, anew: bool = False) -> Keys:
        if anew:
            self.held = None
        if self.held is None or sdk.renews_within(self.held, SDK_RENEWS):
            return await self.caller.call("GetCredentials", self._ask)
        return self._frozen(self.held)

    def _ask(self) -> Keys:
        with sdk.mapped(About("credentials", "GetCredentials", self.name)):
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


def _of_pod(caller: Caller) -> OfOperator:
    name = "EKS Pod Identity of the operator's pod"
    absent = (
        f"{name}: the pod has none ({' and '.join(sdk.POD_IDENTITY)} are not set): associate a role with the "
        "operator's ServiceAccount in EKS and restart the operator, or log in another way"
    )
    return OfOperator(name, absent, sdk.pod_identity, caller)


def _of_environment(caller: Caller) -> OfOperator:
    name = "the operator's own AWS credentials"
    absent = f"{name}: AWS's SDK finds none in the operator's pod; give spec.provider.aws.auth, or the pod a role"
    return OfOperator(name, absent, sdk.ambient, caller)


def _where(ref: SecretKeyRef, context: Context) -> str:
    return f"Secret {ref.namespace or context.store.namespace}/{ref.name}"


def _word(data: bytes, ref: SecretKeyRef, context: Context) -> str:
    """A key as AWS takes it. A line's end after it is a common slip, and means nothing."""
    word = data.strip()
    if not word or not all(0x21 <= byte <= 0x7E for byte in word):
        raise CredentialsMissing(
            f"{_where(ref, context)}, key {ref.key} holds no AWS key: it must be one word in ASCII"
        )
    return word.decode("ascii")
