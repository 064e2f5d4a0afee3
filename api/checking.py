"""Asks `engine.proof` about a real organisation: its directory, its numbers, its calendar, its open cases."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from engine.actor import Visibility
from engine.definition import Catalog, Workflow
from engine.errors import Text
from engine.proof import Finding, Question, check
from engine.store import calendars, people, periods, policies, worklists
from engine.store.worklists import Filter
from workflows.roles import ROLES

#: what every department of one's own ought to have somebody for
POSTS: Mapping[str, Text] = {"dept_head": Text("负责人", "head"), "dept_safety": Text("安全员", "safety officer")}


def findings(connection: Connection, catalog: Catalog, organisation: str, now: datetime) -> list[Finding]:
    """What stands in the way of closing every loop, as the database holds it at this instant."""
    return check(question(connection, catalog, organisation, now))


def question(connection: Connection, catalog: Catalog, organisation: str, now: datetime) -> Question:
    today = now.astimezone(people.time_zone(connection, organisation)).date()
    numbers = {w.key: policies.in_force(connection, organisation, w.key)[1] for w in catalog.newest()}

    def policy_of(workflow: Workflow) -> Mapping[str, Any]:
        return {**workflow.defaults(), **numbers[workflow.key]}

    owed: dict[str, set[str]] = {}
    cycles = {rule.cycle.key: workflow.key for workflow, rule in catalog.cycles()}
    for obligation in periods.obligations(connection):
        over = obligation.last_day is not None and obligation.last_day < today
        if obligation.organisation == organisation and obligation.cycle in cycles and not over:
            owed.setdefault(cycles[obligation.cycle], set()).add(obligation.scope)
    everything = Visibility(organisation, everything=True)
    return Question(
        workflows=catalog.newest(),
        directory=people.directory(connection, organisation),
        first=today,
        policy_of=policy_of,
        calendar=calendars.newest(connection, organisation),
        owed={key: frozenset(scopes) for key, scopes in owed.items()},
        roles=frozenset(ROLES),
        posts=POSTS,
        open_=worklists.all_open(connection, everything, Filter(), now),
    )
