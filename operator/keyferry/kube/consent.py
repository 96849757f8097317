"""Whose tokens the operator may ask for: a ServiceAccount names by an annotation for which audiences. Pure.

A right in Kubernetes to ask for tokens is one to ask for anybody's; the ServiceAccount's owner says whose are meant.
"""

import shlex
from collections.abc import Mapping
from typing import Any

from keyferry.errors import TokenNotAllowed
from keyferry.settings import API_SERVER_AUDIENCE, TOKENS_ANNOTATION
from keyferry.values import Key


def checked(account: Key, metadata: Mapping[str, Any], audience: str) -> None:
    """Nothing where the ServiceAccount allows tokens for this audience; "" is the API server's own.

    Raises TokenNotAllowed that gives the command by which it would.
    """
    annotations = metadata.get("annotations") or {}
    wanted, allowed = audience or API_SERVER_AUDIENCE, _named(str(annotations.get(TOKENS_ANNOTATION, "")))
    if wanted in allowed:
        return
    command = allowing(account, *allowed, wanted, overwrite=TOKENS_ANNOTATION in annotations)
    raise TokenNotAllowed(
        f"ServiceAccount {account} does not allow tokens for {wanted}. If it is meant to log in here: {command}"
    )


def absent(account: Key, audience: str) -> str:
    """What to say of a ServiceAccount that is not there."""
    made = shlex.join(["kubectl", "create", "serviceaccount", account.name, "--namespace", account.namespace])
    allowed = allowing(account, audience or API_SERVER_AUDIENCE)
    return f"ServiceAccount {account} is not there. To make one that may log in here: {made} && {allowed}"


def allowing(account: Key, *audiences: str, overwrite: bool = False) -> str:
    """The command by which a ServiceAccount allows tokens for just these audiences."""
    command = ["kubectl", "annotate", "serviceaccount", account.name, "--namespace", account.namespace]
    named = f"{TOKENS_ANNOTATION}={','.join(audiences)}"
    return shlex.join([*command, *(["--overwrite"] if overwrite else []), named])


def _named(annotation: str) -> tuple[str, ...]:
    """The audiences of the annotation, separated by commas, with or without spaces."""
    return tuple(filter(None, (each.strip() for each in annotation.split(","))))
