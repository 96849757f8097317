"""Property tests look at the same examples in every run: a test that passes once passes always."""

import asyncio

from hypothesis import settings

settings.register_profile("unit", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("unit")

# Else pytest-asyncio finds a loop that asyncio makes for it on the spot, keeps it, and nobody ever closes it.
asyncio.set_event_loop(None)
