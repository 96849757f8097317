"""`python -m tests.image` gets podman and a base where they are missing, and builds the operator's image for tests."""

import sys

from tests.image.building import main

if __name__ == "__main__":
    sys.exit(main())
