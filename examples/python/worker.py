"""A SpecQL worker in one file; docs/other-languages.md describes what it says to the database.

DATABASE_URL=postgresql://… python worker.py    (Python 3.11, psycopg 3, and a role that is granted specql_worker)
"""

import asyncio
import json
import logging
import os
import random
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import uuid4

import psycopg
from psycopg.rows import namedtuple_row

CONCURRENCY = 10
HEARTBEAT = 3.0  # seconds, like those below
LEASE = 8.0  # a job stops when so long after a heartbeat there was no other: after 10 another worker may take it
LIMIT = 5.0  # of every call
STOP_WITHIN = 25.0  # after SIGTERM

RETRIED = {"not_started", "transient_reported", "breaker_open", "no_capacity"}
RETRIED_IF_IDEMPOTENT = {"ambiguous"}
AGAINST_SERVICE = {"not_started", "transient_reported", "ambiguous"}  # what opens a circuit breaker
UNREACHABLE = (psycopg.OperationalError, TimeoutError)
UNSTORABLE = (psycopg.DataError, psycopg.errors.ProgramLimitExceeded)  # e.g. an output with a NUL


class Failure(Exception):
    """What a handler raises to say what happened. Any other exception leaves it open: `ambiguous`."""

    kind = "ambiguous"


class NotStarted(Failure):  # nothing was sent
    kind = "not_started"


class Transient(Failure):  # the far side refused, and may not do so later
    kind = "transient_reported"


class Permanent(Failure):  # the far side refused for good
    kind = "permanent_reported"


# A handler gets a row of jobs.claim. Its `id` is the same in every attempt: the idempotency key for the far side.
Handler = Callable[[Any], Awaitable[Any]]
HANDLERS: dict[tuple[str, str], Handler] = {}


def operation(service: str, name: str) -> Callable[[Handler], Handler]:
    """Registers a handler. What is called is decided here, never by what stands in a job."""
    return lambda handler: HANDLERS.setdefault((service, name), handler)


async def connect(role: str) -> psycopg.AsyncConnection[Any]:
    url, name = os.environ["DATABASE_URL"], f"specql {role}"
    return await psycopg.AsyncConnection.connect(url, autocommit=True, row_factory=namedtuple_row, application_name=name)


class Link:
    """A connection, opened when needed and given up when in doubt. Each call is a transaction of its own."""

    def __init__(self, role: str) -> None:
        self.role = role
        self.connection: psycopg.AsyncConnection[Any] | None = None

    async def call(self, statement: LiteralString, *arguments: Any) -> list[Any]:
        try:
            async with asyncio.timeout(LIMIT):
                self.connection = self.connection or await connect(self.role)
                return await (await self.connection.execute(statement, arguments)).fetchall()
        except UNREACHABLE:
            if self.connection:
                await self.connection.close()
            self.connection = None
            raise


@dataclass(eq=False)
class Running:
    job: Any
    operation: Any  # a row of jobs.operations
    task: asyncio.Task[Any]
    deadline: float
    timer: asyncio.TimerHandle | None = None
    stopped_as: str = "ambiguous"

    def run_until(self, when: float) -> None:
        if self.timer:
            self.timer.cancel()
        self.timer = asyncio.get_running_loop().call_at(min(when, self.deadline), self.task.cancel)


@dataclass
class Ending:
    job: Any
    operation: Any
    output: str | None = None  # JSON
    kind: str | None = None  # the class of a failure
    message: str = ""
    counted: bool = True

    def retry_in_ms(self) -> int | None:
        """An attempt of unknown outcome is repeated only where that does no harm."""
        if self.kind in RETRIED or (self.kind in RETRIED_IF_IDEMPOTENT and self.operation.idempotent):
            return random.randint(0, min(250 * 2**self.job.attempt, 60_000))
        return None


