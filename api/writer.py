"""The serving process's writer: takes waiting commands in groups, commits each group once, then answers everybody in it.

There is one lane, since groups are what makes it quick; on PostgreSQL, where a group may have to wait for somebody else's
locks, others are opened while it is held up (engine/decisions/0009).
"""

import asyncio
import math
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from sqlalchemy.exc import OperationalError

from api.problems import Overloaded, cannot_write
from engine.commands import Asked
from engine.errors import Busy, Text
from engine.handle import Engine, Failed, Outcome, handle
from engine.pace import Pace

PATIENCE_SECONDS = 0.1  # several times what a group may take; a lane that is longer about one is held up
SPARE_SECONDS = 1.0  # a lane that was opened meanwhile ends when it had nothing to do for so long
ANSWER_SECONDS = 30.0  # longer than any group takes; a caller that waits longer is told to come again

_ASKED = Text("办理请求", "Carry out the request")
_REMEDY = Text("请稍后用同一幂等键重试", "Try again in a moment with the same idempotency key")


class Watching(Protocol):
    """Whoever is told what the writer does. Quick, and raises nothing."""

    def answered(self, asked: Asked, outcome: Outcome | Exception, seconds: float) -> None:
        """A command's outcome is durable, or it has none; it was asked so many seconds ago."""
        ...

    def waits(self, commands: int) -> None:
        """So many commands wait now."""
        ...


class _Unwatched:
    def answered(self, asked: Asked, outcome: Outcome | Exception, seconds: float) -> None:
        pass

    def waits(self, commands: int) -> None:
        pass


class _Waiting(NamedTuple):
    """since    of time.monotonic
    woken    what somebody in an event loop waits for until there is an answer, and that loop
    """

    asked: Asked
    answer: "Future[Outcome]"
    since: float
    woken: "tuple[asyncio.AbstractEventLoop, asyncio.Future[None]] | None" = None


