"""A SpecQL worker in one file. docs/other-languages.md describes what it says to the database.

DATABASE_URL=postgresql://… python worker.py    (Python 3.11, psycopg 3, and a role that is granted specql_worker)
"""

import asyncio
import decimal
import json
import logging
import os
import random
import signal
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import uuid4

import psycopg
from psycopg.rows import namedtuple_row
from psycopg.types.json import set_json_loads

# A float would round what jsonb keeps exactly.
set_json_loads(lambda text: json.loads(text, parse_float=decimal.Decimal))

CONCURRENCY = 10
HEARTBEAT = 3.0  # seconds, like those below
LEASE = 8.0  # a job stops so long after the last heartbeat: after 10 another worker may take it
LIMIT = 5.0  # of every call
UNSURE = 15.0  # so long after a claim without an answer the database may have given jobs of which nothing is known here
STOP_WITHIN = 25.0  # after a signal
STOPS = (signal.SIGTERM, signal.SIGINT)

# No call was made: no attempt is used up, and time ends it.
PUT_OFF = {"not_started", "no_capacity"}
# What is tried again. Where the outcome is unknown, only if a second call does no harm.
RETRIED = {"not_started", "transient_reported", "no_capacity"}
RETRIED_IF_IDEMPOTENT = {"ambiguous", "effect_result_lost"}
AGAINST_SERVICE = {"not_started", "transient_reported", "ambiguous"}

UNREACHABLE = (psycopg.OperationalError, TimeoutError)
UNSTORABLE = (psycopg.DataError, psycopg.errors.ProgramLimitExceeded, UnicodeEncodeError)  # a NUL in an output, say


class Failure(Exception):
    """What a handler raises to say what happened. Any other exception leaves that open: `ambiguous`."""

    kind = "ambiguous"


class NotStarted(Failure):  # nothing was sent
    kind = "not_started"


class Transient(Failure):  # the far side refused, and may not do so later
    kind = "transient_reported"


class Permanent(Failure):  # the far side refused for good
    kind = "permanent_reported"


class NoCapacity(Failure):  # this worker cannot make the call
    kind = "no_capacity"


# It is given a row of jobs.claim. The `id` is the same in every attempt: an idempotency key for the far side.
Handler = Callable[[Any], Awaitable[Any]]
HANDLERS: dict[tuple[str, str], Handler] = {}


def operation(service: str, name: str) -> Callable[[Handler], Handler]:
    """Registers a handler. What is called is decided here, never by what stands in a job."""
    return lambda handler: HANDLERS.setdefault((service, name), handler)


