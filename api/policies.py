"""The one way in which an edge sets the numbers of a loop: checked, looked at for dead corners, and noted in the logbook."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection

from api.causes import faults_in_words, what_is_wrong
from api.checking import DeadCorners, OpensDeadCorner, opened_by
from engine.actor import Actor, Visibility
from engine.definition import Within, Workflow
from engine.errors import FieldFault, InvalidInput, Text
from engine.handle import Engine, note_in
from engine.store import people, policies, worklists
from engine.store.worklists import Filter
from workflows.wording import ERROR_WORDS

_NO_NUMBER = Text("不是这个流程可调的数值", "is no number of this loop")
_RUNGS = Text(
    "各次提醒的先后被打乱，或 rung_offsets 中有本流程没有的提醒",
    "the reminders would come out of their order, or `rung_offsets` names one that this loop has not",
)
_OUT_OF_ORDER = Text(
    "各次提醒的先后被打乱，或其中有本流程没有的提醒",
    "the reminders would come out of their order, or one of them is none of this loop",
)


def set_numbers(
    engine: Engine, actor: Actor, loop: Workflow, changes: Mapping[str, Any], by: str, *, confirmed: bool = False
) -> tuple[int, dict[str, Any]]:
    """Set some of the loop's numbers for steps from now on; None takes one back to what it is by itself.

    by         who did it, as the list of versions names him
    Returns    (version, everything the organisation set). What is so already changes nothing
    Raises     InvalidInput; OpensDeadCorner for what was not open before, unless confirmed
    """
    here, now = actor.organisation, engine.clock.now()
    asked = Text(f"设置“{loop.title.zh}”的规则", f"Set the policy of {loop.key!r}")

    def apply(connection: Connection) -> tuple[int, dict[str, Any]]:
        people.change_alone(connection, here)
        version, before = policies.in_force(connection, here, loop.key)
        wanted = {name: value for name, value in {**before, **changes}.items() if value is not None}
        checked = _checked(loop, wanted, asked)
        if checked == before:
            return version, before
        version = policies.set_(connection, here, loop.key, checked, by, now)
        named = sorted(name for name in {*checked, *before} if checked.get(name) != before.get(name))
        note_in(engine, connection, actor, "policy_changed", {"loop": loop.key, "version": version, "numbers": named})
        return version, checked

    reading, writing = partial(engine.database.read, here), partial(engine.database.write, here)
    opened = opened_by(reading, writing, DeadCorners(engine.catalog, here, now), apply)
    if opened and not confirmed:
        raise OpensDeadCorner(opened.values(), asked=asked)
    with writing() as connection:
        return apply(connection)


@dataclass(frozen=True, slots=True)
class Running:
    """Cases whose clock was started by a number that changes. They keep their deadlines: those of steps from now on are new."""

    number: str
    state: Text
    count: int


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a change of numbers would do.

    changed   by name, before and after
    opened    dead corners it would open, a sentence each
    """

    changed: Mapping[str, tuple[Any, Any]]
    running: list[Running]
    opened: list[Text]


def foresee(engine: Engine, organisation: str, loop: Workflow, changes: Mapping[str, Any]) -> Foreseen:
    """What setting these numbers would do; nothing is written. Raises InvalidInput."""
    now, everything = engine.clock.now(), Visibility(organisation, everything=True)
    reading, writing = partial(engine.database.read, organisation), partial(engine.database.write, organisation)
    with reading() as connection:
        _, before = policies.in_force(connection, organisation, loop.key)
        wanted = {name: value for name, value in {**before, **changes}.items() if value is not None}
        checked = _checked(loop, wanted, Text(f"设置“{loop.title.zh}”的规则", f"Set the policy of {loop.key!r}"))
        old, new = {**loop.defaults(), **before}, {**loop.defaults(), **checked}
        changed = {name: (old[name], new[name]) for name in new if old[name] != new[name]}
        running = [
            Running(number, state.title, count)
            for state in loop.states
            if isinstance(state.due, Within) and isinstance(state.due.given[1], str)
            for number in [state.due.given[1]]
            if number in changed
            and (count := worklists.count(connection, everything, Filter(workflow=loop.key, state=state.name), now))
        ]

    def apply(connection: Connection) -> int:
        return policies.set_(connection, organisation, loop.key, checked, "nobody", now)

    corners = DeadCorners(engine.catalog, organisation, now)
    opened = opened_by(reading, writing, corners, apply) if changed else {}
    return Foreseen(changed, running, list(opened.values()))


def _checked(loop: Workflow, wanted: Mapping[str, Any], asked: Text) -> dict[str, Any]:
    try:
        return loop.checked_policy(wanted)
    except ValueError as error:
        if isinstance(error, ValidationError):
            words = {**ERROR_WORDS, "extra_forbidden": _NO_NUMBER}
            wrong = faults_in_words(error, words=words)
            fields = [
                FieldFault(".".join(str(part) for part in item["loc"]) or "set", what_is_wrong(item, words))
                for item in error.errors()
            ]
        else:
            wrong, fields = _RUNGS, [FieldFault("rung_offsets", _OUT_OF_ORDER)]
        raise InvalidInput(
            asked=asked,
            obstacle=Text(f"不能这样设置：{wrong.zh}", f"it cannot be set so: {wrong.en}"),
            remedy=Text("请改正后重新设置", "Correct it and set it again"),
            fields=fields,
        ) from error
