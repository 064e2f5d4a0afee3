"""The serving process's one writer: takes waiting commands in groups, commits each group once, then answers everybody in it."""

import queue
import threading
from concurrent.futures import Future

from sqlalchemy.exc import OperationalError

from engine.commands import Asked
from engine.errors import Busy, Text
from engine.handle import Engine, Failed, Outcome, handle

# Nobody is kept waiting for company: while one group commits, the next one gathers by itself.
GROUP = 64  # commands under one commit; longer groups would keep their first asker waiting
ANSWER_SECONDS = 30.0  # longer than any group takes; a caller that waits longer is told to come again

_Waiting = tuple[Asked, "Future[Outcome]"]


class Writer:
    """Hands commands to `handle` in groups of at most 64, in the order they came.

    limit     commands that may wait; beyond it callers are refused at once instead of piling up
    """

    def __init__(self, engine: Engine, limit: int = 1000) -> None:
        self._engine = engine
        self._waiting: queue.Queue[_Waiting | None] = queue.Queue(maxsize=limit)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopped = False

    def ask(self, asked: Asked) -> Outcome:
        """The command's outcome, durable when this returns.

        Raises    Busy when too many are waiting, when the group could not be committed, or when the process is stopping
        """
        answer: Future[Outcome] = Future()
        with self._lock:
            if self._stopped:
                raise _busy(Text("服务正在停止", "the server is stopping"))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
                self._thread.start()
            try:
                self._waiting.put_nowait((asked, answer))
            except queue.Full:
                raise _busy(Text("等待写入的请求过多", "too many requests are waiting to be written")) from None
        try:
            return answer.result(timeout=ANSWER_SECONDS)
        except TimeoutError:
            # it may still be carried out: the key makes asking again harmless
            raise _busy(Text("写入超时，结果未知", "it took too long, and what became of it is not known")) from None

    def stop(self) -> None:
        """Take no more commands, carry out those that wait, and end."""
        with self._lock:
            self._stopped = True
            thread = self._thread
        if thread is not None and thread.is_alive():
            self._waiting.put(None)  # behind all that wait
            thread.join()

    @property
    def alive(self) -> bool:
        """Whether the writer would take a command now."""
        return not self._stopped and (self._thread is None or self._thread.is_alive())

    def _run(self) -> None:
        going_on = True
        while going_on:
            group: list[_Waiting] = []
            going_on = self._gather(group)
            if group:
                self._carry_out(group)

    def _gather(self, group: list[_Waiting]) -> bool:
        """Everything that waits now, at most a group's worth; blocks for the first. False when told to stop."""
        item = self._waiting.get()
        while item is not None:
            group.append(item)
            if len(group) == GROUP:
                return True
            try:
                item = self._waiting.get_nowait()
            except queue.Empty:
                return True
        return False

    def _carry_out(self, group: list[_Waiting]) -> None:
        try:
            outcomes = handle(self._engine, [asked for asked, _ in group])
        except Exception as error:  # noqa: BLE001  # nobody may be left waiting, and the writer has to outlive a bad group
            for _, answer in group:
                answer.set_exception(error)
            return
        for (_, answer), outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, Failed) and isinstance(outcome.error, OperationalError):
                answer.set_exception(_busy(Text("数据库暂不可用", "the database is not available")))
            else:
                answer.set_result(outcome)


def _busy(obstacle: Text) -> Busy:
    return Busy(
        asked=Text("办理请求", "Carry out the request"),
        obstacle=obstacle,
        remedy=Text("请稍后用同一幂等键重试", "Try again in a moment with the same idempotency key"),
    )
