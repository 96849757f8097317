"""Everything that touches AWS's SDK. Imported on first use and in a thread: it takes half a second and 30 MB.

Sessions are made so that a store which brings its own login can reach nothing of the operator's: no credentials from
its environment, no file in its home, no profile, no command. What the operator's environment says of addresses,
proxies and certificate authorities does apply; those are its own to say.
"""

import functools
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.credentials import ContainerProvider, Credentials, ReadOnlyCredentials, RefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import Loader
from botocore.parsers import ResponseParserError
from botocore.session import Session
from botocore.utils import ContainerMetadataFetcher

from keyferry.backends import certificates, retry_after
from keyferry.backends.aws.errors import About, Failure, told
from keyferry.backends.aws.keys import Keys
from keyferry.backends.aws.place import Place
from keyferry.backends.route import Route

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sts import STSClient

POD_IDENTITY = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
T = TypeVar("T")

_PATIENCE = 0.9  # of the store's timeout: so that the SDK's error, which names the address, comes before the budget's
_CONFIGURATION = About("credentials", "Configure", "the operator's own environment")
_LOUD = ("boto3", "botocore", "urllib3")  # they log whole requests and answers at debug level
_NO_FILES = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
# What the SDK's own parser trips over when an answer is not what its model says.
_TRIPPED = (TypeError, ValueError, LookupError, AttributeError, RecursionError)


@contextmanager
def mapped(about: About, route: Route | None = None) -> Iterator[None]:
    """Whatever the SDK raises inside becomes one of our errors."""
    try:
        yield
    except (BotoCoreError, ClientError, ResponseParserError, OSError, *_TRIPPED) as e:
        fault = route.fault(e, about.operation, f"https://{about.host}") if route else None
        raise fault or told(_failure(e, about), about) from e


def _failure(error: Exception, about: About) -> Failure:
    if isinstance(error, ClientError):
        said = cast("dict[str, dict[str, Any]]", error.response)
        meta = said.get("ResponseMetadata", {})
        return Failure(
            (str(said.get("Error", {}).get("Code", "")),),
            str(said.get("Error", {}).get("Message", "")),
            int(meta.get("HTTPStatusCode", 0)),
            retry_after.seconds(meta.get("HTTPHeaders", {}).get("retry-after")),
        )
    if isinstance(error, BotoCoreError | ResponseParserError):
        return Failure(certificates.kinds(error))
    if isinstance(error, OSError):
        return Failure(("OSError",))
    return Failure(() if about.service == "credentials" else ("ResponseParserError",))


class Handed(Credentials):
    """A login's keys as the SDK takes them: whatever it signs, it signs with the keys of that moment."""

    def __init__(self, keys: Callable[[], Keys]) -> None:
        super().__init__("handed", "over")
        self._current = keys

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        keys = self._current()
        return ReadOnlyCredentials(keys.id, keys.secret, keys.token)


@dataclass(frozen=True, slots=True)
class _Provided:
    """Stands where the SDK's chain of credential providers would be."""

    credentials: Credentials | None

    def load_credentials(self) -> Credentials | None:
        return self.credentials


class _NoTokens:
    """Stands where the SDK would look for bearer tokens."""

    def load_token(self, **_: str) -> None:
        return None


class _OurServices(Loader):
    """The SDK's own descriptions, none from anybody's home; of the list of all services' addresses only ours."""

    def __init__(self) -> None:
        super().__init__(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
        self._addresses: tuple[Any, str] | None = None

    def load_data_with_path(self, name: str) -> tuple[Any, str]:
        if name != "endpoints":
            return cast("tuple[Any, str]", super().load_data_with_path(name))
        if self._addresses is None:  # the whole list takes 8 MB, so a loader that is thrown away reads it
            read = Loader(extra_search_paths=self.search_paths, include_default_search_paths=False)
            found, path = read.load_data_with_path(name)
            partitions = [{**each, "services": _ours(each["services"])} for each in found["partitions"]]
            self._addresses = {**found, "partitions": partitions}, path
        return self._addresses


def _ours(services: dict[str, Any]) -> dict[str, Any]:
    return {name: services[name] for name in ("secretsmanager", "sqs", "sts") if name in services}


@functools.cache
def _loader() -> Loader:
    """One for all stores."""
    return _OurServices()


def _session(*, files: bool) -> Session:
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.WARNING)
    session = Session(session_vars=None if files else _NO_FILES)
    session.register_component("data_loader", _loader())
    return session


def _as_it_is(timestamp: T) -> T:
    return timestamp


