"""The operator runs on uvloop, whose handles are not asyncio's: what leans on them is tried on it, too."""

import asyncio

from keyferry.fetch.batch import Batcher
from keyferry.schedule.loop import Loop
from keyferry.values import Ref, Value


def test_many_who_ask_in_one_moment_share_full_batches_on_the_loop_that_the_operator_runs_on():
    sizes: list[int] = []

    async def read(refs):
        sizes.append(len(refs))
        return {ref: Value(b"v", "1") for ref in refs}

    async def ask():
        batcher = Batcher(read, lambda: 20)
        await asyncio.gather(*(batcher.fetch([Ref(f"r{number}")]) for number in range(100)))
        await batcher.aclose()

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(ask())
    assert sizes == [20] * 5
