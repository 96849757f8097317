"""The calls: each reads or writes documents of one index, and makes sure that the key is the one they are under."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from keyferry.backends.cipher import Cipher, Identity, Vault
from keyferry.backends.elasticsearch.asking import Asker, Request
from keyferry.backends.elasticsearch.documents import META_ID, SCHEME, Document, Fields, id_of
from keyferry.backends.elasticsearch.errors import About, CallDenied, Failure, IndexMissing, Unprepared, Written, told
from keyferry.errors import AuthFailed, BackendUnavailable, SyncError, Throttled, bare
from keyferry.values import Entry, Fetched


@dataclass(frozen=True, slots=True)
class Key:
    """The key of an index, and where it is from."""

    material: bytes = field(repr=False)
    source: str  # such as: Secret payments/es, key key,


@dataclass(frozen=True, slots=True)
class Listed:
    """A document as a list sees it."""

    id: str
    entry: Entry | None  # None: the document is not as it was written


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the catalogue, in the order of names."""

    listed: Sequence[Listed]
    next: str | None  # the name after which there may be more; None: that was all


@dataclass(frozen=True, slots=True)
class Found:
    """What is there under a name, before it is written to."""

    cipher: Cipher
    document: Document | None


@dataclass(frozen=True, slots=True)
class Index:
    """One index, as one login sees it under one key."""

    fields: Fields
    key: Key
    asker: Asker

    @property
    def name(self) -> str:
        return self.asker.about.index

    def __str__(self) -> str:
        return f"index {self.name} of {self.asker.about.host}"

    async def read(self, names: Collection[str]) -> dict[str, Fetched | None]:
        """What each holds: an error where it cannot be read, None where it is not as it was written.

        Reads are of the last write, whether a search sees that already or not.
        """
        wanted = {id_of(name): name for name in names}
        documents, failures = await self._get(wanted, [*self._listed, self.fields.value])
        cipher = self._cipher(documents.get(META_ID))
        found: dict[str, Fetched | None] = {wanted[id_]: failure for id_, failure in failures.items()}
        for id_ in documents.keys() & wanted.keys():
            found[wanted[id_]] = self.fields.value_of(documents[id_], cipher)
        return found

    async def page(self, after: str | None, prefix: str, size: int) -> Page:
        """The documents whose names follow `after` and begin with the prefix. None is left out silently.

        Names are unique and never change, so no page can lose what another one has: no point in time is held open.
        The document that tells of the encryption has no name, and comes first: an index without it is not believed.
        """
        name = self.fields.name
        matching = {"prefix": {name: prefix}} if prefix else {"exists": {"field": name}}
        about = self.asker.to("List")
        return await self.asker.ask(
            about,
            lambda client: client.search(
                index=self.name,
                size=size,
                query={"bool": {"should": [matching, {"ids": {"values": [META_ID]}}]}},
                sort=[{name: {"order": "asc", "missing": "_first"}}],
                search_after=None if after is None else [after],
                source_includes=self._listed,
                seq_no_primary_term=True,
                track_total_hits=False,
                allow_partial_search_results=False,
            ),
            lambda answer: self._page(_hits(answer, about), after, size),
        )

    def _page(self, hits: Sequence[Mapping[str, Any]], after: str | None, size: int) -> Page:
        documents = [Document.of(hit) for hit in hits]
        if after is None:
            self._cipher(next((each for each in documents if each.id == META_ID), None))
        listed = [Listed(each.id, self.fields.entry(each)) for each in documents if each.id != META_ID]
        return Page(listed, hits[-1]["sort"][0] or "" if len(hits) == size else None)

    async def find(self, name: str) -> Found:
        """What a write has to know: the encryption, and what is there, without its value."""
        documents, failures = await self._get([id_of(name)], self._listed)
        for failure in failures.values():
            raise failure
        return Found(self._cipher(documents.get(META_ID)), documents.get(id_of(name)))

    def identity(self, name: str, tags: Mapping[str, str], found: Found, now: int) -> Identity:
        """What a new value is bound to. `now`: milliseconds since the epoch."""
        return Identity(name, self.fields.version_after(found.document, now), tags)

    async def write(self, found: Found, identity: Identity, data: bytes) -> str:
        """Write the secret where nobody has done so meanwhile; its version. The next search sees it."""
        body = self.fields.body(identity, found.cipher.seal(identity, data))
        return await self.asker.ask(
            self.asker.to("Put", "index"),
            lambda client: client.index(
                index=self.name, id=id_of(identity.name), document=body, refresh=True, **_unchanged(found.document)
            ),
            lambda answer: Document.of(answer).token(identity),
        )

    async def delete(self, document: Document) -> None:
        """Delete it where nobody has written to it meanwhile. The next search sees that."""
        await self.asker.ask(
            self.asker.to("Delete", "delete"),
            lambda client: client.delete(index=self.name, id=document.id, refresh=True, **_unchanged(document)),
            _nothing,
        )

    async def prepare(self, why: Unprepared) -> None:
        """Make what lacks. Who is quicker wins. Raises `why` where the login may not."""
        meta = self.fields.meta_body(Vault.new(SCHEME, self.key.material))
        try:
            if isinstance(why, IndexMissing):
                await self._make(
                    self.asker.to("Create", "create_index"),
                    lambda client: client.indices.create(index=self.name, mappings=self.fields.mapping()),
                )
            await self._make(
                self.asker.to("Begin", "index"),
                lambda client: client.index(index=self.name, id=META_ID, document=meta, op_type="create", refresh=True),
            )
        except CallDenied:
            raise bare(why) from None

    async def _make(self, about: About, request: Request) -> None:
        """Make it, or let another process have made it in this moment."""
        with suppress(Written):
            await self.asker.ask(about, request, _nothing)

    async def aclose(self) -> None:
        await self.asker.client.close()

    async def _get(
        self, ids: Collection[str], source: Sequence[str]
    ) -> tuple[dict[str, Document], dict[str, SyncError]]:
        """The documents that are there, the one of the encryption among them, and failures of single ones."""
        about = self.asker.to("Read")
        return await self.asker.ask(
            about,
            lambda client: client.mget(index=self.name, ids=[META_ID, *ids], source_includes=source),
            lambda answer: _got(answer, about),
        )

    @property
    def _listed(self) -> list[str]:
        """All fields but the value."""
        return [self.fields.name, self.fields.version, self.fields.tags, self.fields.meta]

    def _cipher(self, meta: Document | None) -> Cipher:
        if meta is None:
            raise Unprepared(
                f"the {self} holds no secrets of Keyferry's: put the first one with a login that may write, or mend "
                "spec.provider.elasticsearch.index"
            )
        vault = self.fields.vault(meta.source)
        cipher = vault.cipher(self.key.material) if vault else None
        if cipher is not None:
            return cipher
        if vault is None:
            raise BackendUnavailable(
                f"the document {META_ID} of the {self} does not say how values are encrypted, or the login may not "
                f"see its field {self.fields.meta}: restore it from a snapshot, or name another index"
            )
        raise AuthFailed(
            f"{self.key.source} does not hold the key that the {self} was made with; put that key back, or name "
            "another index"
        )