class Writer:
    """Hands commands to `handle` in groups that hold nobody up for long, a lane's in the order they came.

    limit     commands that may wait; beyond it callers are refused at once instead of piling up
    place     the database's file, or the data folder where a server keeps the database
    watching  is told what becomes of each command, and how many wait
    """

    def __init__(
        self, engine: Engine, limit: int = 1000, place: Path | None = None, watching: Watching | None = None
    ) -> None:
        self._engine = engine
        self._watching = watching or _Unwatched()
        self._place = place
        self._opened = None if place is None else _identity(place)
        self._limit = limit
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        # of each lane, when it began with the group it has; infinity while it has none
        self._lanes: dict[threading.Thread, float] = {}
        self._stopped = False
        self._pace = Pace()

    async def ask(self, asked: Asked) -> Outcome:
        """The command's outcome, durable when this returns. Whoever waits for it holds no thread up.

        Raises    Overloaded when too many are waiting; Busy when the group could not be committed, or when the process is stopping
        """
        loop = asyncio.get_running_loop()
        # beside the answer and not for it: who gives up waiting must not take the command back
        carried_out: asyncio.Future[None] = loop.create_future()
        answer = self._put(asked, (loop, carried_out))
        for patience in self._patience():
            done, _ = await asyncio.wait([carried_out], timeout=patience)
            if done:
                return answer.result()
            self._open_another_lane()
        raise _unknown()

    def ask_all(self, many: Sequence[Asked]) -> list[Outcome | Busy]:
        """The outcomes of commands that do not depend on each other, in their order, each durable when this returns.

        What could not be written is told in its place: its neighbours may well have been.
        """
        waiting: list[Future[Outcome] | Busy] = []
        for asked in many:
            try:
                waiting.append(self._put(asked))
            except Busy as refusal:
                waiting.append(refusal)
        outcomes: list[Outcome | Busy] = []
        for answer in waiting:
            try:
                outcomes.append(answer if isinstance(answer, Busy) else self._outcome_of(answer))
            except Busy as refusal:
                outcomes.append(refusal)
            except Exception as error:  # noqa: BLE001  # a defect in one group: other groups of the same many were committed
                outcomes.append(Failed(error))
        return outcomes

    def _put(
        self, asked: Asked, woken: "tuple[asyncio.AbstractEventLoop, asyncio.Future[None]] | None" = None
    ) -> "Future[Outcome]":
        since = time.monotonic()
        waiting = _Waiting(asked, Future(), since, woken)
        try:
            self._queue(waiting)
        except Busy as refusal:
            self._watching.answered(asked, refusal, time.monotonic() - since)
            raise
        self._watching.waits(self._waiting.qsize())
        return waiting.answer

    def _queue(self, waiting: _Waiting) -> None:
        with self._lock:
            if self._stopped:
                raise _busy(Text("服务正在停止", "the server is stopping"))
            if not self._lanes and not self._open_lane(None):
                raise _busy(Text("系统暂时没有可用的线程", "the system has no thread to give just now"))
            if self._waiting.qsize() >= self._limit:
                raise Overloaded(
                    asked=_ASKED,
                    obstacle=Text("等待写入的请求过多", "too many requests are waiting to be written"),
                    remedy=_REMEDY,
                )
            self._waiting.put(waiting)

    def _outcome_of(self, answer: "Future[Outcome]") -> Outcome:
        for patience in self._patience():
            try:
                return answer.result(timeout=patience)
            except TimeoutError:
                self._open_another_lane()
        raise _unknown()

    def _patience(self) -> list[float]:
        """Who waits looks after each of these whether it is time for another lane, if there can be one, and then gives up."""
        if self._engine.database.lanes == 1:
            return [ANSWER_SECONDS]
        return [PATIENCE_SECONDS] * (1 + int(ANSWER_SECONDS / PATIENCE_SECONDS))

    def _open_another_lane(self) -> None:
        """Where every one there is, is held up; asked by who waits, so that nobody has to watch."""
        with self._lock:
            free = len(self._lanes) < self._engine.database.lanes and not self._stopped
            if free and time.monotonic() - max(self._lanes.values()) > PATIENCE_SECONDS:
                self._open_lane(SPARE_SECONDS)

    def _open_lane(self, idle_seconds: float | None) -> bool:
        """Whether there is one more now; under the lock. Without, whoever comes next tries again."""
        lane = threading.Thread(target=self._run, args=[idle_seconds], name=f"writer {len(self._lanes)}", daemon=True)
        self._lanes[lane] = math.inf
        try:
            lane.start()
        except RuntimeError:  # no thread to be had; one that never ran would pass for free, and for dead
            del self._lanes[lane]
            return False
        return True

    def stop(self) -> None:
        """Take no more commands, carry out those that wait, and end."""
        with self._lock:
            self._stopped = True
            lanes = [lane for lane in self._lanes if lane.is_alive()]
        for _ in lanes:
            self._waiting.put(None)  # behind all that wait
        for lane in lanes:
            lane.join()

    @property
    def alive(self) -> bool:
        """Whether the writer would take a command now."""
        with self._lock:  # while others come and go
            return not self._stopped and all(lane.is_alive() for lane in self._lanes)

    def must_be_in_place(self) -> None:
        """Raises Busy when the place no longer leads to the file or folder that was opened.

        An open file can be written to long after it was deleted: every answer would be a promise nobody can keep.
        """
        if self._place is not None and self._opened is not None and _identity(self._place) != self._opened:
            raise Busy(
                asked=Text("写入数据", "Write it down"),
                obstacle=Text(
                    "数据目录在运行期间被移走、删除或替换", "the data folder was moved, deleted or replaced meanwhile"
                ),
                remedy=Text(
                    "请联系管理员：放回数据目录，并重新启动服务",
                    "Tell the administrator: put the data folder back and start the service again",
                ),
            )

    def _run(self, idle_seconds: float | None) -> None:
        """One lane, until it is told to stop, or has nothing to do for so long."""
        lane = threading.current_thread()
        going_on = True
        while going_on:
            group: list[_Waiting] = []
            going_on = self._gather(group, idle_seconds)
            self._watching.waits(self._waiting.qsize())
            if group:
                self._lanes[lane] = time.monotonic()
                self._carry_out(group)
                self._lanes[lane] = math.inf
        if idle_seconds is not None:
            with self._lock:
                del self._lanes[lane]

    def _gather(self, group: list[_Waiting], idle_seconds: float | None) -> bool:
        """What waits now, at most a group's worth; waits for the first. False when there is no more to come."""
        # nobody is kept waiting for company: while one group commits, the next one gathers by itself
        try:
            item = self._waiting.get(timeout=idle_seconds)
        except queue.Empty:
            return False
        while item is not None:
            group.append(item)
            if len(group) >= self._pace.size:
                return True
            try:
                item = self._waiting.get_nowait()
            except queue.Empty:
                return True
        return False

    def _carry_out(self, group: list[_Waiting]) -> None:
        for waiting, outcome in zip(group, self._outcomes(group), strict=True):
            # told first: whoever has his answer finds it counted
            self._watching.answered(waiting.asked, outcome, time.monotonic() - waiting.since)
            if isinstance(outcome, Exception):
                waiting.answer.set_exception(outcome)
            else:
                waiting.answer.set_result(outcome)
        # each loop once for all of the group: waking it up costs a change of threads
        woken: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        for loop, carried_out in (waiting.woken for waiting in group if waiting.woken is not None):
            woken.setdefault(loop, []).append(carried_out)
        for loop, many in woken.items():
            with suppress(RuntimeError):  # the loop has ended, and whoever waited in it
                loop.call_soon_threadsafe(_settle, many)

    def _outcomes(self, group: list[_Waiting]) -> Sequence[Outcome | Exception]:
        try:
            self.must_be_in_place()
            with self._pace.of(len(group), self._engine.database.waited):
                outcomes = handle(self._engine, [waiting.asked for waiting in group])
        except OperationalError as error:  # a full disk takes the whole transaction away, savepoints and all
            return [cannot_write(error) for _ in group]
        except Exception as error:  # noqa: BLE001  # nobody may be left waiting, and the writer has to outlive a bad group
            return [error] * len(group)
        return [_told(outcome) for outcome in outcomes]


def _told(outcome: Outcome) -> Outcome | Exception:
    if isinstance(outcome, Failed) and isinstance(outcome.error, Busy):
        return outcome.error
    if isinstance(outcome, Failed) and isinstance(outcome.error, OperationalError):
        return cannot_write(outcome.error)
    return outcome


def _settle(waited_for: "Sequence[asyncio.Future[None]]") -> None:
    for carried_out in waited_for:
        if not carried_out.done():  # or cancelled, by who gave up
            carried_out.set_result(None)


def _unknown() -> Busy:
    """It may still be carried out: the key makes asking again harmless."""
    return _busy(Text("写入超时，结果未知", "it took too long, and what became of it is not known"))


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file lies there; None for none, or where the system does not say."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found.st_ino else None


def _busy(obstacle: Text) -> Busy:
    return Busy(asked=_ASKED, obstacle=obstacle, remedy=_REMEDY)
