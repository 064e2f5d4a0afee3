"""The numbers of a stage summary, counted as they were known when its period was over; kept as a snapshot, and counted again."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from api.bootstrap import Runtime
from api.figures import MOMENT, filter_of, how_many, query_of, summary_of, which
from api.papers.summary.questions import NAMED, stretch
from api.trail import brought_up_to_date
from engine.audit import canonical
from engine.calendar import Calendar
from engine.case import Case, instant_text
from engine.errors import Busy, FolderError, Text
from engine.store import calendars, people
from engine.store.database import Connection
from workflows.stage_summary import LONGEST_DAYS

SUMMARISING = Text("生成阶段小结", "Write a stage summary")


class Number(BaseModel):
    """A number as it was counted. `cases`: the question of the list that shows exactly these."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    title: str
    count: Annotated[int, Field(ge=0)]
    cases: dict[str, Any]


class Pause(BaseModel):
    """A school break, as far as it lies in the period."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    first: date
    last: date


class Snapshot(BaseModel):
    """What a summary's numbers are locked to.

    as_of    what was known then; nothing recorded later is in them
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: Literal[1] = 1
    organisation: str
    first: date
    last: date
    as_of: AwareDatetime
    breaks: tuple[Pause, ...]
    numbers: dict[str, Number]

    @property
    def digest(self) -> str:
        """SHA-256 over all of it."""
        return hashlib.sha256(canonical(self.model_dump(mode="json"))).hexdigest()

    def query(self, key: str) -> str:
        """Of the list that shows exactly what this number counts."""
        return query_of(self.numbers[key].cases, instant_text(self.as_of))

    def to_file(self) -> bytes:
        return KeptSnapshot(sha256=self.digest, snapshot=self).model_dump_json(indent=1).encode()


class KeptSnapshot(BaseModel):
    """As it lies in a file, beside the document."""

    model_config = ConfigDict(extra="forbid")
    sha256: str
    snapshot: Snapshot


@dataclass(frozen=True)
class Gathered:
    """What the text of a summary is filled in with.

    cases         by the key of the number that counts them, oldest first
    departments   code → name
    """

    snapshot: Snapshot
    school: str
    calendar: Calendar
    cases: Mapping[str, Sequence[Case]]
    departments: Mapping[str, str]


@dataclass(frozen=True)
class Differing:
    """A number that is another one when it is counted again."""

    key: str
    title: str
    kept: int
    now: int


def take(runtime: Runtime, organisation: str, first: date, last: date) -> Snapshot:
    """Count everything there is to tell of these days, both included. Raises FolderError, Busy."""
    _must_be_a_period(first, last)
    _know_everything(runtime, organisation)
    now = runtime.clock.now()
    with runtime.database.read(organisation) as connection:
        calendar = _calendar(connection, organisation)
        period = stretch(calendar, "", first, last)
        if datetime.fromisoformat(period.since) > now:
            raise FolderError(
                Text(f"{first} 还没有到，没有可以总结的记录。", f"{first} has not come yet: nothing is on record.")
            )
        as_of = min(datetime.fromisoformat(period.before) - MOMENT, now)
        asked = summary_of(connection, organisation, calendar, first, last)
        counted = {
            key: Number(count=how_many(connection, organisation, each["cases"], as_of), **each)
            for key, each in asked["numbers"].items()
        }
    breaks = tuple(map(Pause.model_validate, asked["breaks"]))
    return Snapshot(organisation=organisation, first=first, last=last, as_of=as_of, breaks=breaks, numbers=counted)


def of_case(case: Case) -> Snapshot:
    """What the numbers of a stage summary that is a case are locked to."""
    kept = case.facts["figures"]
    return Snapshot.model_validate(
        {
            "organisation": case.organisation, "first": case.facts["first_day"], "last": case.facts["last_day"],
            "as_of": kept["as_of"], "breaks": kept["breaks"], "numbers": kept["numbers"],
        }
    )  # fmt: skip


def gather(runtime: Runtime, snapshot: Snapshot) -> Gathered:
    """The cases that the text names, as they were known when it was counted."""
    here = snapshot.organisation
    _know_everything(runtime, here)
    with runtime.database.read(here) as connection:
        school = people.organisation(connection, here)
        assert school is not None  # it was counted there
        return Gathered(
            snapshot=snapshot,
            school=school.name.zh,
            calendar=_calendar(connection, here),
            cases={key: which(connection, here, snapshot.numbers[key].cases, snapshot.as_of) for key in NAMED},
            departments={each.code: each.name.zh for each in people.departments(connection, here)},
        )


def again(runtime: Runtime, snapshot: Snapshot) -> list[Differing]:
    """The numbers that are others when each question is asked again, as of the same instant. Raises Busy."""
    here = snapshot.organisation
    _know_everything(runtime, here)
    with runtime.database.read(here) as connection:
        counted = {
            key: how_many(connection, here, kept.cases, snapshot.as_of) for key, kept in snapshot.numbers.items()
        }
    return [
        Differing(key, kept.title, kept.count, counted[key])
        for key, kept in snapshot.numbers.items()
        if kept.count != counted[key]
    ]


def read_snapshot(content: bytes, organisation: str) -> Snapshot:
    """A snapshot from its file. Raises FolderError for what is none, was changed by hand, or is another school's."""
    try:
        kept = KeptSnapshot.model_validate_json(content)
        for number in kept.snapshot.numbers.values():
            filter_of(number.cases)
    except (ValidationError, TypeError, ValueError) as error:
        raise FolderError(
            Text("这不是阶段小结的数字快照。请用生成小结时一并写出的 .figures.json 文件。",
                 "This is no snapshot of a stage summary. Give the .figures.json file that was written beside it.")
        ) from error  # fmt: skip
    if kept.snapshot.digest != kept.sha256:
        raise FolderError(
            Text("快照与其校验值不符，文件被改动过。请用原来的文件，或重新生成小结。",
                 "The snapshot does not fit its hash: the file was changed. Use the original, or write the summary anew.")
        )  # fmt: skip
    if kept.snapshot.organisation != organisation:
        other = kept.snapshot.organisation
        raise FolderError(
            Text(f"这份快照属于单位 {other}。请用 --organisation 指明。",
                 f"This snapshot is of the organisation {other}. Say so with --organisation.")
        )  # fmt: skip
    return kept.snapshot


def _must_be_a_period(first: date, last: date) -> None:
    if last < first:
        raise FolderError(Text("--to 不能早于 --from。", "--to has to be --from or later."))
    if last - first > timedelta(days=LONGEST_DAYS):
        raise FolderError(Text("期间不能超过三年。", "Three years at most can be summarised in one."))


def _know_everything(runtime: Runtime, organisation: str) -> None:
    if brought_up_to_date(runtime, organisation, seconds=None):
        raise Busy(
            asked=SUMMARISING,
            obstacle=Text(
                "还有记录未编入，数字会不全", "some records are not in the trail, and numbers would lack them"
            ),
            remedy=Text("请看日志并运行 bihuan audit verify", "See the log, and run `bihuan audit verify`"),
        )


def _calendar(connection: Connection, organisation: str) -> Calendar:
    calendar = calendars.newest(connection, organisation)
    if calendar is None:
        raise FolderError(
            Text("学校还没有工作日历。请先用 bihuan calendar load 载入。",
                 "The school has no calendar yet. Load one with `bihuan calendar load`.")
        )  # fmt: skip
    return calendar
