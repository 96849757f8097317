"""Credentials that Secrets hold, and how error texts name them."""

from keyferry.api.providers.references import SecretKeyRef, ServiceAccountRef
from keyferry.backends.base import Context
from keyferry.errors import CredentialsMissing


async def word(ref: SecretKeyRef, context: Context, what: str) -> str:
    """One word, which a header can carry; space around it is a common slip. Raises CredentialsMissing."""
    found = (await context.cluster.secret(ref)).decode("ascii", "replace").strip()
    if not found or not all(0x21 <= ord(character) <= 0x7E for character in found):
        raise CredentialsMissing(f"{where(ref, context)}, key {ref.key} holds no {what}: it must be one word in ASCII")
    return found


def where(ref: SecretKeyRef | ServiceAccountRef, context: Context) -> str:
    """Secret payments/login; of a ServiceAccount payments/reader."""
    kind = "Secret " if isinstance(ref, SecretKeyRef) else ""
    return f"{kind}{ref.namespace or context.store.namespace}/{ref.name}"
