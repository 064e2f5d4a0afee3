"""Where it happens: a school in the middle of its work, in a database of either kind, and somebody outside who counts what
arrives.

Two reported hazards, two that Alice has to fix, one to be verified, one to be approved, an errand; two days owe a daily
round that nobody opened yet, rungs fell due that nobody told, and a corrected calendar moves two deadlines.
"""

import itertools
import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import select

from api import migrations
from api.sources import DirectoryOfTheEngine, OutboxOfTheEngine
from engine.actor import Actor, system
from engine.case import Case
from engine.clock import Clock, SimulatedClock
from engine.commands import Asked, Command, FireTrigger, OpenCase, OpenPeriod, Recompute, Remind
from engine.definition import Catalog
from engine.errors import Text
from engine.events import Recipient
from engine.handle import Engine, Outcome, handle
from engine.sealing import number_all, seal
from engine.store import calendars, people, timers
from engine.store.database import Database, table_of
from engine.tick import tick
from notifications.accounts import AccountBook
from notifications.channels import Account, Receipt
from notifications.channels.forms import NothingToSetUp
from notifications.channels.inbox import InboxChannel
from notifications.message import Outgoing
from notifications.office import LEASE, PostOffice
from notifications.tables import DeliveryRow
from notifications.worker import DeliveryWorker
from tests.databases import Kind, Template, dropping_copies
from tests.engine.fakes import FOUNDED, HERE, PHOTO, STEPS, WITH_ERRANDS, FakeSigner, School, local
from tests.faults.invariants import Answer, Ledger, answer_of, owed
from tests.notifications.fakes import OpenVault
from workflows.wording import ERROR_WORDS

NOW = "2019-12-06 08:00"  # a Friday; what is done to the school is done from here on
CATALOG: Catalog = WITH_ERRANDS

#: one after the other, so that every number below is known: title → steps it has gone
STAGED: Mapping[str, Sequence[tuple[str, str]]] = {
    "YH-2019-0001": (),
    "YH-2019-0002": (),
    "YH-2019-0003": (("sam", "assign"),),
    "YH-2019-0004": (("sam", "assign"),),
    "YH-2019-0005": (("sam", "assign"), ("alice", "fix")),
    "YH-2019-0006": (("sam", "assign"), ("alice", "fix"), ("erin", "verify")),
}
ERRAND = "BG-2019-0001"


def _stage(database: Database) -> None:
    school = School(Engine(database, CATALOG, clock := SimulatedClock(local("2019-12-02 09:00")), ERROR_WORDS), clock)
    for number, steps in STAGED.items():
        data = {"title": number, "category": "ELEC.use", "place": f"教室 {number}", "photos": [PHOTO]}
        assert school.do("charlie", OpenCase("hazard", data), key=number).case.number == number
        for who, trigger in steps:
            school.do(who, FireTrigger(number, trigger, STEPS[trigger]), key=f"{number} {trigger}")
    opened = school.do("bob", OpenCase("errand", {"title": "取快递", "department": "HQC"}), key=ERRAND)
    assert opened.case.number == ERRAND
    school.owe("daily_round", "HQC", "2019-12-05", "2019-12-06")
    school.at("2019-12-04 09:00").revise(date(2019, 12, 5))
    with tempfile.TemporaryDirectory() as folder:  # what there was to tell is told; `Post.begin_with` has it again
        a_worker(database, school.clock, Post(Path(folder) / "post")).run_once()


AT_WORK = Template(_stage, upon=FOUNDED)


def prepare(database: Database) -> None:
    """The same in an empty database, for who has a server of his own."""
    migrations.upgrade(database)
    FOUNDED._prepare(database)
    _stage(database)


# --- the other side of the messages --------------------------------------------------------------------------------------


