"""What a hazard is about: taxonomy.yaml as a tree of two levels."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any

from engine.errors import DEFAULT_LOCALE, Locale
from workflows.reference.reading import ReferenceFile, Titled, look_up, read_file

FILE = "taxonomy.yaml"
SECTION = "categories"


class Category(Titled):
    """A category (`FIRE`) or a sub-category (`FIRE.exit`); the latter names its parent."""

    parent: str | None = None


@dataclass(frozen=True)
class Taxonomy:
    """categories   the 15 at the top, by code
    subcategories   the 87 below them, by code
    all             both
    """

    categories: Mapping[str, Category]
    subcategories: Mapping[str, Category]
    all: Mapping[str, Category]

    def category(self, code: str) -> Category:
        """Raises NotInReference for a code of neither level."""
        return look_up(self.all, code, "category")

    def title(self, code: str, locale: Locale = DEFAULT_LOCALE) -> str:
        return self.category(code).title.in_(locale)

    def lineage(self, code: str) -> tuple[str, ...]:
        """The code and what it belongs to, the most specific first: ('FIRE.exit', 'FIRE')."""
        category = self.category(code)
        return (code,) if category.parent is None else (code, category.parent)

    def below(self, code: str) -> tuple[Category, ...]:
        """The sub-categories of a category; none for a sub-category."""
        self.category(code)
        return tuple(category for category in self.subcategories.values() if category.parent == code)


def read_taxonomy(folder: Traversable) -> Taxonomy:
    file = read_file(folder, FILE, {SECTION})
    top: dict[str, Category] = {}
    below: dict[str, Category] = {}
    for raw in file.rows(SECTION):
        subs = raw.pop("subs", []) if isinstance(raw, dict) else []
        category = _add(file, top, raw, parent=None)
        for sub in subs:
            _add(file, below, sub, parent=category.code)
    return Taxonomy(MappingProxyType(top), MappingProxyType(below), MappingProxyType(top | below))


def _add(file: ReferenceFile, found: dict[str, Category], raw: Any, *, parent: str | None) -> Category:
    name = str(raw.get("code", "without a code")) if isinstance(raw, dict) else str(raw)
    if name in found:
        file.refuse(SECTION, name, "it is there twice", "Keep one of the two")
    if parent is None and "." in name:
        file.refuse(SECTION, name, "a category's code has no dot", "Put it below the category it belongs to")
    if parent is not None and name.rpartition(".")[0] != parent:
        file.refuse(SECTION, name, f"it stands below {parent!r}", "Move it, or let its code begin with its category's")
    if isinstance(raw, dict) and "parent" in raw:
        file.refuse(SECTION, name, "the parent is where it stands", "Remove the key 'parent'")
    category = file.entry(SECTION, name, Category, raw)
    found[name] = category.model_copy(update={"parent": parent})
    return found[name]
