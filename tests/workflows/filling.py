"""Forms filled in from their own models: the usual answers, and then with any one field or two answered otherwise.

What a model does not say by itself is taken from where the pages take it (`workflows.asking`). For a pattern that none of
`TEXTS` fits it takes one more entry there.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import combinations
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, MaxLen, MinLen
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from engine.calendar import Calendar
from engine.case import Case
from engine.definition import Reference
from workflows import stage_summary
from workflows.asking import choices, questions

FILE = "a" * 64
PROSE = "文字"
#: what there is to write where a pattern asks for something
TEXTS = (PROSE, "2020-01", "2020-01-06", "2020-W02", "0" * 64, "general", "SM-2020-0001")
FEW = 40  # ways to fill in a part of a form: so many are tried with two of its fields otherwise as well
BOUNDS = ("pattern", "min_length", "max_length", "ge", "le")


@dataclass(frozen=True)
class World:
    """What answers can speak of, what is usual first.

    people   keys of persons
    cases    numbers of other cases
    case     the one the step is taken on; None at an opening
    """

    today: date
    calendar: Calendar
    people: Sequence[str]
    departments: Sequence[str]
    cases: Sequence[str]
    case: Case | None = None

    def days(self) -> list[date]:
        """A working day soon, one after the deadline, today, yesterday, years ahead; one in a school break, a day off."""
        found = [self.calendar.add_workdays(self.today, 3)]
        if self.case is not None and self.case.due_at is not None:
            found.append(self.calendar.add_workdays(self.calendar.local_date(self.case.due_at), 2))
        found += [self.today, self.today - timedelta(days=1), self.today + timedelta(days=800)]
        coming = [self.today + timedelta(days=ahead) for ahead in range(10, 60)]
        worked = [day for day in coming if self.calendar.is_workday(day)]
        found += [day for day in worked if self.calendar.break_at(day) is not None][:1]
        found += [day for day in coming if day not in worked][:1]
        return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Each:
    """An answer to each question of a field that is answered by name; of the first one it may be another, or none at all."""

    usual: Any
    first: Any = PydanticUndefined
    only_first: bool = False


def filled(form: type[BaseModel], world: World, around: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
    """The answers as validated JSON values; what the model itself does not take is left out.

    around   answers that were good, in place of the usual ones: of these only one is answered otherwise
    """
    ways = {name: _of_field(name, field, world) for name, field in form.model_fields.items()}
    usual = {name: found[0] for name, found in ways.items()} if around is None else dict(around)
    others = [(name, value) for name, found in ways.items() for value in found[1:]]
    one = [(other,) for other in others]
    two = [] if around is not None else [pair for pair in combinations(others, 2) if pair[0][0] != pair[1][0]]
    nothing = {name: None for name, found in ways.items() if None in found}
    for changes in ((), tuple(nothing.items()), *one, *two):
        said = usual | dict(changes)
        for name, value in said.items():
            if isinstance(value, Each):
                said[name] = _answered(name, value, said, world)
        try:
            yield form.model_validate(said).model_dump(mode="json")
        except ValidationError:
            continue


def _answered(name: str, each: Each, said: dict[str, Any], world: World) -> dict[str, Any]:
    asked = [choice.value for choice in questions(name, world.case, said) or ()]
    if each.only_first:
        return dict.fromkeys(asked[:1], each.first)
    answers = dict.fromkeys(asked, each.usual)
    if asked and each.first is None:
        del answers[asked[0]]
    elif asked and each.first is not PydanticUndefined:
        answers[asked[0]] = each.first
    return answers


def _of_field(name: str, field: FieldInfo, world: World) -> list[Any]:
    ways = _of(name, field.annotation, tuple(field.metadata), world)
    if field.is_required():
        return ways
    usual = field.get_default(call_default_factory=True)
    if usual is None and ways[0] == PROSE:
        return ways  # people who have something to say say it
    return [usual, *(way for way in ways if way != usual)]


def _of(name: str, annotation: Any, metadata: tuple[Any, ...], world: World) -> list[Any]:
    """The ways to answer what is of this type, the usual one first."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _of(name, inner[0], (*metadata, *inner[1:]), world)
    if marks := [item.kind for item in metadata if isinstance(item, Reference)]:
        return _named(marks[0], world)
    if origin in (UnionType, Union):
        ways = [way for option in inner if option is not NoneType for way in _of(name, option, metadata, world)]
        return [*ways, None] if NoneType in inner else ways
    if origin is Literal:
        return list(inner)
    if origin is list:
        return _lists(name, inner[0], metadata, world)
    if origin is dict:
        return _by_name(inner[1], world)
    if listed := choices(name):
        return [listed[0].value, listed[-1].value]
    if annotation is bool:
        return [False, True]
    if annotation is int:
        least = next((int(str(item.ge)) for item in _bounds(metadata) if getattr(item, "ge", None) is not None), 0)
        return [least, least + 1]
    if annotation is date:
        return list(world.days())
    if annotation is str:
        written = stage_summary.words_so_far(world.case) if world.case is not None else {}
        return [written.get(name, _text(name, metadata))]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        made = list(filled(annotation, world))
        singly = 1 + sum(len(_of_field(n, f, world)) - 1 for n, f in annotation.model_fields.items())
        return made if len(made) <= FEW else made[:singly]
    raise LookupError(
        f"nothing is known to answer {name!r} with, of the type {annotation!r}: teach tests.workflows.filling"
    )


