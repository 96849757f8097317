"""How Kopf logs in, and what it must not do."""

from typing import Any

import kopf

from keyferry.app import App
from keyferry.kube.client import configuration


def settings() -> kopf.OperatorSettings:
    """Kopf as a reader of events: it posts none, scans for nothing and stores nothing."""
    made = kopf.OperatorSettings()
    made.posting.enabled = False
    made.scanning.disabled = True
    made.peering.standalone = True
    made.watching.server_timeout = 290
    made.watching.client_timeout = 320
    made.queueing.worker_limit = 64
    made.queueing.idle_timeout = 1.0
    made.queueing.batch_window = 0.05
    return made


def register(registry: kopf.OperatorRegistry, _app: App) -> None:
    """Our own registry brings no login of its own; Kopf logs in as the rest of the operator does."""

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        loaded = await configuration()
        scheme, _separator, token = str(loaded.api_key.get("BearerToken", "")).partition(" ")
        return kopf.ConnectionInfo(
            server=loaded.host,
            ca_path=loaded.ssl_ca_cert,
            insecure=not loaded.verify_ssl,
            scheme=scheme or None,
            token=token or None,
            certificate_path=loaded.cert_file,
            private_key_path=loaded.key_file,
        )
