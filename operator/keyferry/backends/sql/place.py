"""Where a store's SQLite file is. A resource names a database; no name that it can give makes a path."""

import re
from dataclasses import dataclass
from pathlib import Path

from keyferry.errors import SpecInvalid
from keyferry.values import StoreKey

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_CLUSTER = "_cluster"  # no namespace can be called so


@dataclass(frozen=True, slots=True)
class Place:
    """A database's file, and what the database is called in messages."""

    data_dir: Path
    namespace: str  # "" for a ClusterSecretStore's
    database: str

    @property
    def folders(self) -> tuple[Path, Path]:
        """The folders that Keyferry makes below its data folder, the outer one first."""
        root = self.data_dir / "sql"
        return root, root / (self.namespace or _CLUSTER)

    @property
    def path(self) -> Path:
        return self.folders[1] / f"{self.database}.db"

    @property
    def remedy(self) -> str:
        return f"move the file {self.path} away"

    def __str__(self) -> str:
        owner = f"of namespace {self.namespace}" if self.namespace else "of the cluster's stores"
        return f"SQLite database {self.database} {owner}"


def place_of(data_dir: Path, store: StoreKey, database: str) -> Place:
    """Where the store's database is. The CRD checks the names too; here is where a path would be made of them."""
    if not _LABEL.fullmatch(database):
        raise SpecInvalid(
            f"spec.provider.sql.database {database!r}: write a name of at most 63 lower-case letters, digits and -, "
            "such as team-secrets; it is never a path"
        )
    if store.namespace and not _LABEL.fullmatch(store.namespace):
        raise SpecInvalid(f"namespace {store.namespace!r} is no name of a namespace")
    return Place(data_dir, store.namespace, database)
