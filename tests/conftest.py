"""What holds for every test."""

import asyncio

# Else pytest-asyncio finds a loop that asyncio makes for it on the spot, keeps it, and nobody ever closes it.
asyncio.set_event_loop(None)
