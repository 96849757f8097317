"""The one control plane of this process, for tests that need no more of it than a namespace of their own."""

import atexit
import functools

from tests.controlplane.plane import ControlPlane


@functools.cache
def shared() -> ControlPlane:
    """It starts on first use, in some five seconds, and goes with the process."""
    plane = ControlPlane()
    plane.start()
    atexit.register(plane.stop)
    return plane
