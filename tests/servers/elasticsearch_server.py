"""An Elasticsearch of this machine: its process, and what an administrator would do with it."""

import itertools
import json
import secrets
import shutil
import ssl
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.controlplane import credentials
from tests.controlplane.processes import ProcessGroup
from tests.servers import elasticsearch_jars
from tests.servers.shared import Shared

STARTS_WITHIN = 120.0  # seconds; a busy machine may take thirty
ADMINISTRATOR = "administrator"
PASSWORD = "a pass phrase"  # of every other user
_JAVA = ("-Xms256m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
_SETTINGS = """\
cluster.name: keyferry-tests
discovery.type: single-node
network.host: 127.0.0.1
http.port: 0
transport.port: 0
cluster.routing.allocation.disk.threshold_enabled: false
cluster.max_shards_per_node: 5000
xpack.security.enabled: true
xpack.security.http.ssl.enabled: true
xpack.security.http.ssl.key: apiserver.key
xpack.security.http.ssl.certificate: apiserver.crt
xpack.security.transport.ssl.enabled: false
xpack.security.authc.api_key.hashing.algorithm: ssha256
xpack.security.authc.password_hashing.algorithm: pbkdf2_1000
"""
_LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%c{1.}] %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
"""
_numbers = itertools.count(1)


class ElasticsearchFailed(Exception):
    """Elasticsearch said no to its administrator."""


@dataclass(frozen=True, slots=True)
class ElasticsearchServer:
    """A running node, with TLS and security. Tests share one, so each has an index, users and keys of its own."""

    port: int
    ca: Path
    password: str = field(repr=False)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """What Elasticsearch answers to the administrator. Raises ElasticsearchFailed."""
        login = b64encode(f"{ADMINISTRATOR}:{self.password}".encode()).decode()
        headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/{path}", data, headers, method=method)  # noqa: S310 - our own
        try:
            with urllib.request.urlopen(request, timeout=60, context=self.trust()) as answer:  # noqa: S310 - our own
                text = answer.read()
        except urllib.error.HTTPError as e:
            raise ElasticsearchFailed(f"{method} {path}: {e.code} {e.read().decode(errors='replace')}") from e
        return json.loads(text) if text else {}

    def fill(self, index: str, documents: Mapping[str, Mapping[str, Any]]) -> None:
        """Write all of these documents, by their IDs, for the next search to see."""
        lines = [line for id_, each in documents.items() for line in ({"index": {"_id": id_}}, each)]
        answer = self.request(
            "POST", f"{index}/_bulk?refresh=true", b"".join(json.dumps(x).encode() + b"\n" for x in lines)
        )
        if answer["errors"]:
            raise ElasticsearchFailed(f"not all of {len(documents)} documents could be written")

    def calls(self) -> Counter[str]:
        """What it was ever asked, by the method's path, as it counts itself."""
        (stats,) = self.request("GET", "_nodes/stats/http")["nodes"].values()
        return Counter({route: each["requests"]["count"] for route, each in stats["http"]["routes"].items()})

    def user(self, *roles: Mapping[str, Any]) -> str:
        """A new user with these roles and the password PASSWORD; its name."""
        name, named = unique("user"), [unique("role") for _ in roles]
        for role, content in zip(named, roles, strict=True):
            self.request("PUT", f"_security/role/{role}", content)
        self.request("PUT", f"_security/user/{name}", {"password": PASSWORD, "roles": named})
        return name

    def key(self, *roles: Mapping[str, Any], **more: Any) -> "ApiKey":
        """A new API key with these roles."""
        descriptors = {f"role-{number}": role for number, role in enumerate(roles)}
        asked = {"name": unique("key"), "role_descriptors": descriptors, **more}
        made = self.request("POST", "_security/api_key?refresh=true", asked)  # else it waits a second
        return ApiKey(made["id"], made["encoded"])

    def invalidate(self, key: "ApiKey") -> None:
        self.request("DELETE", "_security/api_key", {"ids": [key.id]})


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key, as Elasticsearch gives it."""

    id: str
    encoded: str = field(repr=False)


def allowing(index: str, *privileges: str) -> dict[str, Any]:
    """A role with these privileges on an index."""
    return {"indices": [{"names": [index], "privileges": list(privileges)}]}


def unique(word: str) -> str:
    """A name that nobody else has."""
    return f"{word}-{next(_numbers)}"


def start(group: ProcessGroup, folder: Path) -> ElasticsearchServer:
    """A new node, ready to be asked, that ends with the group. Raises BinariesMissing where it was not fetched yet."""
    home = elasticsearch_jars.find()
    config = folder / "home" / "config"
    config.mkdir(parents=True)
    for part in ("lib", "modules"):  # jars stay in the cache; only configuration and data are this node's own
        (config.parent / part).symlink_to(home / part)
    made = credentials.write(config)
    password = secrets.token_urlsafe(24)
    _configure(config, password)
    log = folder / "elasticsearch.log"
    java = shutil.which("java") or "java"
    options = (*_JAVA, f"-Djava.io.tmpdir={folder}", "-cp", f"{home / 'lib'}/*")
    process = group.start("elasticsearch", [java, *options, "Launcher", config.parent], log=log)
    until = time.monotonic() + STARTS_WITHIN
    while True:
        for line in log.read_text(errors="replace").splitlines():
            if line.startswith('{"port"'):
                return ElasticsearchServer(json.loads(line)["port"], made.ca, password)
        process.check()
        if time.monotonic() > until:
            raise ElasticsearchFailed(f"Elasticsearch is not ready within {STARTS_WITHIN:g} s:\n{process.tail()}")
        time.sleep(0.05)


SHARED = Shared("elasticsearch", start)


def _configure(config: Path, password: str) -> None:
    files: Sequence[tuple[str, str]] = (
        ("elasticsearch.yml", _SETTINGS),
        ("log4j2.properties", _LOGGING),
        ("users", f"{ADMINISTRATOR}:{password}\n"),
        ("users_roles", f"superuser:{ADMINISTRATOR}\n"),
    )
    for name, text in files:
        (config / name).write_text(text)
