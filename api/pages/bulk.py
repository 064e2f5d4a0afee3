"""One step for many cases: ticked in the ledger, looked at beforehand one by one, confirmed once, told one by one.

/cases/bulk?number=…              which steps these cases know, and how many of them each would be taken for
/cases/bulk/{trigger}?number=…    what would happen to each, and the step's form
POST /cases/bulk/{trigger}        each judged by itself; the key in the form makes a second press the same steps
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

from fastapi import Query, Request, Response
from sqlalchemy import Connection

from api.acting import carry_out_all
from api.auth import Asker, SignedIn, TheRuntime
from api.auth.forms import TheSent
from api.bootstrap import Runtime
from api.pages.addresses import Pages, Tidy, address_of
from api.pages.faults import under_labels
from api.pages.forms import SENT, answers, draw, kept_files
from api.pages.rendering import CASES, go_to, page
from api.pages.steps import around_of, filled_in, keep, key_of, key_said, route_of, step_of, whole_revision
from api.problems import unknown_address
from api.reading import LONGEST_NAME, read_now
from api.requests import unreadable
from api.routes.cases import MOST_AT_ONCE
from api.schemas import CaseAnswer
from engine.actor import Actor
from engine.authority import may_see
from engine.case import Case
from engine.commands import FireTrigger
from engine.definition import Form, Transition, Workflow
from engine.errors import InvalidInput, NotPossibleNow, Refusal, Text
from engine.handle import Done, Offer, offers
from engine.store import cases

BULK = f"{CASES}/bulk"

router = Pages(prefix=BULK, route_class=Tidy)

Number = Annotated[str, Query(max_length=LONGEST_NAME)]
Numbers = Annotated[list[Number] | None, Query(max_length=MOST_AT_ONCE)]


@dataclass(frozen=True, slots=True)
class Ticked:
    """A case that was ticked, with its loop and the steps of its state as they look to the reader."""

    case: Case
    workflow: Workflow
    offered: Sequence[Offer]

    def offer(self, trigger: str) -> Offer | None:
        return next((offer for offer in self.offered if offer.transition.trigger == trigger), None)


@dataclass(frozen=True, slots=True)
class Choice:
    """A step that some of the cases know. `possible`: of how many of them the reader could take it now."""

    trigger: str
    title: Text
    possible: int
    address: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the form says of a case: the revision that was looked at, and in whose name; "" for oneself."""

    revision: int | None
    on_behalf_of: str


@dataclass(frozen=True, slots=True)
class Line:
    """One case as it would fare, or fared. `why_not`: what is in the way; None of one that can be done, or was.

    on_behalf_of   in whose place it would be done, by key; `for_whom` what he is called; "" for oneself
    """

    case: CaseAnswer
    why_not: Refusal | None
    on_behalf_of: str = ""
    for_whom: str = ""


# --- choosing a step -----------------------------------------------------------------------------------------------------


@router.get("")
def choose(
    request: Request,
    runtime: TheRuntime,
    asker: SignedIn,
    number: Numbers = None,
    done: Annotated[str | None, Query(max_length=LONGEST_NAME)] = None,
) -> Response:
    """Which step. After one was taken for all of them, the page says so and offers what comes next."""
    with runtime.database.read(asker.actor.organisation) as connection:
        ticked = _ticked(runtime, connection, asker, number or ())
        told = read_now(runtime, connection, asker, [each.case for each in ticked], runtime.clock.now())
    drawn = next((each.workflow.triggers[done] for each in ticked if done in each.workflow.triggers), None)
    return page(
        request, "bulk.html", asker=asker, active="cases", choices=_choices(ticked), cases=told, ledger=CASES,
        done=drawn[0].title if drawn else None, loops={each.workflow.key for each in ticked},
    )  # fmt: skip


def _ticked(runtime: Runtime, connection: Connection, asker: Asker, numbers: Sequence[str]) -> list[Ticked]:
    """Those of these cases that the reader may see, each once, in their order."""
    found = cases.load_many(connection, asker.actor.organisation, list(dict.fromkeys(numbers)))
    seen = [
        found[number] for number in dict.fromkeys(numbers) if number in found and may_see(found[number], asker.seen)
    ]
    return [
        Ticked(case, runtime.engine.catalog.of(case), offers(runtime.engine, connection, asker.actors, case))
        for case in seen
    ]


