"""What Infisical's answers have of their own: ETags, and the form of a refusal."""

import hashlib
from collections.abc import Callable
from dataclasses import replace

from tests.standins.wire import Answer, Call, Fault


def refuses(status: int, message: str, error: str = "Error", **headers: str) -> Fault:
    """Infisical answers with this status and these words."""
    content = {"reqId": "req-fault", "statusCode": status, "message": message, "error": error}
    return lambda _, __: Answer.of(content, status, **headers)


def etagged(handle: Callable[[Call], Answer]) -> Callable[[Call], Answer]:
    """As the server's plug-in does it: an answer that is known already is not sent again."""

    def made(call: Call) -> Answer:
        answer = handle(call)
        if call.method != "GET" or answer.status != 200:
            return answer
        etag = f'"{hashlib.sha256(answer.body).hexdigest()[:27]}"'
        if call.headers.get("if-none-match") == etag:
            return Answer(304, b"", {"ETag": etag})
        return replace(answer, headers={**answer.headers, "ETag": etag})

    return made
