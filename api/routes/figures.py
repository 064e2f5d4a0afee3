"""The figures of a filing: as they were signed, counted again, and as the table that is handed in."""

import io
from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection

from api.auth import Asker, SignedIn, TheRuntime
from api.evidence.names import as_attachment
from api.figures import (
    FIGURES,
    FilingFigures,
    cases_behind,
    figures_answer,
    figures_of,
    is_frozen,
    is_over,
    names_cases,
)
from api.papers.filing import MEDIA_TYPE, Filed, write_table
from api.publishing import PublishedAnswer, published, publishes, told
from api.reading import name_for, visible_case, who_did
from api.requests import takes_nothing
from api.routes.answering import json_of, refusals
from api.routes.under import Router
from api.trail import Reader, noted
from engine.case import CORRECTED_BY, CORRECTS, Case
from engine.definition import Catalog, Workflow
from engine.errors import NotAllowed, NotPossibleNow, Text
from engine.store import history, people, periods
from workflows.bulletin import BULLETIN

Again = Annotated[bool, Query(description="Whether they are counted again now, as they were known then, and compared")]


def routers(catalog: Catalog) -> list[APIRouter]:
    """Addresses under every loop whose filings carry figures."""
    return [_of(workflow, name) for workflow in catalog.newest() if (name := figures_of(workflow)) is not None]


def _of(workflow: Workflow, name: str) -> APIRouter:
    routes = Router()
    routes.add_api_route(
        f"/{workflow.plural}/{{number}}/figures", _read(workflow, name), methods=["GET"], response_model=FilingFigures,
        tags=[workflow.key], summary=f"数字 · Figures: {workflow.title.zh} · {workflow.title.en}",
        operation_id=f"figures_of_{workflow.key}",
        responses=refusals(401, 404, 409, 422),
    )  # fmt: skip
    routes.add_api_route(
        f"/{workflow.plural}/{{number}}/table", _take_table(workflow), methods=["GET"], response_class=Response,
        tags=[workflow.key], summary=f"报表 · Table: {workflow.title.zh} · {workflow.title.en}",
        operation_id=f"table_of_{workflow.key}",
        responses={
            200: {"description": "A workbook", "content": {MEDIA_TYPE: {}}},
            **refusals(401, 403, 404, 409),
        },
    )  # fmt: skip
    if workflow.key == BULLETIN.key:
        routes.add_api_route(
            f"/{workflow.plural}/{{number}}/published", _read_published(workflow), methods=["GET"],
            response_model=PublishedAnswer, tags=[workflow.key],
            summary=f"公示的隐患 · Hazards published: {workflow.title.zh} · {workflow.title.en}",
            operation_id=f"published_by_{workflow.key}",
            responses=refusals(401, 404, 409),
        )  # fmt: skip
    return routes


def _read(workflow: Workflow, name: str) -> Callable[..., Response]:
    count = FIGURES[name]

    def read_figures(runtime: TheRuntime, asker: SignedIn, number: str, again: Again = False) -> Response:
        with runtime.database.read(asker.actor.organisation) as connection:
            case = visible_case(connection, asker, number, workflow)
        pinned, now = runtime.engine.catalog.of(case), runtime.clock.now()
        if again and not is_over(case, now):
            raise NotPossibleNow(
                asked=Text(f"重新统计 {number} 的数字", f"Count the figures of {number} again"),
                obstacle=Text("本期还没有结束", "the period is not over yet"),
                remedy=Text("请在本期结束后再统计", "Ask again when it is over"),
            )
        counted = count(runtime.database, case, now) if again else None
        answer = figures_answer(pinned, case, asker.locale, links=asker.seen.everything, again=counted)
        return json_of(answer, headers={"ETag": f'"{case.revision}"'})

    return read_figures