def _choices(ticked: Sequence[Ticked]) -> list[Choice]:
    """What is possible for most of them first; what is possible for none is left out."""
    found: dict[str, Choice] = {}
    for each in ticked:
        for offer in each.offered:
            trigger = offer.transition.trigger
            if offer.why_not is None:
                had = found.get(trigger)
                address = address_of(f"{BULK}/{trigger}", [("number", one.case.number) for one in ticked])
                found[trigger] = Choice(trigger, offer.transition.title, had.possible + 1 if had else 1, address)
    return sorted(found.values(), key=lambda choice: -choice.possible)


# --- the step ------------------------------------------------------------------------------------------------------------


@router.get("/{trigger}")
def preview(request: Request, runtime: TheRuntime, asker: SignedIn, trigger: str, number: Numbers = None) -> Response:
    said = {name: tuple(request.query_params.getlist(name)) for name in request.query_params if name != "key"}
    return _preview(request, runtime, asker, trigger, number or (), said)


@router.post("/{trigger}")
def take_steps(request: Request, runtime: TheRuntime, asker: SignedIn, sent: TheSent, trigger: str) -> Response:
    """Each by itself, in the name of whoever the reader can take it for. What is wrong with the form is told before anything
    is done; what is in the way of a case, in its line.
    """
    said: Mapping[str, tuple[str, ...]] = sent.values
    wanted = _wanted(said)
    if sent.one("again"):  # another category asks other questions: the form once more, and nothing is sent
        return _preview(request, runtime, asker, trigger, list(wanted), said)
    with runtime.database.read(asker.actor.organisation) as connection:
        ticked = _ticked(runtime, connection, asker, list(wanted))
    form = _form_of(ticked, trigger)
    try:
        said = kept_files(form, sent, partial(keep, runtime, asker))
    except Refusal as refusal:
        return _preview(request, runtime, asker, trigger, list(wanted), said, refusal)
    data = answers(form, said)
    # also those that have moved on: the same key may have moved them, and is then answered as it was
    alike = [each for each in ticked if trigger in each.workflow.triggers and each.workflow.form_of(trigger) is form]
    outcomes = carry_out_all(
        runtime,
        [
            (
                replace(asker, actor=_actor(asker, wanted[each.case.number].on_behalf_of)),
                FireTrigger(each.case.number, trigger, data, expected_revision=wanted[each.case.number].revision),
                route_of(each.workflow, each.case.number, trigger),
            )
            for each in alike
        ],
        key_said(sent),
    )
    fared = {each.case.number: outcome for each, outcome in zip(alike, outcomes, strict=True)}
    wrong = next((outcome for outcome in outcomes if isinstance(outcome, InvalidInput) and outcome.fields), None)
    if wrong is not None and not any(isinstance(outcome, Done) for outcome in outcomes):
        return _preview(request, runtime, asker, trigger, list(wanted), said, wrong)
    if all(isinstance(fared.get(number), Done) for number in wanted):
        return go_to(address_of(BULK, [*(("number", number) for number in wanted), ("done", trigger)]))
    return _told(request, runtime, asker, trigger, ticked, fared)


def _actor(asker: Asker, on_behalf_of: str) -> Actor:
    """As whom the form said it would be done, as long as he may; else himself."""
    return next((actor for actor in asker.actors if (actor.on_behalf_of or "") == on_behalf_of), asker.actor)


def _in_the_way(each: Ticked, trigger: str, form: type[Form]) -> Refusal | None:
    """What keeps the reader from the step, as far as that is known before its form is filled in."""
    drawn = each.workflow.triggers.get(trigger)
    if drawn is None or each.workflow.form_of(trigger) is not form:
        return NotPossibleNow(
            asked=Text(f"批量办理 {each.case.number}", f"Act on {each.case.number} with others"),
            obstacle=Text(
                f"“{each.workflow.title.zh}”没有这一步，或要填的内容不同",
                f"{each.workflow.title.en} has no such step, or it asks for other things",
            ),
            remedy=Text("请把不同类型的事项分开办理", "Take cases of one kind at a time"),
        )
    try:
        step_of(each.workflow, each.case, trigger)
    except Refusal as refusal:
        return refusal
    offer = each.offer(trigger)
    return None if offer is None else offer.why_not


def _form_of(ticked: Sequence[Ticked], trigger: str) -> type[Form]:
    """Of the first case that could be taken on, else of the first that knows the step. Raises UnknownAddress."""
    able = [each for each in ticked if (offer := each.offer(trigger)) is not None and offer.why_not is None]
    knowing = [each for each in ticked if trigger in each.workflow.triggers]
    for each in (*able, *knowing):
        return each.workflow.form_of(trigger)
    raise unknown_address()


