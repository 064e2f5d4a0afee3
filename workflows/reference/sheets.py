"""What is looked at every month: the inspection checklists of checklists.yaml."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field

from workflows.reference.categories import Taxonomy
from workflows.reference.organisation import Organisation
from workflows.reference.reading import Titled, read_file
from workflows.reference.scheme import Scheme

FILE = "checklists.yaml"
WITHOUT_A_LIST = "every_department_without_a_list_of_its_own"


class ChecklistItem(Titled):
    """One thing to look at, answered pass, fail, or not applicable with a reason.

    category, limit   of the hazard that a fail opens; its level is still decided by the criteria
    photo_on_fail     a fail needs a picture
    value             what the item also records: a reading, or a date of expiry
    """

    code: str = Field(alias="id")
    category: str = Field(alias="cat")
    limit: str
    photo_on_fail: bool = False
    value: Literal["number", "date"] | None = None


class _Header(Titled):
    dept: str
    cycle: Literal["month"]
    items: list[Any]


class Checklist(Titled):
    """department   who inspects by it; None for the one list of every department without a list of its own
    items        in the order they are walked
    """

    department: str | None
    cycle: Literal["month"]
    items: tuple[ChecklistItem, ...]


@dataclass(frozen=True)
class Checklists:
    by_code: Mapping[str, Checklist]

    def for_department(self, department: str) -> tuple[Checklist, ...]:
        own = tuple(sheet for sheet in self.by_code.values() if sheet.department == department)
        return own or tuple(sheet for sheet in self.by_code.values() if sheet.department is None)


def read_checklists(folder: Traversable, taxonomy: Taxonomy, organisation: Organisation, scheme: Scheme) -> Checklists:
    file = read_file(folder, FILE, {"checklists"})
    sheets: dict[str, Checklist] = {}
    seen: set[str] = set()
    for header in file.coded("checklists", _Header).values():
        name = header.code
        file.must_be_known("checklists", name, [header.dept], (WITHOUT_A_LIST, *organisation.departments), "department")
        items = [file.entry(name, str(_id(raw)), ChecklistItem, raw) for raw in header.items]
        if not items:
            file.refuse("checklists", name, "it has no items", "Add some, or remove the list")
        for item in items:
            if item.code in seen or item.code.partition(".")[0] != name:
                file.refuse(name, item.code, "the code is taken or is not this list's", f"Number it '{name}.…'")
            seen.add(item.code)
            file.must_be_known(name, item.code, [item.category], taxonomy.subcategories, "sub-category")
            file.must_be_known(name, item.code, [item.limit], scheme.limits, "time limit")
        department = None if header.dept == WITHOUT_A_LIST else header.dept
        sheets[name] = Checklist(
            code=name, title=header.title, department=department, cycle=header.cycle, items=tuple(items)
        )
    if sum(sheet.department is None for sheet in sheets.values()) != 1:
        file.refuse("checklists", "", f"not exactly one is for {WITHOUT_A_LIST}", "Keep one, usually 'office'")
    return Checklists(MappingProxyType(sheets))


def _id(raw: Any) -> Any:
    return raw.get("id", "without an id") if isinstance(raw, dict) else raw
