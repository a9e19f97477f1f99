"""The calls of `specql_tests::work` for the worker in `examples/python`: `tests/src/work/handler.rs` in Python."""

import asyncio
import functools
import logging
import os
from typing import Any

import psycopg

import worker

COUNT = """
    INSERT INTO far_side.tb_call (job, operation, attempt, process, process_clock) VALUES (%s, %s, %s, %s, now())"""


async def call(name: str, job: Any) -> dict[str, int | str]:
    async with await psycopg.AsyncConnection.connect(os.environ["FAR_SIDE_URL"], autocommit=True) as far_side:
        await far_side.execute(COUNT, (job.id, name, job.attempt, os.getpid()))
    match job.input_data["how"]:
        case "now":
            pass
        case "hang":
            try:
                await asyncio.Event().wait()
            finally:
                logging.info("call of %s stopped", job.id)
        case "refuse":
            raise worker.Permanent("refused")
        case "busy":
            if job.attempt == 1 and job.put_off == 0:
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

worker.LEASE = float(os.environ["LEASE"])
worker.HEARTBEAT, worker.LIMIT, worker.STOP_WITHIN = 1.0, 2.0, 0.5  # so that no test waits for long
asyncio.run(worker.main())
