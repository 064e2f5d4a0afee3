"""Asks `engine.proof` about a real organisation: its directory, its numbers, its calendar, its open cases; and, before
somebody changes these, what the change would open.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Protocol

from sqlalchemy import Connection

from api import conditions
from engine.actor import Visibility
from engine.definition import WHAT_TO_DO, Catalog, Workflow, is_known, why_unknown
from engine.errors import Refusal, Text
from engine.proof import Finding, Known, Question, check, worse
from engine.store import calendars, cases, people, periods, policies, worklists
from engine.store.database import Door
from engine.store.worklists import Filter
from workflows.roles import ROLES

#: what every department of one's own ought to have somebody for
POSTS: Mapping[str, Text] = {"dept_head": Text("负责人", "head"), "dept_safety": Text("安全员", "safety officer")}
MOST_NAMED = 10  # cases a finding tells one by one
LISTED = 5  # dead corners a refusal tells one by one; the rest are counted
MOST_KEPT = 2_000  # answers a process keeps: measured at twelve kilobytes each, twice as much in a large school


class OpensDeadCorner(Refusal):
    """After the change some loop could not be closed, and nobody confirmed that this is meant.

    findings    what would be open, a sentence each
    """

    code = "opens_dead_corner"
    title = Text("会留下死角", "It would open a dead corner")

    def __init__(self, findings: Iterable[Text], *, asked: Text) -> None:
        self.findings = tuple(findings)
        told, more = self.findings[:LISTED], len(self.findings) - LISTED
        super().__init__(
            asked=asked,
            obstacle=Text(
                "；".join(f.zh.rstrip("。") for f in told) + (f"；另有 {more} 处" if more > 0 else ""),
                "; ".join(f.en.rstrip(".") for f in told) + (f"; and {more} more" if more > 0 else ""),
            ),
            remedy=Text(
                "没有任何内容被改动。请先安排接替人员；如确需如此，请加确认后再办",
                "Nothing changed. Name somebody else first; if it is meant so, ask again and confirm it",
            ),
        )


class Found(Protocol):
    """What a change would open."""

    @property
    def key(self) -> str: ...

    @property
    def text(self) -> Text: ...


class Check(Protocol):
    """Finds what a change opens in two moves, so that the long one locks nothing: `look` reads, `opened` thinks."""

    def look(self, connection: Connection) -> Any: ...

    def opened(self, before: Any, after: Any) -> Iterable[Found]: ...


class Kept:
    """What one process has found out already: most changes follow one another, and what held after the last one holds before
    the next. An answer depends on the loop, its numbers and the people only, so that none ever grows old.
    """

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._known = Known()

    def known(self) -> Known:
        """To look up and to add to. Whoever has it keeps it to his end, also when it has become too large for the next one."""
        if len(self._known) > self._most:
            self._known = Known()
        return self._known.without_rules()


kept = Kept()


@dataclass(frozen=True, slots=True)
class DeadCorners:
    """The check there is: what `bihuan check` calls a dead corner. Warnings stop nobody."""

    catalog: Catalog
    organisation: str
    now: datetime
    known: Known = field(default_factory=kept.known)

    def look(self, connection: Connection) -> Question:
        return question(connection, self.catalog, self.organisation, self.now)

    def opened(self, before: Question, after: Question) -> list[Finding]:
        """What holds after the change and is worse than what held before; what it leaves as bad as it was is none."""
        then = self.find(after)
        if not then:
            return []
        new = _codes(after) - _codes(before)
        empty = new - {person.department for person in after.directory.people.values() if person.active}
        return worse(then, self.find(before), new=new, empty=empty)

    def find(self, seen: Question) -> list[Finding]:
        return [finding for finding in check(seen, remedies=False, known=self.known) if finding.stuck]


def _codes(seen: Question) -> frozenset[str]:
    return frozenset(department.code for department in seen.directory.departments)


class _Undone(Exception):
    """Ends the rehearsal of a change."""


def opened_by(reading: Door, writing: Door, check: Check, apply: Callable[[Connection], object]) -> dict[str, Text]:
    """The dead corners this change would open, or open earlier or in more departments, by their keys: it is rehearsed,
    looked at and undone. What it mends only in part, and what comes to light behind what it mends, it does not open.

    Raises    whatever `apply` refuses
    """
    with reading() as connection:
        before = after = check.look(connection)
    try:
        with writing() as connection:
            apply(connection)
            after = check.look(connection)
            raise _Undone
    except _Undone:
        pass
    return {found.key: found.text for found in check.opened(before, after)}


def findings(connection: Connection, catalog: Catalog, organisation: str, now: datetime) -> list[Finding]:
    """What stands in the way of closing every loop, as the database holds it at this instant."""
    asked = question(connection, catalog, organisation, now)
    found = check(asked, known=kept.known())
    found += _of_unknown_loops(connection, catalog, organisation, now, asked.first)
    found += conditions.findings(connection, organisation, now)
    return sorted(found, key=lambda finding: (not finding.stuck, finding.since, finding.key))


def _of_unknown_loops(
    connection: Connection, catalog: Catalog, organisation: str, now: datetime, today: date
) -> Iterator[Finding]:
    """Open cases that nobody can bring on by this program, loop by loop."""
    if all(catalog.get(*each) is not None for each in cases.definitions_in_use(connection)):
        return  # as it nearly always is, and told by an index
    stuck: dict[Workflow, list[str]] = {}
    for case in worklists.all_open(connection, Visibility(organisation, everything=True), Filter(), now):
        if not is_known(workflow := catalog.of(case)):
            stuck.setdefault(workflow, []).append(case.number)
    for workflow, numbers in stuck.items():
        listed, why = "、".join(sorted(numbers)[:MOST_NAMED]), why_unknown(workflow)
        some = Text(f"{listed}（共 {len(numbers)} 件）", f"{listed.replace('、', ', ')} ({len(numbers)} in all)")
        yield Finding(
            key=f"loop_unknown:{workflow.key}:{workflow.version}", code="loop_unknown", stuck=True,
            text=Text(f"{some.zh}：{why.zh}", f"{some.en}: {why.en}"), remedy=WHAT_TO_DO, since=today, workflow=workflow.key,
        )  # fmt: skip


def question(connection: Connection, catalog: Catalog, organisation: str, now: datetime) -> Question:
    today = now.astimezone(people.time_zone(connection, organisation)).date()
    numbers = {w.key: policies.in_force(connection, organisation, w.key)[1] for w in catalog.newest()}

    def policy_of(workflow: Workflow) -> Mapping[str, Any]:
        return {**workflow.defaults(), **numbers[workflow.key]}

    owed: dict[str, set[str]] = {}
    cycles = {rule.cycle.key: workflow.key for workflow, rule in catalog.cycles()}
    for obligation in periods.obligations(connection, organisation):
        over = obligation.last_day is not None and obligation.last_day < today
        if obligation.cycle in cycles and not over:
            owed.setdefault(cycles[obligation.cycle], set()).add(obligation.scope)
    everything = Visibility(organisation, everything=True)
    open_ = [c for c in worklists.all_open(connection, everything, Filter(), now) if is_known(catalog.of(c))]
    return Question(
        workflows=catalog.newest(),
        directory=people.directory(connection, organisation),
        first=today,
        policy_of=policy_of,
        calendar=calendars.newest(connection, organisation),
        owed={key: frozenset(scopes) for key, scopes in owed.items()},
        roles=ROLES,
        posts=POSTS,
        open_=open_,
        older=list(dict.fromkeys(catalog.of(case) for case in open_)),
    )