def _unchanged(document: Document | None) -> dict[str, Any]:
    """What makes a write fail where another one came first."""
    if document is None:
        return {"op_type": "create"}
    return {"if_seq_no": document.sequence, "if_primary_term": document.term}


def _hits(body: Mapping[str, Any], about: About) -> list[Mapping[str, Any]]:
    """What was found, where all of the index was looked through."""
    if body.get("timed_out") or body.get("_shards", {}).get("failed"):
        raise told(Failure(503, "unavailable_shards_exception"), about)
    hits = body.get("hits", {}).get("hits")
    if not isinstance(hits, list) or not all("sort" in hit for hit in hits):
        raise told(Failure(), about)
    return hits


def _got(body: Mapping[str, Any], about: About) -> tuple[dict[str, Document], dict[str, SyncError]]:
    """The documents that are there, and failures of single ones. Raises where all will fail likewise."""
    found: dict[str, Document] = {}
    failures: dict[str, SyncError] = {}
    for each in body.get("docs", ()):
        if "error" in each:
            failures[each["_id"]] = told(Failure.of(0, each["error"]), about)
        elif each.get("found"):
            found[each["_id"]] = Document.of(each)
    for id_, failure in failures.items():
        if id_ == META_ID or isinstance(failure, Throttled):
            raise failure
    return found, failures


def _nothing(_: Mapping[str, Any]) -> None:
    """Of an answer that says no more than that it is done."""
