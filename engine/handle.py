"""The one path of every command. Alone writes cases, events, timers and periods.

`handle` takes a group of commands as naturally as one: all under one commit, and one refusal or one defect undoes itself
and nothing else. When it returns, everything it says happened is durable.
"""

import hashlib
import json
import re
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import groupby, islice
from typing import Any, Literal, TypeVar

from engine.actor import Actor, system
from engine.authority import allow_opening, judge, may_open_any, may_see, may_see_evidence, visibility
from engine.calendar import Calendar
from engine.case import (
    ADDRESSEE,
    CORRECTED_BY,
    CORRECTS,
    FILED_IN,
    FILES,
    FOLLOWED_BY,
    FOLLOWS,
    LOOKED_AT,
    READ_OUT_AT,
    READS_OUT,
    REBOUND_OF,
    REVISITED_IN,
    REVISITS,
    UNCONFIRMED,
    WITHIN,
    Case,
    Link,
)
from engine.clock import Clock
from engine.commands import Asked, Counted, FireTrigger, OpenCase, OpenPeriod, Recompute, Remind
from engine.cycles import Cycle, Night, OnEvent, TimesADay, periods_between
from engine.definition import Catalog, Form, Transition, Workflow, is_known, must_be_known, references
from engine.directory import AT, Directory, Person
from engine.errors import (
    BihuanError,
    Busy,
    FieldFault,
    Holder,
    InvalidInput,
    KeyReused,
    NotAllowed,
    Refusal,
    StaleCase,
    Text,
    UnknownCase,
)
from engine.events import LOGBOOK, Event, Noteworthy, Notice, in_the_name_of, looking_after
from engine.machine import (
    Decision,
    PeriodOwed,
    Setting,
    Told,
    asked_for,
    blank_case,
    check_revision,
    decide,
    decide_opening,
    decide_recompute,
    decide_reminder,
    is_his_to_take,
    read_form,
    receipt_rungs,
    why_not,
)
from engine.store import answers, calendars, cases, files, history, outbox, people, periods, policies, refusals, timers
from engine.store.database import (
    Connection,
    Database,
    busy_with,
    is_crossed,
    is_held,
    is_lost,
    is_same_key,
    speak_for,
    speaking_for,
    wait_briefly,
)
from engine.store.periods import Obligation
from engine.store.statements import (
    Question,
    ask,
    back_to,
    begin_anew,
    flush,
    mark,
    release_mark,
    standing,
    undo_to_mark,
)

CASE_NUMBER = re.compile(r"[A-Z]{1,8}-\d{4}-\d{4,12}", re.ASCII)
TRIGGER = re.compile(r"[a-z_]{1,64}")
SEED_BYTES = 32  # of a draw: nobody can try them all to get the draw he wants
MOST_COLLISIONS = 3  # tries of one command; the second finds what the other wrote
K = TypeVar("K")
T = TypeVar("T")

#: names of one command looked up for the whole group; what says more than forms do is refused in its turn
MOST_AHEAD = 64

UNCONFIRMED_HEADS = "unconfirmed_heads"
POSTS_IN_MESSAGE = 5  # what is longer is not read on a phone; the case has them all by name

POSTS_NAMED = 3  # in the remedy of a refusal; `could` has them all

#: how the case at the other end of a bond calls it
OTHER_END = {
    "merged_into": "absorbed", REBOUND_OF: "rebounded_as", CORRECTS: CORRECTED_BY, FILES: FILED_IN, FOLLOWS: FOLLOWED_BY,
    REVISITS: REVISITED_IN,
    READ_OUT_AT: READS_OUT,
}  # fmt: skip
#: bonds the other case counts
COUNTED_BONDS = {REBOUND_OF: "rebounds"}


