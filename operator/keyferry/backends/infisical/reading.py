"""Lists and reads. One list brings a whole folder: it is the catalogue and the values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from keyferry.backends.infisical.answers import Secret, secret_of, secrets_in
from keyferry.backends.infisical.client import Request
from keyferry.backends.infisical.connection import Api, Connection, switches
from keyferry.backends.infisical.errors import CallDenied, NotThere, What
from keyferry.backends.infisical.folders import joined, split
from keyferry.errors import BackendUnavailable, SpecInvalid
from keyferry.values import Entry

NOBODY = "keyferry-there-is-no-such-secret"


@dataclass(frozen=True, slots=True)
class _Catalogue:
    """What a folder's list told, but for values."""

    folder: str = ""
    etag: str = ""
    entries: tuple[Entry, ...] = ()


@dataclass(slots=True)
class Reader:
    """Reads the secrets of a place. The last catalogue, without values, serves while Infisical says: as before."""

    connection: Connection
    imports: bool
    _last: _Catalogue = field(default_factory=_Catalogue, init=False)

    def folder(self, below: str) -> str:
        """A folder below the store's, as far as the store reads folders one by one."""
        place = self.connection.place
        return joined(place.folder, below) if place.recursive else place.folder

    async def catalogue(self, below: str = "") -> tuple[Entry, ...]:
        """What is below a folder, without values. Raises SyncError."""
        folder, known = self.folder(below), self._last
        answer = await self._list(folder, known.etag if known.folder == folder else "", values=True)
        if answer is None:
            return known.entries
        secrets, etag = answer
        self._last = _Catalogue(folder, etag, tuple(secret.entry(name) for name, secret in secrets.items()))
        return self._last.entries

    async def values(self, below: str) -> dict[str, Secret]:
        """What is below a folder, with values. Raises SyncError."""
        answer = await self._list(self.folder(below), "", values=True)
        return answer[0] if answer else {}

    async def names(self, below: str = "") -> set[str]:
        """The names of all that may be described there, whether or not it may be read. Raises SyncError."""
        answer = await self._list(self.folder(below), "", values=False)
        return set(answer[0]) if answer else set()

    async def one(self, name: str, version: str = "") -> Secret:
        """A secret at a version, never an imported one. Raises SyncError."""
        return secret_of(await self._told(name, version, values=True))

    async def described(self, name: str) -> Mapping[str, Any]:
        """What Infisical tells of a secret, but for its value. Raises SyncError."""
        return await self._told(name, "", values=False)

    async def _told(self, name: str, version: str, *, values: bool) -> Mapping[str, Any]:
        folder, key = split(self.connection.place.folder, name)

        def request(api: Api) -> Request:
            said = switches(viewSecretValue=values, expandSecretReferences=values, include_imports=False)
            pinned = {"version": version} if version else {}
            at = self.connection.at(api, folder)
            return Request("GET", f"{api.secrets}/{quote(key, safe='')}", {**at, "type": "shared", **said, **pinned})

        answer = await self.connection.ask("Read", request, folder)
        told = answer.body.get("secret")
        if not isinstance(told, dict):
            raise BackendUnavailable("Infisical's answer to Read has no secret in it")
        # A service token's Infisical answers for the token's own folder, whichever is asked for.
        elsewhere = told.get("secretKey") != key or told.get("secretPath") not in (None, folder)
        if elsewhere or version not in ("", str(told.get("version"))):
            raise NotThere(self.absent(name, version))
        return told

    def absent(self, name: str, version: str = "") -> str:
        """What to say of a secret that is not there."""
        folder, key = split(self.connection.place.folder, name)
        where = self.connection.place.words(folder)
        what = f"no version {version} of {name}" if version else f"no secret {name}"
        if "/" in name and not self.connection.place.recursive:
            return f"{what}: the store is only for {self.connection.place.words(self.connection.place.folder)}"
        return f"Infisical has {what} ({key} in {where}), or {self.connection.login} may not read it"

    async def _list(self, folder: str, etag: str, *, values: bool) -> tuple[dict[str, Secret], str] | None:
        """What is below a folder, and the answer's etag; None where it is still the answer that is known."""
        place = self.connection.place

        def request(api: Api) -> Request:
            said = switches(
                viewSecretValue=values,
                expandSecretReferences=values,
                recursive=place.recursive,
                include_imports=self.imports,
            )
            return Request("GET", api.secrets, {**self.connection.at(api, folder), **said}, etag=etag)

        try:
            answer = await self.connection.ask("List", request, folder)
        except NotThere as absent:
            await self._verify()
            if absent.what is not What.FOLDER:
                raise self.misplaced(absent) from absent
            return {}, ""  # nobody has put anything into this folder yet
        if answer.unchanged:
            return None
        secrets = secrets_in(answer.body, place.folder, folder, recursive=place.recursive)
        if not secrets:
            await self._verify()
        return secrets, "" if not secrets else answer.etag

    async def _verify(self) -> None:
        """Make sure that the store's folder is there: Infisical lists one that is not as if it were empty."""
        try:
            await self.described(NOBODY)
        except CallDenied:
            return  # not for this name, but there may be others
        except NotThere as absent:
            if absent.what is not What.SECRET:
                raise self.misplaced(absent) from absent

    def misplaced(self, absent: NotThere) -> SpecInvalid:
        """What to say where it is not a secret that is not there, but its project or environment."""
        place = self.connection.place
        return SpecInvalid(
            f"spec.provider.infisical: Infisical has no {absent.what.value} as in {place.words(place.folder)}, or "
            f"{self.connection.login} may not know of it"
        )
