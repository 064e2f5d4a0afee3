"""What the pages that run a school share: who may, and a form for each thing that can be changed.

Whoever stands in for an administrator today runs the school in his name: both are on record, as with every step.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from fastapi import Request, Response
from pydantic import BaseModel

from api.auth import Asker
from api.auth.forms import Sent
from api.bootstrap import Runtime
from api.checking import OpensDeadCorner
from api.pages.faults import under_labels
from api.pages.forms import Control, fault_at
from api.pages.rendering import page
from api.pages.words import WORDS
from api.requests import read_as
from api.routes.directory import for_administrators
from engine.directory import Department, Person
from engine.errors import Refusal, Text
from workflows.asking import Choice
from workflows.roles import ADMINISTRATOR

AUDITOR = "auditor"
CONFIRMED = "confirmed"
WHOLE = re.compile(r"[+-]?\d{1,9}", re.ASCII)
Read = TypeVar("Read", bound=BaseModel)


def holding(asker: Asker, *roles: str) -> Asker | None:
    """The asker as whoever of those he can act as today holds one of the roles: himself first."""
    actor = next((actor for actor in asker.actors if actor.holds_any(roles)), None)
    return None if actor is None else replace(asker, actor=actor)


def keeper(asker: Asker, asked: Text, *others: str) -> Asker:
    """The asker as the administrator he is or stands in for, or as one who holds another of these roles.

    Raises    NotAllowed, before anything is looked up
    """
    found = holding(asker, ADMINISTRATOR, *others) or asker
    for_administrators(found, asked, *others)
    return found


# --- forms ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asking:
    """A form that changes one thing.

    title     of the page
    about     what it is about, as the reader calls it; "" for nothing in particular
    action    where it is sent
    submit    what its button says
    back      (address, words) of the page it was reached from
    note      what has to be known before it is sent
    hidden    what goes along as it is
    """

    title: Text
    action: str
    submit: Text
    back: tuple[str, Text]
    controls: Sequence[Control] = ()
    about: str = ""
    note: Text | None = None
    hidden: Mapping[str, str] = field(default_factory=dict)


def form_page(
    request: Request, asker: Asker, asking: Asking, refusal: Refusal | None = None, *, key: str | None = None
) -> Response:
    """The form; after a refusal with what was typed, each fault beside its field, and a tick where it only has to be meant."""
    controls = faulted(asking.controls, refusal)
    told = under_labels(refusal, controls, asking.title)
    return page(
        request, "school_form.html", asker=asker, active="more", because=told, refusal=told, asking=asking,
        controls=controls, confirm=isinstance(refusal, OpensDeadCorner), key=key,
    )  # fmt: skip


def faulted(controls: Iterable[Control], refusal: Refusal | None) -> list[Control]:
    """Each control with what is wrong with it."""
    faults = refusal.fields if refusal is not None else ()
    return [replace(each, fault=fault_at(each.name, faults, each.choices)) for each in controls]


def line(name: str, label: str, said: Mapping[str, tuple[str, ...]], **more: Any) -> Control:
    """A control of a line, or of what else `kind` says, filled with what was said."""
    more.setdefault("kind", "line")
    more.setdefault("required", False)
    return Control(name, WORDS[label], values=tuple(said.get(name, ())), **more)


def chosen(
    name: str, label: str, said: Mapping[str, tuple[str, ...]], choices: Sequence[Choice], **more: Any
) -> Control:
    more.setdefault("names", True)  # a list that opens, however short: it grows
    return line(name, label, said, kind="choice", choices=choices, **more)


def of_people(found: Iterable[Person], departments: Iterable[Department], *, but: str = "") -> list[Choice]:
    """Everybody who is here, under his department, by name and post; with his key where several are called alike."""
    names = {d.code: d.name for d in departments}
    here = sorted((p for p in found if p.active and p.person != but), key=lambda p: (p.department or "", p.person))
    called = Counter(_called(person) for person in here)
    choices = []
    for person in here:
        name = _called(person) if called[_called(person)] == 1 else f"{_called(person)} · {person.person}"
        group = names.get(person.department or "", WORDS["no_department"])
        choices.append(Choice(person.person, Text(name, name), group))
    return choices


def _called(person: Person) -> str:
    return f"{person.name} · {person.post}" if person.post and person.post != person.name else person.name


def of_departments(found: Iterable[Department]) -> list[Choice]:
    return [Choice(d.code, d.name) for d in found]


def read_form(
    runtime: Runtime, model: type[Read], sent: Sent, names: Iterable[str], many: Iterable[str] = (), **more: Any
) -> Read:
    """The form as the model of its JSON address has it; what was left empty is not said. Raises InvalidInput.

    many    the fields that may be said several times
    """
    said: dict[str, Any] = {name: value for name in names if (value := sent.one(name).strip())}
    said |= {name: list(sent.values[name]) for name in many if sent.values.get(name)}
    return read_as(model, {**said, **more, CONFIRMED: is_confirmed(sent)}, runtime.engine.words)


def is_confirmed(sent: Sent) -> bool:
    return sent.one(CONFIRMED) == "yes"


def whole(said: str) -> int | str:
    """A whole number as a number; what is none stays what it is, for the model to refuse."""
    return int(said) if WHOLE.fullmatch(said.strip()) else said
