"""An app of the stand-in for HCP Vault Secrets: its secrets and their versions, as the API of 2023-11-28 tells them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

LONGEST_VALUE = 5120  # characters
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
_CREATOR = {"created_by_id": "8f0c5bd6-6a3c-4f7a-a1e4-1d1d5c3f8a10"}


class Refused(Exception):
    """What the server answers instead: a status, and a code of gRPC's with a text."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def absent(message: str) -> Refused:
    return Refused(404, 5, message)


def told(at: float) -> str:
    """A time as the server writes it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass(slots=True)
class Secret:
    """One secret. A static one's versions are texts, a rotating one's maps; a dynamic one has none."""

    name: str
    kind: str  # kv, rotating, dynamic
    made: float
    versions: list[str | Mapping[str, str]] = field(default_factory=list)
    deleted: set[int] = field(default_factory=set)  # versions
    ttl: int = 3600  # seconds, of a dynamic one
    minted: list[tuple[float, Mapping[str, str]]] = field(default_factory=list)
    spoiled: bool = False  # what would give its values fails

    def described(self) -> dict[str, Any]:
        """Everything about it but its value."""
        return {
            "name": self.name,
            "type": self.kind,
            "provider": "" if self.kind == "kv" else "aws",
            "latest_version": max(1, len(self.versions)),
            "created_at": told(self.made),
            "sync_status": {},
        }

    def listed(self) -> dict[str, Any]:
        """Its line in the list."""
        match self.kind:
            case "dynamic":
                more: dict[str, Any] = {"dynamic_config": {"ttl": f"{self.ttl}s"}}
            case kind:
                version = {"version": len(self.versions), "created_at": told(self.made), "created_by": {}}
                more = {"static_version" if kind == "kv" else "rotating_version": version} if self.versions else {}
        return {**self.described(), **more, "version_count": str(len(self.versions))}

    def opened(self, now: float) -> dict[str, Any]:
        """With its value. For a dynamic one that is a new one each time."""
        if self.kind != "dynamic":
            return {**self.described(), **({} if self.spoiled else self.held(len(self.versions)))}
        if self.spoiled:
            raise Refused(400, 9, "the integration cannot assume the role")
        values = {"access_key": f"AKIA{len(self.minted):06}", "secret_key": f"minted-{self.name}-{len(self.minted)}"}
        self.minted.append((now, values))
        lease = {"created_at": told(now), "expires_at": told(now + self.ttl), "ttl": f"{self.ttl}s", "values": values}
        return {**self.described(), "dynamic_instance": lease}

    def held(self, number: int) -> dict[str, Any]:
        """What it was at a version."""
        if not 0 < number <= len(self.versions) or number in self.deleted:
            return {}
        held = self.versions[number - 1]
        about = {"version": number, "created_at": told(self.made), **_CREATOR}
        if isinstance(held, str):
            return {"static_version": {**about, "value": held}}
        return {"rotating_version": {**about, "keys": sorted(held), "values": dict(held)}}


@dataclass(slots=True)
class App:
    """An app, and the limits that HCP documents for what is in it."""

    name: str
    secrets: dict[str, Secret] = field(default_factory=dict)

    def put(self, name: str, held: str | Mapping[str, str], now: float) -> Secret:
        """A new version of a secret: of a static one with a text, of a rotating one with a map."""
        assert _NAME.fullmatch(name), name
        assert len(held) <= LONGEST_VALUE
        secret = self.secrets.setdefault(name, Secret(name, "kv" if isinstance(held, str) else "rotating", now))
        secret.versions.append(held)
        return secret

    def dynamic(self, name: str, ttl: int, now: float) -> Secret:
        assert _NAME.fullmatch(name), name
        return self.secrets.setdefault(name, Secret(name, "dynamic", now, ttl=ttl))

    def named(self, name: str) -> Secret:
        if name not in self.secrets:
            raise absent(f"secret {name} not found")
        return self.secrets[name]

    def sorted(self) -> Iterator[Secret]:
        yield from (self.secrets[name] for name in sorted(self.secrets))