@functools.cache
def regions() -> frozenset[str]:
    """Every region that the SDK knows Secrets Manager to be in, of all partitions."""
    session = _session(files=False)
    partitions = session.get_available_partitions()
    return frozenset(
        region for partition in partitions for region in session.get_available_regions("secretsmanager", partition)
    )


class SqsClient(Protocol):
    """What is used of SQS's client. Its answers may lack anything."""

    meta: Any

    def receive_message(
        self,
        *,
        QueueUrl: str,  # noqa: N803 - AWS's names
        MaxNumberOfMessages: int,  # noqa: N803
        VisibilityTimeout: int,  # noqa: N803
        WaitTimeSeconds: int,  # noqa: N803
    ) -> Mapping[str, Any]: ...

    def delete_message_batch(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        Entries: Sequence[Mapping[str, str]],  # noqa: N803
    ) -> Mapping[str, Any]: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Clients:
    """Makes the clients of one store."""

    place: Place
    timeout: float  # the store's, of one call
    concurrency: int
    files: bool  # whether the operator's own configuration files apply
    route: Route

    def secrets_manager(self, keys: Callable[[], Keys]) -> "SecretsManagerClient":
        client = self._client("secretsmanager", self.place.endpoint, Handed(keys))
        return cast("SecretsManagerClient", client)

    def sts(self, keys: Callable[[], Keys] | None) -> "STSClient":
        """Without keys only what needs none can be called: AssumeRoleWithWebIdentity."""
        return cast("STSClient", self._client("sts", self.place.sts_endpoint, Handed(keys) if keys else None))

    def sqs(self, keys: Callable[[], Keys], endpoint: str | None, *, wait: float = 0.0) -> SqsClient:
        """For calls that SQS answers at once, or after so many seconds."""
        return cast("SqsClient", self._client("sqs", endpoint, Handed(keys), wait))

    def _client(self, service: str, endpoint: str | None, credentials: Credentials | None, wait: float = 0.0) -> object:
        session = _session(files=self.files)
        session.register_component("credential_provider", _Provided(credentials))
        session.register_component("token_provider", _NoTokens())
        if service == "secretsmanager":
            # Nobody reads a secret's timestamps, and making sense of them was a sixth of the CPU of a first sync.
            session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_as_it_is)
        config = Config(
            connect_timeout=self.timeout * _PATIENCE,
            read_timeout=wait + self.timeout * _PATIENCE,
            retries={"total_max_attempts": 1, "mode": "standard"},  # the scheduler retries, and only it
            max_pool_connections=self.concurrency,
            user_agent_extra="keyferry",
            proxies=_proxies(self.route),
        )
        with mapped(_CONFIGURATION):
            made = session.create_client(service, region_name=self.place.region, endpoint_url=endpoint, config=config)
        self.route.to(made.meta.endpoint_url)  # the operator's environment may name one, too
        return made


def _proxies(route: Route) -> dict[str, str] | None:
    """As the SDK takes them. None: it asks the environment for itself, as Keyferry does."""
    return {"https": route.own.url} if route.own else None


def host(client: "SecretsManagerClient | STSClient | SqsClient") -> str:
    """The address that a client asks, without anything that a URL may carry besides."""
    return urlsplit(client.meta.endpoint_url).netloc


def renews_within(credentials: Credentials, seconds: int) -> bool:
    """Whether they are temporary ones that the SDK must renew in that time."""
    return isinstance(credentials, RefreshableCredentials) and credentials.refresh_needed(refresh_in=seconds)


class _OneTry(ContainerMetadataFetcher):
    RETRY_ATTEMPTS = 1
    SLEEP_TIME = 0


def pod_identity() -> Credentials | None:
    """What EKS Pod Identity hands to the operator's pod. None where the pod has none."""
    environment = {name: os.environ[name] for name in POD_IDENTITY if name in os.environ}
    if len(environment) < len(POD_IDENTITY):
        return None
    _session(files=False)
    return ContainerProvider(environ=environment, fetcher=_OneTry()).load()  # type: ignore[arg-type] # the stubs mistake it


def ambient(route: Route) -> Credentials | None:
    """What the SDK's own chain finds in the operator's environment. None where it finds nothing.

    STS is asked through the store's proxy. Who is asked without TLS is the pod's own machine, and no proxy's business.
    """
    session = _session(files=True)
    session.set_default_client_config(Config(proxies=_proxies(route)))
    return session.get_credentials()


def ambient_region() -> str | None:
    """The region of the operator's own environment."""
    with mapped(_CONFIGURATION):
        return _session(files=True).get_config_variable("region") or os.environ.get("AWS_REGION")
