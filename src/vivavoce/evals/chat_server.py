"""The emulated chat of `bench chat`, in a process of its own.

It is started with one JSON object, the fields of `ChatScript`, writes its address as one JSON line, and serves until
its standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import sys

import uvloop

from vivavoce.emulators.openai import ChatScript, served


async def _serve(script: ChatScript) -> None:
    async with served(script).serving() as address:
        print(json.dumps({"address": address}), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(_serve(ChatScript(**json.loads(sys.argv[1]))))
