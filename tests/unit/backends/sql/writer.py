"""The other process: writes one secret again and again, and says each version once it is written.

Started as: python writer.py DATA_DIR PUTS
"""

import asyncio
import sys
from pathlib import Path

from tests.contract.subjects.sql import SqliteSubject


async def write(data_dir: Path, puts: int) -> None:
    backend = SqliteSubject(data_dir).backend()
    for number in range(puts):
        text = f"{number:04}"
        version = await backend.put("db", text.encode() * 1000, {"written": text})
        print(version, text, flush=True)  # noqa: T201 - the lines are its answer


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1]), int(sys.argv[2])))
