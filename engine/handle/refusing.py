"""What a refusal says where only memory knows enough to say it, and what is kept of it."""

import re
from collections.abc import Sequence
from datetime import datetime

from engine.case import CASE_NUMBER
from engine.commands import Asked
from engine.definition import Workflow
from engine.errors import InvalidInput, Refusal, Text, UnknownCase
from engine.store import refusals

TRIGGER = re.compile(r"[a-z_]{1,64}")
POSTS_NAMED = 3  # in the remedy of a refusal; `could` has them all


def refusal_record(asked: Asked, refusal: Refusal, now: datetime) -> refusals.RefusalRecord:
    """What the refusal log keeps: enough to answer who tried what, when and why not; nothing of what was typed."""
    command = asked.command
    number, trigger = getattr(command, "case", None), getattr(command, "trigger", None) or "open"
    route = asked.route
    # an address can be typed too, and this log is never erased
    typed = [part for part, shape in ((number, CASE_NUMBER), (trigger, TRIGGER)) if part and not shape.fullmatch(part)]
    for part in typed:
        route = route.replace(part, "…")
    return refusals.RefusalRecord(
        organisation=asked.actor.organisation,
        at=now,
        principal=asked.actor.principal,
        on_behalf_of=asked.actor.on_behalf_of,
        route=route,
        number=None if number in typed else number,
        asked="…" if trigger in typed else trigger,
        code=refusal.code,
        reason=getattr(refusal, "guard", None) or getattr(refusal, "reason", None) or "",
        sentence=f"{refusal.title.zh}。" if typed else refusal.on_record(),
    )


def unknown_case(number: str) -> UnknownCase:
    return UnknownCase(
        asked=Text(f"查找 {number}", f"Look for {number}"),
        obstacle=Text("没有此项，或您无权查看", "there is no such case, or not one you may see"),
        remedy=Text("请核对编号", "Check the number"),
    )


def no_such_step(workflow: Workflow, asked: Text) -> Refusal:
    titles = {name: drawn[0].title for name, drawn in workflow.triggers.items()}
    return InvalidInput(
        asked=asked,
        obstacle=Text(f"“{workflow.title.zh}”没有这个步骤", f"{workflow.title.en} has no such step"),
        remedy=Text(
            "可用的步骤：" + "、".join(f"{title.zh}（{name}）" for name, title in titles.items()),
            "The steps there are: " + ", ".join(f"{title.en} ({name})" for name, title in titles.items()),
        ),
    )


def left_to(posts: Sequence[Text]) -> Text:
    """What to do about a step of somebody else's: whom to leave it to."""
    named = list(dict.fromkeys(posts))[:POSTS_NAMED]
    if named:
        zh, en = "、".join(p.zh for p in named), " or ".join(p.en for p in named)
        return Text(f"请由{zh}办理", f"Leave the step to {en}")
    return Text(
        "目前无人可以办理；如有岗位空缺，请告知系统管理员补足（bihuan check 会指出空缺）",
        "Nobody can at present; if a post is vacant, tell the administrator, whom `bihuan check` shows which",
    )
