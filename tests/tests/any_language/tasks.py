"""What the calls of `specql_tests::work` do, for the worker in `examples/python`. As `tests/src/work/handler.rs` does it."""

import asyncio
import functools
import logging
import os
from typing import Any

import psycopg
import worker


async def call(name: str, job: Any) -> dict[str, int]:
    async with await psycopg.AsyncConnection.connect(os.environ["FAR_SIDE_URL"], autocommit=True) as far_side:
        statement = "INSERT INTO far_side.tb_call (job, operation, attempt, process, process_clock) VALUES (%s, %s, %s, %s, now())"
        await far_side.execute(statement, (job.id, name, job.attempt, os.getpid()))
    match job.input_data["how"]:
        case "now":
            pass
        case "hang":
            await asyncio.Event().wait()
        case "refuse":
            raise worker.Permanent("refused")
        case "busy":
            if job.attempt == 1:
                raise worker.Transient("busy")
        case "stumble":
            raise KeyError("a mistake in the handler")
        case "babble":
            return {"process": "\0"}
        case time:
            await asyncio.sleep(int(time.removesuffix("ms")) / 1000)
    return {"process": os.getpid()}


for service, name in [("work", "run"), ("work", "pay"), ("narrow", "squeeze")]:
    worker.operation(service, name)(functools.partial(call, name))

logging.basicConfig(level=logging.INFO)
asyncio.run(worker.Worker().run())
