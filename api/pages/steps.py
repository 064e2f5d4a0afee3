"""Taking a step, and opening a case: the form of the loop's own model, sent through the writer like every command.

What was typed stays when something is wrong, and each fault stands at its field. Pictures are kept as soon as they arrive, so
that a fault elsewhere does not cost them. The key in the form makes a second press the same step.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Literal

from fastapi import Request, Response
from sqlalchemy import Connection

from api.acting import carry_out
from api.auth import Asker, SignedIn, TheRuntime
from api.auth.forms import Sent, SentFile, TheSent
from api.bootstrap import Runtime
from api.pages import rounds
from api.pages.addresses import Pages
from api.pages.campaigns import campaign_called
from api.pages.faults import under_labels
from api.pages.forms import SENT, Control, Surroundings, answers, draw, kept_files, opens_by_hand
from api.pages.rendering import CASES, OPEN, REPORT, go_to, may_work_offline, page
from api.pages.words import WORDS
from api.problems import unknown_address
from api.reading import LONGEST_NAME, read_now, visible_case
from api.requests import FOUND_AT, IN_CAMPAIGN, KEY, take_found_at, take_within, unreadable
from api.routes.under import BASE
from engine.actor import Actor
from engine.case import Case
from engine.commands import Command, FireTrigger, OpenCase
from engine.definition import Form, Transition, Workflow, must_be_known
from engine.errors import InvalidInput, KeyReused, NotPossibleNow, Refusal, Text
from engine.handle import offers
from engine.machine import asked_for
from engine.store import people
from workflows.hazard import days_in_words
from workflows.reference import suggest
from workflows.stage_summary import EditStageSummary, words_so_far

router = Pages()

LONGEST_SAID = 200  # characters of an answer in an address
HAZARD = "hazard"  # the loop that has a page of its own to be opened by
LONGEST_REVISION = 10  # digits


# --- a step --------------------------------------------------------------------------------------------------------------


@router.get(f"{CASES}/{{number}}/{{trigger}}")
def step_page(request: Request, runtime: TheRuntime, asker: SignedIn, number: str, trigger: str) -> Response:
    """The step's form. What stands in the address fills it in, so that a link can."""
    return _step_page(request, runtime, asker, number, trigger, _of_query(request))


@router.post(f"{CASES}/{{number}}/{{trigger}}")
def take_step(
    request: Request, runtime: TheRuntime, asker: SignedIn, sent: TheSent, number: str, trigger: str
) -> Response:
    with runtime.database.read(asker.actor.organisation) as connection:
        case = visible_case(connection, asker, number)
        workflow = runtime.engine.catalog.of(case)
        must_be_known(workflow, asked_for(workflow, case, trigger))
        if trigger not in workflow.triggers:
            raise unknown_address()
        # none where the case has moved on: a second press of the same form still gets its answer again
        offered = [o for o in offers(runtime.engine, connection, asker.actors, case) if o.transition.trigger == trigger]
    form = workflow.form_of(trigger)
    if sent.one("again"):  # another category asks other questions: the form once more, and nothing is sent
        return _step_page(request, runtime, asker, number, trigger, sent.values)
    is_round = rounds.is_round(workflow, trigger)
    said: Mapping[str, tuple[str, ...]] = sent.values
    try:
        said = kept_files(form, rounds.without_leftovers(sent) if is_round else sent, partial(keep, runtime, asker))
        if is_round and sent.one(rounds.ZERO):
            said = rounds.with_zero_report(case, said, asker.locale)
            return _step_page(request, runtime, asker, number, trigger, said)
        actor = next((offer.actor for offer in offered if offer.why_not is None), asker.actor)
        command = FireTrigger(number, trigger, answers(form, said), _revision(sent), _found_at(sent))
        carry_out(runtime, replace(asker, actor=actor), command, route_of(workflow, number, trigger), key_said(sent))
    except Refusal as refusal:
        return _step_page(request, runtime, asker, number, trigger, said, refusal)
    return go_to(f"{CASES}/{number}?done={trigger}")


