"""The loops there are: states, steps, forms, numbers, diagram; their cycles, and what came of each period."""

from typing import Annotated

from fastapi import Query, Response

from api.auth import SignedIn, TheRuntime
from api.problems import unknown_address
from api.routes.cases import json_of
from api.routes.under import BASE, Router
from api.schemas import (
    CycleList,
    PeriodList,
    WorkflowAnswer,
    WorkflowList,
    cycle_answer,
    period_answer,
    workflow_answer,
    workflow_line,
)
from engine.store import periods, policies

router = Router(prefix=BASE, tags=["workflows"])


@router.get("/workflows", response_model=WorkflowList, summary="流程 · Loops")
def list_workflows(runtime: TheRuntime, asker: SignedIn) -> Response:
    lines = [workflow_line(workflow, asker.locale) for workflow in runtime.engine.catalog.newest()]
    return json_of(WorkflowList(items=lines))


@router.get("/workflows/{key}", response_model=WorkflowAnswer, summary="流程定义 · A loop's definition")
def read_workflow(
    runtime: TheRuntime, asker: SignedIn, key: str, version: Annotated[int | None, Query(ge=1)] = None
) -> Response:
    workflow = runtime.engine.catalog.get(key, version)
    if workflow is None:
        raise unknown_address()
    with runtime.database.read(asker.actor.organisation) as connection:
        policy_version, overrides = policies.in_force(connection, asker.actor.organisation, key)
    return json_of(workflow_answer(workflow, asker.locale, policy_version, overrides))


@router.get("/cycles", response_model=CycleList, summary="周期 · Cycles and who owes them")
def list_cycles(runtime: TheRuntime, asker: SignedIn) -> Response:
    with runtime.database.read(asker.actor.organisation) as connection:
        owed = periods.obligations(connection, asker.actor.organisation)
    answers = []
    for workflow, rule in runtime.engine.catalog.cycles():
        scopes = [o.scope for o in owed if o.cycle == rule.cycle.key and _shown(asker, o.scope)]
        answers.append(cycle_answer(workflow, rule, scopes, asker.locale))
    return json_of(CycleList(items=answers))


@router.get("/periods", response_model=PeriodList, summary="周期台账 · What each period owed and what came of it")
def list_periods(
    runtime: TheRuntime, asker: SignedIn, cycle: str | None = None, key: str | None = None, scope: str | None = None
) -> Response:
    now = runtime.clock.now()
    with runtime.database.read(asker.actor.organisation) as connection:
        found = periods.find(
            connection, asker.actor.organisation, cycle=cycle, key=key,
            scopes=None if scope is None else frozenset({scope}),
        )  # fmt: skip
    return json_of(PeriodList(items=[period_answer(record, now) for record in found if _shown(asker, record.scope)]))


def _shown(asker: SignedIn, scope: str) -> bool:
    """Overseers see every scope, others their own departments."""
    return asker.seen.everything or scope in asker.seen.departments
