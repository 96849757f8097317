"""Who may hint from outside: the keys that callers of the webhook sign with, as their Secrets hold them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from keyferry import metrics
from keyferry.api.providers.references import SecretKeyRef
from keyferry.api.store import SecretStoreSpec
from keyferry.errors import CredentialsMissing, SpecInvalid, SyncError
from keyferry.kube.client import Kube
from keyferry.kube.cluster import StoreCluster
from keyferry.kube.watched import Watched
from keyferry.policy import signature
from keyferry.values import Key, StoreKey

SOURCE = "webhook"


@dataclass(frozen=True, slots=True)
class _Held:
    """What was read of a store's key."""

    ref: SecretKeyRef
    used: Mapping[Key, str]  # which Secret, at which version
    keys: tuple[bytes, ...] = field(default=(), repr=False)
    trouble: SyncError | None = None


@dataclass(slots=True)
class Webhooks:
    """The keys of all stores that have a webhook, and the one question that their callers ask. One event loop owns it.

    `hinted` is told of every genuine call. `served`: whether this operator listens for any.
    """

    kube: Kube
    watched: Watched
    hinted: Callable[[StoreKey, str], None]
    served: bool
    _held: dict[StoreKey, _Held] = field(default_factory=dict, init=False)

    def called(self, key: StoreKey, timestamp: str, given: str, body: bytes, now: float) -> bool:
        """Take a call; whether it was genuine. Of what was wrong nothing is told, not even whether there is a store."""
        held = self._held.get(key)
        genuine = signature.genuine(held.keys if held else (), timestamp, given, body, now)
        metrics.HOOK_CALLS.labels("accepted" if genuine else "refused").inc()
        if genuine:
            self.hinted(key, SOURCE)
        return genuine

    async def renew(self, key: StoreKey, spec: SecretStoreSpec | None) -> SyncError | None:
        """Read the key of a store's webhook where it may be another; returns why there is none.

        Raises SyncError where the API server does not answer: then what was read last goes on to hold.
        """
        ref = spec.webhook.secret_ref if spec and spec.webhook else None
        if ref is None:
            self.forget(key)
            return None
        if not self.served:
            return SpecInvalid(
                "spec.webhook: this operator serves no webhooks: run it with --webhook-listen, or install the chart "
                "with webhook.enabled=true"
            )
        held = self._held.get(key)
        if held is None or held.ref != ref or self.watched.outdated(held.used):
            held = self._held[key] = await self._read(key, ref)
        return held.trouble

    def used(self, key: StoreKey) -> Mapping[Key, str]:
        """Which Secret the key came from: when it changes, `renew` is due."""
        held = self._held.get(key)
        return held.used if held else {}

    def forget(self, key: StoreKey) -> None:
        """The store is no more, or has no webhook."""
        self._held.pop(key, None)

    async def _read(self, key: StoreKey, ref: SecretKeyRef) -> _Held:
        cluster = StoreCluster(self.kube, key)
        try:
            keys = signature.keys_in(await cluster.secret(ref))
        except SpecInvalid as wrong:
            return _Held(ref, cluster.used, trouble=wrong)
        except CredentialsMissing as missing:
            return _Held(ref, cluster.used, trouble=missing.worded(f"spec.webhook.secretRef: {_absent(cluster, ref)}"))
        if keys:
            return _Held(ref, cluster.used, keys)
        return _Held(ref, cluster.used, trouble=CredentialsMissing(f"spec.webhook.secretRef: {_unfit(cluster, ref)}"))


def _absent(cluster: StoreCluster, ref: SecretKeyRef) -> str:
    return f"Secret {_at(cluster)} is not there, or has no key {ref.key}: until it has, no call is accepted"


def _unfit(cluster: StoreCluster, ref: SecretKeyRef) -> str:
    return (
        f"Secret {_at(cluster)}, key {ref.key} is no key to sign by: write at least {signature.SHORTEST} characters on "
        f"one line, such as `openssl rand -hex 32` gives; while keys are exchanged, at most {signature.MOST_KEYS} lines"
    )


def _at(cluster: StoreCluster) -> Key:
    return next(iter(cluster.used))
