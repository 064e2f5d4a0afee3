"""What is asked of the proof, and what is looked at again and again to answer it: people, plays, changes that are tried."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from engine.actor import Actor, Grant
from engine.calendar import Calendar
from engine.case import Case
from engine.definition import Workflow
from engine.directory import Directory, Person
from engine.errors import Text
from engine.proof.play import Impasse, Memory, Play
from engine.proof.stage import Company, Stage, company_on

DAYS_AHEAD = 90  # how far ahead the ends of grants and absences are looked at


@dataclass(frozen=True)
class Question:
    """What is asked: the loops with the numbers that hold here, the people, from which day on.

    owed    workflow → the departments a cycle opens its cases for; where a loop has no cycle, every department
    roles   everything that can be granted here, with its title; empty for what the loops name
    posts   roles that every department of one's own ought to have somebody for
    open_   cases that are open now, each with its own history
    older   loops that new cases are not opened with any more, for those of them
    """

    workflows: Sequence[Workflow]
    directory: Directory
    first: date
    policy_of: Callable[[Workflow], Mapping[str, Any]]
    calendar: Calendar | None = None
    owed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    roles: Mapping[str, Text] = field(default_factory=dict)
    posts: Mapping[str, Text] = field(default_factory=dict)
    open_: Sequence[Case] = ()
    older: Sequence[Workflow] = ()
    days: int = DAYS_AHEAD


@dataclass(frozen=True, slots=True)
class Known:
    """What was played already: whoever asks twice, as before and after a change, plays only what is new.

    clean   departments, as their cases see the people, in which every case has a way to its end without leaving it
    whole   what was found, department by department, with everybody as he stands
    tried   what was found in one department with a change that was tried
    rules   by loop and its numbers: what its rules have answered; of all this the only part that is large
    """

    clean: set[Any] = field(default_factory=set)
    whole: dict[Any, Mapping[str | None, tuple[Impasse, ...]]] = field(default_factory=dict)
    tried: dict[Any, tuple[Impasse, ...]] = field(default_factory=dict)
    rules: dict[Any, Memory] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many answers are kept, not counting those of the rules."""
        return len(self.clean) + len(self.whole) + len(self.tried)

    def without_rules(self) -> "Known":
        """The same answers, added to by whoever has either; the rules are asked anew."""
        return Known(self.clean, self.whole, self.tried)

    def memory_of(self, stage: Stage) -> Memory:
        return self.rules.setdefault((stage.workflow, repr(sorted(stage.policy.items()))), Memory())


@dataclass(frozen=True, slots=True)
class More:
    """New people who hold one role, as a change that is tried.

    scope        where they hold it
    department   where they belong themselves
    """

    role: str
    count: int
    scope: str
    department: str | None


class Look:
    """What a question looks at again and again: the people of each day, and the plays with them."""

    def __init__(self, question: Question, known: Known) -> None:
        self.question = question
        self.known = known
        self._companies: dict[date, Company] = {}
        self._latest: tuple[Workflow, date, Play] | None = None
        self._stages: dict[Any, Stage] = {}  # of changes that were tried
        self._played: dict[tuple[Stage, str | None], tuple[Impasse, ...]] = {}

    def play(self, workflow: Workflow, day: date) -> Play:
        if self._latest is None or self._latest[:2] != (workflow, day):  # a play is large, and days come one by one
            stage = Stage(workflow, self.question.policy_of(workflow), self.company(day))
            self._latest = (workflow, day, Play(stage, self.known.memory_of(stage)))
        return self._latest[2]

    def company(self, day: date) -> Company:
        if day not in self._companies:
            self._companies[day] = company_on(self.question.directory, day)
        return self._companies[day]

    def grown(self, workflow: Workflow, day: date, more: More) -> Stage:
        """The people of that day and some new ones."""
        if (workflow, day, more) not in self._stages:
            company = self.company(day)
            grants = frozenset({Grant(more.role, more.scope)})
            new = tuple(
                Actor(company.organisation, "person", person=f"·new{n}", department=more.department, grants=grants)
                for n in range(more.count)
            )
            nameable = {**company.nameable, **{str(actor.person): more.department for actor in new}}
            grown = replace(company, present=(*company.present, *new), nameable=nameable)
            self._stages[workflow, day, more] = Stage(workflow, self.question.policy_of(workflow), grown)
        return self._stages[workflow, day, more]

    def delegated(self, workflow: Workflow, day: date, away: str) -> Stage:
        """The people of that day, and one more who acts for whom is away and has no part of his own."""
        if (workflow, day, away) not in self._stages:
            directory = self.question.directory
            new = Person(directory.organisation, "·new", "")
            absences = tuple(replace(a, delegate="·new") if a.person == away else a for a in directory.absences)
            changed = replace(directory, people={**directory.people, "·new": new}, absences=absences)
            stage = Stage(workflow, self.question.policy_of(workflow), company_on(changed, day))
            self._stages[workflow, day, away] = stage
        return self._stages[workflow, day, away]

    def impasses_with(self, stage: Stage, department: str | None) -> tuple[Impasse, ...]:
        """What cases of a department could not get past with these people; each change is played once."""
        if (stage, department) not in self._played:
            at = (stage.workflow, repr(sorted(stage.policy.items())), stage.whole, department)
            if at not in self.known.tried:
                self.known.tried[at] = tuple(Play(stage, self.known.memory_of(stage)).impasses(department))
            self._played[stage, department] = self.known.tried[at]
        return self._played[stage, department]

    def impasses(self, workflow: Workflow, day: date) -> Mapping[str | None, tuple[Impasse, ...]]:
        """department → what cases of it could not get past on that day; None for those of no department yet."""
        play = self.play(workflow, day)
        stage = play.stage
        name = (workflow, repr(sorted(stage.policy.items())))
        where = tuple(_departments(self.question, workflow))
        at = (*name, stage.whole, where)
        if at not in self.known.whole:
            found: dict[str | None, tuple[Impasse, ...]] = {}
            alike: dict[Any, str | None] = {}
            for department in where:
                within = (*name, play.likeness.within(department))
                if within in self.known.clean:
                    continue
                look = play.likeness.whole(department)
                if look in alike:
                    found[department] = _as_in(play, found[alike[look]], alike[look], department)
                    continue
                alike[look] = department
                found[department] = tuple(play.impasses(department))
                if play.clean_within(department):
                    self.known.clean.add(within)
            self.known.whole[at] = {department: impasses for department, impasses in found.items() if impasses}
        return self.known.whole[at]


def _as_in(play: Play, impasses: Iterable[Impasse], played: str | None, department: str | None) -> tuple[Impasse, ...]:
    """The same for a department that is the mirror image, with its own people in the parts."""
    part = play.likeness.parts(played, department)
    return tuple(
        replace(
            one, department=department, able=tuple(part.get(p, p) for p in one.able),
            barred=tuple((part.get(p, p), why) for p, why in one.barred),
        )
        for one in impasses
    )  # fmt: skip


def _departments(question: Question, workflow: Workflow) -> Iterator[str | None]:
    known = [department.code for department in question.directory.departments]
    if workflow.cycles and workflow.opens_by == ("system",):
        owed = question.owed.get(workflow.key, frozenset())
        yield from (code for code in known if code in owed)
        return
    yield from known
    named = workflow.opens_with.model_fields.get("department")
    if named is None or not named.is_required():
        yield None