#: (database, the case as it stands, now) → figures for its step: plain JSON, of what was recorded before now and no later, so
#: that counting them again tells the same. It opens its own transactions; raises Busy where it cannot know everything yet
FiguresOf = Callable[[Database, Case, datetime], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Engine:
    """What a command needs besides itself, handed in once by whoever starts a process.

    words     pydantic's error types in both languages
    draw      gives that many random bytes, for the salts of commitments and the seeds of draws
    figures   by the name under which steps take them (`Transition.figures`)
    """

    database: Database
    catalog: Catalog
    clock: Clock
    words: Mapping[str, Text] = field(default_factory=dict)
    draw: Callable[[int], bytes] = secrets.token_bytes
    figures: Mapping[str, FiguresOf] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Done:
    """Carried out and durable. `replayed`: it was carried out before under the same key, and this is that answer again.

    case    as it stood right after `event`
    """

    case: Case
    event: Event
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Idle:
    """There was nothing left to do: the rung was told, the period opened, the deadline already right."""

    why: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Understood and not carried out; nothing changed but the refusal log."""

    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Failed:
    """A defect or a fault stopped this one command; it was undone, the rest of the group was not."""

    error: Exception


Outcome = Done | Idle | Refused | Failed


def handle(engine: Engine, group: Sequence[Asked]) -> list[Outcome]:
    """Carry out a group of commands, in order, in one transaction. One outcome each, in the same order.

    1. in a hurry: what they write is sent at the end, and a fault is everybody's
    2. where that failed, with care: each command's fault is its own
    3. where even that failed, since it could not be asked for all at once what they need: each by itself
    4. where somebody holds what one of them needs: the same, waiting for it no longer

    Raises `Busy` when the transaction as a whole could not be made durable: then none of them happened.
    """
    group = [_with_figures(engine, asked) for asked in group]
    if not group:
        return []
    if len(group) == 1:
        return [_by_itself(engine, group[0])]
    for careful in (False, True):
        try:
            return _together(engine, group, careful=careful)
        except Busy as busy:
            if not is_held(busy.__cause__):
                raise  # a commit that broke may have happened
            return [_or_failed(engine, asked, patient=False) for asked in group]
        except Exception:  # noqa: BLE001, S112  # of any kind: the next way tells it, and whose it is
            continue
    return [_or_failed(engine, asked) for asked in group]


def _with_figures(engine: Engine, asked: Asked) -> Asked:
    """The same, with the figures that its step takes. They are counted before anything is written: that may take longer than
    anybody may be kept waiting. Who may not take the step has nothing counted for him.
    """
    command, kept = asked.command, None if asked.figures is None else replace(asked, figures=None)
    asked = kept or asked
    if not isinstance(command, FireTrigger) or not CASE_NUMBER.fullmatch(command.case):
        return asked
    if (command.case.partition("-")[0], command.trigger) not in engine.catalog.counted:
        return asked
    try:
        with engine.database.read(asked.actor.organisation) as connection:
            turn = _Turn(engine, connection, engine.clock.now())
            case = cases.load(connection, asked.actor.organisation, command.case)
            if case is None:
                return asked  # the step itself says what stands in its way
            workflow = engine.catalog.of(case)
            transition = workflow.transition(command.trigger, case.state)
            if transition is None or transition.figures is None:
                return asked
            if why_not(workflow, transition, case, turn.now, turn.setting(asked.actor, workflow)) is not None:
                return asked
        figures = engine.figures[transition.figures](engine.database, case, turn.now)
        return replace(asked, figures=Counted(case.revision, figures))
    except Exception as error:  # noqa: BLE001  # of any kind: it is this command's alone, and told in its turn
        return replace(asked, figures=error)


def _together(
    engine: Engine, group: Sequence[Asked], *, careful: bool, alone: bool = False, patient: bool = True
) -> list[Outcome]:
    """In one transaction, begun anew where it met another one."""
    for left in reversed(range(MOST_COLLISIONS)):
        try:
            with engine.database.write(group[0].actor.organisation) as connection:
                if not patient:
                    wait_briefly(connection)
                turn = _Turn(engine, connection, engine.clock.now(), careful=careful, alone=alone)
                turn.look_ahead(group)
                outcomes = [turn.take(asked) for asked in group]
                turn.end()
                return outcomes
        except Exception as error:
            if not is_crossed(error):
                raise
            if not left:
                raise busy_with(error) from error
    raise AssertionError("the last try returns or raises")


def _by_itself(engine: Engine, asked: Asked, *, patient: bool = True) -> Outcome:
    """One command in a transaction of its own."""
    try:
        [outcome] = _together(engine, [asked], careful=True, alone=True, patient=patient)
    except Busy:
        raise
    except Refusal as refusal:
        return Refused(refusal)
    except Exception as error:  # noqa: BLE001  # of any kind: it was undone, and is told of the command it belongs to
        return Failed(error)
    return outcome


def _or_failed(engine: Engine, asked: Asked, *, patient: bool = True) -> Outcome:
    """As `_by_itself`, among others of whom some are carried out already: then `Busy` is this one's alone."""
    try:
        return _by_itself(engine, asked, patient=patient)
    except Busy as busy:
        return Failed(busy)


def _was_quicker(error: Exception) -> bool:
    return isinstance(error, answers.KeptMeanwhile) or is_same_key(error)


def _where(asked: Asked) -> str:
    return asked.actor.organisation


def _spoken_of(asked: Asked) -> Iterator[str]:
    """The number of every case that the command is about, or refers to; of more than forms ask for, the first."""
    command = asked.command
    if isinstance(command, FireTrigger | Remind | Recompute) and CASE_NUMBER.fullmatch(command.case):
        yield command.case
    if isinstance(command, FireTrigger | OpenCase):
        said = (value for value in command.data.values() if isinstance(value, str) and CASE_NUMBER.fullmatch(value))
        yield from islice(said, MOST_AHEAD)


def _referred_to(catalog: Catalog, asked: Asked) -> set[tuple[str, str, str]]:
    """(kind, value, whose: of a file who names it) of the persons, departments and files that the answers seem to refer to; of
    more than forms ask for, the first. They were not checked yet: what is asked for in vain costs a row that is not there.
    """
    command = asked.command
    if isinstance(command, OpenCase):
        forms = [w.opens_with for w in catalog.newest() if w.key == command.workflow]
    elif isinstance(command, FireTrigger):
        prefix = command.case.partition("-")[0]
        drawn = [w for w in catalog.newest() if w.prefix == prefix and command.trigger in w.triggers]
        forms = [w.form_of(command.trigger) for w in drawn]
    else:
        return set()
    try:
        # a body has room for sixty thousand, and everybody in the group would wait for them
        found = [each for form in forms for each in references(form, command.data)][:MOST_AHEAD]
    except (AttributeError, KeyError, TypeError):
        return set()  # of another shape than the form has: refused in its turn
    plain = ((kind, value) for _, kind, value in found if isinstance(value, str) and value.isprintable())  # type: ignore[redundant-expr]  # not checked yet
    whose = {"person": "", "department": ""}
    return {(kind, value, whose.get(kind, asked.actor.principal)) for kind, value in plain if kind != "case"}


def handle_one(engine: Engine, asked: Asked) -> Done | Idle:
    """Carry out one command. Raises its refusal or its failure."""
    [outcome] = handle(engine, [asked])
    return settled(outcome)


def settled(outcome: Outcome) -> Done | Idle:
    """The outcome if it is one to go on with; raises the refusal or the failure otherwise."""
    if isinstance(outcome, Refused):
        raise outcome.refusal
    if isinstance(outcome, Failed):
        raise outcome.error
    return outcome


def as_it_stands(workflow: Workflow, case: Case, calendar: Calendar, now: datetime) -> dict[str, Any]:
    """How a case stands at this instant, as a message may say it: plain JSON, nothing a passer-by should not read."""
    due: datetime | None = case.due_at
    today = calendar.local_date(now)
    return {
        "number": case.number,
        "workflow": workflow.key,
        "workflow_title": workflow.title.to_json(),
        "title": case.title,
        "place": case.place,
        "level": case.level,
        "state": case.state,
        "state_title": workflow.state(case.state).title.to_json(),
        "due_at": due.isoformat() if due else None,
        "provisional": bool(case.clock and case.clock.provisional),
        "days_over": calendar.workdays_between(calendar.local_date(due), today) if due else None,
        "awaits": [workflow.called(name).to_json() for name in workflow.awaited(case)],
        "path": f"/cases/{case.number}",
    }


def note(engine: Engine, actor: Actor, what: Noteworthy, about: Mapping[str, Any]) -> Event:
    """Write into the organisation's logbook what is done with its records; when it returns, that is durable.

    actor    who does it, and has been allowed to
    about    plain JSON values by name, committed to like what a form says
    Raises   Busy where it could not be made durable: then it is not to be done either
    """
    with engine.database.write(actor.organisation) as connection:
        return note_in(engine, connection, actor, what, about)


def note_in(engine: Engine, connection: Connection, actor: Actor, what: Noteworthy, about: Mapping[str, Any]) -> Event:
    """As `note`, in the transaction that does it."""
    now, last = engine.clock.now(), history.last_of(connection, actor.organisation, LOGBOOK)
    event = Event(
        organisation=actor.organisation,
        case=LOGBOOK,
        sequence=last.sequence + 1,
        type="noted",
        trigger=what,
        from_state=None,
        to_state="",
        recorded_at=max(now, last.recorded_at or now),
        actor=actor.principal,
        on_behalf_of=_represented(actor),
        found_at=None,
        policy_version=0,
        calendar_version=0,
        data=about,
    )
    return history.append(connection, event, last.hash, engine.draw)


@dataclass(frozen=True, slots=True)
class Offer:
    """A step of the case's state, as it looks to those who ask: `actor` may take it, or `why_not` says what is missing."""

    transition: Transition
    actor: Actor
    why_not: Refusal | None


def offers(engine: Engine, connection: Connection, actors: Sequence[Actor], case: Case) -> list[Offer]:
    """Every step of the case's state for somebody who can act as any of these; himself first. Writes nothing."""
    turn = _Turn(engine, connection, engine.clock.now())
    workflow = engine.catalog.of(case)
    steps = [transition for transition in workflow.transitions if case.state in transition.sources]
    return turn.offers(workflow, steps, case, actors)


def recompute_preview(engine: Engine, organisation: str) -> list[tuple[Case, Case]]:
    """What `Recompute` would move: (case now, case under the newest calendar), nothing written."""
    with engine.database.read(organisation) as connection:
        turn = _Turn(engine, connection, engine.clock.now())
        calendar = turn.calendar(organisation)
        moved = []
        for number in cases.open_under_older_calendar(connection, organisation, calendar.version):
            case = cases.load(connection, organisation, number)
            assert case is not None  # listed a moment ago in the same snapshot
            decision = turn.recomputed(case)
            if decision is not None:
                moved.append((case, decision.case))
        return moved


class _Turn:
    """One group's turn in one transaction: what it has read of calendars and policies, and the way of each command.

    careful    each command's writes are known to be written before the next one begins, so that a fault is told of the
               command it belongs to. Otherwise they are sent when the next question is, or at the end, all at once; then a
               fault is everybody's, and the group is asked again, carefully
    """

    def __init__(
        self, engine: Engine, connection: Connection, now: datetime, *, careful: bool = True, alone: bool = False
    ) -> None:
        self.engine = engine
        self.connection = connection
        self.now = now
        self._calendars: dict[str, Calendar | None] = {}
        self._directories: dict[str, tuple[frozenset[str], Directory]] = {}
        self._policies: dict[tuple[str, str, int], tuple[int, dict[str, Any]]] = {}
        self._overrides: dict[str, dict[str, tuple[int, dict[str, Any]]]] = {}
        self._people: dict[tuple[str, str], Person | None] = {}
        self._departments: dict[tuple[str, str], bool] = {}
        self._drawn: dict[tuple[str, int, date, str], tuple[date, Sequence[str]]] = {}
        self._numbers = cases.Numbers(connection)
        self._careful = careful
        self._began = standing(connection)
        self._alone = alone
        self._spoken_for: str | None = None
        # what was asked for the whole group at once, each good for the first who wants it: afterwards it may have changed
        self._cases_ahead: dict[tuple[str, str], Case | None] = {}
        self._answers_ahead: dict[tuple[str, str, str, str], answers.Answer | None] = {}
        self._owed_ahead: dict[tuple[str, str], dict[str, Obligation | None]] = {}  # by (organisation, cycle), by scope
        self._periods_ahead: dict[tuple[str, str], dict[tuple[str, str], bool]] = {}  # the same, by (scope, key)
        self._files_ahead: dict[tuple[str, str, str], files.Offered | None] = {}
        self._departments_ahead: dict[str, dict[tuple[str, str], bool]] = {}
        self._rungs_ahead: dict[tuple[str, str, int], frozenset[str]] = {}

    def look_ahead(self, group: Sequence[Asked]) -> None:
        """Ask at once what these commands will ask for anyway, where asking is a journey; and lock, in one order for
        everybody, every case they speak of, so that two groups never wait for each other.
        """
        if not self.engine.database.on_server:
            if not self._alone:
                self._look_at_periods(group)
            return
        asked: list[tuple[dict[Any, Any], Any, Question[Any]]] = []
        for organisation, of_one in groupby(sorted(group, key=_where), _where):
            here = list(of_one)
            asked.append((self._calendars, organisation, calendars.asking_newest(organisation)))
            asked.append((self._overrides, organisation, policies.asking_in_force(organisation)))
            for number in sorted({number for a in here for number in _spoken_of(a)}):
                place = organisation, number
                asked.append((self._cases_ahead, place, cases.loading(organisation, number, lock=True)))
            asked.extend(self._about_periods(organisation, here))
            # after the locks: who has to wait for one would go by what was there before, a picture swept meanwhile too
            named = {("person", key, "") for a in here for key in (a.actor.person, a.actor.on_behalf_of) if key}
            named |= {each for a in here for each in _referred_to(self.engine.catalog, a)}
            asked.extend(self._asking_named(organisation, *each) for each in named if AT not in each[1])
            for a in here:
                if isinstance(a.command, Remind):
                    watch = organisation, a.command.case, a.command.generation
                    asked.append((self._rungs_ahead, watch, timers.still_waiting(*watch)))
                elif a.key is not None and not isinstance(a.command, OpenPeriod):  # whose period is its key
                    whose = organisation, a.actor.principal, a.route, a.key
                    asked.append((self._answers_ahead, whose, answers.finding(*whose, self.now)))
            first = next(n for n, (_, place, _) in enumerate(asked) if place == organisation)
            if self._spoken_for is not None or organisation != group[0].actor.organisation:
                into, place, question = asked[first]
                asked[first] = into, place, replace(question, before=speaking_for(organisation))
            self._spoken_for = organisation
        for (into, place, _), answer in zip(asked, ask(self.connection, [q for _, _, q in asked]), strict=True):
            into[place] = answer
        self._keep_departments()
        if not self._alone:
            self._lock_series(group)

    def _asking_named(
        self, organisation: str, kind: str, value: str, by: str
    ) -> tuple[dict[Any, Any], Any, Question[Any]]:
        place = organisation, value
        if kind == "person":
            return self._people, place, people.asking_who(organisation, value)
        if kind == "department":
            return self._departments, place, people.asking_department(organisation, value)
        return self._files_ahead, (*place, by), files.offering(organisation, value, by)

    def _look_at_periods(self, group: Sequence[Asked]) -> None:
        """Ask once what all openings of the group will ask for, also where asking is no journey."""
        for organisation, of_one in groupby(sorted(group, key=_where), _where):
            for into, place, question in self._about_periods(organisation, list(of_one)):
                into[place] = question.ask(self.connection)
        self._keep_departments()

    def _keep_departments(self) -> None:
        for of_one in self._departments_ahead.values():
            self._departments.update(of_one)

    def _about_periods(
        self, organisation: str, here: Sequence[Asked]
    ) -> Iterator[tuple[dict[Any, Any], Any, Question[Any]]]:
        """Where each answer goes, and the question: the obligations, locked in one order for everybody; then, what was opened
        and which departments there are.
        """
        on_server = self.engine.database.on_server
        openings = [a.command for a in here if isinstance(a.command, OpenPeriod)]
        cycles = {
            cycle: [(o.scope, o.key) for o in openings if o.cycle == cycle] for cycle in {o.cycle for o in openings}
        }
        for cycle, places in sorted(cycles.items()):
            place, scopes = (organisation, cycle), {scope for scope, _ in places}
            yield self._owed_ahead, place, periods.locking_some(*place, scopes, on_server=on_server)
        for cycle, places in cycles.items():
            place = organisation, cycle
            yield self._periods_ahead, place, periods.asking_existing(*place, places, on_server=on_server)
        if openings:
            scopes = {opening.scope for opening in openings}
            departments = periods.asking_departments(organisation, scopes, on_server=on_server)
            yield self._departments_ahead, organisation, departments

    def _lock_series(self, group: Sequence[Asked]) -> None:
        """Of the cases that are to be opened, before any other series is: two groups that draw from both never wait for
        each other.
        """
        opened: list[tuple[str, str, int]] = []
        for asked in group:
            command, calendar = asked.command, self._calendars[asked.actor.organisation]
            workflow = self.engine.catalog.get(command.workflow) if isinstance(command, OpenCase | OpenPeriod) else None
            if workflow is not None and calendar is not None:
                year = calendar.local_date(self.now).year
                opened.append((asked.actor.organisation, workflow.prefix, year))
        if opened:
            self._numbers.lock(opened)
            self._spoken_for = max(opened)[0]

    def end(self) -> None:
        """Write what is written once for the whole group."""
        self._numbers.write_down()

    def take(self, asked: Asked) -> Outcome:
        """One command; once more where another node was writing the same at that moment."""
        outcome = self._once(asked)
        for _ in range(MOST_COLLISIONS - 1):
            if not (isinstance(outcome, Failed) and _was_quicker(outcome.error)):
                break
            outcome = self._once(asked)
        return outcome

    def _once(self, asked: Asked) -> Outcome:
        """One command, behind the wall of its own organisation."""
        if self._spoken_for != asked.actor.organisation:
            speak_for(self.connection, asked.actor.organisation)
            self._spoken_for = asked.actor.organisation
        if self._careful and not self._alone:
            mark(self.connection)
        self._began = standing(self.connection)
        self._numbers.mark()
        try:
            outcome = self._carry_out(asked)
            if self._careful:
                flush(self.connection)
        except Refusal as refusal:
            if not self._undone():
                raise  # to be taken again with care
            if isinstance(refusal, NotAllowed):
                self._name_who_could_instead(asked, refusal)
            self._log(asked, refusal)
            return Refused(refusal)
        except Exception as error:  # of any kind: a defect in one command must not undo its neighbours
            if not self._careful or is_lost(error) or is_crossed(error):
                # the whole group is undone, and taken again with care or asked for again: what failed may have been put off
                # by a neighbour, who was told that he is done
                raise
            self._undone()
            return Failed(error)
        if self._careful and not self._alone:
            release_mark(self.connection)
        return outcome

    def _undone(self) -> bool:
        """Whether nothing is left of this command; in a hurry that cannot always be had.

        One command by itself needs no mark: everything there is to undo is its own.
        """
        if not self._careful:
            if not back_to(self.connection, self._began):
                return False
        elif self._alone:
            begin_anew(self.connection)
        else:
            undo_to_mark(self.connection)
        self._numbers.back_to_mark()
        return True

    def _carry_out(self, asked: Asked) -> Outcome:
        command = asked.command
        if isinstance(command, OpenCase):
            return self._open_once(asked, command)
        if isinstance(command, FireTrigger):
            return self._step(asked, command)
        if isinstance(command, Remind):
            return self._remind(asked.actor.organisation, command)
        if isinstance(command, OpenPeriod):
            return self._open_period(asked.actor, command)
        return self._recompute(asked.actor, command)

    # --- opening ---------------------------------------------------------------------------------------------------

    def _open_once(self, asked: Asked, command: OpenCase) -> Outcome:
        if (again := self._answered(asked)) is not None:
            return again
        done = self._open(asked.actor, command)
        self._keep_answer(asked, done)
        return done

    def _open(self, actor: Actor, command: OpenCase, owed: PeriodOwed | None = None) -> Done:
        """1. who may at all  2. what was written  3. who may open just this  4. what it refers to  5. decide  6. write."""
        workflow = self._workflow(command.workflow)
        asked = Text(f"登记“{workflow.title.zh}”", f"Open a case of {workflow.title.en!r}")
        may_open_any(workflow, actor, asked)
        data = self._read(workflow.opens_with, command.data, asked)
        if actor.kind != "system":  # who stands in no relation to a case may open all of them or none
            allow_opening(workflow, actor, blank_case(workflow, actor, data, self.now), asked)
        related = self._look_up(actor, workflow.opens_with, data, asked)
        if command.within is not None and command.parent is None:  # what comes out of a case has its mark for good
            self._must_hold(actor, command.within, asked)
        named = self._named(actor.organisation, workflow.opens_with, data)
        year = self.calendar(actor.organisation).local_date(self.now).year
        number = self._numbers.draw(actor.organisation, workflow.prefix, year)
        setting = self.setting(actor, workflow, period=owed, people=named, related=related)
        decision = decide_opening(workflow, number, command, data, self.now, setting)
        done = self._write(workflow, None, self._bound(workflow, None, decision, setting), actor, setting)
        self._use_files(workflow.opens_with, data, actor.organisation, number)
        return done

    def _must_hold(self, actor: Actor, number: str, asked: Text) -> None:
        """Raises InvalidInput unless this is an open campaign that the actor may see. Nobody locks it: hundreds open cases in it
        at once, and one that is opened while it ends was opened in it all the same.
        """
        known = CASE_NUMBER.fullmatch(number) is not None
        case = cases.load(self.connection, actor.organisation, number) if known else None
        if case is None or not may_see(case, visibility(actor, self.engine.catalog.overseers)):
            what = _MISSING["case"]
        elif not self.engine.catalog.of(case).holds:
            what = Text("不是可以在其中登记事项的专项行动", "is no campaign that cases are opened in")
        elif case.final:
            what = Text("已经结束，不能再在其中登记", "has ended, and nothing is opened in it any more")
        else:
            return
        raise InvalidInput(
            asked=asked,
            obstacle=Text(f"{number!r} {what.zh}", f"{number!r} {what.en}"),
            remedy=Text("请核对专项行动的编号，或去掉它再登记", "Check the campaign's number, or leave it out"),
            fields=[FieldFault(WITHIN, Text(f"{number!r} {what.zh}", f"{number!r} {what.en}"))],
        )

    def _bound(self, workflow: Workflow, before: Case | None, decision: Decision, setting: Setting) -> Decision:
        """The decision, bound to the case this one repeats: the same place and item, closed a short while ago.

        Asked whenever these become known or change: at the opening, or at triage when the reporter left them out.
        """
        rule, case = workflow.rebound, decision.case
        if rule is None or case.final or any(link.kind == REBOUND_OF for link in (*case.links, *decision.links)):
            return decision
        alike = tuple(getattr(case, name) for name in rule.same)
        if not all(alike) or (before and alike == tuple(getattr(before, name) for name in rule.same)):
            return decision
        since = case.opened_at - timedelta(days=setting.policy[rule.within_days])
        found = [n for n in cases.closed_alike(self.connection, case, rule.same, since) if n != case.number]
        return replace(decision, links=(*decision.links, Link(REBOUND_OF, found[0]))) if found else decision

    def _open_period(self, actor: Actor, command: OpenPeriod) -> Outcome:
        organisation = actor.organisation
        place, of_cycle = (organisation, command.cycle, command.scope), (organisation, command.cycle)
        owed_here = self._asked_ahead(self._owed_ahead.get(of_cycle, {}), command.scope, periods.locking(*place))
        known, question = self._periods_ahead.get(of_cycle, {}), periods.asking_existence(*place, command.key)
        if self._asked_ahead(known, (command.scope, command.key), question):
            return Idle(f"period {command.cycle}/{command.scope}/{command.key} is open already")
        workflow = self._workflow(command.workflow)
        rule = next(rule for rule in workflow.cycles if rule.cycle.key == command.cycle)
        name = f"{command.cycle}/{command.scope}/{command.key}"
        data = rule.data(command.scope, command.key)
        owed = PeriodOwed(name, command.opens_at, command.due_at)
        done = self._open(actor, OpenCase(command.workflow, data), owed)
        record = periods.PeriodRecord(
            organisation, command.cycle, command.scope, command.key, command.opens_at, command.due_at,
            self.now, done.case.number, "open", None,
        )  # fmt: skip
        periods.open_(self.connection, record)
        if owed_here is not None:
            self._advance(owed_here, rule.cycle, command)
        return done

    def _advance(self, owed: Obligation, cycle: Cycle, command: OpenPeriod) -> None:
        """Move the obligation's mark to the day this period opened, unless an earlier one could not be opened yet."""
        organisation = owed.organisation
        day, others = self._passed(cycle, self.calendar(organisation), owed.unopened_after, command)
        if all(periods.exists(self.connection, organisation, cycle.key, command.scope, key) for key in others):
            periods.opened_through(self.connection, organisation, cycle.key, command.scope, day)

    def _passed(self, cycle: Cycle, calendar: Calendar, after: date, command: OpenPeriod) -> tuple[date, Sequence[str]]:
        """The last day that need not be looked at once this period is open, and the keys of the others after `after` up to
        it; thought through once for all the scopes that owe the same.
        """
        place = cycle.key, id(calendar), after, command.key  # the calendar lives as long as the turn
        if place not in self._drawn:
            day = calendar.local_date(command.opens_at)
            if isinstance(cycle.every, TimesADay | Night):  # the day has more of them, or this one opens late on it
                day -= timedelta(days=1)
            passed = periods_between(cycle, calendar, after, day)
            self._drawn[place] = day, [period.key for period in passed if period.key != command.key]
        return self._drawn[place]

    # --- stepping --------------------------------------------------------------------------------------------------

    def _step(self, asked: Asked, command: FireTrigger) -> Outcome:
        """1. may he see it  2. was it done before  3. may he  4. is it still so  5. what he wrote  6. decide  7. write."""
        actor = asked.actor
        case = self._seen(asked, command.case)
        if (again := self._answered(asked)) is not None:
            return again
        workflow = self.engine.catalog.of(case)
        asked_text = asked_for(workflow, case, command.trigger)
        must_be_known(workflow, asked_text)
        drawn = workflow.triggers.get(command.trigger)
        if drawn is None:
            raise _no_such_step(workflow, asked_text)
        transition = workflow.transition(command.trigger, case.state) or drawn[0]
        permit = judge(workflow, transition, case, actor, self._policy(actor.organisation, workflow)[1], asked_text)
        check_revision(workflow, case, command)
        form = workflow.form_of(command.trigger)
        data: dict[str, Any] = {}
        related: dict[str, Case] = {}
        if case.state in transition.sources:
            data = self._read(form, command.data, asked_text)
            if transition.draws is not None:
                data[transition.draws] = self._seed(transition.draws, data, asked_text)
            related = self._look_up(actor, form, data, asked_text)
            bound = [link.number for link in case.links if link.kind in LOOKED_AT]
            related |= cases.load_many(self.connection, actor.organisation, bound, lock=True)
        named = self._named(actor.organisation, form, data)
        figures = None
        if transition.figures and case.state in transition.sources:
            figures = self._figures(asked, workflow, transition, case, asked_text)
        addressed = self._addressed(actor.organisation, data, transition, asked_text)
        departed = self._departed(workflow, case) if not transition.confirms else frozenset[str]()
        setting = self.setting(
            actor, workflow, permit=permit, related=related, people=named, addressed=addressed, departed=departed,
            figures=figures,
        )  # fmt: skip
        decision = decide(workflow, case, command, data, self.now, setting)
        decision = self._bound(workflow, case, decision, setting)
        done = self._write(workflow, case, decision, actor, setting)
        self._use_files(form, data, actor.organisation, case.number)
        if decision.settles and case.period:
            self._settle(workflow, done, decision.settles)
        self._keep_answer(asked, done)
        return done

    def _settle(self, workflow: Workflow, done: Done, how: Literal["reported", "waived"]) -> None:
        """What the case's period owed came, or was waived; or what came first was corrected, and both remain."""
        case, at = done.case, done.event.recorded_at
        cycle, scope, key = str(case.period).split("/", 2)
        place = case.organisation, cycle, scope, key
        if any(link.kind == CORRECTS for link in case.links):
            if how == "reported":
                periods.corrected(self.connection, *place, at)
            return
        zero = how == "reported" and any(r.cycle.key == cycle and r.says_zero(case) for r in workflow.cycles)
        periods.settle(self.connection, case.organisation, case.number, how, at, zero=zero)

    def _figures(
        self, asked: Asked, workflow: Workflow, transition: Transition, case: Case, asked_text: Text
    ) -> Mapping[str, Any]:
        """What was counted for this step. Raises what kept it from being counted; StaleCase where that was for the case as it
        stood before somebody else's step.
        """
        if isinstance(asked.figures, Exception):
            raise asked.figures
        if asked.figures is None or asked.figures.revision != case.revision:
            refusal = why_not(workflow, transition, case, self.now, self.setting(asked.actor, workflow))
            raise refusal or StaleCase(
                case.revision,
                asked=asked_text,
                obstacle=Text(
                    "统计数字时，该项刚被他人办理", "somebody else took a step while the figures were counted"
                ),
                remedy=Text("请刷新后核对再办理", "Read it again, then decide"),
            )
        return asked.figures.figures

    def _seed(self, field: str, data: Mapping[str, Any], asked: Text) -> str:
        """Drawn now, and never twice: whoever could bring one along, or keep the one of a refused step, would choose the draw."""
        if data[field] is not None:
            chosen = Text("由系统抽取，不能指定", "is drawn by the program; nobody chooses it")
            raise InvalidInput(
                asked=asked,
                obstacle=Text(f"抽签种子{chosen.zh}", f"the seed of a draw {chosen.en}"),
                remedy=Text("请去掉该项后重新提交", "Leave it out and send it again"),
                fields=[FieldFault(field, chosen)],
            )
        return self.engine.draw(SEED_BYTES).hex()

    def _addressed(
        self, organisation: str, data: Mapping[str, Any], transition: Transition, asked: Text
    ) -> tuple[str, ...]:
        """Whom the form's audience means today. Raises InvalidInput where that is nobody."""
        name = transition.addresses
        if name is None or not data:
            return ()
        today = self.calendar(organisation).local_date(self.now)
        found = people.addressed(self.connection, organisation, data[name], today)
        if not found:
            nobody = Text("目前没有在册人员", "means nobody who is here today")
            raise InvalidInput(
                asked=asked,
                obstacle=Text(f"所选范围{nobody.zh}", f"the audience {nobody.en}"),
                remedy=Text("请另选知晓范围", "Choose whom it is for anew"),
                fields=[FieldFault(name, nobody)],
            )
        return tuple(found)

    def _departed(self, workflow: Workflow, case: Case) -> frozenset[str]:
        """Who has not confirmed and has left since."""
        waited = case.unconfirmed if workflow.addresses_many else ()
        if not waited:
            return frozenset()
        known = people.some(self.connection, case.organisation, waited)
        return frozenset(person for person in waited if person not in known or not known[person].active)

    def _locked(self, organisation: str, number: str) -> Case | None:
        """The case as it stands; nobody else changes it before this transaction ends."""
        if not CASE_NUMBER.fullmatch(number):
            return None  # no case is called so, and there are texts no database takes
        question = cases.loading(organisation, number, lock=True)
        return self._asked_ahead(self._cases_ahead, (organisation, number), question)

    def _asked_ahead(self, answers_: dict[K, T], key: K, question: Question[T]) -> T:
        """The answer that was asked for with the whole group's, once; afterwards it may have changed."""
        return answers_.pop(key) if key in answers_ else question.ask(self.connection)

    def _person(self, organisation: str, key: str) -> Person | None:
        """Read once a turn: no command changes the directory."""
        if (organisation, key) not in self._people:
            self._people[organisation, key] = people.person(self.connection, organisation, key)
        return self._people[organisation, key]

    def _seen(self, asked: Asked, number: str) -> Case:
        """The case, if the asker may see it; one he may not see looks like one that does not exist."""
        case = self._locked(asked.actor.organisation, number)
        if case is None or not may_see(case, asked.seen or visibility(asked.actor, self.engine.catalog.overseers)):
            raise unknown_case(number)
        return case

    def offers(
        self, workflow: Workflow, steps: Sequence[Transition], case: Case, actors: Sequence[Actor]
    ) -> list[Offer]:
        """Each step as the first of these may take it; else what keeps the first of them, himself, from it."""
        departed = self._departed(workflow, case)
        offered = [self._offer(workflow, step, case, actors, departed) for step in steps]
        refused = [(o.transition, o.why_not) for o in offered if isinstance(o.why_not, NotAllowed)]
        self._name_who_could(workflow, case, refused)
        return offered

    def _offer(
        self,
        workflow: Workflow,
        transition: Transition,
        case: Case,
        actors: Sequence[Actor],
        departed: frozenset[str],
    ) -> Offer:
        refused: list[Offer] = []
        for actor in actors:
            why = why_not(workflow, transition, case, self.now, self.setting(actor, workflow, departed=departed))
            if why is None:
                return Offer(transition, actor, None)
            refused.append(Offer(transition, actor, why))
        return refused[0]

    def _name_who_could_instead(self, asked: Asked, refusal: NotAllowed) -> None:
        """Who could have carried out this command: a step of a case, or the opening of one."""
        command, organisation = asked.command, asked.actor.organisation
        if isinstance(command, FireTrigger):
            case = cases.load(self.connection, organisation, command.case)
            if case is None:
                return
            workflow = self.engine.catalog.of(case)
            drawn = workflow.triggers.get(command.trigger, ())
            transition = workflow.transition(command.trigger, case.state) or next(iter(drawn), None)
            if transition is not None:
                self._name_who_could(workflow, case, [(transition, refusal)])
        elif isinstance(command, OpenCase):
            workflow = self._workflow(command.workflow)
            department = command.data.get("department")
            told = {"department": department} if isinstance(department, str) else {}
            self._name_who_could(workflow, blank_case(workflow, asked.actor, told, self.now), [(None, refusal)])

    def _name_who_could(
        self, workflow: Workflow, case: Case, refused: Sequence[tuple[Transition | None, NotAllowed]]
    ) -> None:
        """Put into each refusal who could take its step today, everyone judged as if he asked, and into its remedy their
        posts. They are looked up for all of them at once: most steps of a state belong to the same few people.

        refused   the step beside its refusal; None where a case was to be opened
        """
        today = self.calendar(case.organisation).local_date(self.now)
        audiences = [
            tuple(name for name in refusal.who if name not in ("anyone", "stranger", "system", ADDRESSEE))
            for _, refusal in refused
        ]
        if not any(audiences):
            return
        called = people.called_upon(self.connection, case, audiences, today)
        keys = {key for found in called for key, _, _ in found}
        around = self._around(case.organisation, keys)
        acting = {key: list(around.actors(key, today)) for key in keys}
        for (transition, refusal), who, found in zip(refused, audiences, called, strict=True):
            could: dict[tuple[str, str | None], Holder] = {}
            for key, person, name in found:
                for actor in acting[key]:
                    if (key, actor.on_behalf_of) not in could and self._could(workflow, transition, case, actor):
                        could[key, actor.on_behalf_of] = self._holder(workflow, around, key, person, name, actor)
                        break
            if who:
                refusal.could = tuple(could.values())
                refusal.remedy = _left_to([holder.post for holder in refusal.could])

    def _could(self, workflow: Workflow, transition: Transition | None, case: Case, actor: Actor) -> bool:
        if transition is not None:
            return is_his_to_take(workflow, transition, case, self.now, self.setting(actor, workflow))
        try:
            allow_opening(workflow, actor, case, Text("", ""))
        except NotAllowed:
            return False
        return True

    def _holder(
        self, workflow: Workflow, around: Directory, key: str, person: Person, name: str, actor: Actor
    ) -> Holder:
        """Who could, by his post; one who stands in for somebody, as *A on behalf of B*."""
        post = Text(person.post, person.post) if person.post else workflow.called(name)
        if actor.on_behalf_of is not None:
            away = around.people[actor.on_behalf_of]
            represented = Text(away.post, away.post) if away.post else workflow.called(name)
            post = in_the_name_of(Text(person.post, person.post) if person.post else _DELEGATE, represented)
        return Holder(key, person.name, post, person.department)

    def _around(self, organisation: str, keys: Collection[str]) -> Directory:
        """What says who these may be; read again only for who was not asked about before in this turn."""
        known, around = self._directories.get(organisation, (frozenset(), Directory(organisation, {})))
        if not known.issuperset(keys):
            known = known.union(keys)
            around = people.directory_around(self.connection, organisation, *sorted(known))
            self._directories[organisation] = known, around
        return around

    # --- the engine's own ------------------------------------------------------------------------------------------

    def _remind(self, organisation: str, command: Remind) -> Outcome:
        case = self._locked(organisation, command.case)
        if case is None or case.final or case.generation != command.generation:
            # only the generation that was asked about: the running one has rungs of the same names
            timers.cancel(
                self.connection, organisation, command.case, self.now, command.rungs, generation=command.generation
            )
            return Idle(f"case {command.case} has moved on")
        # under the case's lock nobody else settles them; a reminder was no reminder if somebody had
        place = organisation, case.number, command.generation
        waiting = self._asked_ahead(self._rungs_ahead, place, timers.still_waiting(*place))
        taken = [rung for rung in command.rungs if rung in waiting]
        if not taken:
            return Idle(f"the rungs of {command.case} were told already")
        workflow = self.engine.catalog.of(case)
        if not is_known(workflow):  # another node tells it, or this one once it knows the loop
            return Idle(f"the loop of {command.case} is not known here")
        actor = system(organisation)
        if self._nobody_is_left(workflow, case, taken):
            timers.cancel(self.connection, organisation, case.number, self.now, taken, generation=command.generation)
            return Idle(f"everybody {command.case} waits for has left")
        setting = self.setting(actor, workflow)
        decision = decide_reminder(workflow, case, replace(command, rungs=tuple(taken)), self.now, setting)
        timers.told(
            self.connection,
            organisation,
            case.number,
            command.generation,
            decision.trigger,
            dict.fromkeys((*decision.data["skipped"], *(rung for rung in taken if rung != decision.trigger))),
            self.now,
        )
        return self._write(workflow, case, decision, actor, setting)

    def _nobody_is_left(self, workflow: Workflow, case: Case, rungs: Collection[str]) -> bool:
        """Whether these rungs only ask for receipts of people who have all left since."""
        if not case.who_acted(ADDRESSEE) or not frozenset(receipt_rungs(workflow.state(case.state))).issuperset(rungs):
            return False
        return self._departed(workflow, case).issuperset(case.unconfirmed)

    def _recompute(self, actor: Actor, command: Recompute) -> Outcome:
        case = self._locked(actor.organisation, command.case)
        if case is None:
            raise unknown_case(command.case)
        for generation, rungs in timers.ripe(self.connection, actor.organisation, case.number, self.now):
            # what fell due under the old deadline is told before it moves: moving it voids the rungs
            self._remind(actor.organisation, Remind(case.number, generation, rungs))
            case = cases.load(self.connection, actor.organisation, case.number) or case
        decision = self.recomputed(case)
        if decision is None:
            return Idle(f"the deadline of {command.case} stays")
        workflow = self.engine.catalog.of(case)
        done = self._write(workflow, case, decision, actor, self.setting(actor, workflow))
        if case.period and done.case.due_at is not None and case.clock and "period" in case.clock.budget:
            periods.move(self.connection, actor.organisation, case.number, done.case.due_at)
        return done

    def recomputed(self, case: Case) -> Decision | None:
        """What the newest calendar makes of the case's deadline; None when it stays."""
        workflow = self.engine.catalog.of(case)
        if not is_known(workflow):  # it would lose its ladder with its old deadline
            return None
        owed = self._owed_again(workflow, case) if case.period else None
        setting = self.setting(system(case.organisation), workflow, period=owed)
        return decide_recompute(workflow, case, setting, self.now)

    def _owed_again(self, workflow: Workflow, case: Case) -> PeriodOwed | None:
        """The period the case was opened for, as its cycle draws it under the newest calendar."""
        cycle, _, key = str(case.period).split("/", 2)
        calendar = self.calendar(case.organisation)
        day = calendar.local_date(datetime.fromisoformat(case.facts["period_opens_at"]))
        rule = next((rule for rule in workflow.cycles if rule.cycle.key == cycle), None)
        if rule is None or isinstance(rule.cycle.every, OnEvent):
            return None
        drawn = periods_between(rule.cycle, calendar, day - timedelta(days=1), day)
        return next((PeriodOwed(str(case.period), p.opens_at, p.due_at) for p in drawn if p.key == key), None)

    def _bind(self, actor: Actor, number: str, kind: str, to: str) -> None:
        """Record at the other end that a case was bound to it; its clock and its revision stay."""
        other = self._locked(actor.organisation, number)
        assert other is not None  # it was looked up in this transaction
        workflow = self.engine.catalog.of(other)
        must_be_known(
            workflow, Text(f"与 {number} 关联", f"Bind it to {number}")
        )  # whom it waits for is not known either
        after = other.linked(OTHER_END[kind], to)
        if kind in COUNTED_BONDS:
            after = after.counted(COUNTED_BONDS[kind])
        decision = Decision(
            case=after, type="linked", trigger=OTHER_END[kind], from_state=other.state, data={"number": to},
            new_revision=False,
        )  # fmt: skip
        self._write(workflow, other, decision, actor, self.setting(actor, workflow))

    # --- writing ---------------------------------------------------------------------------------------------------

    def _write(
        self, workflow: Workflow, before: Case | None, decision: Decision, actor: Actor, setting: Setting
    ) -> Done:
        """Everything a decision says, in this order: numbers, cases that come out of it, event, case, timers, outbox."""
        organisation = actor.organisation
        case = decision.case
        for series in decision.series:
            if series.once and series.fact in case.facts:
                continue
            year = setting.calendar.local_date(self.now).year
            drawn = self._numbers.draw(organisation, series.prefix, year)
            case = case.with_facts({series.fact: drawn})
        within = case.number if workflow.holds else case.within
        for opening in decision.opens:
            child = self._open(actor, replace(opening, parent=case.number, within=within))
            case = case.linked("child", child.case.number)
        for link in decision.links:
            case = case.linked(link.kind, link.number)
        recorded_at = max(self.now, before.last_recorded_at) if before and before.last_recorded_at else self.now
        if decision.found_at_flagged:
            case = case.with_facts({"found_at_flagged": True})
        case = case.changed(
            sequence=(before.sequence if before else 0) + 1,
            revision=(before.revision if before else 0) + (1 if decision.new_revision else 0),
            last_recorded_at=recorded_at,
        )
        event = Event(
            organisation=organisation,
            case=case.number,
            sequence=case.sequence,
            type=decision.type,
            trigger=decision.trigger,
            from_state=decision.from_state,
            to_state=case.state,
            recorded_at=recorded_at,
            actor=actor.principal,
            on_behalf_of=_represented(actor),
            found_at=decision.found_at,
            policy_version=self._policy(organisation, workflow)[0],
            calendar_version=setting.calendar.version,
            data=decision.data,
            changes=case.changes_since(before),
        )
        event = history.append(self.connection, event, before.last_hash if before else "", self.engine.draw)
        case = case.changed(last_hash=event.hash)
        # somebody of this group may have asked for them, too
        self._cases_ahead.pop((organisation, case.number), None)
        self._rungs_ahead.pop((organisation, case.number, case.generation), None)
        by_name = tuple(workflow.waits_by_name(one) if one else () for one in (before, case))
        cases.save(self.connection, before, case, () if case.final else workflow.awaited(case), *by_name)
        if decision.cancels_timers or case.final:
            timers.cancel(self.connection, organisation, case.number, self.now)
        if decision.cancels_rungs:
            timers.cancel(self.connection, organisation, case.number, self.now, decision.cancels_rungs)
        rungs = [(timer.rung, timer.fire_at) for timer in decision.timers]
        timers.add(self.connection, organisation, case.number, case.generation, rungs)
        notices = [n for told in decision.told for n in self._notices(workflow, case, event, told, actor, setting)]
        outbox.write(self.connection, notices)
        for link in decision.links:
            self._bind(actor, link.number, link.kind, case.number)
        return Done(case, event)

    def _notices(
        self, workflow: Workflow, case: Case, event: Event, told: Told, actor: Actor, setting: Setting
    ) -> list[Notice]:
        """One for everybody; of those who have not confirmed one for each group of heads, with nobody but their own people."""
        if UNCONFIRMED_HEADS not in told.audience:
            return [self._notice(workflow, case, event, told, actor, setting)]
        others = tuple(name for name in told.audience if name != UNCONFIRMED_HEADS)
        notices = (
            [self._notice(workflow, case, event, replace(told, audience=others), actor, setting)] if others else []
        )
        acknowledge = workflow.state(case.state).acknowledge
        waited = self._still_here(workflow, case)
        if acknowledge is None or not waited:
            return notices
        today = setting.calendar.local_date(self.now)
        groups = people.looked_after_together(
            self.connection, case.organisation, waited, acknowledge.heads, today
        )  # fmt: skip
        for number, group in enumerate(groups, start=1):
            to = replace(told, audience=(looking_after(group[0].person, *acknowledge.heads),))
            notice = self._notice(workflow, case, event, to, actor, setting)
            about = {**notice.about, "unconfirmed": _unconfirmed(group)}
            notices.append(replace(notice, id=f"{notice.id}:{number}", about=about))
        return notices

    def _still_here(self, workflow: Workflow, case: Case) -> list[Person]:
        """Who has not confirmed and could."""
        waited = workflow.waits_by_name(case)
        return [person for person in people.some(self.connection, case.organisation, waited).values() if person.active]

    def _notice(
        self, workflow: Workflow, case: Case, event: Event, told: Told, actor: Actor, setting: Setting
    ) -> Notice:
        awaits = workflow.awaited(case)
        audience = dict.fromkeys(name for who in told.audience for name in (awaits if who == "holder" else (who,)))
        return Notice(
            id=f"{case.number}:{event.sequence}:{told.reason}",
            organisation=case.organisation,
            case=case.number,
            sequence=event.sequence,
            reason=told.reason,
            audience=tuple(audience),
            how=told.how,
            written_at=event.recorded_at,
            about=self._about(workflow, case, event, told, actor, setting.calendar),
        )

    def _about(
        self, workflow: Workflow, case: Case, event: Event, told: Told, actor: Actor, calendar: Calendar
    ) -> dict[str, Any]:
        """What a message may say: enough to act on, and nothing a passer-by should not read on a screen."""
        step = workflow.triggers[event.trigger][0].title if event.trigger in workflow.triggers else None
        by, represented = (
            self._person(case.organisation, key) if key else None for key in (actor.person, actor.on_behalf_of)
        )
        return {
            **as_it_stands(workflow, case, calendar, self.now),
            "trigger": event.trigger,
            "trigger_title": step.to_json() if step else None,
            "rung": told.rung,
            "skipped": list(told.skipped),
            "actor_post": _post_of(by),
            "represented_post": _post_of(represented),
            **_acknowledgement(workflow, case),
            **(
                {"unconfirmed": _unconfirmed(self._still_here(workflow, case))}
                if told.rung and case.unconfirmed
                else {}
            ),
        }

    # --- reading what was sent -------------------------------------------------------------------------------------

    def _read(self, form: type[Form], data: Mapping[str, Any], asked: Text) -> dict[str, Any]:
        return read_form(form, data, asked, self.engine.words)

    def _look_up(self, actor: Actor, form: type[Form], data: Mapping[str, Any], asked: Text) -> dict[str, Case]:
        """Everything the answers refer to exists. Gives the cases among it; raises InvalidInput naming the rest."""
        faults: list[FieldFault] = []
        related: dict[str, Case] = {}
        looked_up: dict[tuple[str, str], str | None] = {}  # a sheet may name one file for each of its hundred items
        for name, kind, value in references(form, data):
            if kind == "case":
                case = self._locked(actor.organisation, value)
                if case is not None and may_see(case, visibility(actor, self.engine.catalog.overseers)):
                    related[value] = case
                    continue
                missing: str | None = kind
            else:
                if (kind, value) not in looked_up:
                    looked_up[kind, value] = self._missing(actor, kind, value)
                missing = looked_up[kind, value]
            if missing is not None:
                what = _MISSING[missing]
                faults.append(FieldFault(name, Text(f"{value!r} {what.zh}", f"{value!r} {what.en}")))
        if faults:
            raise InvalidInput(
                asked=asked,
                obstacle=Text("；".join(f.what.zh for f in faults), "; ".join(f.what.en for f in faults)),
                remedy=Text("请核对后重新提交", "Correct these fields and send it again"),
                fields=faults,
            )
        return related

    def _named(self, organisation: str, form: type[Form], data: Mapping[str, Any]) -> dict[str, str | None]:
        """person → department of everybody the answers name; they exist, since they were looked up."""
        keys = [value for _, kind, value in references(form, data) if kind == "person"]
        found = {key: self._person(organisation, key) for key in keys}
        return {key: person.department for key, person in found.items() if person is not None}

    def _missing(self, actor: Actor, kind: str, value: str) -> str | None:
        """What there is to say of a name that leads to nothing of this kind; None where it does."""
        organisation = actor.organisation
        if kind == "person":
            found = self._person(organisation, value)
            return None if found is not None and found.active else kind
        if kind == "addressee":
            return None  # the case says who that is
        if kind == "audience":
            return None if self._is_audience(actor, value) else kind
        if kind == "department":
            if (organisation, value) not in self._departments:
                there = people.department_exists(self.connection, organisation, value)
                self._departments[organisation, value] = there
            return None if self._departments[organisation, value] else kind
        place = organisation, value, actor.principal
        file = self._asked_ahead(self._files_ahead, place, files.offering(*place))
        if file is None or not (file.sent or self._is_shown(actor, value)):
            return "file"
        if file.is_picture != (kind == "file"):
            return "picture" if kind == "file" else "document"
        return None

    def _is_audience(self, actor: Actor, value: str) -> bool:
        """Whether there is what this names: a department, a role that can be held, a group, somebody who is here."""
        sort, _, name = value.partition(":")
        if sort == "person" and AT in name:
            return False  # who is of another organisation is not addressed here, and must not be left out in silence
        if sort in ("person", "department"):
            return self._missing(actor, sort, name) is None
        if sort == "role":
            return any(name in workflow.roles for workflow in self.engine.catalog.newest())
        if sort == "group":
            return any(group.code == name for group in people.groups(self.connection, actor.organisation))
        return True

    def _is_shown(self, actor: Actor, sha256: str) -> bool:
        """Whether the file is evidence in a case that shows it to him. Who only knows its name may not make it his own
        evidence: he could then fetch it.
        """
        seen = visibility(actor, self.engine.catalog.overseers)
        for number in files.cases_using(
            self.connection, actor.organisation, sha256
        ):  # one at a time: the first often does
            case = cases.load(self.connection, actor.organisation, number)
            if case is None or not may_see(case, seen):
                continue
            if may_see_evidence(self.engine.catalog.of(case), case, (actor,)):
                return True
        return False

    def _use_files(self, form: type[Form], data: Mapping[str, Any], organisation: str, number: str) -> None:
        for _, kind, value in references(form, data):
            if kind in {"file", "document"}:
                files.use(self.connection, organisation, value, number)

    # --- keys ------------------------------------------------------------------------------------------------------

    def _answered(self, asked: Asked) -> Done | None:
        """The answer this principal's key already has; raises KeyReused when it was for another request."""
        if asked.key is None:
            return None
        actor = asked.actor
        whose = actor.organisation, actor.principal, asked.route, asked.key
        known = self._asked_ahead(self._answers_ahead, whose, answers.finding(*whose, self.now))
        if known is None:
            return None
        if known.request_hash != _request_hash(asked):
            raise KeyReused(
                asked=Text("以同一幂等键提交另一请求", "Use an idempotency key again"),
                obstacle=Text(
                    f"该键已用于 {known.number} 的另一内容的请求",
                    f"the key stands for another request, the one that made event {known.sequence} of {known.number}",
                ),
                remedy=Text("请为新的请求换一个键", "Use a new key for a new request"),
            )
        case, event = history.as_of(self.connection, actor.organisation, known.number, known.sequence)
        return Done(case, event, replayed=True)

    def _keep_answer(self, asked: Asked, done: Done) -> None:
        """Only what was carried out is kept: a refusal may well succeed later under the same key."""
        if asked.key is None:
            return
        answer = answers.Answer(_request_hash(asked), done.case.number, done.event.sequence)
        actor = asked.actor
        answers.keep(self.connection, actor.organisation, actor.principal, asked.route, asked.key, answer, self.now)

    # --- what holds ------------------------------------------------------------------------------------------------

    def setting(self, actor: Actor, workflow: Workflow, **known: Any) -> Setting:
        """What holds for this actor's organisation, with what else is known of the command."""
        _, policy = self._policy(actor.organisation, workflow)
        return Setting(actor=actor, policy=policy, calendar=self.calendar(actor.organisation), **known)

    def calendar(self, organisation: str) -> Calendar:
        if organisation not in self._calendars:
            self._calendars[organisation] = calendars.newest(self.connection, organisation)
        calendar = self._calendars[organisation]
        if calendar is None:
            raise BihuanError(f"organisation {organisation!r} has no calendar; load one with `bihuan calendar load`")
        return calendar

    def _policy(self, organisation: str, workflow: Workflow) -> tuple[int, dict[str, Any]]:
        key = organisation, workflow.key, workflow.version
        if key not in self._policies:
            if organisation not in self._overrides:
                self._overrides[organisation] = policies.asking_in_force(organisation).ask(self.connection)
            version, overrides = self._overrides[organisation].get(workflow.key, (0, {}))
            # an override of a number this version no longer has is left out, not fatal: the newest definition decides
            known = {name: value for name, value in overrides.items() if name in workflow.policy.model_fields}
            self._policies[key] = version, {**workflow.defaults(), **known}
        return self._policies[key]

    def _workflow(self, key: str) -> Workflow:
        workflow = self.engine.catalog.get(key)
        if workflow is None:
            raise InvalidInput(
                asked=Text(f"登记“{key}”", f"Open a case of {key!r}"),
                obstacle=Text("没有这种流程", "there is no such workflow"),
                remedy=Text("可用 `bihuan workflow list` 查看", "See `bihuan workflow list` for those there are"),
            )
        return workflow

    def _log(self, asked: Asked, refusal: Refusal) -> None:
        """Refusals of signed-in people are kept; strangers' are counted elsewhere, the system's are outcomes."""
        if asked.actor.kind != "person":
            return
        record = refusal_record(asked, refusal, self.now)
        refusals.log(self.connection, record)


def refusal_record(asked: Asked, refusal: Refusal, now: datetime) -> refusals.RefusalRecord:
    """What the refusal log keeps: enough to answer who tried what, when and why not; nothing of what was typed."""
    command = asked.command
    number, trigger = getattr(command, "case", None), getattr(command, "trigger", None) or "open"
    route = asked.route
    # an address can be typed too, and this log is never erased
    typed = [part for part, shape in ((number, CASE_NUMBER), (trigger, TRIGGER)) if part and not shape.fullmatch(part)]
    for part in typed:
        route = route.replace(part, "…")
    if typed:
        sentence = f"{refusal.title.zh}。"
    elif refusal.fields:  # what is wrong with a field quotes what was typed into it
        sentence = f"{refusal.asked.zh}：{refusal.title.zh}。"
    else:
        sentence = refusal.sentence("zh")
    return refusals.RefusalRecord(
        organisation=asked.actor.organisation,
        at=now,
        principal=asked.actor.principal,
        on_behalf_of=asked.actor.on_behalf_of,
        route=route,
        number=None if number in typed else number,
        asked="…" if trigger in typed else trigger,
        code=refusal.code,
        reason=getattr(refusal, "guard", None) or getattr(refusal, "reason", None) or "",
        sentence=sentence,
    )


def unknown_case(number: str) -> UnknownCase:
    return UnknownCase(
        asked=Text(f"查找 {number}", f"Look for {number}"),
        obstacle=Text("没有此项，或您无权查看", "there is no such case, or not one you may see"),
        remedy=Text("请核对编号", "Check the number"),
    )


def _no_such_step(workflow: Workflow, asked: Text) -> Refusal:
    titles = {name: drawn[0].title for name, drawn in workflow.triggers.items()}
    return InvalidInput(
        asked=asked,
        obstacle=Text(f"“{workflow.title.zh}”没有这个步骤", f"{workflow.title.en} has no such step"),
        remedy=Text(
            "可用的步骤：" + "、".join(f"{title.zh}（{name}）" for name, title in titles.items()),
            "The steps there are: " + ", ".join(f"{title.en} ({name})" for name, title in titles.items()),
        ),
    )


def _request_hash(asked: Asked) -> str:
    """What makes two requests under one key the same one: what they ask for, in whose name. Not the revision they expect."""
    command = asked.command
    told = {
        "what": [getattr(command, name, None) for name in ("workflow", "case", "trigger")],
        "data": getattr(command, "data", None),
        "found_at": str(getattr(command, "found_at", None)),
    }
    if asked.actor.on_behalf_of is not None:
        told["on_behalf_of"] = asked.actor.on_behalf_of
    if isinstance(command, OpenCase) and command.within is not None:
        told[WITHIN] = command.within
    return hashlib.sha256(_WRITE(told).encode()).hexdigest()


#: as ever: what was hashed is kept for thirty days, and has to be the same after an upgrade
_WRITE = json.JSONEncoder(sort_keys=True, default=str).encode


def _post_of(person: Person | None) -> str | None:
    """What a message calls somebody: it is read on phones and by machines of others, where no name belongs. By name only
    whom the directory knows no post of.
    """
    return None if person is None else person.post or person.name


def _acknowledgement(workflow: Workflow, case: Case) -> dict[str, Any]:
    """The step by which its reader can say straight from the message that he has got it, while nobody has."""
    step = workflow.acknowledgement(case.state) if case.acknowledged_at is None else None
    if step is None:
        return {}
    by = [UNCONFIRMED] if step.confirms else list(step.by)
    return {"acknowledge": {"trigger": step.trigger, "title": step.title.to_json(), "by": by}}


def _unconfirmed(waited: Sequence[Person]) -> dict[str, Any]:
    """Those who have not confirmed, as a message may say it: how many, and by their posts."""
    posts = Counter(str(_post_of(person)) for person in waited)
    return {"count": len(waited), "posts": [[post, number] for post, number in posts.most_common(POSTS_IN_MESSAGE)]}


def _represented(actor: Actor) -> str | None:
    return f"person:{actor.on_behalf_of}" if actor.on_behalf_of else None


def _left_to(posts: Sequence[Text]) -> Text:
    """What to do about a step of somebody else's: whom to leave it to."""
    named = list(dict.fromkeys(posts))[:POSTS_NAMED]
    if named:
        zh, en = "、".join(p.zh for p in named), " or ".join(p.en for p in named)
        return Text(f"请由{zh}办理", f"Leave the step to {en}")
    return Text(
        "目前无人可以办理；如有岗位空缺，请告知系统管理员补足（bihuan check 会指出空缺）",
        "Nobody can at present; if a post is vacant, tell the administrator, whom `bihuan check` shows which",
    )


_DELEGATE = Text("代办人", "a delegate")  # of whom the directory knows no post
_MISSING = {
    "person": Text("不是本单位在册人员", "is nobody active in this organisation"),
    "department": Text("不是本单位的部门", "is no department of this organisation"),
    "file": Text("不是您上传的，也不是您可查看的证据", "is neither uploaded by you nor evidence you may see"),
    "picture": Text("是文件，此处应为照片", "is a document, and a picture is asked for"),
    "document": Text("是照片，此处应为文件（PDF、Word、Excel）", "is a picture, and a document is asked for"),
    "case": Text("查无此项", "is no case you may see"),
    "audience": Text("不是本单位的部门、岗位、工作组或在册人员", "is no department, role, group or active person here"),
}