def _read_published(workflow: Workflow) -> Callable[..., Response]:
    def read_published(runtime: TheRuntime, asker: SignedIn, number: str) -> Response:
        here = asker.actor.organisation
        with runtime.database.read(here) as connection:
            case = visible_case(connection, asker, number, workflow)
            if not publishes(case):
                raise NotPossibleNow(
                    asked=Text(f"查看 {number} 公示的隐患", f"Read what {number} publishes"),
                    obstacle=Text(
                        "尚未汇总，还没有可公示的内容", "it was not compiled yet, and there is nothing to publish"
                    ),
                    remedy=Text("请先汇总", "Compile it first"),
                )
            names = {each.code: each.name.in_(asker.locale) for each in people.departments(connection, here)}
            zone = people.time_zone(connection, here)
            answer = told(published(connection, case), runtime.engine.catalog, names, zone, asker.locale)
        return json_of(answer)

    return read_published


def _take_table(workflow: Workflow) -> Callable[..., Response]:
    def take_table(request: Request, runtime: TheRuntime, asker: SignedIn, number: str) -> Response:
        here = asker.actor.organisation
        with runtime.database.read(here) as connection:
            case = visible_case(connection, asker, number, workflow)
            if case.facts.get("figures") is None:
                raise NotPossibleNow(
                    asked=Text(f"下载 {number} 的报表", f"Take the table of {number}"),
                    obstacle=Text("尚未汇总，还没有数字", "it was not compiled yet, and there are no figures"),
                    remedy=Text("请先汇总", "Compile it first"),
                )
            if names_cases(case) and not asker.seen.everything:
                raise NotAllowed(
                    asked=Text(f"下载 {number} 的报表", f"Take the table of {number}"),
                    obstacle=Text(
                        "报表逐项列出全校的隐患，您只能查看其中一部分",
                        "it names hazards of the whole school, and you may see some of them only",
                    ),
                    remedy=Text("请由安稳办下载", "Leave it to the safety office"),
                )
            filed = _filed(connection, asker, runtime.engine.catalog.of(case), case, runtime.clock.now())
        if takes_nothing(request):
            return Response(media_type=MEDIA_TYPE, headers={"Cache-Control": "private, no-store"})
        linked = {link.kind: link.number for link in case.links}
        reader = Reader.of(asker)
        noted(runtime, reader, "table", {"case": number}, 1)
        file = io.BytesIO()
        write_table(file, filed, linked.get(CORRECTS), linked.get(CORRECTED_BY))
        headers = {
            "Content-Disposition": as_attachment(f"{case.title}.xlsx", ".xlsx", number),
            "Cache-Control": "private, no-store",
        }
        return Response(file.getvalue(), media_type=MEDIA_TYPE, headers=headers)

    return take_table


def _filed(connection: Connection, asker: Asker, workflow: Workflow, case: Case, now: datetime) -> Filed:
    here = case.organisation
    events = history.events_of(connection, here, case.number)
    by = who_did(connection, asker, events)

    def last(trigger: str) -> tuple[str, datetime | None]:
        found = [(who.zh, event.recorded_at) for event, who in zip(events, by, strict=True) if event.trigger == trigger]
        return found[-1] if found else ("", None)

    school = people.organisation(connection, here)
    assert school is not None  # somebody signed in there
    cycle, scope, key = (case.period or "//").split("/", 2)
    owed = periods.find(connection, here, cycle=cycle, key=key, scopes=frozenset({scope}))
    behind = cases_behind(connection, case) if names_cases(case) else []
    assignees = people.some(connection, here, sorted({each.assignee for each in behind if each.assignee}))
    return Filed(
        case=case,
        behind=behind,
        departments={each.code: each.name.zh for each in people.departments(connection, here)},
        people={key: name_for(person, asker) for key, person in assignees.items()},
        school=school.name.zh,
        zone=people.time_zone(connection, here),
        now=now,
        compiled=last("compile"),
        # a signature stands as long as nobody sent it back
        signed=last("sign") if is_frozen(workflow, case) else ("", None),
        period=next((each for each in owed if each.number == case.number), None),
    )
