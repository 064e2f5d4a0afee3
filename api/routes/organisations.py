"""The organisations an asker knows of: his own; for a bureau's overseers the schools below it too, in figures and no more."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Literal

from fastapi import Response
from pydantic import BaseModel

from api.auth import SignedIn, TheRuntime
from api.routes.answering import json_of
from api.routes.under import Router
from engine.directory import below
from engine.store import figures, people
from engine.store.figures import Figures

router = Router(tags=["organisations"])


class Counts(BaseModel):
    """What is overdue is open too."""

    open: int
    overdue: int
    closed: int


class OrganisationAnswer(Counts):
    """One's own is counted as far as one may see its cases. `parent` is the bureau above, where the asker sees it."""

    organisation: str
    name: str
    kind: Literal["bureau", "school"]
    parent: str | None
    by_workflow: dict[str, Counts]


class OrganisationList(BaseModel):
    """The asker's own first, then those below it, each after its parent."""

    items: list[OrganisationAnswer]


@router.get("/organisations", response_model=OrganisationList, summary="单位 · Organisations, in figures")
def list_organisations(runtime: TheRuntime, asker: SignedIn) -> Response:
    now = runtime.clock.now()
    with runtime.database.read_across() as connection:
        known = people.organisations(connection)
        own = next(o for o in known if o.organisation == asker.actor.organisation)
        looks_down = own.kind == "bureau" and asker.seen.everything
        under = below(own, known) if looks_down else []
        counted = figures.of_what_is_seen(connection, asker.seen, now)
        if under:
            counted += figures.of_organisations(connection, [o.organisation for o in under], now)
    by_organisation: dict[str, list[Figures]] = defaultdict(list)
    for line in counted:
        by_organisation[line.organisation].append(line)
    shown = {own.organisation, *(o.organisation for o in under)}
    items = [
        OrganisationAnswer(
            organisation=o.organisation,
            name=o.name.in_(asker.locale),
            kind=o.kind,
            parent=o.parent if o.parent in shown else None,
            by_workflow={line.workflow: _counts([line]) for line in by_organisation[o.organisation]},
            **_counts(by_organisation[o.organisation]).model_dump(),
        )
        for o in (own, *under)
    ]
    return json_of(OrganisationList(items=items))


def _counts(lines: Iterable[Figures]) -> Counts:
    lines = list(lines)
    return Counts(
        open=sum(line.open for line in lines),
        overdue=sum(line.overdue for line in lines),
        closed=sum(line.closed for line in lines),
    )
