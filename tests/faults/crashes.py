"""Somebody dies before or after a statement that writes, at every one in turn, and at the commit itself.

On SQLite the process kills itself, as the driver tells it that the n-th write begins. On PostgreSQL triggers count writes,
in a sequence, which no rollback turns back, and at the n-th the server's process ends itself: for the product its
connection is gone. After each crash nothing at all may have been written; then the same is asked again, and dies one write
later, until it is through.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.commands import Asked
from engine.errors import Busy
from engine.handle import handle
from engine.tick import tick
from tests.databases import KINDS, Kind
from tests.faults.faults import Counted, Fault, Ground, Plain, at_a_school
from tests.faults.forks import Crash, Forks, What, When, Work, the_forks
from tests.faults.invariants import Answer, Broken, answer_of, contents
from tests.faults.places import COMMANDS, Place, seal_everything
from tests.faults.triggers import Plan, triggers_in

WHERE: Sequence[When] = ("before", "after", "at commit", "unheard")
#: what dies: a command of each kind, a group of all of them, a tick, a round of deliveries, a round of the sealer
VICTIMS: Sequence[tuple[What, str]] = (
    *(("handle", name) for name in COMMANDS),
    ("tick", "tick"),
    ("deliver", "deliver"),
    ("seal", "seal"),
)
#: cycle number n is the n-th of these, over and over
TURNS: Sequence[tuple[What, str, When]] = [(what, name, when) for when in WHERE for what, name in VICTIMS]
MOST_WRITES = 2_000  # of one piece of work; beyond it something is going round in circles

Answers = Sequence[Answer]
#: does the work where it can die; None: it died
Victim = Callable[[What, Sequence[Asked], Crash | None], Answers | None]


@dataclass
class Crashing(Plain):
    """
    forks     who dies on SQLite
    strides   how many writes one command, and a long piece of work, may live longer from one crash to the next; 1: it
              dies at each
    """

    forks: Forks | None = None
    strides: tuple[int, int] = (1, 5)


@contextmanager
def _ground(kind: Kind, folder: Path, *, short: bool) -> Iterator[Crashing]:
    forks = the_forks() if kind == "sqlite" else None
    yield Crashing(kind, folder, forks, (6, 50) if short else (1, 5))


def _cycle(ground: Ground, place: Place, chance: random.Random, number: int) -> Counted:
    """One piece of work that dies at its first write, then at its second, … until it is through."""
    assert isinstance(ground, Crashing)
    what, name, when = TURNS[number % len(TURNS)]
    counted = Counted()
    group = tuple(COMMANDS[name](place)) if what == "handle" else ()
    if what in ("deliver", "seal"):
        place.ask(*COMMANDS["group"](place))  # something to send, and to number
    with _victim(ground, place) as do:
        answers = _died_until_through(ground, place, chance, do, what, group, when, counted)
    place.acknowledge(group, answers)
    return counted


def _died_until_through(
    ground: Crashing,
    place: Place,
    chance: random.Random,
    do: Victim,
    what: What,
    group: Sequence[Asked],
    when: When,
    counted: Counted,
) -> Answers:
    before = contents(place.engine.database)
    crash = 1
    while crash < MOST_WRITES:
        answers = do(what, group, Crash(when, crash))
        if answers is not None:
            return answers
        if when == "unheard":
            counted.unheard += 1
            break
        counted.undone += 1
        if what == "handle" and contents(place.engine.database) != before:
            raise Broken(f"died {when} write {crash} of {group}, and something was written")
        crash += chance.randint(1, ground.strides[len(group) != 1])
    again = do(what, group, None)  # under the same keys
    assert again is not None
    return again


# --- who dies ------------------------------------------------------------------------------------------------------------


@contextmanager
def _victim(ground: Crashing, place: Place) -> Iterator[Victim]:
    if ground.forks is not None:
        yield _in_a_fork(ground.forks, place)
        return
    with triggers_in(place) as plan:
        yield _on_server(place, plan)


def _in_a_fork(forks: Forks, place: Place) -> Victim:
    def do(what: What, group: Sequence[Asked], crash: Crash | None) -> Answers | None:
        return forks.run(Work(place.url, place.school.clock.now(), what, tuple(group), place.post, crash)).answers

    return do


def _on_server(place: Place, plan: Plan) -> Victim:
    def do(what: What, group: Sequence[Asked], crash: Crash | None) -> Answers | None:
        if crash is None or crash.when == "unheard":
            plan.nothing()
        else:
            plan.at(crash.when, crash.number)
        answers: Answers = ()
        try:
            if what == "handle":
                answers = [answer_of(outcome) for outcome in handle(place.engine, group)]
            elif what == "tick":
                tick(place.engine)
            elif what == "deliver":
                place.deliver()
            else:
                seal_everything(place.engine)
        except Busy:
            return None
        return None if crash is not None and crash.when == "unheard" else answers

    return do


CRASHES = Fault(
    "crashes", "dies before and after every statement that writes, at the commit, and before its answer is heard", KINDS,
    _ground, at_a_school(_cycle),
)  # fmt: skip
