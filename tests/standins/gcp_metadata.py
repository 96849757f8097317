"""A stand-in for the metadata server of GKE and Compute Engine: it hands the pod's token to whoever asks politely."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import pytest
from google.auth.compute_engine import _metadata

from tests.standins.gcp_iam import Iam

_ROOT = "/computeMetadata/v1"
_FLAVOR = {"Metadata-Flavor": "Google"}


class MetadataServer:
    """Gives a new token of the account at each request for one."""

    def __init__(self, iam: Iam, email: str) -> None:
        self.asked = 0
        self.broken = False
        self._iam, self._email = iam, email
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def found_by(self, environment: pytest.MonkeyPatch) -> None:
        """Have Google's library find it, which reads the address of the host only once in a process."""
        at = f"127.0.0.1:{self._server.server_port}"
        environment.setenv("GCE_METADATA_IP", at)
        environment.setattr(_metadata, "_GCE_METADATA_HOST", at)
        environment.setattr(_metadata, "_NO_GCE_CHECK", False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _content(self, path: str) -> Any:
        account = f"{_ROOT}/instance/service-accounts/"
        if not path.startswith(account):
            return self._iam.project
        if not path.endswith("/token"):
            return {"email": self._email, "scopes": ["https://www.googleapis.com/auth/cloud-platform"], "aliases": []}
        self.asked += 1
        return {"access_token": self._iam.issue(self._email), "expires_in": 3600, "token_type": "Bearer"}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                polite = path in {"", "/"} or self.headers.get("Metadata-Flavor") == "Google"
                content = server._content(path) if polite and not server.broken else "no"
                body = (content if isinstance(content, str) else json.dumps(content)).encode()
                self.send_response(200 if polite and not server.broken else 403)
                kind = "application/text" if isinstance(content, str) else "application/json"
                for name, value in {**_FLAVOR, "Content-Type": kind, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        return Handler
