"""Where a store's AWS is: its region and addresses, checked before anything is sent there."""

import difflib
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from keyferry.api.providers.aws import Aws
from keyferry.backends.address import checked_address
from keyferry.errors import SpecInvalid

POLL_SECONDS = 20  # that a poll of a queue waits for a message, the most that SQS grants
AMBIENT_FLAG = "--allow-ambient-in-namespaces"
_QUEUE = re.compile(
    r"https://(vpce-[-a-z0-9]+\.)?sqs(-fips)?"
    r"\.(?P<region>[a-z]{2,}(-[a-z]+)+-[0-9]+)(\.vpce)?\.amazonaws\.com(\.cn)?"
)


@dataclass(frozen=True, slots=True)
class Place:
    """A region, and addresses that replace the SDK's own where they are given."""

    region: str
    endpoint: str | None
    sts_endpoint: str | None


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """A queue, where it is, and an address that replaces the SDK's own where its URL is no regular one."""

    url: str
    region: str
    endpoint: str | None

    @property
    def arn(self) -> str:
        """As IAM policies name it."""
        account, name = self.url.rsplit("/", 2)[1:]
        partition = next((each for begin, each in _PARTITIONS.items() if self.region.startswith(begin)), "aws")
        return f"arn:{partition}:sqs:{self.region}:{account}:{name}"


_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov", "us-iso-": "aws-iso", "us-isob-": "aws-iso-b"}


def queue_of(url: str, *, region: str, allowed: Callable[[str], bool]) -> QueuePlace:
    """Where a queue is: in the region that its URL names, or in the store's where it names none. Raises SpecInvalid."""
    address = url.rsplit("/", 2)[0]
    endpoint = _endpoint("events.sqs.queueUrl", address, allowed)
    found = _QUEUE.fullmatch(address)
    if found is None:
        return QueuePlace(url, region, endpoint)
    regular = address.removesuffix(".cn") == f"https://sqs.{found['region']}.amazonaws.com"
    return QueuePlace(url, found["region"], None if regular else endpoint)


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
