"""Where a store's vault and its Entra are, checked before anything is sent there. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from keyferry.api.providers.azure import Azure, AzureEnvironment
from keyferry.errors import SpecInvalid

ENDPOINT_FLAG = "--allow-endpoint"


@dataclass(frozen=True, slots=True)
class Cloud:
    """One of Azure's clouds."""

    suffix: str  # of its vaults' hosts
    authority: str  # its Entra

    @property
    def scope(self) -> str:
        """What tokens are asked for. It is the cloud's and never the vault's word: no host can ask for another."""
        return f"https://{self.suffix}/.default"


CLOUDS: Mapping[AzureEnvironment, Cloud] = {
    AzureEnvironment.PUBLIC: Cloud("vault.azure.net", "https://login.microsoftonline.com"),
    AzureEnvironment.US_GOVERNMENT: Cloud("vault.usgovcloudapi.net", "https://login.microsoftonline.us"),
    AzureEnvironment.CHINA: Cloud("vault.azure.cn", "https://login.chinacloudapi.cn"),
}
_NAME = re.compile(r"[A-Za-z](-?[A-Za-z0-9]){2,23}")
_ADDRESS = re.compile(r"https://[^/?#@\s]+/?")


@dataclass(frozen=True, slots=True)
class Place:
    """A vault, and the Entra that its tokens are from."""

    vault: str  # https://host, perhaps with a port
    authority: str
    scope: str

    @property
    def host(self) -> str:
        """The vault as error texts name it."""
        return urlsplit(self.vault).netloc


def place_of(spec: Azure, *, allowed: Callable[[str], bool]) -> Place:
    """The store's place. Raises SpecInvalid that names the field and what to write instead."""
    cloud = CLOUDS[spec.environment_type]
    vault = _vault(spec, cloud)
    if spec.vault.startswith("https://"):
        _check(vault, "vault", allowed)
    if spec.authority_host is None:
        return Place(vault, cloud.authority, cloud.scope)
    authority = _address(spec.authority_host, "authorityHost")
    _check(authority, "authorityHost", allowed)
    return Place(vault, authority, cloud.scope)


def _vault(spec: Azure, cloud: Cloud) -> str:
    if not spec.vault.startswith("https://"):
        if _NAME.fullmatch(spec.vault) is None:
            raise SpecInvalid(
                f"spec.provider.azure.vault: no vault can be named {spec.vault!r}: write its name, 3 to 24 letters, "
                "digits and single dashes, or its address, such as https://acme.vault.azure.net"
            )
        return f"https://{spec.vault.lower()}.{cloud.suffix}"
    address = _address(spec.vault, "vault")
    host = urlsplit(address).hostname or ""
    for environment, other in CLOUDS.items():
        if host.endswith(f".{other.suffix}") and other is not cloud:
            raise SpecInvalid(
                f"spec.provider.azure.environmentType: {host} is in another cloud: write {environment.value}"
            )
    return address


def _address(url: str, field: str) -> str:
    """The address in one spelling: lower case, and without the port that https has anyway."""
    if _ADDRESS.fullmatch(url) is None or not _port_possible(url):
        raise SpecInvalid(
            f"spec.provider.azure.{field}: {url} is no address; write https://host, with a port if need be"
        )
    return url.rstrip("/").lower().removesuffix(":443")


def _port_possible(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _check(url: str, field: str, allowed: Callable[[str], bool]) -> None:
    if not allowed(url):
        raise SpecInvalid(
            f"spec.provider.azure.{field}: this store may not send requests to {url}; whoever runs the operator can "
            f"allow it with {ENDPOINT_FLAG}={url}"
        )
