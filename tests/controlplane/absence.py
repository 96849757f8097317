"""An API server's port while the server is gone: whoever calls is sent away at once, and counted."""

import contextlib
import socket
import struct
import threading
from types import TracebackType
from typing import Self

_HANG_UP = struct.pack("ii", 1, 0)  # SO_LINGER, on and 0 seconds: a reset, and no port that is left waiting


class Absence:
    """Holds the port, so that nobody else takes it, from `hold` until the context is left.

    Among those who might is the caller itself: one machine's TCP may connect a port to itself where nobody listens.
    """

    def __init__(self) -> None:
        self.calls = 0
        self._listener: socket.socket | None = None
        self._thread = threading.Thread(target=self._send_away, daemon=True)

    def hold(self, port: int) -> None:
        """Take the port, which nobody may have."""
        self._listener = socket.create_server(("127.0.0.1", port))
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listener:
            with contextlib.suppress(OSError):  # it wakes who waits in accept
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._thread.join()

    def _send_away(self) -> None:
        assert self._listener
        with contextlib.suppress(OSError):  # it is closed
            while True:
                caller, _ = self._listener.accept()
                self.calls += 1
                caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _HANG_UP)
                caller.close()
