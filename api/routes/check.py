"""Can every loop be closed by the people there are? The same question as `bihuan check`."""

from fastapi import Response
from pydantic import BaseModel

from api import checking
from api.auth import SignedIn, TheRuntime
from api.problems import not_for_you
from api.routes.answering import json_of, refusals
from api.routes.under import Router
from engine.errors import Locale, Text
from engine.proof import DAYS_AHEAD, Finding

router = Router(tags=["check"])

OPEN_TO = Text("校领导、安稳办、部门负责人和系统管理员", "leaders, the safety office, heads and administrators")


class FindingAnswer(BaseModel):
    """`stuck`: a case could come to stand where nobody can bring it to its end; else it is a warning."""

    code: str
    stuck: bool
    since: str
    text: str
    remedy: str
    workflow: str | None
    step: str | None
    departments: list[str]


class CheckAnswer(BaseModel):
    """`clean`: no case can get stuck on any day looked at."""

    clean: bool
    days: int
    findings: list[FindingAnswer]


@router.get(
    "/check",
    response_model=CheckAnswer,
    summary="死角检查 · Can every loop be closed?",
    responses=refusals(403),
)
def check(runtime: TheRuntime, asker: SignedIn) -> Response:
    if not asker.seen.everything and not asker.actor.holds_any({"administrator"}):
        raise not_for_you(OPEN_TO)
    with runtime.database.read(asker.actor.organisation) as connection:
        found = checking.findings(connection, runtime.engine.catalog, asker.actor.organisation, runtime.clock.now())
    return json_of(answer_of(found, asker.locale))


def answer_of(found: list[Finding], locale: Locale) -> CheckAnswer:
    return CheckAnswer(
        clean=not any(finding.stuck for finding in found),
        days=DAYS_AHEAD,
        findings=[
            FindingAnswer(
                code=f.code, stuck=f.stuck, since=f.since.isoformat(), text=f.text.in_(locale),
                remedy=f.remedy.in_(locale), workflow=f.workflow, step=f.step, departments=list(f.departments),
            )
            for f in found
        ],
    )  # fmt: skip
