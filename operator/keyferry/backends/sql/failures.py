"""What SQLite and the file system refuse, as our errors: one table each, and one context manager over both."""

import errno
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from keyferry.backends.sql.place import Place
from keyferry.errors import BackendUnavailable

VOLUME = "see the chart's value persistence"

_MISSING = f"is not there; the operator's data folder must be a mounted volume: {VOLUME}"
_DENIED = f"may not be used by the operator's user; the volume must belong to it (fsGroup): {VOLUME}"
_READ_ONLY = f"is on a read-only volume; SQLite writes even when it reads: {VOLUME}"
_FULL = f"is on a volume that is full; make it bigger: {VOLUME}"
_BROKEN = "is on a volume that answers with I/O errors; look at the node and the volume"
_LOCKED = "is locked by another process for too long; whoever writes to it must end first"

_SQLITE: Mapping[str, str] = {
    "SQLITE_BUSY": _LOCKED,
    "SQLITE_LOCKED": _LOCKED,
    "SQLITE_PROTOCOL": _LOCKED,
    "SQLITE_CANTOPEN": f"cannot be opened; is its volume mounted and writable? {VOLUME}",
    "SQLITE_PERM": _DENIED,
    "SQLITE_READONLY": _READ_ONLY,
    "SQLITE_FULL": _FULL,
    "SQLITE_IOERR": _BROKEN,
    "SQLITE_CORRUPT": "is damaged; restore a backup of the file",
    "SQLITE_NOTADB": "is no SQLite database; move the file away, or restore a backup",
    "SQLITE_ERROR": "has not the tables that Keyferry makes; move the file away, or restore a backup",
}

_SYSTEM: Mapping[int, str] = {
    errno.ENOENT: _MISSING,
    errno.ENOTDIR: _MISSING,
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: _READ_ONLY,
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EIO: _BROKEN,
}


@contextmanager
def mapped(place: Place) -> Iterator[None]:
    """Turn what goes wrong inside into errors that name the database and what to do."""
    try:
        yield
    except DBAPIError as e:
        raise BackendUnavailable(f"{place} ({place.path}) {_told_by_sqlite(e.orig)}") from e
    except sqlite3.Error as e:
        raise BackendUnavailable(f"{place} ({place.path}) {_told_by_sqlite(e)}") from e
    except OSError as e:
        what = e.filename or place.path
        raise BackendUnavailable(f"{place}: {what} {_told_by_system(e)}") from e


def _told_by_sqlite(error: BaseException | None) -> str:
    # Never SQLite's own words: they may quote what was asked. Its code says as much: SQLITE_IOERR_WRITE.
    code = str(getattr(error, "sqlite_errorname", type(error).__name__))
    primary = "_".join(code.split("_")[:2])
    return f"{_SQLITE.get(primary, 'cannot be used')} ({code})"


def _told_by_system(error: OSError) -> str:
    code = errno.errorcode.get(error.errno or 0, type(error).__name__)
    return f"{_SYSTEM.get(error.errno or 0, 'cannot be used')} ({code})"
