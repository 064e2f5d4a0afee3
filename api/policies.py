"""The one way in which an edge changes an organisation's numbers of a loop: checked, and looked at for dead corners first."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection

from api.bootstrap import Runtime
from api.causes import faults_in_words
from api.checking import DeadCorners, OpensDeadCorner, opened_by
from api.requests import fault_of
from engine.actor import Visibility
from engine.definition import Within, Workflow
from engine.errors import FieldFault, InvalidInput, Text
from engine.store import policies, worklists
from engine.store.worklists import Filter
from workflows.wording import ERROR_WORDS

UNKNOWN = Text("不是这个流程可调的数值", "is no number of this loop")
NO_RUNG = Text("没有这样的提醒级别，或打乱了提醒的先后", "there is no such rung, or the rungs would change their order")
WORDS: Mapping[str, Text] = {**ERROR_WORDS, "extra_forbidden": UNKNOWN}


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


def setting(loop: Workflow) -> Text:
    return Text(f"设置“{loop.title.zh}”的规则", f"Set the policy of {loop.key!r}")


def checked(loop: Workflow, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What an organisation sets, by the loop's own bounds. Raises InvalidInput naming each number."""
    try:
        return loop.checked_policy(wanted)
    except ValidationError as error:
        wrong = faults_in_words(error, words=WORDS)
        fields = [fault_of(".".join(map(str, item["loc"])), dict(item), WORDS) for item in error.errors()]
    except ValueError:
        wrong, fields = NO_RUNG, [FieldFault("rung_offsets", NO_RUNG)]
    raise InvalidInput(
        asked=setting(loop),
        obstacle=wrong,
        remedy=Text("请改正后重新提交", "Correct it and send it again"),
        fields=fields,
    )


def foresee(runtime: Runtime, organisation: str, loop: Workflow, wanted: Mapping[str, Any]) -> Foreseen:
    """What setting these numbers would do; nothing is written. Raises InvalidInput."""
    overrides = checked(loop, wanted)
    now = runtime.clock.now()
    everything = Visibility(organisation, everything=True)
    with runtime.database.read(organisation) as connection:
        _, before = policies.in_force(connection, organisation, loop.key)
        old, new = {**loop.defaults(), **before}, {**loop.defaults(), **overrides}
        changed = {name: (old[name], new[name]) for name in new if old[name] != new[name]}
        running = [
            Running(number, state.title, count)
            for state in loop.states
            if isinstance(state.due, Within) and isinstance(state.due.given[1], str)
            for number in [state.due.given[1]]
            if number in changed
            and (count := worklists.count(connection, everything, Filter(workflow=loop.key, state=state.name), now))
        ]
    opened = _opened(runtime, organisation, loop, overrides, "nobody") if changed else {}
    return Foreseen(changed, running, list(opened.values()))


def set_policy(
    runtime: Runtime, organisation: str, loop: Workflow, wanted: Mapping[str, Any], by: str, *, confirmed: bool
) -> tuple[int, dict[str, Any]]:
    """(version, the organisation's own numbers) after the change; it holds for steps from now on.

    by        the principal, or `cli`
    Raises    InvalidInput; OpensDeadCorner unless confirmed
    """
    overrides = checked(loop, wanted)
    opened = _opened(runtime, organisation, loop, overrides, by)
    if opened and not confirmed:
        raise OpensDeadCorner(opened.values(), asked=setting(loop))
    with runtime.database.write(organisation) as connection:
        return policies.set_(connection, organisation, loop.key, overrides, by, runtime.clock.now()), overrides


def _opened(
    runtime: Runtime, organisation: str, loop: Workflow, overrides: Mapping[str, Any], by: str
) -> Mapping[str, Text]:
    now = runtime.clock.now()

    def apply(connection: Connection) -> int:
        return policies.set_(connection, organisation, loop.key, overrides, by, now)

    return opened_by(
        partial(runtime.database.read, organisation), partial(runtime.database.write, organisation),
        DeadCorners(runtime.engine.catalog, organisation, now), apply,
    )  # fmt: skip
