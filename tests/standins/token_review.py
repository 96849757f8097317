"""A stand-in for what Vault asks of a Kubernetes API server: whose token is this?"""

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import jwt


def refusal(token: str, key: Any, audiences: list[str] | None = None) -> str:
    """What an API server's authenticator says of a token; empty where it accepts it.

    The words are those of Kubernetes' pkg/serviceaccount/claims.go.
    """
    try:
        jwt.decode(token, key, algorithms=["ES256"], audience=audiences, options={"verify_aud": audiences is not None})
    except jwt.PyJWTError as e:
        why = next((words for kind, words in _REFUSALS.items() if isinstance(e, kind)), "")
        return f"[invalid bearer token{', ' if why else ''}{why}]"
    return ""


_REFUSALS: Mapping[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "service account token has expired",
    jwt.ImmatureSignatureError: "service account token is not valid yet",
    jwt.InvalidAudienceError: "token audiences is invalid for the target audiences",
    jwt.InvalidSignatureError: "go-jose/go-jose: error in cryptographic primitive",
}


class TokenReviews:
    """Accepts tokens that this key signed, for the audience that is asked for."""

    def __init__(self, key: Callable[[], Any]) -> None:
        self._key = key
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def review(self, spec: dict[str, Any]) -> dict[str, Any]:
        """The status of a TokenReview."""
        if wrong := refusal(spec["token"], self._key(), spec.get("audiences")):
            return {"authenticated": False, "error": wrong}
        claims = jwt.decode(spec["token"], options={"verify_signature": False})
        user = {"username": claims["sub"], "uid": "u-1", "groups": ["system:serviceaccounts"]}
        return {"authenticated": True, "user": user, "audiences": claims["aud"]}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        reviews = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                body = json.dumps({**asked, "status": reviews.review(asked["spec"])}).encode()
                self.send_response(201)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        return Handler
