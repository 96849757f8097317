"""Where a store's AWS is: its region and addresses, checked before anything is sent there."""

import difflib
from collections.abc import Callable, Collection
from dataclasses import dataclass

from keyferry.api.providers import Aws
from keyferry.backends.address import checked_address
from keyferry.errors import SpecInvalid

AMBIENT_FLAG = "--allow-ambient-in-namespaces"


@dataclass(frozen=True, slots=True)
class Place:
    """A region, and addresses that replace the SDK's own where they are given."""

    region: str
    endpoint: str | None
    sts_endpoint: str | None


def place_of(spec: Aws, *, ambient_region: str | None, known: Collection[str], allowed: Callable[[str], bool]) -> Place:
    """The store's place. Raises SpecInvalid that names the field and what to write instead."""
    return Place(
        _region(spec, ambient_region, known),
        _endpoint("endpoint", spec.endpoint, allowed),
        _endpoint("stsEndpoint", spec.sts_endpoint, allowed),
    )


def _endpoint(field: str, url: str | None, allowed: Callable[[str], bool]) -> str | None:
    return None if url is None else checked_address(f"spec.provider.aws.{field}", url, allowed)


def _region(spec: Aws, ambient_region: str | None, known: Collection[str]) -> str:
    region = spec.region or ambient_region
    if region is None:
        raise SpecInvalid(
            "spec.provider.aws.region: write the region, such as eu-west-1. Only where the store may use the "
            f"operator's own environment ({AMBIENT_FLAG} for a SecretStore), and that names one, it can be left out"
        )
    if region in known or spec.endpoint is not None:
        return region
    close = difflib.get_close_matches(region, known, n=3, cutoff=0.7)
    meant = f"did you mean {' or '.join(close)}? " if close else ""
    raise SpecInvalid(
        f"spec.provider.aws.region: AWS's SDK knows no region {region}; {meant}"
        "For one that is newer than the SDK, also give spec.provider.aws.endpoint"
    )
