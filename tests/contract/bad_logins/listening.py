"""Who listens where a server should be: with a certificate that is not good, or without a word."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from keyferry.backends import certificates as words
from tests.servers import certificates

HOUR = 3600.0

# What is wrong with a certificate, as `certificates.write` takes it, and what is said of it.
FAULTS: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "of another authority": ({}, words.WORDS[words.AUTHORITY].partition(" in caProvider")[0]),
    "for another name": ({"address": "127.0.0.2"}, "its certificate is for another name or address"),
    "an hour early": ({"since": HOUR}, "its certificate is not yet valid, or the operator's clock is off"),
    "an hour late": (
        {"since": -2 * HOUR, "until": -HOUR},
        "its certificate has expired, or the operator's clock is off",
    ),
}


@contextlib.contextmanager
def silence() -> Iterator[str]:
    """Somebody who takes connections and says nothing; the address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@contextlib.contextmanager
def showing(folder: Path, begin: Callable[[socket.socket], None], **made: Any) -> Iterator[tuple[str, bytes]]:
    """Somebody who shows a certificate so made; the address, and the authority of that certificate, in PEM.

    `begin`: what is said in clear before.
    """
    authority = certificates.write(folder, **made)
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(folder / "apiserver.crt", folder / "apiserver.key")
    trust.set_alpn_protocols(["h2", "http/1.1"])  # gRPC looks at the certificate only where it is offered h2
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listening.accept()
                client.settimeout(10)
                with contextlib.suppress(OSError), client:
                    begin(client)
                    trust.wrap_socket(client, server_side=True).close()

    thread = threading.Thread(target=serve, name="shows a certificate")
    thread.start()
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}", authority
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()
