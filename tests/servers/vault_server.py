"""A Vault of this machine: its process, and what an administrator would do with it."""

import contextlib
import itertools
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tests.controlplane import binaries, credentials
from tests.controlplane.processes import Process, ProcessGroup
from tests.servers.shared import Shared
from tests.servers.sources import VAULT

T = TypeVar("T")

STARTS_WITHIN = 60.0  # seconds; a busy machine may take ten
_numbers = itertools.count(1)


class VaultFailed(Exception):
    """Vault said no to its administrator."""


@dataclass(frozen=True, slots=True)
class VaultServer:
    """A running Vault, with TLS. Tests share one, so each has mounts, policies and logins of its own."""

    url: str
    ca: Path
    root_token: str = field(repr=False)
    unseal_key: str = field(repr=False)
    namespace: str = ""  # what an administrator's requests are about; OpenBao has such

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What Vault answers to the administrator; empty where it says nothing. Raises VaultFailed."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"X-Vault-Token": self.root_token, "X-Vault-Namespace": self.namespace}
        request = urllib.request.Request(f"{self.url}/v1/{path}", data, headers, method=method)  # noqa: S310 - our own
        try:
            with urllib.request.urlopen(request, timeout=30, context=self.trust()) as answer:  # noqa: S310 - our own
                text = answer.read()
        except urllib.error.HTTPError as e:
            raise VaultFailed(f"{method} {path}: {e.code} {e.read().decode(errors='replace')}") from e
        return json.loads(text) if text else {}

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))

    def engine(self, version: int = 2, name: str = "") -> str:
        """A new KV engine; where it is mounted."""
        mount = name or unique("kv")
        self.request("POST", f"sys/mounts/{mount}", {"type": "kv", "options": {"version": str(version)}})
        if version == 2:  # it upgrades itself after it was made, and refuses everything meanwhile
            self._await_engine(mount)
        return mount

    def _await_engine(self, mount: str) -> None:
        until = time.monotonic() + STARTS_WITHIN
        while True:
            with contextlib.suppress(VaultFailed):
                self.request("GET", f"{mount}/config")
                return
            if time.monotonic() > until:
                raise VaultFailed(f"{mount} is not ready within {STARTS_WITHIN:g} s")
            time.sleep(0.02)

    def policy(self, *rules: tuple[str, Iterable[str]] | str) -> str:
        """A new policy of paths and capabilities, or of its own text; its name."""
        lines = [each if isinstance(each, str) else _rule(*each) for each in rules]
        name = unique("policy")
        self.request("PUT", f"sys/policies/acl/{name}", {"policy": "\n".join(lines)})
        return name

    def token(self, *policies: str, **more: Any) -> str:
        """A new token."""
        made = self.request("POST", "auth/token/create", {"policies": list(policies), **more})
        return str(made["auth"]["client_token"])

    def revoke(self, token: str) -> None:
        self.request("POST", "auth/token/revoke", {"token": token})

    def login(self, method: str, mount: str = "") -> str:
        """A way to log in, mounted anew; where."""
        mount = mount or unique(method)
        self.request("POST", f"sys/auth/{mount}", {"type": method})
        return mount

    def seal(self) -> None:
        self.request("PUT", "sys/seal")

    def unseal(self) -> None:
        self.request("PUT", "sys/unseal", {"key": self.unseal_key})


def unique(word: str) -> str:
    """A name that nobody else has."""
    return f"{word}-{next(_numbers)}"


def start(group: ProcessGroup, folder: Path) -> VaultServer:
    """A new Vault, ready to be asked, that ends with the group. Raises BinariesMissing where it was not built yet."""
    program = binaries.find_program(VAULT)
    made = credentials.write(folder)
    log = folder / "vault.log"
    process = group.start("vault", [program, "-certificate", made.certificate, "-key", made.key], log=log)

    def said() -> VaultServer | None:
        for line in log.read_text(errors="replace").splitlines() if log.exists() else ():
            if line.startswith('{"address"'):
                ready = json.loads(line)
                return VaultServer(ready["address"], made.ca, ready["root_token"], ready["unseal_key"])
        return None

    return when_ready(process, said)


def when_ready(process: Process, look: Callable[[], T | None]) -> T:
    """What is seen of a server that starts, as soon as anything is. Raises ProcessDied or VaultFailed."""
    until = time.monotonic() + STARTS_WITHIN
    while (seen := look()) is None:
        process.check()
        if time.monotonic() > until:
            raise VaultFailed(f"{process.name} is not ready within {STARTS_WITHIN:g} s:\n{process.tail()}")
        time.sleep(0.02)
    return seen


SHARED = Shared("vault", start)


def _rule(path: str, capabilities: Iterable[str]) -> str:
    return f'path "{path}" {{ capabilities = {json.dumps(list(capabilities))} }}'