def _step_page(
    request: Request,
    runtime: Runtime,
    asker: Asker,
    number: str,
    trigger: str,
    said: Mapping[str, tuple[str, ...]],
    refusal: Refusal | None = None,
) -> Response:
    with runtime.database.read(asker.actor.organisation) as connection:
        case = visible_case(connection, asker, number)
        workflow = runtime.engine.catalog.of(case)
        must_be_known(workflow, asked_for(workflow, case, trigger))
        step = step_of(workflow, case, trigger)
        offered = [o for o in offers(runtime.engine, connection, asker.actors, case) if o.transition is step]
        [answer] = read_now(runtime, connection, asker, [case], runtime.clock.now())
        around = around_of(connection, asker, case)
    form = workflow.form_of(trigger)
    why_not = offered[0].why_not if offered and all(o.why_not for o in offered) else None
    actor: Actor | None = next((o.actor for o in offered if o.why_not is None), None)
    faults = list(refusal.fields) if refusal is not None else []
    is_round = rounds.is_round(workflow, trigger)
    if is_round and refusal is not None:
        faults += rounds.missing(case, said)
    suggested = _suggested(form, case, said)
    filled = filled_in(form, case, {**suggested, **said}, again=is_round)
    controls = [
        _marked(control) if control.name in suggested else control for control in draw(form, around, filled, faults)
    ]
    told = under_labels(refusal, controls, step.title) or why_not
    return page(
        request, "round.html" if is_round else "step.html", asker=asker, active="cases", because=refusal, case=answer,
        step=step.title, workflow=workflow.title, controls=controls, refusal=told, keep=is_round and not said,
        walked=rounds.round_of(case, controls, asker.locale) if is_round else None, fresh=not said.get(SENT),
        findings=rounds.findings(workflow, case) if not is_round else None, action=f"{CASES}/{number}/{trigger}",
        key=key_of(said, refusal), found_at=FOUND_AT, revision=case.revision, asks_again="criteria" in form.model_fields,
        for_whom=_for_whom(around, actor), form_name=SENT, days=days_in_words(case), allowed=actor is not None or refusal is not None,
    )  # fmt: skip


def step_of(workflow: Workflow, case: Case, trigger: str) -> Transition:
    """Raises UnknownAddress for what is no step of this loop, NotPossibleNow for one that another state knows."""
    drawn = workflow.triggers.get(trigger)
    if drawn is None or len(trigger) > LONGEST_NAME:
        raise unknown_address()
    step = next((each for each in drawn if case.state in each.sources), None)
    if step is None:
        state = workflow.state(case.state).title
        raise NotPossibleNow(
            asked=Text(f"对 {case.number} {drawn[0].title.zh}", f"{drawn[0].title.en}: {case.number}"),
            obstacle=Text(f"该事项现为“{state.zh}”", f"it stands at {state.en!r} now"),
            remedy=Text("请返回事项页面查看现在能办的步骤", "Go back to the case to see which steps there are now"),
        )
    return step


def filled_in(
    form: type[Form], case: Case, said: Mapping[str, tuple[str, ...]], *, again: bool
) -> Mapping[str, tuple[str, ...]]:
    """What the case has already, where nothing else was said: who grades need not type the category again.

    again    whether what was answered before stands until it is answered otherwise
    """
    if said.get(SENT):
        return said
    known: dict[str, tuple[str, ...]] = {
        name: (str(getattr(case, name)),)
        for name in ("category", "department")
        if name in form.model_fields and getattr(case, name)
    }
    before = rounds.handed_in_before(case) if again else {}
    words = words_so_far(case) if form is EditStageSummary else {}
    return {**known, **before, **{section: (written,) for section, written in words.items()}, **said}


