"""Whether `make e2e` can run here: what is missing, and where to get it."""

import sys

from tests.e2e.kind import missing

if __name__ == "__main__":
    if lacks := missing():
        told = "\n".join(f"  - {each}" for each in lacks)
        sys.exit(f"make e2e installs Keyferry in a kind cluster of its own, and this machine lacks:\n{told}")
