"""What one turn reads: calendars, numbers and people once, and what a whole group will want, at once and ahead."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import groupby, islice
from typing import Any, TypeVar

from engine.actor import Actor
from engine.authority import may_see, visibility
from engine.calendar import Calendar
from engine.case import CASE_NUMBER, Case
from engine.commands import Asked, FireTrigger, OpenCase, OpenPeriod, Recompute, Remind
from engine.cycles import Cycle, Night, TimesADay, periods_between
from engine.decision import Setting
from engine.definition import Catalog, Workflow, references
from engine.directory import AT, Directory, Person
from engine.errors import BihuanError, InvalidInput, Text
from engine.handle.outcomes import Engine
from engine.handle.refusing import unknown_case
from engine.store import answers, calendars, cases, files, people, periods, policies, timers
from engine.store.database import Connection, speak_for, speaking_for
from engine.store.periods import Obligation
from engine.store.statements import Question, ask

#: names of one command looked up for the whole group; what says more than forms do is refused in its turn
MOST_AHEAD = 64

K = TypeVar("K")
T = TypeVar("T")


class Reading:
    """What one turn has read in its transaction, and how it reads more.

    What no command changes (calendars, policies, the directory) is read once and holds till the turn ends. What was asked ahead
    of what commands do change is given out once; of a case that is written, whatever is left is forgotten (`forget`).
    """

    def __init__(self, engine: Engine, connection: Connection, now: datetime) -> None:
        self.engine = engine
        self.connection = connection
        self.now = now
        self._spoken_for: str | None = None
        self._calendars: dict[str, Calendar | None] = {}
        self._earlier_calendars: dict[tuple[str, int], Calendar] = {}
        self._directories: dict[str, tuple[frozenset[str], Directory]] = {}
        self._policies: dict[tuple[str, str, int], tuple[int, dict[str, Any]]] = {}
        self._overrides: dict[str, dict[str, tuple[int, dict[str, Any]]]] = {}
        self._people: dict[tuple[str, str], Person | None] = {}
        self._departments: dict[tuple[str, str], bool] = {}
        self._passed: dict[tuple[str, int, date, str], tuple[date, Sequence[str]]] = {}
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

    def speak_for(self, organisation: str) -> None:
        """Behind the wall of this organisation from now on."""
        if self._spoken_for != organisation:
            speak_for(self.connection, organisation)
            self._spoken_for = organisation

    def now_speaks_for(self, organisation: str) -> None:
        """Whoever wrote has put this one's wall up already."""
        self._spoken_for = organisation

    # --- what holds ---------------------------------------------------------------------------------------------------

    def setting(self, actor: Actor, workflow: Workflow, **known: Any) -> Setting:
        """What holds for this actor's organisation, with what else is known of the command."""
        _, policy = self.policy(actor.organisation, workflow)
        return Setting(actor=actor, policy=policy, calendar=self.calendar(actor.organisation), **known)

    def calendar(self, organisation: str) -> Calendar:
        calendar = self.calendar_if_any(organisation)
        if calendar is None:
            raise BihuanError(f"organisation {organisation!r} has no calendar; load one with `bihuan calendar load`")
        return calendar

    def calendar_if_any(self, organisation: str) -> Calendar | None:
        if organisation not in self._calendars:
            self._calendars[organisation] = calendars.newest(self.connection, organisation)
        return self._calendars[organisation]

    def earlier_calendar(self, organisation: str, version: int) -> Calendar:
        """The one of this version; versions are added and never go."""
        if (organisation, version) not in self._earlier_calendars:
            found = calendars.of_version(self.connection, organisation, version)
            assert found is not None, f"a clock of {organisation!r} was counted by a calendar {version} that is gone"
            self._earlier_calendars[organisation, version] = found
        return self._earlier_calendars[organisation, version]

    def policy(self, organisation: str, workflow: Workflow) -> tuple[int, dict[str, Any]]:
        key = organisation, workflow.key, workflow.version
        if key not in self._policies:
            if organisation not in self._overrides:
                self._overrides[organisation] = policies.asking_in_force(organisation).ask(self.connection)
            version, overrides = self._overrides[organisation].get(workflow.key, (0, {}))
            # an override of a number this version no longer has is left out, not fatal: the newest definition decides
            known = {name: value for name, value in overrides.items() if name in workflow.policy.model_fields}
            self._policies[key] = version, {**workflow.defaults(), **known}
        return self._policies[key]

    def workflow(self, key: str) -> Workflow:
        workflow = self.engine.catalog.get(key)
        if workflow is None:
            raise InvalidInput(
                asked=Text(f"登记“{key}”", f"Open a case of {key!r}"),
                obstacle=Text("没有这种流程", "there is no such workflow"),
                remedy=Text("可用 `bihuan workflow list` 查看", "See `bihuan workflow list` for those there are"),
            )
        return workflow

    def passed(self, cycle: Cycle, calendar: Calendar, after: date, command: OpenPeriod) -> tuple[date, Sequence[str]]:
        """The last day that need not be looked at once this period is open, and the keys of the others after `after` up to
        it; thought through once for all the scopes that owe the same.
        """
        place = cycle.key, id(calendar), after, command.key  # the calendar lives as long as the turn
        if place not in self._passed:
            day = calendar.local_date(command.opens_at)
            if isinstance(cycle.every, TimesADay | Night):  # the day has more of them, or this one opens late on it
                day -= timedelta(days=1)
            passed = periods_between(cycle, calendar, after, day)
            self._passed[place] = day, [period.key for period in passed if period.key != command.key]
        return self._passed[place]

    # --- who there is -------------------------------------------------------------------------------------------------

    def person(self, organisation: str, key: str) -> Person | None:
        """Read once a turn: no command changes the directory."""
        if (organisation, key) not in self._people:
            self._people[organisation, key] = people.person(self.connection, organisation, key)
        return self._people[organisation, key]

    def departed(self, workflow: Workflow, case: Case) -> frozenset[str]:
        """Who has not confirmed and has left since."""
        waited = case.unconfirmed if workflow.addresses_many else ()
        if not waited:
            return frozenset()
        known = people.some(self.connection, case.organisation, waited)
        return frozenset(person for person in waited if person not in known or not known[person].active)

    def still_here(self, workflow: Workflow, case: Case) -> list[Person]:
        """Who has not confirmed and could."""
        waited = workflow.waits_by_name(case)
        return [person for person in people.some(self.connection, case.organisation, waited).values() if person.active]

    def around(self, organisation: str, keys: Collection[str]) -> Directory:
        """What says who these may be; read again only for who was not asked about before in this turn."""
        known, around = self._directories.get(organisation, (frozenset(), Directory(organisation, {})))
        if not known.issuperset(keys):
            known = known.union(keys)
            around = people.directory_around(self.connection, organisation, *sorted(known))
            self._directories[organisation] = known, around
        return around

    # --- how it stands ------------------------------------------------------------------------------------------------

    def locked(self, organisation: str, number: str) -> Case | None:
        """The case as it stands; nobody else changes it before this transaction ends."""
        if not CASE_NUMBER.fullmatch(number):
            return None  # no case is called so, and there are texts no database takes
        question = cases.loading(organisation, number, lock=True)
        return self._asked_ahead(self._cases_ahead, (organisation, number), question)

    def seen(self, asked: Asked, number: str) -> Case:
        """The case, if the asker may see it; one he may not see looks like one that does not exist."""
        case = self.locked(asked.actor.organisation, number)
        if case is None or not may_see(case, asked.seen or visibility(asked.actor, self.engine.catalog.overseers)):
            raise unknown_case(number)
        return case

    def answer(self, asked: Asked, key: str) -> answers.Answer | None:
        """What this principal was answered under this key."""
        whose = asked.actor.organisation, asked.actor.principal, asked.route, key
        return self._asked_ahead(self._answers_ahead, whose, answers.finding(*whose, self.now))

    def waiting_rungs(self, organisation: str, number: str, generation: int) -> frozenset[str]:
        """The rungs that nobody has told yet; under the case's lock nobody else settles them."""
        place = organisation, number, generation
        return self._asked_ahead(self._rungs_ahead, place, timers.still_waiting(*place))

    def owed(self, organisation: str, cycle: str, scope: str) -> Obligation | None:
        """What the scope owes of the cycle, locked."""
        ahead = self._owed_ahead.get((organisation, cycle), {})
        return self._asked_ahead(ahead, scope, periods.locking(organisation, cycle, scope))

    def is_opened(self, organisation: str, cycle: str, scope: str, key: str) -> bool:
        """Whether the period has its row already."""
        ahead = self._periods_ahead.get((organisation, cycle), {})
        question = periods.asking_existence(organisation, cycle, scope, key)
        return self._asked_ahead(ahead, (scope, key), question)

    def has_department(self, organisation: str, code: str) -> bool:
        if (organisation, code) not in self._departments:
            self._departments[organisation, code] = people.department_exists(self.connection, organisation, code)
        return self._departments[organisation, code]

    def file(self, organisation: str, sha256: str, principal: str) -> files.Offered | None:
        """The file as this principal may offer it as evidence."""
        place = organisation, sha256, principal
        return self._asked_ahead(self._files_ahead, place, files.offering(*place))

    def forget(self, case: Case) -> None:
        """What was asked ahead of this case holds no longer: somebody else of the group may have asked for it, too."""
        self._cases_ahead.pop((case.organisation, case.number), None)
        self._rungs_ahead.pop((case.organisation, case.number, case.generation), None)

    def _asked_ahead(self, answers_: dict[K, T], key: K, question: Question[T]) -> T:
        """The answer that was asked for with the whole group's, once; afterwards it may have changed."""
        return answers_.pop(key) if key in answers_ else question.ask(self.connection)


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
