"""One loop a test, and none besides."""

import asyncio

# pytest-asyncio asks for a current loop before it makes its own, and Python would make one that nobody closes.
asyncio.set_event_loop(None)