def _named(kind: str, world: World) -> list[Any]:
    if kind == "person":
        return list(world.people)
    if kind == "department":
        return list(world.departments)
    if kind == "case":
        return list(world.cases)
    if kind == "audience":
        return ["everyone"]
    if kind == "addressee":
        waited = world.case.unconfirmed if world.case is not None else ()
        return [*waited[:1], *world.people[-1:]]
    return [FILE]


def _lists(name: str, item: Any, metadata: tuple[Any, ...], world: World) -> list[Any]:
    """One of it, none, the same twice, two that differ."""
    ways = _of(name, item, (), world)
    shortest = max((each.min_length for each in metadata if isinstance(each, MinLen)), default=0)
    longest = min((each.max_length for each in metadata if isinstance(each, MaxLen)), default=2)
    found = [ways[:1], [], ways[:1] * 2, ways[:2], *([way] for way in ways[1:])]
    if isinstance(ways[0], Mapping) and "last_day" in ways[0]:  # stretches of days: one after the other
        later = (date.fromisoformat(ways[0]["last_day"]) + timedelta(days=14)).isoformat()
        found.insert(1, [ways[0], {**ways[0], "first_day": later, "last_day": later}])
    fitting = [one for one in found if shortest <= len(one) <= longest]
    usual = ways[:2] if shortest == 2 else ways[:1]  # a list of two at least has two that differ
    return [usual, *(one for one in fitting if one != usual)]


def _by_name(answer: Any, world: World) -> list[Any]:
    """All alike; the first otherwise, or left out."""
    ways = _of("", answer, (), world)
    if ways[0] == FILE:  # for some of them, as a rule for none
        return [{}, Each(ways[0], ways[0], only_first=True)]
    if ways == [PROSE]:  # what asks for a number takes no prose
        return [Each(PROSE), Each("0"), Each(PROSE, None)]
    return [Each(ways[0]), *(Each(ways[0], way) for way in ways[1:]), Each(ways[0], None)]


def _bounds(metadata: tuple[Any, ...]) -> Iterator[Any]:
    for item in metadata:
        if isinstance(item, FieldInfo):
            yield from item.metadata
        elif isinstance(item, Ge) or any(hasattr(item, bound) for bound in BOUNDS):
            yield item


def _text(name: str, metadata: tuple[Any, ...]) -> str:
    patterns = [pattern for item in _bounds(metadata) if (pattern := getattr(item, "pattern", None)) is not None]
    for text in TEXTS:
        if all(re.search(pattern, text) for pattern in patterns):
            return text
    raise LookupError(f"nothing in filling.TEXTS is of the form {patterns} that {name!r} asks for: add a sample there")
