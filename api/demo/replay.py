"""Replays the campaign: the people's stories on a simulated clock, every step through the one path of every command."""

import heapq
import io
import secrets
import time as wall
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from api.bootstrap import Runtime, make_folder, open_runtime
from api.demo.campaign import ORGANISATION, campaign, first_calendar, second_calendar
from api.demo.figures import figures
from api.demo.messages import messages
from api.demo.notices import accident_story, given_story, notice_story, papers
from api.demo.school import SAFETY_OFFICE, build
from api.demo.stories import (
    DRILLS,
    Answer,
    Ask,
    Stage,
    Story,
    day_story,
    drill_story,
    found_story,
    group_samples,
    group_story,
    inspection_story,
    ledger_days,
    ledger_story,
    platform_story,
    report_story,
    week_story,
)
from api.demo.trying import POSTS
from api.figures import cases_behind
from api.folder import Folder
from api.settings import Settings
from engine.actor import Actor
from engine.case import Case
from engine.clock import SimulatedClock
from engine.commands import Asked, FireTrigger, OpenCase
from engine.errors import FolderError, Text
from engine.handle import Failed, Idle, Refused, handle, settled
from engine.store import accounts, calendars, cases, people, periods
from engine.store.periods import PeriodRecord
from notifications.accounts import closed as seal_secrets
from workflows import daily, hazard_report, portal, weekly

TICKS = (time(7, 46), time(12, 0), time(17, 30))  # the first just after the reminders of the morning have gathered
ENDS = time(18, 0)  # on the campaign's last day
PASSWORD_BYTES = 9  # twelve letters: short enough to be typed from one window into another

Progress = Callable[[float], None]


@dataclass(frozen=True)
class DemoReport:
    """What the replay came out with.

    counted   the figures, as JSON: two replays agree in all of it but `wall_seconds`
    tokens    post → token, to try the API with
    password  of these posts, to sign in at the pages with
    """

    counted: dict[str, Any]
    tokens: dict[str, str]
    password: str
    folder: Path
    last_instant: datetime

    def to_json(self) -> dict[str, Any]:
        return self.counted


def play(
    settings: Settings, progress: Progress = lambda _: None, *, silent: tuple[date, date] | None = None,
    last: date | None = None,
) -> DemoReport:  # fmt: skip
    """Replay the campaign into the settings' data folder, which must be new.

    progress   called with the part done, from 0 to 1
    silent     an outage: from the first of these days until the second, that one not included, nothing ticks or delivers
    last       the last day that is played; None plays them all
    Raises     FolderError when the folder is in use for something else
    """
    folder = Folder(settings.data)
    if folder.made:
        raise FolderError(
            Text(
                f"目录 {folder.path} 已有数据。请换一个新目录重演，或用 bihuan serve --data 继续其中的模拟。",
                f"The folder {folder.path} holds data already. Replay into a new one, "
                "or go on with what is there: bihuan serve --data.",
            )
        )
    began = wall.perf_counter()
    told = campaign()
    calendar = first_calendar()
    starts = calendar.at(told.first, time(7, 0))
    make_folder(folder, settings, simulated=True, at=starts)
    clock = SimulatedClock(starts)
    runtime = open_runtime(settings, clock=clock)
    try:
        replay = _Replay(runtime, clock, silent, last or told.last)
        replay.prepare()
        replay.run(progress)
        tokens, password = replay.tokens(), replay.password()
        runtime.seal()
        with runtime.database.read(ORGANISATION) as connection:
            counted = figures(connection, ORGANISATION, clock.now()) | messages(connection, ORGANISATION)
        counted["commands"] = replay.commands
        counted["wall_seconds"] = round(wall.perf_counter() - began, 2)
        return DemoReport(counted, tokens, password, settings.data, clock.now())
    finally:
        runtime.close()


@dataclass(order=True)
class _Turn:
    """The next step of a story, by instant and then by who came first."""

    at: datetime
    order: int
    story: Story = field(compare=False)
    ask: Ask = field(compare=False)


