"""The event loop that everything runs on: uvloop's, but for one fault that would close other people's connections."""

import socket
from typing import Any

import uvloop


class Loop(uvloop.Loop):
    """Gives a socket away for good when a connection is made of it.

    Where the peer hangs up while a connection is being made, uvloop (0.23) closes the file descriptor and leaves the
    socket in the belief that it is still its own; https://github.com/MagicStack/uvloop/issues/738 is the half of it
    that is mended. When the socket is collected it closes whatever has that number by then: a watch falls silent, a
    request is cut off. aiohttp makes every connection this way.
    """

    async def create_connection(
        self, *arguments: Any, sock: socket.socket | None = None, **keywords: Any
    ) -> tuple[Any, Any]:
        """As uvloop's. The socket is the loop's from now on, be the connection made or not."""
        transport: Any
        try:
            transport, protocol = await super().create_connection(*arguments, sock=sock, **keywords)
        except BaseException:
            _give_away(sock)
            raise
        if transport.is_closing():
            _give_away(sock)
        return transport, protocol


def _give_away(sock: socket.socket | None) -> None:
    if sock is not None:
        sock.detach()
