"""Which namespaces a store serves, and what a namespace is called in the backend."""

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase

from keyferry.api.store import LabelOperator, LabelRequirement, LabelSelector, Namespaces
from keyferry.errors import SpecInvalid
from keyferry.settings import NAMESPACE_ANNOTATION

_DOTTED = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def hierarchy(name: str, annotations: Mapping[str, str]) -> tuple[str, ...]:
    """What the namespace is called in the backend, then its ancestors: acme.payments, acme. Raises SpecInvalid."""
    called = annotations.get(NAMESPACE_ANNOTATION, name)
    if not _DOTTED.fullmatch(called):
        raise SpecInvalid(
            f"annotation {NAMESPACE_ANNOTATION} of namespace {name}: write lower-case names joined by dots, "
            "such as acme.payments"
        )
    parts = called.split(".")
    return tuple(".".join(parts[:length]) for length in range(len(parts), 0, -1))


def served(namespaces: Namespaces | None, name: str, labels: Mapping[str, str]) -> bool:
    """Whether a ClusterSecretStore serves a namespace of this name with these labels."""
    if namespaces is None:
        return True
    if any(fnmatchcase(name, pattern) for pattern in namespaces.names):
        return True
    return namespaces.selector is not None and selected(namespaces.selector, labels)


def selected(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Whether labels meet all of a selector; an empty selector is met by all, as everywhere in Kubernetes."""
    return all(labels.get(key) == value for key, value in selector.match_labels.items()) and all(
        _met(requirement, labels) for requirement in selector.match_expressions
    )


def _met(requirement: LabelRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case LabelOperator.IN:
            return value in requirement.values
        case LabelOperator.NOT_IN:
            return value not in requirement.values
        case LabelOperator.EXISTS:
            return value is not None
        case LabelOperator.DOES_NOT_EXIST:
            return value is None
