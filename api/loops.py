"""Which loops this process runs: ours, and those that were installed beside them.

A workflow from outside is one module in a distribution of its own, which names it under the group `bihuan.workflows`. It is
code that whoever runs the server installed, as trusted as the rest of it; what is checked here is not whether it means well but
whether it fits: whatever ours have to be, and that it takes nothing of theirs. One that does not fit stops the start, in words.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from api.figures import FIGURES
from engine.definition import Catalog, Workflow
from engine.errors import OutsideRefused, Text
from notifications.policy import NAME
from workflows import CATALOG
from workflows.roles import LOOP_ROLES

GROUP = "bihuan.workflows"

KEY = Text("代号", "key")
PLURAL = Text("地址名", "plural")
PREFIX = Text("编号字头", "prefix")
CYCLE = Text("周期", "cycle")
_OURS = Text("闭环自带", "Bihuan itself")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a loop comes from that is none of ours: the distribution, its version, and the entry point that names it."""

    distribution: str
    version: str
    entry_point: str


@dataclass(frozen=True)
class Loops:
    """The catalog of a process; and of each loop from outside, by its key, where it comes from."""

    catalog: Catalog
    origins: Mapping[str, Origin]


@cache
def the_loops() -> Loops:
    """What this process runs, looked for once. Raises OutsideRefused."""
    return with_outside(CATALOG, entry_points(group=GROUP))


def with_outside(ours: Catalog, points: Iterable[EntryPoint]) -> Loops:
    """Ours, and what these entry points name: each a `Workflow`, or all versions of one as a tuple or list.

    Raises    OutsideRefused for the first that cannot be loaded, is no workflow, does not fit or takes what is taken
    """
    taken = {claim: (loop.key, _OURS) for loop in ours.every() for claim in _claims(loop)}
    taken[KEY.en, NAME] = (NAME, _OURS)  # among an organisation's numbers, those of its messages
    found: list[Workflow] = []
    origins: dict[str, Origin] = {}
    # the order in which a system lists what is installed is nobody's business
    for point in sorted(points, key=lambda each: (_origin(each).distribution, each.name)):
        origin = _origin(point)
        for loop in _loaded(point):
            _must_fit(point, loop)
            if any((loop.key, loop.version) == (other.key, other.version) for other in found):
                raise _refused(
                    point,
                    Text(f"流程 {loop.key} 第 {loop.version} 版有两个", f"there are two of {loop.key} v{loop.version}"),
                )
            here = Text(f"{origin.distribution}", f"{origin.distribution}")
            for claim in _claims(loop):
                _must_be_free(point, loop, claim, taken.setdefault(claim, (loop.key, here)), here)
            found.append(loop)
            origins[loop.key] = origin
    return Loops(Catalog([*ours.every(), *found], overseers=ours.overseers), origins)


def _origin(point: EntryPoint) -> Origin:
    made = point.dist
    return Origin("?" if made is None else made.name, "?" if made is None else made.version, point.name)


# --- loading ---------------------------------------------------------------------------------------------------------------


def _loaded(point: EntryPoint) -> list[Workflow]:
    try:
        named = point.load()
    except (Exception, SystemExit) as error:  # whatever a stranger's module raises is told, with where it comes from
        why = f"{type(error).__name__}: {error}"
        raise _refused(point, Text(f"无法载入（{why}）", f"it cannot be loaded ({why})")) from error
    loops = list(named) if isinstance(named, tuple | list) else [named]
    if not loops or not all(isinstance(loop, Workflow) for loop in loops):
        raise _refused(
            point,
            Text(
                f"{point.value} 不是流程（Workflow），也不是若干版本的流程",
                f"{point.value} is no Workflow, nor versions of one",
            ),
        )
    return loops


# --- what it has to be -------------------------------------------------------------------------------------------------------