def text_of(value: Any) -> str:
    """What is no JSON by itself: decimals are texts in outputs, so that nobody rounds them."""
    if isinstance(value, decimal.Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


async def connect(role: str) -> psycopg.AsyncConnection[Any]:
    connection = await psycopg.AsyncConnection.connect(
        os.environ["DATABASE_URL"], autocommit=True, row_factory=namedtuple_row, application_name=f"specql {role}"
    )
    # Whatever the role or the database sets for its application.
    await connection.execute("SET default_transaction_isolation = 'read committed'")
    return connection


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
class Lease:
    """A claimed job, until its end is reported."""

    job: Any  # a row of jobs.claim
    operation: Any  # a row of jobs.operations
    deadline: float
    task: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle | None = None
    output: str | None = None
    failure: str | None = None
    message: str = ""
    counted: bool = True  # as an attempt

    def renew(self, until: float) -> None:
        """Lets the job run until then. A timer, so that it stops in time whatever becomes of the next heartbeat."""
        if self.timer:
            self.timer.cancel()
        self.timer = asyncio.get_running_loop().call_at(min(until, self.deadline), self.stop)

    def stop(self, failure: str = "ambiguous", counted: bool = True) -> None:
        if self.task and self.task.cancel("stopped; it may have had its effect"):
            self.failure, self.counted = failure, counted

    def retry_in_ms(self) -> int | None:
        if self.failure in RETRIED or (self.failure in RETRIED_IF_IDEMPOTENT and self.operation.idempotent):
            tries = self.job.attempt if self.counted else self.job.put_off + 1
            return random.randint(1, min(250 * 2**tries, 60_000))
        return None


def keys(jobs: Iterable[Any]) -> tuple[list[int], list[int]]:
    """What names jobs, and the claims under which they are held."""
    named = [(job.pk_job_run, job.epoch) for job in jobs]
    return [pk for pk, _ in named], [epoch for _, epoch in named]


class Worker:
    def __init__(self) -> None:
        self.id = uuid4()  # of this start of the process
        self.loop = asyncio.get_running_loop()
        self.link = Link("worker")
        self.operations: dict[int, Any] = {}
        self.held: dict[int, Lease] = {}
        self.ended: list[Lease] = []  # of those, and not reported yet
        self.wake = asyncio.Event()
        self.notified, self.stopping = True, False
        self.active_at = self.scan_at = self.upkeep_at = self.maintain_at = self.unsure_until = 0.0

    async def run(self) -> None:
        rows = await self.link.call("SELECT * FROM jobs.operations()")
        known = {(row.service_name, row.operation): row for row in rows}
        if unknown := HANDLERS.keys() - known.keys():
            raise SystemExit(f"the database does not know {unknown}")
        self.operations = {known[name].code: known[name] for name in HANDLERS}
        serves = json.dumps({"operations": [f"{service}.{name}" for service, name in HANDLERS]})
        await self.link.call("SELECT jobs.register_worker(%s, 'worker.py', '1', %s)", self.id, serves)
        for name in STOPS:
            self.loop.add_signal_handler(name, self.stop)
        async with asyncio.TaskGroup() as group:
            background = [group.create_task(self.heartbeat()), group.create_task(self.listen())]
            while self.held or not self.stopping:
                self.wake.clear()
                try:
                    await self.report()
                    await self.upkeep()
                    await self.claim()
                    # Not every job is announced where many are queued, so shortly after a claim it looks often.
                    pause = 0.03 if self.loop.time() < self.active_at + 0.5 else random.uniform(0.75, 1.25)
                except UNREACHABLE as error:
                    logging.warning("the database is asked again: %r", error)
                    pause = 0.25
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.wake.wait(), pause)
            for task in background:
                task.cancel()
        await self.give_back_unheard()
        await self.link.call("SELECT jobs.unregister_worker(%s)", self.id)

    def stop(self) -> None:
        """Nothing more is claimed. What has begun may end; after a while it is given back."""
        for name in STOPS:
            self.loop.remove_signal_handler(name)  # a second one ends the process
        self.stopping = True
        self.wake.set()
        for lease in self.held.values():
            self.loop.call_later(STOP_WITHIN, lease.stop, "ambiguous", False)

    async def claim(self) -> None:
        now = self.loop.time()
        await self.give_back_unheard()
        room = CONCURRENCY - len(self.held)
        if room <= 0 or self.stopping:
            return
        from_head = self.notified or now >= self.scan_at  # and not from where this connection's last claim ended
        if from_head:
            self.notified, self.scan_at = False, now + 1
        call: LiteralString = "SELECT * FROM jobs.claim(%s, %s::integer[], %s, %s)"
        # Where its answer is lost the jobs are this worker's all the same, and it gives them back.
        unsure_until, self.unsure_until = self.unsure_until, now + UNSURE
        jobs = await self.link.call(call, self.id, list(self.operations), room, from_head)
        if self.stopping or self.loop.time() >= now + LEASE:
            # Nothing has begun: another worker takes them, and no attempt is used up.
            await self.link.call("SELECT jobs.release(%s, %s::bigint[], %s::integer[])", self.id, *keys(jobs))
            self.unsure_until = unsure_until
            return
        if len(jobs) < room:
            # A claim looks at a part of very many lanes. Then the next one goes on there, and need not be waited for.
            ask: LiteralString = "SELECT coalesce(pg_catalog.current_setting('specql.claim_partial', true), 'false') AS partial"
            if (await self.link.call(ask))[0].partial == "true":
                self.wake.set()
        for job in jobs:
            self.active_at = now
            if lost := self.held.get(job.pk_job_run):
                lost.stop()  # under an older epoch: nothing that it reports counts
            lease = Lease(job, self.operations[job.operation_code], deadline=now + job.timeout_seconds)
            self.held[job.pk_job_run] = lease
            lease.task = asyncio.create_task(self.carry_out(lease))
            lease.renew(now + LEASE)
        self.unsure_until = unsure_until

    async def give_back_unheard(self) -> None:
        """Where the answer to a claim was lost, nobody has begun its jobs."""
        if self.loop.time() < self.unsure_until:
            call: LiteralString = "SELECT * FROM jobs.unheard_leases(%s, %s::bigint[], %s::integer[])"
            if unheard := await self.link.call(call, self.id, *keys(lease.job for lease in self.held.values())):
                await self.link.call("SELECT jobs.release(%s, %s::bigint[], %s::integer[], true)", self.id, *keys(unheard))

    async def carry_out(self, lease: Lease) -> None:
        job, operation = lease.job, lease.operation
        try:
            if job.breaker == "open" or job.bound_code not in (0, job.operation_code):
                raise NoCapacity("only a fallback may be called, and this worker has none")
            lease.output = json.dumps(await HANDLERS[operation.service_name, operation.operation](job), default=text_of)
            lease.failure = None
        except asyncio.CancelledError as stopped:
            lease.failure, lease.message = lease.failure or "ambiguous", str(stopped)
        except Failure as failure:
            lease.failure, lease.message = failure.kind, str(failure)
        except Exception as error:
            lease.failure, lease.message = "ambiguous", repr(error)
        # All wait for what a probe finds, so it is not this job that pays for it.
        if lease.failure in PUT_OFF or (job.breaker == "probe" and lease.failure in AGAINST_SERVICE):
            lease.counted = False
        self.ended.append(lease)
        self.wake.set()

    async def report(self) -> None:
        for failed in (False, True):
            if leases := [lease for lease in self.ended if (lease.failure is not None) == failed]:
                await self.write(leases)

    async def write(self, leases: list[Lease]) -> None:
        """Reports successes, or failures; the callbacks run in the same transaction."""
        which = keys(lease.job for lease in leases)
        try:
            if leases[0].failure is None:
                call: LiteralString = "SELECT * FROM jobs.complete(%s, %s::bigint[], %s::integer[], %s::jsonb[], NULL, true)"
                results = await self.link.call(call, self.id, *which, [lease.output for lease in leases])
            else:
                failures, messages = [lease.failure for lease in leases], [lease.message for lease in leases]
                waits, counted = [lease.retry_in_ms() for lease in leases], [lease.counted for lease in leases]
                # Whether it is certain that nothing happened. None: the class says it.
                certain = [None if lease.counted else lease.failure in PUT_OFF for lease in leases]
                call = ("SELECT * FROM jobs.fail(%s, %s::bigint[], %s::integer[], %s, %s, %s::bigint[], %s, NULL, true,"
                        " %s::bool[])")
                results = await self.link.call(call, self.id, *which, failures, messages, waits, counted, certain)
        except UNSTORABLE as error:
            if len(leases) == 1:
                leases[0].failure, leases[0].message = "effect_result_lost", f"not storable: {type(error).__name__}"
            for lease in leases:
                await self.write([lease])
            return
        for lease, row in zip(leases, results, strict=True):
            if row.result == "busy":  # another transaction has it locked: said again in the next round
                continue
            # `fenced`: the lease was lost, the job's end is another worker's to tell, and nothing was changed.
            level = logging.WARNING if row.result == "fenced" else logging.INFO
            logging.log(level, "job %s: %s", lease.job.id, row.result)
            if lease.timer:
                lease.timer.cancel()
            self.ended.remove(lease)
            if self.held.get(lease.job.pk_job_run) is lease:
                del self.held[lease.job.pk_job_run]
            if lease.job.breaker == "probe":
                await self.tell_breaker(lease)

    async def tell_breaker(self, lease: Lease) -> None:
        """This job was to find out, for all workers, whether a service that failed works again."""
        if lease.failure in AGAINST_SERVICE:
            call: LiteralString = "SELECT jobs.open_breaker(%s, %s, 30000, 300000, %s)"
            await self.link.call(call, self.id, lease.job.operation_code, lease.message)
        elif lease.failure in (None, "permanent_reported"):
            await self.link.call("SELECT jobs.close_breaker(%s, %s)", self.id, lease.job.operation_code)
        else:
            await self.link.call("SELECT jobs.abandon_probe(%s, %s)", self.id, lease.job.operation_code)

    async def upkeep(self) -> None:
        """What every worker does for all."""
        now = self.loop.time()
        if now >= self.upkeep_at:
            self.upkeep_at = now + random.uniform(0.75, 1.25)
            limits = [row.limit_code for row in self.operations.values() if row.limit_code is not None]
            call: LiteralString = "SELECT jobs.trim_shares(%s, %s::integer[], %s::integer[])"
            await self.link.call(call, self.id, limits, [0 for _ in limits])  # what is in use stays
            await self.link.call("SELECT jobs.rescue()")
            await self.link.call("SELECT jobs.promote()")
            await self.link.call("SELECT jobs.move_to_lanes()")
            await self.link.call("SELECT jobs.run_callbacks()")
            await self.link.call("SELECT jobs.make_ranges()")
        if now >= self.maintain_at:
            self.maintain_at = now + random.uniform(45, 75)
            await self.link.call("SELECT jobs.maintain()")

    async def heartbeat(self) -> None:
        link = Link("heartbeat")
        call: LiteralString = "SELECT * FROM jobs.heartbeat(%s, %s::bigint[], %s::integer[])"
        while True:
            now, leases = self.loop.time(), list(self.held.values())
            try:
                rows = await link.call(call, self.id, *keys(lease.job for lease in leases))
            except UNREACHABLE as error:
                logging.warning("a heartbeat failed and is repeated: %r", error)
                await asyncio.sleep(0.5)
                continue
            held = {row.pk_job_run: row.cancel_requested for row in rows}
            for lease in leases:
                match held.get(lease.job.pk_job_run):
                    case False:
                        lease.renew(now + LEASE)
                    case True:
                        lease.stop("cancelled")
                    case None:  # the lease is lost
                        lease.stop()
            await asyncio.sleep(HEARTBEAT)

    async def listen(self) -> None:
        while True:
            with suppress(*UNREACHABLE):
                async with await connect("listen") as connection:
                    await connection.execute("LISTEN jobs_ready")
                    self.notified = True  # by what was announced before
                    async for _ in connection.notifies():
                        self.notified = True
                        self.wake.set()
            await asyncio.sleep(1)


async def main() -> None:
    logging.basicConfig(level=logging.INFO)
    await Worker().run()


if __name__ == "__main__":

    @operation("ledger", "post")
    async def post(job: Any) -> dict[str, str]:
        """An operation of the registry: its schemas there say what `job.input_data` holds and what is answered."""
        return {"entry": str(job.id)}

    asyncio.run(main())