class _Replay:
    """The campaign's days, one tick and one step after the other."""

    def __init__(self, runtime: Runtime, clock: SimulatedClock, silent: tuple[date, date] | None, last: date) -> None:
        self.runtime = runtime
        self.clock = clock
        self.silent = silent
        self.commands = 0
        self.calendar = first_calendar()
        self.last = last
        self.until = self.calendar.at(last, ENDS)
        self._turns: list[_Turn] = []
        self._order = count()
        self._actors: dict[str, Actor] = {}
        self._inspected: set[str] = set()
        self._drawn: dict[str, bytes] = {}
        self._sent: set[tuple[str, str]] = set()

    def prepare(self) -> None:
        """The school, its pictures, and the stories that are known from the start."""
        with self.runtime.database.write(ORGANISATION) as connection:
            closed = partial(seal_secrets, self.runtime.vault, ORGANISATION)
            build(connection, self.clock.now(), closed)
        before, after = (self._pictures(kind) for kind in ("before", "after"))
        self.stage = Stage(lambda: self.calendar, tuple(before), tuple(after), self._behind)
        self._drawn = before | after
        for order, sample in enumerate(group_samples()):
            self._begin(group_story(self.stage, sample, order))
        for sample, day in ledger_days(self.stage):
            self._begin(ledger_story(self.stage, sample, day))
        for held_on, facts in zip(campaign().drills, DRILLS, strict=True):
            self._begin(drill_story(self.stage, held_on, facts))
        for paper in papers():
            self._begin(notice_story(self.stage, paper))
        self._begin(accident_story(self.stage))

    def run(self, progress: Progress) -> None:
        """Every tick and every step in order; the extended holiday becomes known on its day."""
        starts = self.clock.now()
        for tick_at in self._ticks():
            while self._turns and self._turns[0].at <= tick_at:
                self._step(heapq.heappop(self._turns))
            self.clock.advance_to(max(tick_at, self.clock.now()))
            if self._learns_of_the_extended_holiday():
                self.calendar = second_calendar()
                with self.runtime.database.write(ORGANISATION) as connection:
                    calendars.add(connection, ORGANISATION, self.calendar, self.clock.now())
            if self.runtime.tick().opened:
                self._begin_owed()
            self.runtime.deliver()
            progress((tick_at - starts) / (self.until - starts))
        self.clock.advance_to(self.until)

    def tokens(self) -> dict[str, str]:
        """A token each for a few posts, so that a newcomer can take their steps."""
        made = {person: f"bihuan_{secrets.token_urlsafe(32)}" for person in POSTS.values()}
        with self.runtime.database.write(ORGANISATION) as connection:
            for person, token in made.items():
                accounts.add_token(connection, ORGANISATION, person, token, "demo", self.clock.now())
        return made

    def password(self) -> str:
        """One password for the same few posts, so that he can look at the pages as each of them."""
        drawn = secrets.token_urlsafe(PASSWORD_BYTES)
        with self.runtime.hashing.turn() as hasher:
            hashed = hasher.hashed(drawn)
        with self.runtime.database.write(ORGANISATION) as connection:
            for person in POSTS.values():
                accounts.set_password(connection, ORGANISATION, person, hashed, self.clock.now(), must_change=False)
        return drawn

    # --- steps -----------------------------------------------------------------------------------------------------

    def _step(self, turn: _Turn) -> None:
        """One step of one story, by the person who takes it."""
        self.clock.advance_to(max(turn.at, self.clock.now()))
        command = turn.ask.command
        self._send_pictures(turn.ask.person, command)
        group = [(turn.ask.person, command), *turn.ask.also]
        asked = [Asked(self._actor(person), each, route="demo") for person, each in group]
        outcome, *others = handle(self.runtime.engine, asked)
        self.commands += len(asked)
        for other in others:
            settled(other)
        if isinstance(outcome, Failed):
            raise outcome.error
        assert not isinstance(outcome, Idle)  # only the engine's own commands can find nothing to do
        if isinstance(outcome, Refused) and not turn.ask.refused:
            raise outcome.refusal
        if not isinstance(outcome, Refused) and isinstance(command, FireTrigger):
            self._begin_found(outcome.case)
        self._go_on(turn.story, outcome)

    def _send_pictures(self, person: str, command: OpenCase | FireTrigger) -> None:
        """Whoever shows a picture sent it before, as everybody has to."""
        for sha256, content in self._drawn.items():
            if (person, sha256) not in self._sent and sha256 in _words_of(command.data):
                self._sent.add((person, sha256))
                self._put(content, f"person:{person}")

    def _begin(self, story: Story) -> None:
        try:
            ask = next(story)
        except StopIteration:
            return
        self._queue(story, ask)

    def _go_on(self, story: Story, answer: Answer) -> None:
        try:
            ask = story.send(answer)
        except StopIteration:
            return
        self._queue(story, ask)

    def _queue(self, story: Story, ask: Ask) -> None:
        at = max(ask.at, self.clock.now())
        if at < self.until:
            heapq.heappush(self._turns, _Turn(at, next(self._order), story, ask))

    def _begin_owed(self) -> None:
        """What a period owes becomes a story, once its case is open."""
        with self.runtime.database.read(ORGANISATION) as connection:
            opened = [p for p in periods.find(connection, ORGANISATION) if p.number not in self._inspected]
            found = cases.load_many(connection, ORGANISATION, [p.number for p in opened])
        for period in opened:
            self._inspected.add(period.number)
            self._begin(self._story_of(period, found[period.number]))

    def _story_of(self, period: PeriodRecord, case: Case) -> Story:
        if period.cycle == weekly.CYCLE:
            return week_story(self.stage, period.number, period.key)
        if period.cycle == portal.CYCLE:
            return platform_story(self.stage, period.number, period.key)
        if period.cycle == hazard_report.CYCLE:
            return report_story(self.stage, period.number, period.scope, period.key)
        if period.cycle == daily.CYCLE:
            return day_story(self.stage, period.number, period.scope, period.key)
        return inspection_story(self.stage, period.number, period.scope, period.key, case.facts["checklists"])

    def _begin_found(self, case: Case) -> None:
        """What a round or a drill found becomes a story of its own."""
        for link in case.links:
            if link.kind == "child" and link.number not in self._inspected:
                self._inspected.add(link.number)
                with self.runtime.database.read(ORGANISATION) as connection:
                    found = cases.load(connection, ORGANISATION, link.number)
                assert found is not None  # it was opened with the case before us
                given = given_story(self.stage, found)
                if given is not None:
                    self._begin(given)
                    continue
                department = found.department or SAFETY_OFFICE
                self._begin(
                    found_story(self.stage, found.number, found.category, department, found.title, found.opened_at)
                )

    def _actor(self, person: str) -> Actor:
        if person not in self._actors:
            with self.runtime.database.read(ORGANISATION) as connection:
                actor = people.actor(connection, ORGANISATION, person, self.calendar.local_date(self.clock.now()))
            assert actor is not None, f"the demo has no {person}"
            self._actors[person] = actor
        return self._actors[person]

    def _behind(self, case: Case) -> list[str]:
        with self.runtime.database.read(ORGANISATION) as connection:
            return [each.number for each in cases_behind(connection, case)]

    # --- days ------------------------------------------------------------------------------------------------------

    def _ticks(self) -> Iterator[datetime]:
        first = campaign().first
        for n in range((self.last - first).days + 1):
            day: date = first + timedelta(days=n)
            if self.silent and self.silent[0] <= day < self.silent[1]:
                continue
            for at in TICKS:
                yield self.calendar.at(day, at)

    def _learns_of_the_extended_holiday(self) -> bool:
        today = self.calendar.local_date(self.clock.now())
        return today >= campaign().second_calendar and self.calendar.version < second_calendar().version

    def _pictures(self, kind: str) -> dict[str, bytes]:
        """Four drawn pictures by the hash of what is kept of them: the demo needs evidence and has no camera."""
        drawn = (_drawn(kind, number) for number in range(1, 5))
        return {self._put(content, "person:safety.staff"): content for content in drawn}

    def _put(self, content: bytes, by: str) -> str:
        return self.runtime.files.put(self.runtime.database, ORGANISATION, content, by, self.clock.now()).record.sha256


def _words_of(said: object) -> set[str]:
    """Every text in an answer, however deep."""
    if isinstance(said, Mapping):
        return set().union(*map(_words_of, said.values()))
    if isinstance(said, list | tuple):
        return set().union(*map(_words_of, said))
    return {said} if isinstance(said, str) else set()


def _drawn(kind: str, number: int) -> bytes:
    """A plain door, its lamp dark before and lit after."""
    lit = kind == "after"
    picture = Image.new("RGB", (480, 320), (236, 232, 222))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((160, 70, 320, 300), fill=(176, 140, 98), outline=(96, 70, 40), width=4)
    draw.rectangle((175, 20, 305, 58), fill=(24, 150, 70) if lit else (70, 70, 70), outline=(40, 40, 40), width=3)
    draw.text((20, 296), f"demo {kind} {number}", fill=(90, 90, 90))
    stored = io.BytesIO()
    picture.save(stored, "JPEG", quality=80)
    return stored.getvalue()
