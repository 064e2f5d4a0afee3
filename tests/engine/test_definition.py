"""A definition that is built wrong does not exist: each fault is refused with a sentence that names the culprit."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Annotated, Any

import pytest
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from engine.case import Case
from engine.cycles import Cycle, Month, Week
from engine.deadlines import Ladder, Rung
from engine.definition import (
    Acknowledge,
    AddresseeRef,
    AudienceRef,
    Catalog,
    CycleRule,
    Day,
    DepartmentRef,
    Effect,
    Escalation,
    Form,
    FromPeriod,
    PersonRef,
    Policy,
    Rebound,
    Series,
    Signing,
    SignOff,
    State,
    Transition,
    Within,
    Workflow,
    asks,
    diagram,
    said,
)
from engine.definition.checking import RESERVED_PLURALS, RESERVED_TRIGGERS
from engine.errors import Text, WorkflowError
from engine.guards import Guard, Situation, everyone_has_confirmed, guard, guard_named

WORD = Text("字", "word")


class TinyReport(Form):
    title: Annotated[str, Field(max_length=80)] = asks("标题", "Title")


class TinyReportLonger(Form):
    model_config = ConfigDict(title="TinyReport")
    title: Annotated[str, Field(max_length=81)] = asks("标题", "Title")


TinyReportLonger.__name__ = "TinyReport"  # only what it asks for may tell the two apart


class TinyPolicy(Policy):
    mend_days: Annotated[int, Field(ge=1)] = 7
    lenient: bool = False


class TinyPolicyLater(Policy):
    model_config = ConfigDict(title="TinyPolicy")
    mend_days: Annotated[int, Field(ge=1)] = 8
    lenient: bool = False


class NumberWithoutDefault(Policy):
    mend_days: int


@guard("tiny.always", obstacle=WORD, remedy=WORD)
def always(_: Situation) -> bool:
    return True


@guard("tiny.also", obstacle=WORD, remedy=WORD)
def also(_: Situation) -> bool:
    return True


def tiny_mode(_: Case) -> str:
    return "plain"


def month_title(scope: str, key: str) -> Text:
    return Text(f"{scope} {key}", f"{scope} {key}")


def month_data(scope: str, key: str) -> dict[str, Any]:
    return {"title": f"{scope} {key}"}


LADDER = Ladder.of(Rung("before-1", -1, ("assignee",), "digest"), Rung("after-1", 1, ("boss",), "direct"))
CYCLE = Cycle("tiny_month", WORD, "tiny", Month(), "worker")
PLAIN = {
    ("plain", "verify"): Signing(by=("checker",), never=("assignee", "fixer"), waived_by={"fixer": "lenient"}),
    ("plain", "approve"): Signing(by=("boss",), never=("fixer", "verifier")),
}

REPORTED = State("reported", WORD, awaits=("boss",))
ASSIGNED = State(
    "assigned", WORD, awaits=("assignee",), due=Within(days="mend_days"), ladder=LADDER,
    acknowledge=Acknowledge(Within(hours=24), (("assignee",), ("boss",))),
)  # fmt: skip
FIXED = State("fixed", WORD, awaits=("checker",), due=Within(workdays=3))
CHECKED = State("checked", WORD, counts_as="verified", awaits=("boss",), awaits_in={"plain": ("boss",)})
CLOSED = State("closed", WORD, final=True)

ASSIGN = Transition("assign", "reported", "assigned", WORD, by=("boss",), guards=(always,))
FIX = Transition("fix", "assigned", "fixed", WORD, by=("assignee",), acts_as="fixer", tells=("boss",))
VERIFY = Transition("verify", "fixed", "checked", WORD, sign_off="verify", acts_as="verifier")
RETURN = Transition(
    "return", "fixed", "assigned", WORD, sign_off="verify", counts="returned",
    escalates=Escalation("returned", 3, ("boss",)),
)  # fmt: skip
APPROVE = Transition("approve", "checked", "closed", WORD, sign_off="approve", settles="reported")

TINY: dict[str, Any] = {
    "key": "tiny",
    "plural": "tinies",
    "version": 1,
    "prefix": "XX",
    "title": WORD,
    "opens_with": TinyReport,
    "opens_by": ("anyone",),
    "roles": {"boss": WORD, "checker": WORD, "worker": WORD},
    "policy": TinyPolicy,
    "sign_off": SignOff(PLAIN, tiny_mode),
    "cycles": (CycleRule(CYCLE, month_title, month_data),),
    "states": (REPORTED, ASSIGNED, FIXED, CHECKED, CLOSED),
    "transitions": (ASSIGN, FIX, VERIFY, RETURN, APPROVE),
}


def tiny(**changed: Any) -> Workflow:
    return Workflow(**{**TINY, **changed})


def with_state(changed: State, **attributes: Any) -> dict[str, Any]:
    """One state redrawn, the others as they are."""
    redrawn = replace(changed, **attributes)
    return {"states": tuple(redrawn if state is changed else state for state in TINY["states"])}


def with_step(changed: Transition, **attributes: Any) -> dict[str, Any]:
    redrawn = replace(changed, **attributes)
    return {"transitions": tuple(redrawn if step is changed else step for step in TINY["transitions"])}


def with_row(step: str, **attributes: Any) -> dict[str, Any]:
    rows = {**PLAIN, ("plain", step): replace(PLAIN["plain", step], **attributes)}
    return {"sign_off": SignOff(rows, tiny_mode)}


def and_state(state: State) -> dict[str, Any]:
    return {"states": (*TINY["states"], state)}


def and_step(*steps: Transition) -> dict[str, Any]:
    return {"transitions": (*TINY["transitions"], *steps)}


def test_the_tiny_workflow_itself_is_built_right() -> None:
    workflow = tiny()
    assert workflow.initial is REPORTED
    assert workflow.state("checked").counted == "verified"
    assert workflow.transition("return", "fixed") is RETURN
    assert workflow.transition("return", "assigned") is None


# --- broken definitions ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Broken:
    """A change to the tiny workflow, and the words its refusal must hold."""

    changed: dict[str, Any]
    says: tuple[str, ...]


WAITING = State("waiting", WORD, counts_as="assigned", awaits=("boss",))
UNREGISTERED = Guard("tiny.forgotten", lambda _: True, WORD, WORD)
LOOKALIKE = Guard("tiny.always", lambda _: True, WORD, WORD)  # the name of a registered one, and another meaning

ACKNOWLEDGE = Transition("acknowledge", "assigned", None, WORD, by=("assignee",), acknowledges=True)


class AsksWho(Form):
    words: str = asks("内容", "Words")
    audience: list[AudienceRef] = asks("知晓范围", "Audience")
    persons: list[AddresseeRef] = asks("人员", "Persons", default_factory=list)


TELL = Transition("tell", "fixed", None, WORD, by=("boss",), form=AsksWho, addresses="audience")
CONFIRM = Transition("confirm", "fixed", None, WORD, by=("addressee",), confirms=True)
EXCUSE = Transition("excuse", "fixed", None, WORD, by=("boss",), form=AsksWho, excuses="persons")


def test_people_may_be_addressed_where_they_confirm_and_can_be_excused() -> None:
    workflow = tiny(**and_step(TELL, CONFIRM, EXCUSE))
    assert workflow.addresses_many and workflow.confirmation("fixed") is not None
    assert not tiny().addresses_many


class AsksVia(Form):
    via: str = asks("渠道", "Channel")


def no_effect(_: Situation, case: Case) -> Effect:
    return Effect(case)


def test_an_acknowledgement_is_known_by_its_state() -> None:
    workflow = tiny(**and_step(ACKNOWLEDGE))
    assert workflow.acknowledgement("assigned") is workflow.transitions[-1]
    assert workflow.acknowledgement("reported") is None


BROKEN: dict[str, Broken] = {
    # names
    "a typo in a step's target": Broken(
        with_step(ASSIGN, target="asigned"), ("'assign'", "'asigned'", "did you mean 'assigned'?")
    ),
    "a typo in a step's source": Broken(
        with_step(FIX, source="assinged"), ("'fix'", "'assinged'", "did you mean 'assigned'?")
    ),
    "one wrong source of several": Broken(with_step(FIX, source=("assigned", "paused")), ("'fix'", "'paused'")),
    "an unknown guard by name": Broken(with_step(ASSIGN, guards=("tiny.alwys",)), ("'assign'", "'tiny.alwys'")),
    "a guard nobody registered": Broken(with_step(ASSIGN, guards=(UNREGISTERED,)), ("'assign'", "'tiny.forgotten'")),
    "a guard that only has the name of a registered one": Broken(
        with_step(ASSIGN, guards=(LOOKALIKE,)), ("'assign'", "'tiny.always'", "nobody registered")
    ),
    "an unknown guard of the opening": Broken({"opening_guards": ("tiny.nope",)}, ("opening", "'tiny.nope'")),
    "a dotted path instead of a guard": Broken(with_step(ASSIGN, guards=("os.system",)), ("'assign'", "'os.system'")),
    "an unknown form by name": Broken(with_step(FIX, form="ReportFx"), ("'fix'", "'ReportFx'")),
    "an unknown role that takes a step": Broken(
        with_step(ASSIGN, by=("bos",)), ("'assign'", "'bos'", "did you mean 'boss'?")
    ),
    "an unknown role that opens": Broken({"opens_by": ("nobody_known",)}, ("opens_by", "'nobody_known'")),
    "a state that waits for an unknown role": Broken(with_state(FIXED, awaits=("cheker",)), ("'fixed'", "'cheker'")),
    "an unknown role of another department": Broken(
        with_row("verify", by=("clerk_of_another_department",)), ("plain/verify", "'clerk_of_another_department'")
    ),
    "an unknown relation that never may": Broken(with_step(FIX, never=("fixxer",)), ("'fix' never", "'fixxer'")),
    "an unknown relation the table excludes": Broken(
        with_row("approve", never=("verifer",)), ("plain/approve never", "'verifer'", "did you mean 'verifier'?")
    ),
    "an unknown role that is told": Broken(with_step(FIX, tells=("bosss",)), ("'fix' tells", "'bosss'")),
    "an escalation to an unknown role": Broken(
        with_step(RETURN, escalates=Escalation("returned", 3, ("chief",))), ("'return' escalates", "'chief'")
    ),
    "an unknown policy of a deadline": Broken(
        with_state(ASSIGNED, due=Within(days="mend_dais")), ("'assigned'", "'mend_dais'", "'mend_days'")
    ),
    "an unknown policy of a receipt": Broken(
        with_state(ASSIGNED, acknowledge=Acknowledge(Within(hours="receipt"), (("boss",),))),
        ("'assigned'", "'receipt'"),
    ),
    "an unknown policy of an escalation": Broken(
        with_step(RETURN, escalates=Escalation("returned", "returns", ("boss",))), ("'return'", "'returns'")
    ),
    "an unknown policy that waives": Broken(
        with_row("verify", waived_by={"fixer": "leniant"}), ("plain/verify", "'leniant'")
    ),
    "a policy number without a default": Broken({"policy": NumberWithoutDefault}, ("'NumberWithoutDefault'", "mend_days")),
    "a relation that excludes and that no step gives": Broken(
        with_step(FIX, acts_as="fixr"), ("plain/verify", "'fixer'", "no step")
    ),
    "the same in a step's own exclusion": Broken(with_step(FIX, never=("asker",)), ("'fix'", "'asker'", "no step")),
    "an escalation by what no step counts": Broken(
        with_step(RETURN, counts="retuned"), ("'return'", "'returned'", "did you mean 'retuned'?")
    ),
    # the shape of the loop
    "no states at all": Broken({"states": (), "transitions": ()}, ("no states",)),
    "a state drawn twice": Broken(and_state(FIXED), ("'fixed'", "twice")),
    "a state that cannot be reached": Broken(and_state(WAITING), ("'waiting'", "cannot be reached", "'reported'")),
    "a state that no one may leave": Broken(
        {**and_state(WAITING), **and_step(Transition("wait", "assigned", "waiting", WORD, by=("boss",)))},
        ("'waiting'", "no one may leave"),
    ),
    "a state left only for itself": Broken(
        {
            **and_state(WAITING),
            **and_step(
                Transition("wait", "assigned", "waiting", WORD, by=("boss",)),
                Transition("nudge", "waiting", None, WORD, by=("boss",)),
            ),
        },
        ("'waiting'", "no one may leave"),
    ),
    "two states that only lead to each other": Broken(
        {
            "states": (*TINY["states"], WAITING, replace(WAITING, name="resting")),
            **and_step(
                Transition("wait", "assigned", "waiting", WORD, by=("boss",)),
                Transition("rest", "waiting", "resting", WORD, by=("boss",)),
                Transition("wake", "resting", "waiting", WORD, by=("boss",)),
            ),
        },
        ("'waiting'", "no final state can be reached"),
    ),
    "no final state": Broken(with_state(CLOSED, final=False, awaits=("boss",)), ("no final state",)),
    "a step out of a final state": Broken(
        and_step(Transition("reopen", "closed", "reported", WORD, by=("boss",))), ("'reopen'", "'closed'", "final")
    ),
    "a trigger drawn twice from a state": Broken(
        and_step(Transition("fix", ("fixed", "assigned"), "fixed", WORD, by=("boss",))), ("'fix'", "twice", "'assigned'")
    ),
    "a trigger with two forms": Broken(
        and_step(Transition("fix", "reported", "fixed", WORD, by=("boss",), form=TinyReport)), ("'fix'", "one")
    ),
    "a reserved plural": Broken({"plural": "events"}, ("'events'", "reserved")),
    # the five
    "a state that counts as none of the five": Broken(with_state(CHECKED, counts_as=None), ("'checked'", "counts as")),
    "a state that counts as something else": Broken(with_state(CHECKED, counts_as="done"), ("'checked'", "'done'")),
    # who
    "a state that waits for nobody": Broken(with_state(FIXED, awaits=()), ("'fixed'", "nobody")),
    "a step that nobody may take": Broken(with_step(FIX, by=()), ("'fix'", "`by` or `sign_off`")),
    "a step with two rules of who that lets pass": Broken(
        with_step(VERIFY, by=("boss",)), ("'verify'", "`by` or `sign_off`", "sends back alone")
    ),
    "a step that excludes everyone it names": Broken(
        with_step(FIX, by=("assignee", "fixer"), never=("fixer", "assignee")),
        ("'fix'", "excludes everyone it names", "assignee, fixer"),
    ),
    "an opening that nobody may take": Broken({"opens_by": ()}, ("opens_by", "nobody")),
    "no sign-off table at all": Broken(
        {"sign_off": None, **with_state(CHECKED, awaits_in={})}, ("'approve', 'verify'", "sign-off table")
    ),
    "a sign-off row that is missing": Broken(
        {"sign_off": SignOff({key: row for key, row in PLAIN.items() if key[1] != "approve"}, tiny_mode)},
        ("'plain'", "'approve'", "no row"),
    ),
    "a mode with half its rows": Broken(
        {"sign_off": SignOff({**PLAIN, ("major", "verify"): PLAIN["plain", "verify"]}, tiny_mode)},
        ("'major'", "'approve'", "no row"),
    ),
    "a sign-off by nobody": Broken(with_row("verify", by=()), ("plain/verify", "nobody")),
    "a sign-off by no one at all": Broken(with_row("verify", count=0), ("plain/verify", "0")),
    "others awaited in an unknown mode": Broken(
        with_state(CHECKED, awaits_in={"grave": ("boss",)}), ("'checked'", "'grave'")
    ),
    "an unknown role awaited in a mode": Broken(
        with_state(CHECKED, awaits_in={"plain": ("chief",)}), ("'checked'", "'plain'", "'chief'")
    ),
    # clocks
    "a ladder without a deadline": Broken(with_state(ASSIGNED, due=None), ("'assigned'", "ladder", "no deadline")),
    "a final state with a clock": Broken(with_state(CLOSED, due=Within(days=1)), ("'closed'", "final", "clock")),
    "a final state with a receipt": Broken(
        with_state(CLOSED, acknowledge=Acknowledge(Within(hours=1), (("boss",),))), ("'closed'", "final")
    ),
    "a rung to an unknown role": Broken(
        with_state(ASSIGNED, ladder=Ladder.of(Rung("late", 1, ("chief",), "digest"))), ("'late'", "'chief'")
    ),
    "a receipt that climbs to an unknown role": Broken(
        with_state(ASSIGNED, acknowledge=Acknowledge(Within(hours=24), (("boss",), ("chief",)))), ("receipt", "'chief'")
    ),
    "a time without a number": Broken(with_state(FIXED, due=Within()), ("'fixed'", "exactly one")),
    "a time with two numbers": Broken(with_state(FIXED, due=Within(hours=1, days=1)), ("'fixed'", "exactly one")),
    "a time of nothing": Broken(with_state(FIXED, due=Within(hours=0)), ("'fixed'", "0 is no time")),
    "a time of no working days": Broken(with_state(FIXED, due=Within(workdays=0)), ("'fixed'", "0 is no time")),
    "a time before now": Broken(with_state(FIXED, due=Within(days=-1)), ("'fixed'", "-1 is no time")),
    "a time by a policy that is no number": Broken(
        with_state(FIXED, due=Within(workdays="remind_at")), ("'fixed'", "'07:40' is no time")
    ),
    "a time by a policy that is yes or no": Broken(
        with_state(FIXED, due=Within(workdays="lenient")), ("'fixed'", "False is no time")
    ),
    "a receipt of no time": Broken(
        with_state(ASSIGNED, acknowledge=Acknowledge(Within(hours=0), (("boss",),))), ("'assigned'", "0 is no time")
    ),
    "a receipt without a clock": Broken(
        with_state(ASSIGNED, due=None, ladder=None), ("'assigned'", "receipt", "no clock")
    ),
    "a rung that is called like a receipt": Broken(
        with_state(ASSIGNED, ladder=Ladder.of(Rung("receipt", 1, ("boss",), "digest"))),
        ("'assigned'", "'receipt'", "choose another name"),
    ),
    "a rung that is called like a receipt's next": Broken(
        with_state(ASSIGNED, ladder=Ladder.of(Rung("receipt-1", 1, ("boss",), "digest"))),
        ("'assigned'", "'receipt-1'", "choose another name"),
    ),
    "a period settled without a cycle": Broken({"cycles": ()}, ("'approve'", "no cycle")),
    "a period's deadline without a cycle": Broken(
        {"cycles": (), **with_step(APPROVE, settles=None), **with_state(FIXED, due=FromPeriod())},
        ("'fixed'", "due with a period", "no cycle"),
    ),
    # numbers, rebounds, cycles
    "running numbers under the cases' own prefix": Broken(
        with_step(ASSIGN, numbers=Series("notice", "XX")), ("'assign'", "'XX'", "the cases themselves")
    ),
    "a seed drawn into no field": Broken(with_step(ASSIGN, draws="seed"), ("'assign'", "'seed'", "no field")),
    "a seed drawn where people write": Broken(
        with_step(ASSIGN, form=TinyReport, draws="title"), ("'assign'", "'title'", "not typed")
    ),
    "numbers that nobody would recognise": Broken({"prefix": "校车"}, ("prefix '校车'", "capital letters")),
    "running numbers that nobody would recognise": Broken(with_step(ASSIGN, numbers=Series("notice", "t")), ("prefix 't'",)),
    "an address that is none": Broken({"plural": "tiny things"}, ("plural 'tiny things'", "no name")),
    "a state that no column holds": Broken(
        {"states": [*TINY["states"], State("a" * 65, Text("长", "long"), counts_as="closed", final=True)]}, ("state 'aaa", "64 at most")
    ),
    "a step that is no name": Broken(with_step(ASSIGN, trigger="assign/it"), ("trigger 'assign/it'", "no name")),
    "a version before the first": Broken({"version": 0}, ("version 0", "counted from 1")),
    "a rebound by what is no attribute": Broken(
        {"rebound": Rebound(("place", "colour"), "mend_days")}, ("rebound", "'colour'", "place")
    ),
    "a rebound within an unknown policy": Broken(
        {"rebound": Rebound(("place",), "rebound_days")}, ("rebound", "'rebound_days'", "no number of days")
    ),
    "a rebound within a policy that is no number": Broken(
        {"rebound": Rebound(("place",), "remind_at")}, ("rebound", "'remind_at'", "no number of days")
    ),
    # what is taken with one tap from a message
    **{
        f"an acknowledgement that {what}": Broken(
            and_step(replace(ACKNOWLEDGE, **more)), ("'acknowledge'", says, "decides nothing")
        )
        for what, more, says in (
            ("moves the case", {"target": "fixed"}, "moves the case"),
            ("signs", {"by": (), "sign_off": "verify"}, "signs"),
            ("makes somebody a verifier", {"acts_as": "verifier"}, "signs"),
            ("asks for a form", {"form": TinyReport}, "asks for a form"),
            ("changes something", {"effect": no_effect}, "changes something besides"),
            ("counts", {"counts": "returned"}, "changes something besides"),
            ("draws a number", {"numbers": Series("extra", "ZZ")}, "changes something besides"),
            ("starts the clock anew", {"restarts": True}, "touches the clock"),
            ("hands the case over", {"hands_over": True}, "touches the clock"),
            ("takes the case over", {"takes_over": True}, "touches the clock"),
            ("settles a period", {"settles": "waived"}, "settles a period"),
            ("escalates", {"escalates": Escalation("returned", 3, ("boss",))}, "escalates"),
        )
    },
    "an acknowledgement by a role": Broken(and_step(replace(ACKNOWLEDGE, by=("boss",))), ("'acknowledge'", "'boss'")),
    "an acknowledgement by anyone": Broken(and_step(replace(ACKNOWLEDGE, by=("anyone",))), ("'acknowledge'", "'anyone'")),
    "an acknowledgement where no receipt is asked for": Broken(
        and_step(replace(ACKNOWLEDGE, source="fixed")), ("'acknowledge'", "no receipt")
    ),
    "two acknowledgements of one state": Broken(
        and_step(ACKNOWLEDGE, replace(ACKNOWLEDGE, trigger="read")), ("not the only acknowledgement",)
    ),
    # what many have to know of
    "people addressed by what is no audience": Broken(
        and_step(replace(TELL, addresses="words")), ("'tell'", "'words'", "no list of audiences")
    ),
    "people addressed where they cannot confirm": Broken(and_step(TELL, EXCUSE), ("'tell'", "cannot confirm", "'fixed'")),
    "people waited for whom nobody can excuse": Broken(
        and_step(TELL, CONFIRM), ("'confirm'", "'fixed'", "nobody can excuse")
    ),
    "a step that waits for people whom nobody can excuse": Broken(
        with_step(APPROVE, guards=(everyone_has_confirmed,)), ("'approve'", "nobody can excuse")
    ),
    "people excused by what is no list of them": Broken(
        and_step(TELL, CONFIRM, replace(EXCUSE, excuses="audience", form=AsksWho)), ("'excuse'", "no list of addressees")
    ),
    "somebody confirms for others": Broken(
        and_step(TELL, replace(CONFIRM, by=("boss",)), EXCUSE), ("'confirm'", "nobody else's")
    ),
    "a confirmation that moves the case": Broken(
        and_step(TELL, replace(CONFIRM, target="checked"), EXCUSE), ("'confirm'", "moves the case")
    ),
    "heads of whom nobody says what they hold": Broken(
        with_state(ASSIGNED, acknowledge=Acknowledge(Within(hours=24), (("unconfirmed_heads",),))),
        ("receipt", "which roles the heads hold"),
    ),
    "a form that asks what the channel says": Broken(with_step(FIX, form=AsksVia), ("'fix'", "'via'")),
    "a cycle drawn twice": Broken({"cycles": (*TINY["cycles"], *TINY["cycles"])}, ("'tiny_month'", "twice")),
    "a cycle of another workflow": Broken(
        {"cycles": (replace(TINY["cycles"][0], cycle=replace(CYCLE, workflow="other")),)},
        ("'tiny_month'", "'other'", "not of this one"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_definition_is_refused_by_a_sentence_that_names_the_culprit(broken: Broken) -> None:
    with pytest.raises(WorkflowError) as refused:
        tiny(**broken.changed)
    sentence = str(refused.value)
    assert sentence.startswith("workflow 'tiny': ")
    for words in broken.says:
        assert words in sentence


@pytest.mark.parametrize("plural", sorted(RESERVED_PLURALS))
def test_no_plural_hides_an_address_of_the_interface(plural: str) -> None:
    with pytest.raises(WorkflowError, match=plural):
        tiny(plural=plural)


@pytest.mark.parametrize("trigger", sorted(RESERVED_TRIGGERS))
def test_no_trigger_hides_an_address_under_a_case(trigger: str) -> None:
    with pytest.raises(WorkflowError, match=f"'{trigger}' is reserved"):
        tiny(**with_step(ASSIGN, trigger=trigger))


ALONE: dict[str, tuple[tuple[str, ...], str | None]] = {
    "the table's": ((), "verify"),
    "the table's and more": (("boss",), "verify"),
    "those it names": (("boss",), None),
}


@pytest.mark.parametrize("by, sign_off", ALONE.values(), ids=ALONE.keys())
def test_a_step_that_sends_back_alone_may_be_taken_by(by: tuple[str, ...], sign_off: str | None) -> None:
    redrawn = tiny(**with_step(RETURN, alone=True, by=by, sign_off=sign_off)).transition("return", "fixed")
    assert redrawn is not None
    assert (redrawn.by, redrawn.sign_off) == (by, sign_off)


def test_zero_days_are_a_time_because_they_mean_the_same_day() -> None:
    assert tiny(**with_state(FIXED, due=Within(days=0))).state("fixed").due == Within(days=0)


class Dated(Form):
    on: Day


@pytest.mark.parametrize(
    "day, known", [("1999-12-31", False), ("2000-01-01", True), ("2100-12-31", True), ("2101-01-01", False)]
)
def test_a_day_lies_where_calendars_can_be(day: str, known: bool) -> None:
    if known:
        assert Dated(on=date.fromisoformat(day)).on.isoformat() == day
    else:
        with pytest.raises(ValidationError):
            Dated(on=date.fromisoformat(day))


@pytest.mark.parametrize(
    "named, key",
    [(PersonRef, "teacher"), (DepartmentRef, "HQC"), (AudienceRef, "person:teacher"), (AddresseeRef, "teacher")],
    ids=["person", "department", "audience", "addressee"],
)
def test_what_is_looked_up_holds_nothing_a_database_cannot_keep(named: Any, key: str) -> None:
    adapter = TypeAdapter(named)
    assert adapter.validate_python(key) == key
    with pytest.raises(ValidationError, match="control characters"):
        adapter.validate_python(f"{key}\0")


def test_a_validators_own_sentence_carries_no_full_stop() -> None:
    error = said(Text("多了。", "Too many."))
    assert error.context == {"zh": "多了", "en": "Too many"}


# --- whom a case waits for ------------------------------------------------------------------------------------------------


def asks_the_boss(case: Case) -> tuple[str, ...]:
    return ("boss",) if case.facts.get("asked") else ()


def test_a_request_within_a_state_makes_it_wait_for_its_decider_too() -> None:
    workflow = tiny(**with_state(ASSIGNED, also_awaits=asks_the_boss))
    case = Case(
        organisation="school", number="XX-2020-0001", workflow="tiny", version=1, state="assigned",
        counts_as="assigned", final=False, opened_at=datetime(2020, 1, 6, tzinfo=UTC),
    )  # fmt: skip
    assert workflow.awaited(case) == ("assignee",)
    assert workflow.awaited(case.with_facts({"asked": {"what": "extension"}})) == ("assignee", "boss")
    assert tiny().awaited(case.with_facts({"asked": {"what": "extension"}})) == ("assignee",)


# --- names given once -----------------------------------------------------------------------------------------------------


def test_a_guard_name_is_given_once() -> None:
    with pytest.raises(ValueError, match=r"'tiny.always' is registered already"):
        guard("tiny.always", obstacle=WORD, remedy=WORD)(lambda _: False)
    assert guard_named("tiny.always") is always


def test_a_form_name_is_given_once_over_all_modules() -> None:
    with pytest.raises(WorkflowError, match=r"'TinyReport' is registered already"):
        type("TinyReport", (Form,), {"__module__": "elsewhere"})
    assert Form.registered["TinyReport"] is TinyReport


OF_THE_OTHER = (replace(TINY["cycles"][0], cycle=replace(CYCLE, workflow="other")),)
CLASHES: dict[str, tuple[dict[str, Any], str]] = {
    "the same version twice": ({}, "version 1 is defined twice"),
    "the plural of another": (
        {"key": "other", "prefix": "YY", "cycles": OF_THE_OTHER},
        "plural 'tinies' is taken by workflow 'tiny'",
    ),
    "the prefix of another": (
        {"key": "other", "plural": "others", "cycles": OF_THE_OTHER},
        "prefix 'XX' is taken by workflow 'tiny'",
    ),
}


@pytest.mark.parametrize("changed, says", CLASHES.values(), ids=CLASHES.keys())
def test_a_catalog_refuses_workflows_that_hide_each_other(changed: dict[str, Any], says: str) -> None:
    with pytest.raises(WorkflowError, match=says):
        Catalog([tiny(), tiny(**changed)])


def test_new_cases_open_with_the_newest_version_and_old_ones_keep_theirs() -> None:
    first, second = tiny(), tiny(version=2)
    catalog = Catalog([second, first])
    assert catalog.get("tiny") is second
    assert catalog.get("tiny", 1) is first
    assert catalog.get("tiny", 3) is None
    assert catalog.newest() == [second]
    assert catalog.cycles() == [(second, second.cycles[0])]


# --- an organisation's own numbers ---------------------------------------------------------------------------------------

REFUSED_NUMBERS: dict[str, tuple[dict[str, Any], str]] = {
    "a number below its bound": ({"mend_days": 0}, "greater than or equal to 1"),
    "a number nobody asks for": ({"mend_dais": 3}, "mend_dais"),
    "an hour that does not exist": ({"remind_at": "25:00"}, "remind_at"),
    "an offset of an unknown rung": ({"rung_offsets": {"after-9": 9}}, "no ladder of 'tiny' has a rung 'after-9'"),
    "a reminder years after": ({"rung_offsets": {"after-1": 366}}, "rung_offsets.after-1\n.*less than or equal to 365"),
    "a reminder years before": ({"rung_offsets": {"before-1": -(10**7)}}, "before-1\n.*greater than or equal to -365"),
    "offsets that no longer ascend": ({"rung_offsets": {"before-1": 2}}, "ascend"),
}


@pytest.mark.parametrize("numbers, says", REFUSED_NUMBERS.values(), ids=REFUSED_NUMBERS.keys())
def test_an_organisations_number_is_checked_when_it_is_set(numbers: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        tiny().checked_policy(numbers)


def test_a_reminder_may_be_a_year_of_working_days_away_either_way() -> None:
    offsets = {"before-1": -365, "after-1": 365}
    assert tiny().checked_policy({"rung_offsets": offsets}) == {"rung_offsets": offsets}


def test_only_what_was_set_is_kept() -> None:
    assert tiny().checked_policy({"mend_days": 3, "rung_offsets": {"after-1": 2}}) == {
        "mend_days": 3,
        "rung_offsets": {"after-1": 2},
    }


# --- fingerprints ------------------------------------------------------------------------------------------------------


def test_the_same_definition_has_the_same_fingerprint() -> None:
    assert tiny().fingerprint == tiny().fingerprint


CHANGED: dict[str, dict[str, Any]] = {
    "a title": {"title": Text("字", "words")},
    "a state's title": with_state(FIXED, title=Text("词", "word")),
    "a step's title": with_step(FIX, title=Text("词", "word")),
    "a role's title": {"roles": {**TINY["roles"], "boss": Text("头", "boss")}},
    "whom a state waits for": with_state(FIXED, awaits=("boss",)),
    "who takes a step": with_step(ASSIGN, by=("checker",)),
    "another guard": with_step(ASSIGN, guards=(also,)),
    "one more guard": with_step(ASSIGN, guards=(always, also)),
    "the order of guards": with_step(ASSIGN, guards=(also, always)),
    "a form field's bound": {"opens_with": TinyReportLonger},
    "a step's form": with_step(FIX, form=TinyReport),
    "a rung's offset": with_state(
        ASSIGNED, ladder=Ladder.of(LADDER.rungs[0], replace(LADDER.rungs[1], offset_workdays=2))
    ),
    "a rung's way": with_state(ASSIGNED, ladder=Ladder.of(LADDER.rungs[0], replace(LADDER.rungs[1], how="digest"))),
    "a budget": with_state(FIXED, due=Within(workdays=4)),
    "a budget's unit": with_state(FIXED, due=Within(days=3)),
    "the receipt's limit": with_state(ASSIGNED, acknowledge=Acknowledge(Within(hours=25), (("assignee",), ("boss",)))),
    "a cycle's rule": {"cycles": (replace(TINY["cycles"][0], cycle=replace(CYCLE, every=Week())),)},
    "who owes a cycle": {"cycles": (replace(TINY["cycles"][0], cycle=replace(CYCLE, owed_by="boss")),)},
    "a policy's default": {"policy": TinyPolicyLater},
    "a sign-off count": with_row("verify", count=2),
    "a sign-off exclusion": with_row("approve", never=("fixer",)),
    "what lifts an exclusion": with_row("verify", waived_by={}),
    "the relation a step gives": with_step(RETURN, acts_as="asker"),
    "when it escalates": with_step(RETURN, escalates=Escalation("returned", 2, ("boss",))),
    "who may send back alone besides the table's": with_step(RETURN, alone=True, by=("boss",)),
    "whether it needs one signature only": with_step(RETURN, alone=True),
    "what stays in the event": with_step(FIX, quiet=True),
    "what becomes of the period": with_step(APPROVE, settles="waived"),
    "whether a number is drawn again": with_step(ASSIGN, numbers=Series("notice", "TZ", once=True)),
    "whom a request waits for": with_state(ASSIGNED, also_awaits=asks_the_boss),
    "when it is bound to an earlier one": {"rebound": Rebound(("place",), "mend_days")},
    "the version": {"version": 2},
}  # fmt: skip


@pytest.mark.parametrize("changed", CHANGED.values(), ids=CHANGED.keys())
def test_whatever_changes_the_meaning_changes_the_fingerprint(changed: dict[str, Any]) -> None:
    assert tiny(**changed).fingerprint != tiny().fingerprint


def test_two_rules_without_numbers_of_their_own_are_told_apart() -> None:
    def fingerprint(every: Any) -> str:
        return tiny(cycles=(replace(TINY["cycles"][0], cycle=replace(CYCLE, every=every)),)).fingerprint

    assert fingerprint(Week()) != fingerprint(Month())


# --- pictures ------------------------------------------------------------------------------------------------------------

DRAWN: dict[str, Callable[[str], bool]] = {
    "starts at the initial state": lambda text: "[*] --> reported" in text,
    "ends at the final state": lambda text: "closed --> [*]" in text,
    "draws every step": lambda text: all(f"{t.source} --> {t.target}: word" in text for t in TINY["transitions"]),
    "names states by their titles": lambda text: 'state "word" as checked' in text,
}


@pytest.mark.parametrize("holds", DRAWN.values(), ids=DRAWN.keys())
def test_the_diagram(holds: Callable[[str], bool]) -> None:
    assert holds(diagram(tiny(), "en"))
