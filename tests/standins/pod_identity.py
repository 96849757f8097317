"""A stand-in for the EKS Pod Identity agent: hands the keys of a role to whoever shows the pod's token."""

import datetime as dt
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.standins.aws_sts import Role, Sts


class PodIdentityAgent:
    """Gives a new session of the role at each request that carries the token."""

    def __init__(self, sts: Sts, role: Role, token_file: Path, token: str = "the-token-of-the-pod") -> None:  # noqa: S107
        token_file.write_text(token)
        self.asked = 0
        self._sts, self._role, self._token = sts, role, token
        self._token_file = token_file
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def environment(self) -> dict[str, str]:
        """What EKS puts into the pod."""
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{self._server.server_port}/v1/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(self._token_file),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _credentials(self, token: str | None) -> tuple[int, dict[str, str | None]]:
        self.asked += 1
        if token != self._token:
            return 403, {"message": f"not the pod's token: {token}"}
        key = self._sts.session(self._role, "eks-pod")
        until = dt.datetime.fromtimestamp(key.expires_at or 0, dt.UTC).isoformat()
        return 200, {"AccessKeyId": key.id, "SecretAccessKey": key.secret, "Token": key.token, "Expiration": until}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        agent = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, content = agent._credentials(self.headers.get("Authorization"))
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        return Handler
