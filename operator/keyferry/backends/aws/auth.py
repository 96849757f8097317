"""Which login a store has, and whether it may have it; and the logins that are keys in Secrets, a class each."""

from dataclasses import dataclass

from keyferry.api.providers.aws import Aws, AwsAccessKey, AwsAuth, AwsSharedCredentials
from keyferry.api.providers.references import SecretKeyRef
from keyferry.backends.aws import ambient, credentials_file, sdk
from keyferry.backends.aws.keys import Keys, Login, Wallet
from keyferry.backends.aws.place import AMBIENT_FLAG
from keyferry.backends.aws.sts import AssumedRole, Sts, WebIdentity
from keyferry.backends.base import Context
from keyferry.backends.calling import Caller
from keyferry.errors import CredentialsMissing, SpecInvalid


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
    return ambient.of_pod(caller) if auth.pod_identity else ambient.of_environment(caller, clients.route)


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
        token = self.spec.session_token_secret_ref
        return Keys(
            await self._word(self.spec.access_key_id_secret_ref),
            await self._word(self.spec.secret_access_key_secret_ref),
            await self._word(token) if token else None,
        )

    async def _word(self, ref: SecretKeyRef) -> str:
        """A key as AWS takes it. A line's end after it is a common slip, and means nothing."""
        word = (await self.context.cluster.secret(ref)).strip()
        if not word or not all(0x21 <= byte <= 0x7E for byte in word):
            raise CredentialsMissing(
                f"{_where(ref, self.context)}, key {ref.key} holds no AWS key: it must be one word in ASCII"
            )
        return word.decode("ascii")


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


def _where(ref: SecretKeyRef, context: Context) -> str:
    return f"Secret {ref.namespace or context.store.namespace}/{ref.name}"
