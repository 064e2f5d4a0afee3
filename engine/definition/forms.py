"""What a step asks for: pydantic models with labels in both languages, and what their answers refer to."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError, PydanticUndefined

from engine.errors import Text, WorkflowError


@dataclass(frozen=True, slots=True)
class Reference:
    """Marks a form field that names something which must exist: handle looks it up before the step is decided."""

    kind: Literal["person", "department", "case", "file", "document", "audience", "addressee"]


CaseRef = Annotated[str, StringConstraints(pattern=r"^[A-Z]{1,8}-\d{4}-\d{4,}$"), Reference("case")]
FileRef = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$"), Reference("file")]  # a picture
DocumentRef = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-f]{64}$"),
    Field(json_schema_extra={"reference": "document"}),  # else the schema could not tell it from a picture
    Reference("document"),
]
Day = Annotated[
    date, Field(ge=date(2000, 1, 1), le=date(2100, 12, 31))
]  # calendars end, and arithmetic on far days is slow


def said(text: Text) -> PydanticCustomError:
    """A validator's own sentence, in both languages; it stands among others, so it carries no full stop."""
    return PydanticCustomError("said", "{en}", {"zh": text.zh.rstrip("。"), "en": text.en.rstrip(".")})


TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # they show words in another order
BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters and signs by their category, and yet drawn as nothing


def _one_line(value: str) -> str:
    """Refuses what a reader would not see, what breaks the line, and what turns it around."""
    # of what is printable none is any of these, and nearly every line is
    if not value.isprintable() and any(
        unicodedata.category(letter) in {"Cc", "Zl", "Zp"} or letter in TURNING for letter in value
    ):
        raise said(
            Text(
                "含有换行、控制字符或改变书写方向的字符",
                "holds line breaks, control characters or such as turn the text around",
            )
        )
    if not any(unicodedata.category(letter)[0] in "LNPS" and letter not in BLANKS for letter in value):
        raise said(Text("没有可见的文字", "holds nothing that can be seen"))
    return value


def _lines(value: str) -> str:
    """As a line, of as many lines and tabs as it takes."""
    _one_line(value.replace("\r\n", " ").replace("\n", " ").replace("\t", " "))
    return value


# the checks are no part of the JSON schema, so they move no published version's fingerprint
Line = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_one_line)]
Words = Annotated[str, StringConstraints(min_length=1, max_length=4000), AfterValidator(_lines)]
PersonRef = Annotated[
    str, StringConstraints(min_length=1, max_length=64), AfterValidator(_one_line), Reference("person")
]
DepartmentRef = Annotated[
    str, StringConstraints(min_length=1, max_length=32), AfterValidator(_one_line), Reference("department")
]
#: who is meant of the directory on the day a step is taken: `everyone`, `department:HQC`, `role:dept_head`,
#: `group:leading_group`, `person:KEY`
AudienceRef = Annotated[
    str,
    StringConstraints(pattern=r"^(everyone|(department|role|group|person):.{1,64})$"),
    AfterValidator(_one_line),
    Reference("audience"),
]
#: somebody of whom it is waited for that he confirms; may have left meanwhile
AddresseeRef = Annotated[
    str, StringConstraints(min_length=1, max_length=64), AfterValidator(_one_line), Reference("addressee")
]


class Form(BaseModel):
    """What a step asks for. The web form, the API body and the CLI are drawn from it; its class name is its name."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, ser_json_temporal="iso8601")
    registered: ClassVar[dict[str, type["Form"]]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        known = Form.registered.get(cls.__name__)
        if known is not None and known.__module__ != cls.__module__:
            raise WorkflowError("?", f"form {cls.__name__!r} is registered already by {known.__module__}")
        Form.registered[cls.__name__] = cls


def asks(zh: str, en: str, *, default: Any = PydanticUndefined, typed: bool = True, **bounds: Any) -> Any:
    """A form field with its label in both languages.

    typed    whether people fill it in; otherwise a program does, and no page asks for it
    """
    extra: dict[str, Any] = {"zh": zh, "en": en} if typed else {"zh": zh, "en": en, "typed": False}
    return Field(default, title=zh, json_schema_extra=extra, **bounds)


def is_typed(field: FieldInfo) -> bool:
    """Whether people fill this field in, and no program does."""
    extra = field.json_schema_extra
    return not isinstance(extra, dict) or extra.get("typed") is not False


class Nothing(Form):
    """A step that asks for nothing but the will to take it."""


#: form fields that become attributes of the case instead of facts
COLUMNS = ("title", "place", "category", "level", "department", "assignee")


def choices_of(form: type[BaseModel]) -> dict[str, frozenset[str] | None]:
    """The questions of a form that are answered by one of some words, with the words, or by a day (None)."""
    found: dict[str, frozenset[str] | None] = {}
    for name, info in form.model_fields.items():
        kinds = [each for each in _kinds(info.annotation) if each is not NoneType]
        if name not in COLUMNS and all(get_origin(kind) is Literal for kind in kinds):
            found[name] = frozenset(str(word) for kind in kinds for word in get_args(kind))
        elif kinds == [date]:
            found[name] = None
    return found


def _kinds(annotation: Any) -> Iterator[Any]:
    """A type, or those of which it is one."""
    if get_origin(annotation) is Annotated:
        yield from _kinds(get_args(annotation)[0])
    elif isinstance(annotation, UnionType) or get_origin(annotation) is Union:
        for each in get_args(annotation):
            yield from _kinds(each)
    else:
        yield annotation


def references(form: type[BaseModel], data: Mapping[str, Any], path: str = "") -> list[tuple[str, str, str]]:
    """(dotted field, kind, value) for everything the answers refer to, however deep it lies."""
    found: list[tuple[str, str, str]] = []
    for name, annotation, metadata in _referring(form):
        found += _referred(annotation, metadata, data.get(name), f"{path}{name}")
    return found


@cache
def _referring(form: type[BaseModel]) -> tuple[tuple[str, Any, Sequence[Any]], ...]:
    """(name, annotation, metadata) of the fields that can refer to anything: of most forms few."""
    return tuple(
        (name, info.annotation, info.metadata)
        for name, info in form.model_fields.items()
        if _can_refer(info.annotation, info.metadata)
    )


def _can_refer(annotation: Any, metadata: Sequence[Any]) -> bool:
    if any(isinstance(item, Reference) for item in metadata):
        return True
    inner = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return _can_refer(inner[0], inner[1:])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return bool(_referring(annotation))
    return any(_can_refer(option, ()) for option in inner)


def _referred(annotation: Any, metadata: Sequence[Any], value: Any, path: str) -> list[tuple[str, str, str]]:
    if value is None:
        return []
    if marks := [item.kind for item in metadata if isinstance(item, Reference)]:
        return [(path, marks[0], value)]
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _referred(inner[0], inner[1:], value, path)
    if origin is list:
        return [r for n, item in enumerate(value) for r in _referred(inner[0], (), item, f"{path}.{n}")]
    if origin is dict:
        return [r for key, item in value.items() for r in _referred(inner[1], (), item, f"{path}.{key}")]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return references(annotation, value, f"{path}.")
    return [r for option in inner for r in _referred(option, (), value, path)]  # the options of a union