def _must_fit(point: EntryPoint, loop: Workflow) -> None:
    """What `Workflow` cannot see by itself: what the school has, what the program counts, what pages can ask."""
    for role in loop.roles:
        if role not in LOOP_ROLES:
            raise _refused(
                point,
                Text(
                    f"流程 {loop.key} 提到岗位 {role!r}，本程序没有这个岗位",
                    f"workflow {loop.key!r} names the role {role!r}, which is none that anybody can hold here",
                ),
            )
    for step in loop.transitions:
        if step.figures is not None and step.figures not in FIGURES:
            raise _refused(
                point,
                Text(
                    f"流程 {loop.key} 的步骤 {step.trigger} 要用统计 {step.figures!r}，本程序没有",
                    f"step {step.trigger!r} of workflow {loop.key!r} takes the figures {step.figures!r}, which nobody counts here",
                ),
            )
    for words, where in _said(loop):
        if not (words.zh.strip() and words.en.strip()):
            raise _refused(
                point,
                Text(
                    f"流程 {loop.key} 的{where.zh}须有中英文名称",
                    f"{where.en} of workflow {loop.key!r} has to be called something in Chinese and in English",
                ),
            )
    for form in dict.fromkeys((loop.opens_with, *(loop.form_of(trigger) for trigger in loop.triggers))):
        for name, info in form.model_fields.items():
            extra = info.json_schema_extra
            labels = extra if isinstance(extra, dict) else {}
            if not (labels.get("zh") and labels.get("en")):
                raise _refused(
                    point,
                    Text(
                        f"表单 {form.__name__} 的字段 {name} 须用 asks(中文, 英文) 写明名称",
                        f"field {name!r} of form {form.__name__!r} needs its name in both languages: asks(Chinese, English)",
                    ),
                )
            if not _can_be_asked(info.annotation):
                raise _refused(
                    point,
                    Text(
                        f"表单 {form.__name__} 的字段 {name} 有几种类型，页面不知怎样填",
                        f"field {name!r} of form {form.__name__!r} takes answers of several types, and no page can ask for that",
                    ),
                )


def _said(loop: Workflow) -> Iterator[tuple[Text, Text]]:
    """What people read of it besides its forms, each with what it is the name of."""
    yield loop.title, Text("标题", "the title")
    for state in loop.states:
        yield state.title, Text(f"状态 {state.name}", f"state {state.name!r}")
    for step in loop.transitions:
        yield step.title, Text(f"步骤 {step.trigger}", f"step {step.trigger!r}")


def _can_be_asked(annotation: Any) -> bool:
    inner = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return _can_be_asked(inner[0])
    if get_origin(annotation) in (Union, UnionType):
        options = [option for option in inner if option is not NoneType]
        return len(options) == 1 and _can_be_asked(options[0])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return all(_can_be_asked(info.annotation) for info in annotation.model_fields.values())
    return annotation not in (list, dict) and all(
        _can_be_asked(each) for each in inner if isinstance(each, type) or get_args(each)
    )


# --- what it may not take ----------------------------------------------------------------------------------------------------


_CLAIMED: Mapping[str, Text] = {each.en: each for each in (KEY, PLURAL, PREFIX, CYCLE)}


def _claims(loop: Workflow) -> Iterator[tuple[str, str]]:
    """What can be but one loop's, whatever its version: addresses, numbers and periods would be taken for another's."""
    yield KEY.en, loop.key
    yield PLURAL.en, loop.plural
    yield PREFIX.en, loop.prefix
    yield from ((PREFIX.en, step.numbers.prefix) for step in loop.transitions if step.numbers is not None)
    yield from ((CYCLE.en, rule.cycle.key) for rule in loop.cycles)


def _must_be_free(
    point: EntryPoint, loop: Workflow, claim: tuple[str, str], holder: tuple[str, Text], here: Text
) -> None:
    if holder == (loop.key, here):
        return
    what, (key, whose) = _CLAIMED[claim[0]], holder
    raise _refused(
        point,
        Text(
            f"流程 {loop.key} 的{what.zh} {claim[1]!r} 已由{whose.zh}的流程 {key} 使用",
            f"the {what.en} {claim[1]!r} of workflow {loop.key!r} is taken by {key!r} of {whose.en}",
        ),
    )


def _refused(point: EntryPoint, why: Text) -> OutsideRefused:
    origin = _origin(point)
    brought = f"{origin.distribution} {origin.version}"
    named = f"{point.name} = {point.value}"
    return OutsideRefused(
        Text(
            f"发行包 {brought} 带来的外部流程（入口点 {named}）不能使用：{why.zh}。请提供者更正后重新安装，或卸载 {origin.distribution}。",
            f"The workflow that the distribution {brought} brings (entry point {named}) cannot be used: {why.en}. "
            f"Have whoever provides it mend it and install it again, or uninstall {origin.distribution}.",
        )
    )
