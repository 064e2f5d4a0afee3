"""Reads one reference file strictly: what is unknown, doubled, missing or of the wrong kind is refused with a sentence.

ReferenceBroken      a file does not say what the program needs; raised while it is loaded
NotInReference       a code was asked for that no file has
"""

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any, Never, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from engine.errors import BihuanError, Text

READABLE_VERSION = 1  # of every file; a file of another shape says so instead of being misread
MOST_SUGGESTED = 5  # codes named to someone who asked for one that does not exist

# The C parser is five times faster; a platform whose wheel lacks it still works.
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class ReferenceBroken(BihuanError):
    """A reference file contradicts itself or another one."""

    def __init__(self, file: str, entry: str, problem: str, remedy: str) -> None:
        self.file = file
        self.entry = entry
        super().__init__(f"{file}, {entry}: {problem}. {remedy}.")


class NotInReference(BihuanError, ValueError):
    """A ValueError as well, so that a form whose field names an unknown code is refused as a form."""

    def __init__(self, kind: str, code: str, known: Iterable[str]) -> None:
        self.unknown = code
        # a sentence that lists a hundred codes is not read
        nearest = ", ".join(get_close_matches(code, list(known), n=MOST_SUGGESTED, cutoff=0.0))
        self.text = Text(
            zh=f"没有 {code!r} 这个代码。相近的有：{nearest}。", en=f"There is no {kind} {code!r}. Nearest: {nearest}."
        )
        super().__init__(self.text.en)


class Entry(BaseModel):
    """One entry of a file, frozen; a key it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Titled(Entry):
    """An entry with a code and with words in both languages, which the files write as `zh:` and `en:`."""

    code: str
    title: Text

    @model_validator(mode="before")
    @classmethod
    def _words_make_one_title(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or "title" in raw:
            return raw
        words = {locale: raw[locale] for locale in ("zh", "en") if locale in raw}
        return {key: value for key, value in raw.items() if key not in {"zh", "en"}} | {"title": words}

    @model_validator(mode="after")
    def _no_words_are_empty(self) -> Self:
        if not self.title.zh.strip() or not self.title.en.strip():
            raise ValueError("zh and en must not be empty")
        return self


E_ = TypeVar("E_", bound=Entry)
T_ = TypeVar("T_", bound=Titled)
V = TypeVar("V")


@dataclass(frozen=True)
class ReferenceFile:
    """One parsed file: its name, for the sentences, and its sections."""

    name: str
    sections: Mapping[str, Any]

    def entry(self, section: str, name: str, model: type[E_], raw: Any) -> E_:
        try:
            return model.model_validate(raw)
        except ValidationError as error:
            faults = "; ".join(
                f"{'.'.join(map(str, fault['loc'])) or 'entry'}: {fault['msg']}" for fault in error.errors()
            )
            self.refuse(section, name, faults, "Correct this entry")

    def coded(self, section: str, model: type[T_], *, key: str = "code") -> Mapping[str, T_]:
        """The entries of a section by their code, in file order."""
        return self.indexed(section, model, ((str(_get(raw, key)), raw) for raw in self.rows(section)))

    def indexed(self, section: str, model: type[E_], named: Iterable[tuple[str, Any]]) -> Mapping[str, E_]:
        found: dict[str, E_] = {}
        for name, raw in named:
            if name in found:
                self.refuse(section, name, "it is there twice", "Keep one of the two")
            found[name] = self.entry(section, name, model, raw)
        return MappingProxyType(found)

    def rows(self, section: str) -> list[Any]:
        rows = self.sections[section]
        if not isinstance(rows, list):
            self.refuse(section, "", "it is not a list", "Write its entries as a list")
        return rows

    def must_be_known(self, section: str, name: str, codes: Iterable[str], known: Collection[str], what: str) -> None:
        """Refuses the entry if it names something that does not exist."""
        for code in codes:
            if code not in known:
                self.refuse(section, name, f"{what} {code!r} does not exist", f"Use one of: {', '.join(known)}")

    def refuse(self, section: str, name: str, problem: str, remedy: str) -> Never:
        raise ReferenceBroken(self.name, f"{section} {name!r}" if name else section, problem, remedy)


def read_file(folder: Traversable, name: str, sections: Collection[str]) -> ReferenceFile:
    """The file `name`, which must hold a version and exactly these sections."""
    try:
        text = (folder / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ReferenceBroken(name, "the file", "it is missing", "Install the package again") from None
    try:
        data = _StrictLoader(text).get_single_data()
    except yaml.YAMLError as error:
        raise ReferenceBroken(name, "the file", f"it is not YAML: {error}", "Correct it there") from error
    if not isinstance(data, dict):
        raise ReferenceBroken(name, "the file", "it is not a mapping of sections", "Start it with 'version: 1'")
    version = data.pop("version", None)
    if version != READABLE_VERSION:
        raise ReferenceBroken(
            name, "version", f"{version!r} cannot be read", f"This program reads version {READABLE_VERSION}"
        )
    for section in sections:
        if section not in data:
            raise ReferenceBroken(name, f"section {section!r}", "it is missing", "Put it back")
    for section in data:
        if section not in sections:
            raise ReferenceBroken(name, f"section {section!r}", "nothing reads it", "Remove it, or teach the program")
    return ReferenceFile(name, MappingProxyType(data))


def look_up(entries: Mapping[str, V], code: str, kind: str) -> V:
    """The entry with this code, or NotInReference with the codes nearest to it."""
    try:
        return entries[code]
    except KeyError:
        raise NotInReference(kind, code, entries) from None


def _get(raw: Any, key: str) -> Any:
    return raw.get(key, "without a code") if isinstance(raw, dict) else raw


class _StrictLoader(_SafeLoader):  # type: ignore[misc]  # chosen at run time, see above
    """YAML lets the second of two equal keys win in silence; here it is refused."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is there twice", key_node.start_mark)
            seen.add(key)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping
