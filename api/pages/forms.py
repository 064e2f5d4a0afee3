"""Forms drawn from the pydantic models of a loop, and what was typed into them read back as its answers.

Every model gets a form, so that a new loop has its pages at once: what a field takes is read off its type, its label off
its model, its choices' words and questions off `workflows.asking` where that knows them. Names of controls are paths:
`answers.FIRE-03.note`. What was typed stays as it was typed until the step is carried out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from api.auth.forms import Sent, SentFile
from engine.case import Case
from engine.definition import Reference, Workflow, is_typed
from engine.directory import Department, Person
from engine.errors import FieldFault, Locale, Text
from workflows import asking
from workflows.asking import Choice
from workflows.wording import ERROR_WORDS

Kind = Literal[
    "line", "words", "choice", "many", "photos", "documents", "day", "whole", "yes_no", "rows", "by_name", "number_of_case",
    "group",
]  # fmt: skip

LINE = 200  # characters that still fit a control of one line
BLANK_ROWS = 3  # offered beyond those that are filled in
MOST_TICKS = 40  # choices of which several may be ticked
FEW = 7  # choices that are shown at once; more of them are a list that opens

#: labels of fields inside a field, whose models carry none
INNER_LABELS: Mapping[str, Text] = {
    "result": Text("结果", "Result"),
    "note": Text("问题或理由", "What is wrong, or why"),
    "place": Text("部位", "Where"),
    "value": Text("读数或日期", "Reading or date"),
    "title": Text("问题", "Problem"),
    "hazard": Text("隐患编号", "Number of the hazard"),
    "receipt": Text("平台回执号", "Number in the platform"),
    "category": Text("类别", "Category"),
}


@dataclass(frozen=True, slots=True)
class Control:
    """One thing to fill in.

    name      a path; of the whole group where there are `rows`
    values    what is filled in already
    most      characters, files or rows at most
    least, greatest   of a whole number or a day
    rows      (heading, controls) for what is answered by rows or by name
    names     whether the choices are people or departments: a list in every school, however small
    """

    name: str
    label: Text
    kind: Kind
    required: bool
    values: tuple[str, ...] = ()
    choices: Sequence[Choice] = ()
    note: Text | None = None
    fault: Text | None = None
    most: int | None = None
    least: str | None = None
    greatest: str | None = None
    rows: Sequence[tuple[Text | None, Sequence["Control"]]] = ()
    open_rows: int = 0  # so many of them are seen at once; the others when one more is asked for
    names: bool = False

    @property
    def value(self) -> str:
        return self.values[-1] if self.values else ""

    @property
    def id(self) -> str:
        return "f-" + self.name.replace(".", "-")

    @property
    def shown_at_once(self) -> bool:
        return len(self.choices) <= FEW and not self.names

    @property
    def ticked(self) -> bool:
        """Whether several can be chosen by ticking them; of more than a screen takes, a list is opened."""
        return self.kind == "many" and len(self.choices) <= MOST_TICKS

    @property
    def groups(self) -> Sequence[tuple[Text | None, Sequence[Choice]]]:
        """The choices under their headings, both in the order they came."""
        found: dict[Text | None, list[Choice]] = {}
        for choice in self.choices:
            found.setdefault(choice.group, []).append(choice)
        return list(found.items())


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a form needs to know besides its model: who and what can be named in it."""

    people: Sequence[Person] = ()
    departments: Sequence[Department] = ()
    case: Case | None = None


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a field's type says about its control."""

    kind: Kind
    inner: Any = None  # the model of a row, or of what is answered by name
    reference: str | None = None
    options: tuple[str, ...] = ()
    most: int | None = None
    least: str | None = None
    greatest: str | None = None


# --- drawing -----------------------------------------------------------------------------------------------------------


def draw(
    form: type[BaseModel],
    around: Surroundings,
    said: Mapping[str, tuple[str, ...]],
    faults: Sequence[FieldFault] = (),
) -> list[Control]:
    """The controls of a form, with what was said before and each fault at its field.

    said    by control's name; a field nobody said anything of has its model's default
    """
    return [
        _control(name, info.annotation, info.metadata, info, around, said, faults)
        for name, info in form.model_fields.items()
        if is_typed(info)
    ]


def opens_by_hand(workflow: Workflow) -> bool:
    """Whether a form can open a case of this loop, and no program has to answer for people."""
    return all(is_typed(info) or not info.is_required() for info in workflow.opens_with.model_fields.values())


def _control(
    path: str,
    annotation: Any,
    metadata: Sequence[Any],
    info: FieldInfo,
    around: Surroundings,
    said: Mapping[str, tuple[str, ...]],
    faults: Sequence[FieldFault],
) -> Control:
    shape = _shape(annotation, metadata)
    name = path.rsplit(".", 1)[-1]
    choices = _choices(name, shape, around)
    control = Control(
        path, label_of(name, info), shape.kind, info.is_required(), _said(path, shape, info, said),
        choices=choices, most=shape.most, least=shape.least, greatest=shape.greatest,
        fault=fault_at(path, faults, choices, deep=shape.kind not in ("rows", "by_name")), names=shape.reference is not None,
    )  # fmt: skip
    if shape.kind == "rows":
        taken = _rows_said(path, shape.inner, said)
        filled = max(taken, default=-1) + 1
        asked = taken or ({0} if control.required else set())  # of a group that must not be empty, its first row
        rows = [(None, _inside(shape.inner, f"{path}.{row}", around, said, faults, required=row in asked))
                for row in range(filled + BLANK_ROWS)]  # fmt: skip
        return replace(control, rows=rows[: shape.most or None], open_rows=max(filled, int(control.required)))
    if shape.kind == "by_name":
        return replace(control, rows=_by_name(path, shape, around, said, faults))
    return control


def _inside(
    model: type[BaseModel],
    path: str,
    around: Surroundings,
    said: Mapping[str, tuple[str, ...]],
    faults: Sequence[FieldFault],
    *,
    required: bool,
) -> list[Control]:
    drawn = [
        _control(f"{path}.{name}", info.annotation, info.metadata, info, around, said, faults)
        for name, info in model.model_fields.items()
    ]
    return drawn if required else [replace(each, required=False) for each in drawn]


def _by_name(
    path: str,
    shape: _Shape,
    around: Surroundings,
    said: Mapping[str, tuple[str, ...]],
    faults: Sequence[FieldFault],
) -> list[tuple[Text | None, Sequence[Control]]]:
    rows: list[tuple[Text | None, Sequence[Control]]] = []
    for question in _asked(path, shape, around, said):
        at = f"{path}.{question.value}"
        if isinstance(shape.inner, type) and issubclass(shape.inner, BaseModel):
            rows.append((question.title, _inside(shape.inner, at, around, said, faults, required=True)))
            continue
        inner = _shape(shape.inner, ())
        kind: Kind = "choice" if question.offered else "line" if question.brief else inner.kind
        choices = question.offered or _choices(at, inner, around)
        control = Control(
            at, question.title, kind, question.needed or kind == "yes_no", said.get(at, ()),
            choices=choices, note=question.note, fault=fault_at(at, faults, choices), most=1 if inner.kind == "photos" else inner.most,
        )  # fmt: skip
        rows.append((None, [control]))
    return rows


def _asked(path: str, shape: _Shape, around: Surroundings, said: Mapping[str, tuple[str, ...]]) -> Sequence[Choice]:
    """What is answered one by one; where nobody knows, what was said."""
    told = {name: values[-1] for name, values in said.items() if values}
    known = asking.questions(path, around.case, told)
    if known is not None:
        return known
    return [Choice(key, Text(key, key)) for key in _names_said(path, shape, said)]


def label_of(name: str, info: FieldInfo) -> Text:
    extra = info.json_schema_extra
    if isinstance(extra, dict) and "zh" in extra:
        return Text(str(extra["zh"]), str(extra["en"]))
    return INNER_LABELS.get(name, Text(name, name))


def _said(path: str, shape: _Shape, info: FieldInfo, said: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    if path in said:
        return said[path]
    if said.get(SENT):  # what is not ticked is not sent, and that is an answer
        return ()
    default = info.get_default()
    if default is None or info.is_required() or shape.kind in ("photos", "documents", "rows", "by_name"):
        return ()
    return tuple(map(str, default)) if isinstance(default, list | tuple) else (str(default),)


#: a control that every form carries, to tell an empty form from one that was never sent
SENT = "sent"


def fault_at(
    path: str, faults: Iterable[FieldFault], choices: Sequence[Choice] = (), *, deep: bool = True
) -> Text | None:
    """What is wrong with a control, as it stands beside it: without a name.

    deep    whether what is wrong with a part of it is told here, too
    """
    wrong = [each for each in faults if each.field == path or (deep and each.field.startswith(f"{path}."))]
    found = list(dict.fromkeys(what_of(each, choices) for each in wrong))
    if not found:
        return None
    return Text("；".join(each.zh for each in found), "; ".join(each.en for each in found))


_NO_CHOICE = Text("没有这一选项", "is none of the choices")


def what_of(fault: FieldFault, choices: Sequence[Choice] = ()) -> Text:
    """What is wrong, the choices there are called as the form calls them."""
    if not fault.among:
        return fault.what
    called = [each.title for each in choices if each.value in fault.among]
    if not called:
        return _NO_CHOICE
    expected = "、".join(each.zh for each in called), ", ".join(each.en for each in called)
    words = ERROR_WORDS["literal_error"]
    return Text(words.zh.format(expected=expected[0]), words.en.format(expected=expected[1]))


def _choices(name: str, shape: _Shape, around: Surroundings) -> Sequence[Choice]:
    if shape.reference == "department":
        return [Choice(each.code, each.name) for each in around.departments]
    if shape.reference == "person":
        return _colleagues(around)
    if shape.reference == "audience":
        return _audiences(around)
    if shape.reference == "addressee":
        waited = frozenset(around.case.unconfirmed if around.case else ())
        return [each for each in _colleagues(around) if each.value in waited]
    if shape.options:
        field_name = name.rsplit(".", 1)[-1]
        withheld = asking.NOT_OFFERED.get(field_name, frozenset())
        return [
            Choice(each, asking.words_of(field_name, each) or Text(each, each))
            for each in shape.options
            if each not in withheld
        ]
    if shape.kind in ("choice", "many", "line"):
        return asking.choices(name.rsplit(".", 1)[-1]) or ()
    return ()


def _audiences(around: Surroundings) -> list[Choice]:
    """Everybody, groups and duties, departments, and everybody by himself."""
    department = Text("按部门", "By department")
    return [
        *asking.audiences(),
        *(Choice(f"department:{each.code}", each.name, department) for each in around.departments),
        *(replace(each, value=f"person:{each.value}") for each in _colleagues(around)),
    ]


def _colleagues(around: Surroundings) -> list[Choice]:
    """Everybody who works here, by department: the one the case belongs to first."""
    names = {each.code: each.name for each in around.departments}
    mine = around.case.department if around.case else None
    order = {code: place for place, code in enumerate(names)}
    elsewhere = Text("其他", "Others")
    staff = sorted(
        (each for each in around.people if each.active),
        key=lambda each: (each.department != mine, order.get(each.department or "", len(order)), each.name),
    )
    return [
        Choice(each.person, Text(each.name, each.name), names.get(each.department or "", elsewhere)) for each in staff
    ]


# --- what a type says ----------------------------------------------------------------------------------------------------


def _shape(annotation: Any, metadata: Sequence[Any]) -> _Shape:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _shape(inner[0], (*inner[1:], *metadata))
    if origin in (Union, UnionType):
        [only] = [option for option in inner if option is not NoneType]
        return _shape(only, metadata)
    if reference := next((item.kind for item in metadata if isinstance(item, Reference)), None):
        return _Shape(_OF_REFERENCE[reference], reference=reference, most=_bound(metadata, "max_length"))
    if origin is Literal:
        return _Shape("choice", options=tuple(map(str, inner)))
    if origin is list:
        return _of_list(inner[0], metadata)
    if origin is dict:
        return _Shape("by_name", inner=inner[1])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _Shape("group", inner=annotation)
    if annotation is bool:
        return _Shape("yes_no")
    if annotation is date:
        return _Shape("day", least=_bound(metadata, "ge"), greatest=_bound(metadata, "le"))
    if annotation is int:
        return _Shape("whole", least=_bound(metadata, "ge"), greatest=_bound(metadata, "le"))
    most = _bound(metadata, "max_length")
    return _Shape("words" if most is not None and int(most) > LINE else "line", most=most)


def _of_list(inner: Any, metadata: Sequence[Any]) -> _Shape:
    most = _bound(metadata, "max_length")
    if isinstance(inner, type) and issubclass(inner, BaseModel):
        return _Shape("rows", inner=inner, most=most)
    item = _shape(inner, ())
    if item.kind in ("photos", "documents"):
        return replace(item, most=most)
    return _Shape("many", options=item.options, reference=item.reference, most=most)


_OF_REFERENCE: Mapping[str, Kind] = {
    "person": "choice", "addressee": "choice", "audience": "choice", "department": "choice", "case": "number_of_case", "file": "photos", "document": "documents",
}  # fmt: skip
_BOUNDS: Mapping[str, tuple[type, str]] = {
    "ge": (Ge, "ge"), "le": (Le, "le"), "max_length": (MaxLen, "max_length"), "min_length": (MinLen, "min_length"),
}  # fmt: skip


def _bound(metadata: Iterable[Any], name: str) -> Any:
    """A bound, from wherever pydantic keeps it: its own marks, those of annotated types, or a field inside `Annotated`."""
    kind, attribute = _BOUNDS[name]
    for item in metadata:
        if isinstance(item, FieldInfo):
            if (found := _bound(item.metadata, name)) is not None:
                return found
        elif isinstance(item, kind) or getattr(item, name, None) is not None:
            found = getattr(item, attribute, None)
            if found is not None:
                return found if name == "max_length" else str(found)
    return None


# --- reading back --------------------------------------------------------------------------------------------------------

Keep = Callable[[SentFile, Literal["picture", "document"]], str]


def kept_files(form: type[BaseModel], sent: Sent, keep: Keep) -> Mapping[str, tuple[str, ...]]:
    """What was said, with every file kept and named by its hash, so that it need not be sent again.

    keep    keeps one file and gives its hash; refuses what is none of its kind
    """
    said = dict(sent.values)
    for name, files in sent.files.items():
        info = form.model_fields.get(name.split(".", 1)[0])
        if info is None:
            continue
        kind: Literal["picture", "document"] = "document" if "documents" in _kinds(info) else "picture"
        hashes = [keep(file, kind) for file in files]
        said[name] = tuple(dict.fromkeys((*said.get(name, ()), *hashes)))
    return said


def _kinds(info: FieldInfo) -> set[Kind]:
    shape = _shape(info.annotation, info.metadata)
    return {shape.kind} | ({_shape(shape.inner, ()).kind} if shape.kind == "by_name" else set())


def answers(form: type[BaseModel], said: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """What was said, as the model takes it. What was left blank is left out: it is missing, or has its default."""
    read: dict[str, Any] = {}
    for name, info in form.model_fields.items():
        value = _read(name, _shape(info.annotation, info.metadata), said) if is_typed(info) else None
        if value is not None:
            read[name] = value
    return read


def _read(path: str, shape: _Shape, said: Mapping[str, tuple[str, ...]]) -> Any:
    values = [value.strip() for value in said.get(path, ()) if value.strip()]
    if shape.kind in ("photos", "documents") and shape.most != 1:
        return values or None
    if shape.kind == "many":
        return values or None
    if shape.kind == "rows":
        return [
            _read_inside(shape.inner, f"{path}.{row}", said) for row in sorted(_rows_said(path, shape.inner, said))
        ] or None
    if shape.kind == "by_name":
        return _read_by_name(path, shape, said)
    if not values:
        return None
    if shape.kind == "yes_no":
        return {"yes": True, "no": False}.get(values[-1], values[-1])
    if shape.kind == "whole":
        return int(values[-1]) if values[-1].removeprefix("-").isdecimal() and len(values[-1]) < 20 else values[-1]
    return values[-1]


def _read_inside(model: type[BaseModel], path: str, said: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    read = {
        name: _read(f"{path}.{name}", _shape(info.annotation, info.metadata), said)
        for name, info in model.model_fields.items()
    }
    return {name: value for name, value in read.items() if value is not None}


def _read_by_name(path: str, shape: _Shape, said: Mapping[str, tuple[str, ...]]) -> dict[str, Any] | None:
    read: dict[str, Any] = {}
    for key in _names_said(path, shape, said):
        if isinstance(shape.inner, type) and issubclass(shape.inner, BaseModel):
            value: Any = _read_inside(shape.inner, f"{path}.{key}", said) or None
        else:
            value = _read(f"{path}.{key}", replace(_shape(shape.inner, ()), most=1), said)
        if value is not None:
            read[key] = value
    return read or None


def _names_said(path: str, shape: _Shape, said: Mapping[str, tuple[str, ...]]) -> Iterable[str]:
    """By which names anything was answered. A name may have dots itself; what follows the last one is a field of a model."""
    names = [name.removeprefix(f"{path}.") for name in said if name.startswith(f"{path}.")]
    inside = isinstance(shape.inner, type) and issubclass(shape.inner, BaseModel)
    return dict.fromkeys(name.rpartition(".")[0] if inside else name for name in names)


def _rows_said(path: str, model: type[BaseModel], said: Mapping[str, tuple[str, ...]]) -> set[int]:
    """Which rows hold anything that somebody typed: a choice that stands there by itself makes no row."""
    found = set()
    for name, values in said.items():
        row, _, inner = name.removeprefix(f"{path}.").partition(".")
        if not name.startswith(f"{path}.") or not row.isdecimal() or len(row) > 3 or inner not in model.model_fields:
            continue
        default = model.model_fields[inner].get_default()
        if any(value.strip() and value != str(default) for value in values):
            found.add(int(row))
    return found


# --- the words of answers ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Told:
    """An answer as people read it. `files`: hashes of pictures or documents."""

    name: str
    label: Text
    words: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    lines: Sequence[tuple[str, str]] = field(default_factory=tuple)


def told(forms: Iterable[type[BaseModel]], data: Mapping[str, Any], around: Surroundings, locale: Locale) -> list[Told]:
    """Answers under the labels of the forms that asked for them, in the forms' order; each once."""
    found: dict[str, Told] = {}
    for form in forms:
        for name, info in form.model_fields.items():
            if name in found or data.get(name) in (None, "", [], {}):
                continue
            told_one = _told(
                name, label_of(name, info), _shape(info.annotation, info.metadata), data[name], around, locale
            )
            if told_one is not None:
                found[name] = told_one
    return list(found.values())


def _told(name: str, label: Text, shape: _Shape, value: Any, around: Surroundings, locale: Locale) -> Told | None:
    if shape.kind in ("photos", "documents"):
        hashes = tuple(value) if isinstance(value, list) else (str(value),)
        return Told(name, label, pictures=hashes) if shape.kind == "photos" else Told(name, label, documents=hashes)
    if shape.kind == "by_name":
        if not isinstance(value, dict):
            return None
        known = {each.value: each for each in _asked(name, shape, around, {})}
        asked = {key: each.title.in_(locale) for key, each in known.items()}
        if _shape(shape.inner, ()).kind == "photos":
            return Told(name, label, pictures=tuple(map(str, value.values())))
        lines = [
            (
                asked.get(str(key), str(key)),
                _offered(known.get(str(key)), item, locale) or _in_words("", item, around, locale),
            )
            for key, item in value.items()
        ]
        return Told(name, label, lines=lines)
    if shape.kind == "rows":
        return Told(name, label, words=tuple(_in_words("", item, around, locale) for item in value))
    if shape.kind == "group":
        return (
            Told(name, label, lines=_told_inside(shape.inner, value, around, locale))
            if isinstance(value, dict)
            else None
        )
    values = value if isinstance(value, list) else [value]
    return Told(name, label, tuple(_in_words(name, each, around, locale, shape.reference) for each in values))


def _offered(question: Choice | None, value: Any, locale: Locale) -> str | None:
    """The title of the answer that was chosen; None where none could be."""
    offered = question.offered if question is not None else ()
    return next((each.title.in_(locale) for each in offered if each.value == value), None)


def _told_inside(
    model: type[BaseModel], value: Mapping[str, Any], around: Surroundings, locale: Locale
) -> list[tuple[str, str]]:
    """The answers of a model inside a form, each with its label; of what was answered by name, with the name behind it."""
    lines: list[tuple[str, str]] = []
    for name, info in model.model_fields.items():
        if not is_typed(info) or value.get(name) in (None, "", [], {}, False):
            continue
        shape = _shape(info.annotation, info.metadata)
        each = _told(name, label_of(name, info), shape, value[name], around, locale)
        if each is not None:
            label = each.label.in_(locale)
            lines += [(f"{label} · {key}", words) for key, words in each.lines]
            lines += [(label, ("；" if locale == "zh" else "; ").join(each.words))] if each.words else []
    return lines


def _in_words(name: str, value: Any, around: Surroundings, locale: Locale, reference: str | None = None) -> str:
    if isinstance(value, bool):
        return Text("是", "yes").in_(locale) if value else Text("否", "no").in_(locale)
    if isinstance(value, dict):
        parts = [
            _in_words(key, each, around, locale, key if key == "department" else None)
            for key, each in value.items()
            if each not in (None, "")
        ]
        return ("，" if locale == "zh" else ", ").join(parts)
    said = str(value)
    if reference == "audience":
        sort, _, code = said.partition(":")
        if sort in ("person", "department"):
            return _in_words(name, code, around, locale, sort)
    if reference in ("person", "addressee"):
        return next((each.name for each in around.people if each.person == said), said)
    if reference == "department":
        return next((each.name.in_(locale) for each in around.departments if each.code == said), said)
    words = asking.words_of(name, said)
    return said if words is None else words.in_(locale)
