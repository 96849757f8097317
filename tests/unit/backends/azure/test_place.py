"""Where a vault is: names, addresses, clouds, and what is refused before anything is sent."""

import pytest

from keyferry.api.providers.azure import Azure
from keyferry.backends.azure.place import place_of
from keyferry.errors import SpecInvalid
from keyferry.settings import Settings


def place(**spec):
    return place_of(Azure.model_validate(spec), allowed=Settings().endpoint_allowed)


def refused(**spec):
    with pytest.raises(SpecInvalid) as wrong:
        place(**spec)
    return str(wrong.value)


@pytest.mark.parametrize(
    ("cloud", "suffix", "login"),
    [
        ("PublicCloud", "vault.azure.net", "login.microsoftonline.com"),
        ("USGovernmentCloud", "vault.usgovcloudapi.net", "login.microsoftonline.us"),
        ("ChinaCloud", "vault.azure.cn", "login.chinacloudapi.cn"),
    ],
)
def test_a_cloud_decides_the_address_the_login_and_what_tokens_are_for(cloud, suffix, login):
    found = place(vault="Acme-1", environmentType=cloud)
    assert (found.vault, found.authority) == (f"https://acme-1.{suffix}", f"https://{login}")
    assert found.scope == f"https://{suffix}/.default"
    assert found == place(vault=f"https://ACME-1.{suffix}:443/", environmentType=cloud)


def test_an_address_of_another_cloud_is_told_with_the_cloud_to_write():
    told = refused(vault="https://acme.vault.azure.cn")
    assert told == "spec.provider.azure.environmentType: acme.vault.azure.cn is in another cloud: write ChinaCloud"


@pytest.mark.parametrize("name", ["a--b", "ab-"])
def test_a_name_that_no_vault_can_have_is_told(name):
    assert refused(vault=name).startswith(f"spec.provider.azure.vault: no vault can be named {name!r}: write its name")


@pytest.mark.parametrize(
    "url", ["https://acme.vault.azure.net:0", "https://acme.vault.azure.net:99999", "https://:1:2"]
)
def test_an_address_that_is_none_is_told(url):
    assert "is no address" in refused(vault=url)


@pytest.mark.parametrize(
    "url",
    [
        "https://169.254.169.254",
        "https://acme.vault.azure.net.evil.example",
        "https://evil.example:443",
        "https://vault.azure.net",
        "https://a.b.vault.azure.net",
        "https://acme.vault.azure.net:8443",
    ],
)
def test_a_tenants_store_sends_nothing_to_a_foreign_host(url):
    assert f"--allow-endpoint={url.removesuffix(':443')}" in refused(vault=url)


@pytest.mark.parametrize("url", ["https://login.evil.example", "https://login.microsoftonline.com.evil.example"])
def test_a_tenants_store_logs_in_at_no_foreign_host(url):
    assert refused(vault="acme", authorityHost=url).startswith("spec.provider.azure.authorityHost: ")


def test_azures_own_addresses_are_allowed_to_everybody():
    assert place(vault="acme", authorityHost="https://login.partner.microsoftonline.cn/").authority == (
        "https://login.partner.microsoftonline.cn"
    )


def test_what_the_operator_allows_is_allowed():
    settings = Settings(allow_endpoints=("https://*.acme.example:8443",))
    spec = Azure(vault="https://vault.acme.example:8443")
    assert place_of(spec, allowed=settings.endpoint_allowed).host == "vault.acme.example:8443"