def _title(ticked: Sequence[Ticked], trigger: str, form: type[Form]) -> Text:
    drawn: Sequence[Transition] = next(
        each.workflow.triggers[trigger]
        for each in ticked
        if trigger in each.workflow.triggers and each.workflow.form_of(trigger) is form
    )
    return drawn[0].title


def _wanted(said: Mapping[str, tuple[str, ...]]) -> dict[str, Wanted]:
    """By number, what the form says of each case: `YH-2026-0012:7:vice`, in whose name being left out as a rule."""
    found: dict[str, Wanted] = {}
    for value in said.get("case", ()):
        number, _, rest = value.partition(":")
        revision, _, on_behalf_of = rest.partition(":")
        found[number[:LONGEST_NAME]] = Wanted(whole_revision(revision) if revision else None, on_behalf_of)
    if len(found) > MOST_AT_ONCE:
        unreadable(Text(f"一次最多 {MOST_AT_ONCE} 项", f"at most {MOST_AT_ONCE} at once"), "case")
    return found


def _preview(
    request: Request,
    runtime: Runtime,
    asker: Asker,
    trigger: str,
    numbers: Sequence[str],
    said: Mapping[str, tuple[str, ...]],
    refusal: Refusal | None = None,
) -> Response:
    with runtime.database.read(asker.actor.organisation) as connection:
        ticked = _ticked(runtime, connection, asker, numbers)
        form = _form_of(ticked, trigger)
        told = read_now(runtime, connection, asker, [each.case for each in ticked], runtime.clock.now())
        around = around_of(connection, asker, _one_for_all(ticked))
    called = {person.person: person.name for person in around.people}
    lines = [
        Line(answer, _in_the_way(each, trigger, form), key := _for_whom(each, trigger), called.get(key, key))
        for each, answer in zip(ticked, told, strict=True)
    ]
    can = [line for line in lines if line.why_not is None]
    before = filled_in(form, around.case, said, again=False) if around.case is not None else said
    controls = draw(form, around, before, refusal.fields if refusal is not None else ())
    title = _title(ticked, trigger, form)
    return page(
        request, "bulk_step.html", asker=asker, active="cases", because=refusal, refusal=under_labels(refusal, controls, title), step=title,
        controls=controls if can else [], can=can,
        cannot=[line for line in lines if line.why_not is not None], action=f"{BULK}/{trigger}", key=key_of(said, refusal), form_name=SENT,
        asks_again="criteria" in form.model_fields, ledger=CASES,
        back=address_of(BULK, [("number", number) for number in numbers]),
    )  # fmt: skip


def _one_for_all(ticked: Sequence[Ticked]) -> Case | None:
    """A case that speaks for all where they are of one category, so that nobody need type it again; None otherwise."""
    alike = {(each.workflow.key, each.case.category, each.case.department) for each in ticked}
    return ticked[0].case if len(alike) == 1 else None


def _for_whom(each: Ticked, trigger: str) -> str:
    offer = each.offer(trigger)
    return "" if offer is None or offer.why_not is not None else offer.actor.on_behalf_of or ""


def _told(
    request: Request,
    runtime: Runtime,
    asker: Asker,
    trigger: str,
    ticked: Sequence[Ticked],
    fared: Mapping[str, Done | Refusal],
) -> Response:
    """How each fared. Asked again with the same key, the answer is the same."""
    form = _form_of(ticked, trigger)
    with runtime.database.read(asker.actor.organisation) as connection:
        now = cases.load_many(connection, asker.actor.organisation, [each.case.number for each in ticked])
        told = read_now(runtime, connection, asker, [now[each.case.number] for each in ticked], runtime.clock.now())
        controls = draw(form, around_of(connection, asker, None), {})
    lines = []
    for each, answer in zip(ticked, told, strict=True):
        outcome = fared.get(each.case.number)
        if isinstance(outcome, Refusal):
            runtime.metrics.refused(outcome)
        why_not = _in_the_way(each, trigger, form) if outcome is None else outcome
        lines.append(Line(answer, None if isinstance(why_not, Done) else under_labels(why_not, controls)))
    done = [line for line in lines if line.why_not is None]
    return page(
        request, "bulk_told.html", asker=asker, active="cases", step=_title(ticked, trigger, form), done=done, ledger=CASES,
        refused=[line for line in lines if line.why_not is not None],
        again=address_of(f"{BULK}/{trigger}", [("number", line.case.number) for line in lines if line.why_not is not None]),
        on=address_of(BULK, [("number", line.case.number) for line in done]),
    )  # fmt: skip