def _suggested(form: type[Form], case: Case, said: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
    """The category that the report's words speak of, where nobody has named one."""
    if "category" not in form.model_fields or case.category or "category" in said or said.get(SENT):
        return {}
    best = next(iter(suggest(case.title)), None)
    return {} if best is None else {"category": (best.category,)}


def _marked(control: Control) -> Control:
    return replace(control, note=WORDS["suggested_note"])


# --- opening -------------------------------------------------------------------------------------------------------------


@router.get(REPORT)
def report_page(request: Request, runtime: TheRuntime, asker: SignedIn) -> Response:
    """A hazard, quickly: a picture, where, one line."""
    return _open_page(request, runtime, asker, _loop(runtime, HAZARD), _of_query(request))


@router.post(REPORT)
def report(request: Request, runtime: TheRuntime, asker: SignedIn, sent: TheSent) -> Response:
    return _open(request, runtime, asker, _loop(runtime, HAZARD), sent)


@router.get(f"{OPEN}/{{loop}}")
def open_page(request: Request, runtime: TheRuntime, asker: SignedIn, loop: str) -> Response:
    return _open_page(request, runtime, asker, _loop(runtime, loop), _of_query(request))


@router.post(f"{OPEN}/{{loop}}")
def open_case(request: Request, runtime: TheRuntime, asker: SignedIn, sent: TheSent, loop: str) -> Response:
    return _open(request, runtime, asker, _loop(runtime, loop), sent)


def _of_query(request: Request) -> Mapping[str, tuple[str, ...]]:
    """What the address fills in: answers, and no key. A link opened twice is two forms, and whoever made it knows no key."""
    return {name: (value[:LONGEST_SAID],) for name, value in request.query_params.items() if name != "key"}


def _loop(runtime: Runtime, key: str) -> Workflow:
    found = runtime.engine.catalog.get(key)
    if found is None or not opens_by_hand(found):
        raise unknown_address()
    return found


def _open(request: Request, runtime: Runtime, asker: Asker, workflow: Workflow, sent: Sent) -> Response:
    said: Mapping[str, tuple[str, ...]] = sent.values
    try:
        said = kept_files(workflow.opens_with, sent, partial(keep, runtime, asker))
        command: Command = OpenCase(
            workflow.key, answers(workflow.opens_with, said), found_at=_found_at(sent), within=_within(sent)
        )
        done = carry_out(runtime, asker, command, f"POST {BASE}/{workflow.plural}", key_said(sent))
    except Refusal as refusal:
        return _open_page(request, runtime, asker, workflow, said, refusal)
    return go_to(f"{CASES}/{done.case.number}?done=opened")


def _open_page(
    request: Request,
    runtime: Runtime,
    asker: Asker,
    workflow: Workflow,
    said: Mapping[str, tuple[str, ...]],
    refusal: Refusal | None = None,
) -> Response:
    with runtime.database.read(asker.actor.organisation) as connection:
        around = around_of(connection, asker, None)
        number = next(iter(said.get(IN_CAMPAIGN, ())), "")
        campaign = campaign_called(connection, asker, number) if number else None
    quick = workflow.key == HAZARD
    controls = draw(workflow.opens_with, around, said, refusal.fields if refusal is not None else ())
    first = [c for name in QUICK for c in controls if c.name == name] if quick else []
    return page(
        request, "open.html", asker=asker, active="report" if quick else "", because=refusal, workflow=workflow.title,
        quick=quick, campaign=campaign, in_campaign=IN_CAMPAIGN, within=number, first=first, rest=[c for c in controls if c not in first], refusal=under_labels(refusal, controls, workflow.title), key=key_of(said, refusal), form_name=SENT,
        fresh=not said.get(SENT), keep=quick and not said, online_only=quick and not may_work_offline(request), found_at=FOUND_AT,
        action=REPORT if quick else f"{OPEN}/{workflow.key}", rest_open=any(c.fault for c in controls if c not in first),
        others=[(loop.key, loop.title) for loop in runtime.engine.catalog.newest() if loop.key != workflow.key and opens_by_hand(loop)] if quick else [],
    )  # fmt: skip


QUICK = ("photos", "place", "title")  # camera first, then where, then one line


# --- what both need ------------------------------------------------------------------------------------------------------


def around_of(connection: Connection, asker: Asker, case: Case | None) -> Surroundings:
    organisation = asker.actor.organisation
    return Surroundings(
        people=people.people(connection, organisation),
        departments=people.departments(connection, organisation),
        case=case,
    )


def _for_whom(around: Surroundings, actor: Actor | None) -> str:
    """In whose name it would be taken; "" for his own."""
    if actor is None or actor.on_behalf_of is None:
        return ""
    return next((each.name for each in around.people if each.person == actor.on_behalf_of), actor.on_behalf_of)


def keep(runtime: Runtime, asker: Asker, file: SentFile, kind: Literal["picture", "document"]) -> str:
    """One file, kept as an upload is. Gives its hash."""
    runtime.writer.must_be_in_place()
    actor = asker.actor
    limit = runtime.settings.max_upload_bytes if kind == "picture" else runtime.settings.max_document_bytes
    if file.size_bytes > limit:
        megabytes = limit // (1024 * 1024)
        raise InvalidInput(
            asked=Text("上传文件", "Upload a file"),
            obstacle=Text(f"{file.name[:80]} 超过 {megabytes} MB", f"{file.name[:80]} is larger than {megabytes} MB"),
            remedy=Text("请压缩后再上传", "Send a smaller one"),
        )
    kept = runtime.files.put(
        runtime.database, actor.organisation, file.read(), actor.principal, runtime.clock.now(), kind=kind,
        name=file.name[:200],
    )  # fmt: skip
    return kept.record.sha256


def route_of(workflow: Workflow, number: str, trigger: str) -> str:
    """As the JSON route has it, so that a key answers for either way."""
    return f"POST {BASE}/{workflow.plural}/{number}/{trigger}"


def key_said(sent: Sent) -> str | None:
    said = sent.one("key")
    return said if KEY.fullmatch(said) else None


def key_of(said: Mapping[str, Sequence[str]], refusal: Refusal | None = None) -> str:
    """The key of the form: the one it had, so that what was refused and mended is still the same intention; or a new one, as
    where something else was done with that.
    """
    had = [value for value in said.get("key", ()) if KEY.fullmatch(value) and not isinstance(refusal, KeyReused)]
    return had[-1] if had else secrets.token_urlsafe(16)


def _found_at(sent: Sent) -> datetime | None:
    """When he says he filled it in, where it could not be sent at once. Raises InvalidInput for what is no instant."""
    claimed = sent.one(FOUND_AT)
    return take_found_at({FOUND_AT: claimed})[1] if claimed else None


def _within(sent: Sent) -> str | None:
    """The campaign whose page led here. Raises InvalidInput for what is no number."""
    said = sent.one(IN_CAMPAIGN)
    return take_within({IN_CAMPAIGN: said})[1] if said else None


def _revision(sent: Sent) -> int | None:
    """Of the case as the form was made for it. Raises InvalidInput for what no form of ours says."""
    said = sent.one("revision")
    return whole_revision(said) if said else None


def whole_revision(said: str) -> int:
    """Raises InvalidInput for no number: taken for none, it would let a step through that nobody looked at."""
    if not (said.isdecimal() and len(said) < LONGEST_REVISION):
        unreadable(Text("表单所说的版本读不出来", "the revision the form was made for cannot be read"), "revision")
    return int(said)
