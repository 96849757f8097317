"""What the reconciliation of an ExternalSecret decides, as data: the operator carries it out, a CLI may print it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from keyferry.api.external_secret import Source
from keyferry.errors import SyncError


class Deed(Enum):
    """What becomes of the target Secret."""

    KEEP = auto()
    WRITE = auto()
    DELETE = auto()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to do with the Secret, and what to say of it."""

    deed: Deed = Deed.KEEP
    data: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    error: SyncError | None = None
    note: str = ""  # what the deed does about the error, told when it is done
    suspended: bool = False
    sources: tuple[Source, ...] | None = None  # what the Secret is made of from now on; None: of what it was
    resource_version: str | None = None  # of the Secret as it was written, once the outcome is carried out

    @property
    def told(self) -> SyncError | None:
        """What is said of the error once the deed is done."""
        return self.error.worded(f"{self.error}; {self.note}") if self.error and self.note else self.error


NOTHING_NEW = Outcome()  # the Secret is what it should be
