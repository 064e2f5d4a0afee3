"""The one way in which an edge sets the numbers of a loop: checked, looked at for dead corners, and noted in the logbook."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection

from api.causes import faults_in_words
from api.checking import DeadCorners, OpensDeadCorner, opened_by
from engine.actor import Actor
from engine.definition import Workflow
from engine.errors import FieldFault, InvalidInput, Text
from engine.handle import Engine, note_in
from engine.store import people, policies
from workflows.wording import ERROR_WORDS

_NO_NUMBER = Text("不是这个流程可调的数值", "is no number of this loop")
_RUNGS = Text(
    "rung_offsets 中有本流程没有的提醒级别，或打乱了提醒的先后",
    "`rung_offsets` names a rung that this loop has not, or puts rungs out of their order",
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


def _checked(loop: Workflow, wanted: Mapping[str, Any], asked: Text) -> dict[str, Any]:
    try:
        return loop.checked_policy(wanted)
    except ValueError as error:
        if isinstance(error, ValidationError):
            wrong = faults_in_words(error, words={**ERROR_WORDS, "extra_forbidden": _NO_NUMBER})
            fields = [".".join(str(part) for part in item["loc"]) for item in error.errors()]
        else:
            wrong, fields = _RUNGS, ["rung_offsets"]
        raise InvalidInput(
            asked=asked,
            obstacle=Text(f"不能这样设置：{wrong.zh}", f"it cannot be set so: {wrong.en}"),
            remedy=Text("请改正后重新设置", "Correct it and set it again"),
            fields=[FieldFault(field or "set", wrong) for field in fields],
        ) from error
