import asyncio
import math
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from api.problems import Overloaded, problem
from api.writer import Writer
from engine.actor import Visibility
from engine.commands import Asked, FireTrigger, OpenCase
from engine.errors import Busy, Text
from engine.handle import Done, Engine, Failed, Outcome, Refused, handle
from engine.pace import MOST
from engine.store import cases, worklists
from engine.store.worklists import Filter
from tests.builders import START, School, a_school, an_engine
from tests.databases import Kind, on_postgresql, on_sqlite


@pytest.fixture
def engine(tmp_path: Path, kind: Kind) -> Iterator[Engine]:
    made = an_engine(tmp_path, kind)
    yield made
    made.database.close()


@pytest.fixture
def school(engine: Engine) -> School:
    return a_school(engine.database)


def a_report(school: School, title: str, key: str | None = None) -> Asked:
    return Asked(school.actor("teacher"), OpenCase("repair", {"title": title, "place": "A"}), "POST /repairs", key)


@contextmanager
def held(engine: Engine) -> Iterator[None]:
    """Nobody else can write meanwhile, so that commands gather behind the one that tries."""
    with engine.database.write_across():
        yield


def asked_at_once(writer: Writer, group: list[Asked], release: threading.Event | None = None) -> list[Outcome | Busy]:
    answers: list[Outcome | Busy | None] = [None] * len(group)

    def ask(index: int, asked: Asked) -> None:
        try:
            answers[index] = asyncio.run(writer.ask(asked))
        except Busy as busy:
            answers[index] = busy

    threads = [threading.Thread(target=ask, args=pair) for pair in enumerate(group)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return [answer for answer in answers if answer is not None]


def test_everybody_gets_the_outcome_of_his_own_command(engine: Engine, school: School) -> None:
    writer = Writer(engine)
    group = [a_report(school, f"report {n}") for n in range(MOST + 6)]
    group[10] = Asked(school.actor("driver"), FireTrigger("WX-2020-9999", "fix"))
    answers = asked_at_once(writer, group)
    writer.stop()
    assert isinstance(answers[10], Refused)
    titles = [a.case.title for a in answers if isinstance(a, Done)]
    assert sorted(titles) == sorted(f"report {n}" for n in range(MOST + 6) if n != 10)
    numbers = {a.case.number for a in answers if isinstance(a, Done)}
    assert len(numbers) == len(titles)


def test_the_same_key_twice_in_one_group_is_one_case(engine: Engine, school: School) -> None:
    writer = Writer(engine)
    answers = asked_at_once(writer, [a_report(school, "once", key="k")] * 8)
    writer.stop()
    done = [a for a in answers if isinstance(a, Done)]
    assert len(done) == 8
    assert len({a.case.number for a in done}) == 1
    assert sum(not a.replayed for a in done) == 1


def test_a_commit_that_fails_is_told_to_the_whole_group_and_nothing_happened(
    engine: Engine, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(*_: object) -> list[Outcome]:
        words = Text("磁盘已满", "the disk is full")
        raise Busy(asked=words, obstacle=words, remedy=words)

    monkeypatch.setattr("api.writer.handle", no_space)
    writer = Writer(engine)
    answers = asked_at_once(writer, [a_report(school, f"report {n}") for n in range(5)])
    assert all(isinstance(answer, Busy) for answer in answers) and len(answers) == 5
    monkeypatch.undo()
    assert isinstance(asyncio.run(writer.ask(a_report(school, "afterwards"))), Done), "the writer outlives a bad group"
    writer.stop()


@on_sqlite  # one group at a time; on PostgreSQL several are on their way
def test_more_than_may_wait_are_refused_at_once(
    engine: Engine, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    gathered, released = threading.Event(), threading.Event()

    def held_up(*given: Any) -> list[Outcome]:
        gathered.set()
        released.wait()
        return handle(*given)

    monkeypatch.setattr("api.writer.handle", held_up)
    writer = Writer(engine, limit=2)
    threads = []
    for n in range(3):  # the first is held up with its group, two wait behind it
        asking = threading.Thread(target=asked_at_once, args=(writer, [a_report(school, f"waits {n}")]))
        asking.start()
        gathered.wait()
        threads.append(asking)
    while writer._waiting.qsize() < 2:
        threads[-1].join(0.001)
    with pytest.raises(Overloaded) as refused:
        asyncio.run(writer.ask(a_report(school, "too many")))
    answer = problem(refused.value, "zh", "/api/v1/hazards")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    released.set()
    for thread in threads:
        thread.join()
    writer.stop()
    with engine.database.read_across() as connection:
        assert worklists.count(connection, Visibility("school", everything=True), Filter(), START) == 3


def test_stopping_carries_out_what_waits_and_takes_no_more(engine: Engine, school: School) -> None:
    writer = Writer(engine)
    answers: list[Outcome | Busy] = []
    asking = threading.Thread(target=lambda: answers.extend(asked_at_once(writer, [a_report(school, "last")])))
    with held(engine):
        asking.start()
        while not writer._lanes:
            asking.join(0.001)
    asking.join()
    writer.stop()
    assert [type(answer) for answer in answers] == [Done]
    with pytest.raises(Busy):
        asyncio.run(writer.ask(a_report(school, "too late")))
    assert not writer.alive
    with engine.database.read_across() as connection:
        seen = Visibility("school", everything=True)
        assert worklists.count(connection, seen, Filter(), START) == 1


def test_who_gives_up_waiting_takes_nothing_back(engine: Engine, school: School) -> None:
    """A web server that stops cancels what it waits for; the command is carried out all the same, and the writer goes on."""
    writer = Writer(engine)

    async def give_up() -> None:
        waiting = asyncio.ensure_future(writer.ask(a_report(school, "given up", key="k")))
        await asyncio.sleep(0)  # it is in the queue now
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    with held(engine):
        asyncio.run(give_up())
    again = asyncio.run(writer.ask(a_report(school, "given up", key="k")))
    writer.stop()
    assert isinstance(again, Done) and again.replayed


@on_sqlite  # where one who writes holds up everybody
def test_who_waits_too_long_is_told_that_the_outcome_is_not_known(
    engine: Engine, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.writer.ANSWER_SECONDS", 0)
    writer = Writer(engine)
    with held(engine), pytest.raises(Busy, match="not known"):
        asyncio.run(writer.ask(a_report(school, "slow")))
    writer.stop()


@on_postgresql  # in a file nobody holds a row without holding everything
@pytest.mark.parametrize("way", ["one", "many"])
def test_a_group_that_has_to_wait_for_somebody_else_does_not_keep_the_others_waiting(
    engine: Engine, school: School, way: str
) -> None:
    writer = Writer(engine)
    [held_up] = writer.ask_all([a_report(school, "held up")])
    assert isinstance(held_up, Done)
    number = held_up.case.number
    answers: list[Outcome | Busy] = []
    step = Asked(school.actor("teacher"), FireTrigger(number, "withdraw"))
    asking = threading.Thread(target=lambda: answers.extend(asked_at_once(writer, [step])))
    with engine.database.write("school") as connection:
        cases.load(connection, "school", number, lock=True)
        asking.start()
        while not any(lane_began < math.inf for lane_began in writer._lanes.values()):
            asking.join(0.001)
        other = a_report(school, "in the meantime")
        [outcome] = writer.ask_all([other]) if way == "many" else [asyncio.run(writer.ask(other))]
        assert isinstance(outcome, Done) and asking.is_alive()
    asking.join()
    writer.stop()
    assert len(answers) == 1 and not isinstance(answers[0], Busy)


@on_postgresql
def test_who_happens_to_be_in_a_group_with_one_that_waits_in_vain_is_served_all_the_same(
    tmp_path: Path, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.store.database.LOCK_SECONDS", 1)
    with closing((engine := an_engine(tmp_path, kind)).database):
        school, writer = a_school(engine.database), Writer(engine)
        [held_up] = writer.ask_all([a_report(school, "held up")])
        assert isinstance(held_up, Done)
        number = held_up.case.number
        steps = [Asked(school.actor("teacher"), FireTrigger(number, "withdraw"))] * 2
        with engine.database.write("school") as connection:
            cases.load(connection, "school", number, lock=True)
            outcomes = handle(engine, [steps[0], a_report(school, "one"), steps[1], a_report(school, "another")])
            asked = writer.ask_all([a_report(school, "a third"), *steps])
        writer.stop()
    assert [type(outcome) for outcome in outcomes] == [Failed, Done, Failed, Done]
    assert all(isinstance(outcome.error, Busy) for outcome in outcomes if isinstance(outcome, Failed))
    assert [type(outcome) for outcome in asked] == [Done, Busy, Busy]


def test_lanes_that_come_and_go_are_no_dead_ones(engine: Engine) -> None:
    writer = Writer(engine)
    enough = threading.Event()
    seen: set[bool] = set()

    def look() -> None:
        while not enough.is_set():
            seen.add(writer.alive)

    looking = threading.Thread(target=look)
    looking.start()
    for _ in range(300):
        with writer._lock:
            writer._open_lane(0)
    enough.set()
    looking.join()
    writer.stop()
    assert seen == {True}


def test_a_lane_the_system_has_no_thread_for_is_opened_by_whoever_comes_next(
    engine: Engine, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    writer = Writer(engine)
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(Busy, match="no thread"):
            asyncio.run(writer.ask(a_report(school, "too early")))
    assert writer.alive
    assert isinstance(asyncio.run(writer.ask(a_report(school, "afterwards"))), Done)
    writer.stop()