class Worker:
    def __init__(self) -> None:
        self.id = uuid4()  # of this start of the process
        self.link = Link("worker")
        self.operations: dict[int, Any] = {}
        self.running: dict[int, Running] = {}
        self.ended: list[Ending] = []  # and not reported yet
        self.wake = asyncio.Event()
        self.notified, self.stopping = True, False
        self.active_at = self.scan_at = self.upkeep_at = 0.0

    async def run(self) -> None:
        self.clock = asyncio.get_running_loop().time
        known = {(row.service_name, row.operation): row for row in await self.link.call("SELECT * FROM jobs.operations()")}
        if unknown := HANDLERS.keys() - known.keys():
            raise SystemExit(f"the database does not know {unknown}")
        self.operations = {known[name].code: known[name] for name in HANDLERS}
        await self.link.call("SELECT jobs.register_worker(%s, 'worker.py', '1', '{}')", self.id)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.stop)
        async with asyncio.TaskGroup() as group:
            background = [group.create_task(self.heartbeat()), group.create_task(self.listen())]
            while self.running or not self.stopping:
                self.wake.clear()
                try:
                    await self.report()
                    await self.upkeep()
                    await self.claim()
                    # A notification may be skipped while others are sent, so shortly after activity it looks often.
                    pause = 0.03 if self.clock() < self.active_at + 0.5 else random.uniform(0.75, 1.25)
                except UNREACHABLE as error:
                    logging.warning("the database is asked again: %r", error)
                    pause = 0.25
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.wake.wait(), pause)
            for task in background:
                task.cancel()
        await self.link.call("SELECT jobs.unregister_worker(%s)", self.id)

    def stop(self) -> None:
        """Nothing more is claimed; what has begun may end, within limits."""
        self.stopping = True
        self.wake.set()
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)  # a second one ends it at once
        for running in self.running.values():
            asyncio.get_running_loop().call_later(STOP_WITHIN, running.task.cancel)

    async def claim(self) -> None:
        room = CONCURRENCY - len(self.running)
        if room <= 0 or self.stopping:
            return
        now = self.clock()
        full_scan = self.notified or now >= self.scan_at  # else from where the last claim ended
        if full_scan:
            self.notified, self.scan_at = False, now + 1
        codes = list(self.operations)
        jobs = await self.link.call("SELECT * FROM jobs.claim(%s, %s::integer[], %s, %s)", self.id, codes, room, full_scan)
        for job in jobs:
            self.active_at = now
            await self.begin(job, now)

    async def begin(self, job: Any, claimed_at: float) -> None:
        operation = self.operations[job.operation_code]
        if self.stopping or self.clock() >= claimed_at + LEASE:
            # Not begun, so another worker takes it and no attempt is used up.
            await self.link.call("SELECT jobs.release(%s, %s, %s)", self.id, [job.pk_job_run], [job.epoch])
        elif job.breaker == "open" or job.bound_code not in (0, job.operation_code):
            kind = "breaker_open" if job.breaker == "open" else "no_capacity"
            self.ended.append(Ending(job, operation, kind=kind, message="only a fallback may be called", counted=False))
            self.wake.set()
        else:
            task = asyncio.ensure_future(HANDLERS[operation.service_name, operation.operation](job))
            running = Running(job, operation, task, claimed_at + job.timeout_seconds)
            running.run_until(claimed_at + LEASE)
            self.running[job.pk_job_run] = running
            task.add_done_callback(lambda task: self.end(running, task))

    def end(self, running: Running, task: asyncio.Task[Any]) -> None:
        ending = Ending(running.job, running.operation)
        try:
            ending.output = json.dumps(task.result())
        except asyncio.CancelledError:
            ending.kind, ending.message = running.stopped_as, "it was stopped, and may have had its effect"
        except Failure as failure:
            ending.kind, ending.message = failure.kind, str(failure)
        except Exception as error:
            ending.kind, ending.message = "ambiguous", repr(error)
        self.ended.append(ending)
        self.wake.set()

    async def report(self) -> None:
        for failed in (False, True):
            if endings := [ending for ending in self.ended if (ending.kind is not None) == failed]:
                await self.write(endings)

    async def write(self, endings: list[Ending]) -> None:
        """Records successes, or failures. The epochs decide: what another worker has by now is answered by `fenced`."""
        leases = (self.id, [ending.job.pk_job_run for ending in endings], [ending.job.epoch for ending in endings])
        try:
            if endings[0].kind is None:
                outputs, usages = [ending.output for ending in endings], [None for _ in endings]
                call: LiteralString = "SELECT * FROM jobs.complete(%s, %s, %s::integer[], %s::jsonb[], %s::jsonb[])"
                results = await self.link.call(call, *leases, outputs, usages)
            else:
                kinds, messages = [ending.kind for ending in endings], [ending.message for ending in endings]
                waits, counted = [ending.retry_in_ms() for ending in endings], [ending.counted for ending in endings]
                call = "SELECT * FROM jobs.fail(%s, %s, %s::integer[], %s, %s, %s::bigint[], %s, NULL)"
                results = await self.link.call(call, *leases, kinds, messages, waits, counted)
        except UNSTORABLE as error:
            if len(endings) == 1:
                endings[0].kind, endings[0].message = "effect_result_lost", f"it cannot be stored: {type(error).__name__}"
            for ending in endings:
                await self.write([ending])
            return
        for ending, result in zip(endings, results, strict=True):
            logging.log(logging.WARNING if result.result == "fenced" else logging.INFO, "job %s: %s", ending.job.id, result.result)
            self.ended.remove(ending)
            if (running := self.running.pop(ending.job.pk_job_run, None)) and running.timer:
                running.timer.cancel()
            await self.tell_breaker(ending)

    async def tell_breaker(self, ending: Ending) -> None:
        """A probe finds out for all workers whether a service that failed too often works again."""
        if ending.job.breaker != "probe":
            return
        breaker = (self.id, ending.job.operation_code)
        if ending.kind in AGAINST_SERVICE:
            await self.link.call("SELECT jobs.open_breaker(%s, %s, 30000, 300000, %s)", *breaker, ending.message)
        elif ending.kind in (None, "permanent_reported"):
            await self.link.call("SELECT jobs.close_breaker(%s, %s)", *breaker)
        else:
            await self.link.call("SELECT jobs.abandon_probe(%s, %s)", *breaker)

    async def upkeep(self) -> None:
        """What every worker does for all, once a second."""
        if self.clock() < self.upkeep_at:
            return
        self.upkeep_at = self.clock() + random.uniform(0.75, 1.25)
        limits = [row.limit_code for row in self.operations.values() if row.limit_code is not None]
        await self.link.call("SELECT jobs.trim_shares(%s, %s::integer[], %s::integer[])", self.id, limits, [0 for _ in limits])
        await self.link.call("SELECT jobs.rescue(), jobs.promote()")
        await self.link.call("SELECT jobs.run_callbacks()")
        if random.random() < 1 / 60:
            await self.link.call("SELECT jobs.maintain()")

    async def heartbeat(self) -> None:
        link = Link("heartbeat")
        while True:
            now, leases = self.clock(), list(self.running.values())
            pks, epochs = [one.job.pk_job_run for one in leases], [one.job.epoch for one in leases]
            try:
                call: LiteralString = "SELECT * FROM jobs.heartbeat(%s, %s::bigint[], %s::integer[])"
                held = {row.pk_job_run: row.cancel_requested for row in await link.call(call, self.id, pks, epochs)}
            except UNREACHABLE as error:
                logging.warning("a heartbeat failed: %r", error)
                await asyncio.sleep(0.5)
                continue
            for running in leases:
                cancelled = held.get(running.job.pk_job_run)
                if cancelled is False:
                    running.run_until(now + LEASE)
                else:
                    running.stopped_as = "cancelled" if cancelled else "ambiguous"
                    running.task.cancel()
            await asyncio.sleep(HEARTBEAT)

    async def listen(self) -> None:
        while True:
            with suppress(*UNREACHABLE):
                async with await connect("listen") as connection:
                    await connection.execute("LISTEN jobs_ready")
                    self.notified = True
                    async for _ in connection.notifies():
                        self.notified = True
                        self.wake.set()
            await asyncio.sleep(1)


if __name__ == "__main__":

    @operation("ledger", "post")
    async def post(job: Any) -> dict[str, Any]:
        """A handler. Its input and output are those that the operation's schemas in the registry say."""
        return {"entry": str(job.id)}

    logging.basicConfig(level=logging.INFO)
    asyncio.run(Worker().run())
