"""Asking a running operator whether it is well."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from typer.testing import CliRunner

from keyferry.cli import commands


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        well = self.path == "/readyz"
        self.send_response(200 if well else 503)
        self.end_headers()
        self.wfile.write(b"ok" if well else b"still learning what there is")

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def operator() -> Iterator[str]:
    """The address of something that is well at /readyz only."""
    with HTTPServer(("127.0.0.1", 0), _Handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        serving.join()


def test_it_ends_well_where_the_operator_is_well(operator: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    done = CliRunner().invoke(commands(), ["probe", f"{operator}/readyz"])
    assert (done.exit_code, done.output) == (0, f"{operator}/readyz answers 200\n")


def test_it_says_what_the_operator_says(operator: str):
    done = CliRunner().invoke(commands(), ["probe", f"{operator}/healthz"])
    assert (done.exit_code, done.output) == (1, f"{operator}/healthz answers 503: still learning what there is\n")


def test_it_says_that_nobody_answers():
    done = CliRunner().invoke(commands(), ["probe", "http://127.0.0.1:9/readyz"])
    assert done.exit_code == 1
    assert "does not answer: " in done.output


def test_it_asks_nothing_but_addresses_of_the_web():
    done = CliRunner().invoke(commands(), ["probe", "file:///etc/passwd"])
    assert done.exit_code == 2
    assert "write http://HOST:PORT/readyz" in done.output