@dataclass
class Post:
    """What arrived, a line each in a file: it survives whoever sent it. As a person's messenger, it takes no message back."""

    file: Path
    name: str = "robot"
    outside: bool = True
    serves: Literal["person"] = "person"

    title = Text("替身", "Stand-in")
    limit = None
    form = NothingToSetUp

    def address_of(self, recipient: Recipient) -> str | None:
        return recipient.person

    def close(self) -> None:
        """Whoever reads the file opens it himself."""

    def send(self, message: Outgoing, account: Account) -> Receipt:
        self._write(message.key, message.addressee.key, (notice.id for notice in message.items))
        return Receipt("200")

    def begin_with(self, database: Database) -> None:
        """What was sent before anybody counted counts as arrived."""
        table = table_of(DeliveryRow)
        sent = select(table).where(table.c.channel == self.name, table.c.status == "sent").order_by(table.c.message)
        with database.read_across() as connection:
            rows = list(connection.execute(sent))
        for (key, person), notices in itertools.groupby(rows, key=lambda row: (row.message, row.addressee)):
            self._write(key, person, (row.notice for row in notices))

    def _write(self, key: str, person: str, notices: Iterable[str]) -> None:
        line = json.dumps([key, person, sorted(notices)])
        descriptor = os.open(self.file, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        try:
            os.write(descriptor, f"{line}\n".encode())  # whole or not at all, whoever else writes
        finally:
            os.close(descriptor)

    def arrived(self) -> Sequence[tuple[str, str]]:
        """(key, what it said) of each, in the order they came."""
        lines = self.file.read_text(encoding="utf-8").splitlines() if self.file.exists() else []
        return [(json.loads(line)[0], line) for line in lines]

    def counted(self) -> Counter[str]:
        """How often something came under each key."""
        return Counter(key for key, _ in self.arrived())


def seal_everything(engine: Engine) -> None:
    """Number what waits and sign the tree of everybody, as a node does all the time."""
    number_all(engine.database)
    with engine.database.read_across() as connection:
        organisations = [each.organisation for each in people.organisations(connection)]
    for organisation in organisations:
        seal(engine.database, organisation, FakeSigner(), engine.clock)


BOOK = AccountBook(OpenVault())  # nobody set anything up


def a_worker(database: Database, clock: Clock, post: Post) -> DeliveryWorker:
    """A delivery worker as `api.bootstrap` makes it, with this way out besides everybody's desk."""
    channels: list[Any] = [InboxChannel(database, clock), post]
    office = PostOffice(database, OutboxOfTheEngine(), DirectoryOfTheEngine(clock, CATALOG), channels, BOOK, clock)
    return DeliveryWorker(office)


# --- the place -----------------------------------------------------------------------------------------------------------


@dataclass
class Place:
    """One school for one cycle. Every command goes through `ask`, which enters what was acknowledged into the ledger."""

    school: School
    post: Post
    url: str
    ledger: Ledger = field(default_factory=Ledger)
    _actors: dict[str, Actor] = field(default_factory=dict)

    @property
    def engine(self) -> Engine:
        return self.school.engine

    def ask(self, *group: Asked) -> list[Outcome]:
        """As one group, from this process. Raises what `handle` raises; then nothing was acknowledged."""
        outcomes = handle(self.engine, group)
        self.acknowledge(group, [answer_of(outcome) for outcome in outcomes])
        return outcomes

    def acknowledge(self, group: Sequence[Asked], answers: Sequence[Answer]) -> None:
        for asked, answer in zip(group, answers, strict=True):
            self.ledger.enter(asked, answer)

    def deliver(self) -> None:
        a_worker(self.engine.database, self.school.clock, self.post).run_once()

    def settle(self) -> None:
        """Whoever died is long gone, his leases with him: everything due is told and sent."""
        self.school.clock.advance(2 * LEASE)
        ticked = tick(self.engine)
        assert not ticked.failed, ticked.failed
        self.deliver()
        seal_everything(self.engine)

    def close_all(self) -> None:
        """Every loop is brought to its end by those whose turn it is, and every message out."""
        while numbers := self.ledger.open_cases(self.engine.database):
            self.ask(*map(self.next_step, numbers))
        for _ in range(2):  # digests leave on the next working day
            self.school.clock.advance(timedelta(days=2))
            self.deliver()
        seal_everything(self.engine)

    def next_step(self, number: str) -> Asked:
        """What leads on from where the case stands."""
        case = self.school.case(number)
        return self.step(*NEXT[case.workflow, case.state], case)

    def step(self, who: str, trigger: str, case: Case, **data: Any) -> Asked:
        command = FireTrigger(case.number, trigger, {**STEPS.get(trigger, {}), **data})
        return self.asked(who, command, key=f"{case.number}/{trigger}/{case.sequence}")

    def asked(self, who: str, command: Command, key: str) -> Asked:
        if who not in self._actors:  # nobody's duties change here
            self._actors[who] = self.school.actor(who)
        return Asked(self._actors[who], command, "route", key)


#: who takes which step where a case stands
NEXT: Mapping[tuple[str, str], tuple[str, str]] = {
    ("hazard", "reported"): ("sam", "assign"),
    ("hazard", "assigned"): ("alice", "fix"),
    ("hazard", "fixed"): ("erin", "verify"),
    ("hazard", "verified"): ("helen", "approve"),
    ("errand", "reported"): ("bob", "run"),
    ("round", "reported"): ("bob", "run"),
}

_numbers = itertools.count(1)


@contextmanager
def a_place(folder: Path, kind: Kind) -> Iterator[Place]:
    """A school at work, gone at the end."""
    here = folder / f"{kind}-{next(_numbers)}"
    with dropping_copies(), place_at(AT_WORK.place(kind, here), here) as place:
        yield place


@contextmanager
def place_at(url: str, folder: Path) -> Iterator[Place]:
    """The school at this URL. What arrives is written down in this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    clock = SimulatedClock(local(NOW))
    with closing(Database(url)) as database:
        post = Post(folder / "post")
        post.begin_with(database)
        yield Place(School(Engine(database, CATALOG, clock, ERROR_WORDS), clock), post, url)


# --- what is asked -------------------------------------------------------------------------------------------------------


def opening(place: Place) -> list[Asked]:
    data = {"title": "插座面板破损", "place": "教学楼三楼", "photos": [PHOTO]}
    return [place.asked("charlie", OpenCase("hazard", data), key="open")]


#: each step on a case of its own: clocks start, files are used, rungs are voided, another case is bound
TAKEN: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "assign": ("sam", "YH-2019-0001", {}),
    "fix": ("alice", "YH-2019-0004", {}),
    "verify": ("erin", "YH-2019-0005", {}),
    "approve": ("helen", "YH-2019-0006", {}),
    "run": ("bob", ERRAND, {}),
    "merge": ("sam", "YH-2019-0002", {"into": "YH-2019-0001", "reason": "同一处"}),
}


def taking(trigger: str) -> Callable[["Place"], list[Asked]]:
    who, number, data = TAKEN[trigger]
    return lambda place: [place.step(who, trigger, place.school.case(number), **data)]


def refused(place: Place) -> list[Asked]:
    return [place.asked("charlie", FireTrigger("YH-2019-0003", "acknowledge", {}), key="not his")]


def reminding(place: Place) -> list[Asked]:
    with place.engine.database.read_across() as connection:
        due = timers.due(connection, place.school.clock.now(), 64)
    return [
        Asked(system(organisation), Remind(number, generation, rungs), key=f"timer:{number}:{generation}")
        for organisation, number, generation, rungs in due
    ]


def opening_periods(place: Place) -> list[Asked]:
    return [
        Asked(
            system(obligation.organisation),
            OpenPeriod(obligation.cycle, workflow.key, obligation.scope, period.key, period.opens_at, period.due_at),
            key=f"period:{obligation.cycle}/{obligation.scope}/{period.key}",
        )
        for obligation, workflow, period in owed(place.engine)
    ]


def recomputing(place: Place) -> list[Asked]:
    with place.engine.database.read_across() as connection:
        newest = calendars.newest(connection, HERE)
    assert newest is not None
    return [Asked(system(HERE), Recompute(number)) for number in ("YH-2019-0003", "YH-2019-0004")]


def everything(place: Place) -> list[Asked]:
    """One group of them all."""
    return [asked for name, commands in COMMANDS.items() if name != "group" for asked in commands(place)]


#: what one command of each kind is, and a group of them all
COMMANDS: Mapping[str, Callable[[Place], list[Asked]]] = {
    "open": opening,
    "recompute": recomputing,
    "remind": reminding,
    "period": opening_periods,
    "refused": refused,
    **{trigger: taking(trigger) for trigger in TAKEN},
    "group": everything,
}
