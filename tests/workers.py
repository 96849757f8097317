"""How the tests of one run are shared out among its workers (pytest-xdist)."""

from xdist.scheduler import LoadScopeScheduling

from tests.cluster.mode import Mode


class FilesByMode(LoadScopeScheduling):  # type: ignore[misc] # xdist's classes have no types for others
    """A worker takes what belongs together: see scope_of."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)


def scope_of(nodeid: str) -> str:
    """A file's tests are one worker's, but for its two modes, of which each has an operator of its own."""
    file, _, test = nodeid.partition("::")
    mode = next((mode for mode in Mode if f"[{mode}]" in test or f"[{mode}-" in test), "")
    return f"{file} {mode}"
