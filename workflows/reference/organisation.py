"""Who there is: the departments, roles, relations and groups of org.yaml."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable

from workflows.reference.categories import Taxonomy
from workflows.reference.reading import ReferenceFile, Titled, look_up, read_file

FILE = "org.yaml"


class Department(Titled):
    """owns       the categories whose hazards it fixes unless triage names another department
    external   a contractor
    """

    owns: tuple[str, ...]
    external: bool = False

    @property
    def owes_monthly(self) -> bool:
        """Whether a monthly inspection and report is due from it."""
        return not self.external


class Role(Titled):
    """What a person is granted in a scope; `may` lists abilities in words of our own, not yet bound to steps."""

    may: tuple[str, ...]
    external: bool = False


class Relation(Titled):
    """How a person or department stands to one case; it is never granted."""


class Group(Titled):
    """chair, deputy, members   roles whose holders belong to it"""

    chair: tuple[str, ...] = ()
    deputy: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    min_size: int | None = None
    note: str | None = None


@dataclass(frozen=True)
class Organisation:
    departments: Mapping[str, Department]
    roles: Mapping[str, Role]
    relations: Mapping[str, Relation]
    groups: Mapping[str, Group]
    owners: Mapping[str, str]  # category code → department code

    def department(self, code: str) -> Department:
        return look_up(self.departments, code, "department")

    def department_for(self, category: str, taxonomy: Taxonomy) -> Department:
        """Who fixes a hazard of this category; the most specific ownership wins."""
        owner = next(self.owners[code] for code in taxonomy.lineage(category) if code in self.owners)
        return self.departments[owner]

    def parties(self) -> tuple[str, ...]:
        """Everyone a rule may name: roles and relations."""
        return (*self.roles, *self.relations)


def read_organisation(folder: Traversable, taxonomy: Taxonomy) -> Organisation:
    file = read_file(folder, FILE, {"departments", "roles", "relations", "groups"})
    departments = file.coded("departments", Department)
    roles = file.coded("roles", Role)
    relations = file.coded("relations", Relation)
    groups = file.coded("groups", Group)
    for code in relations:
        if code in roles:
            file.refuse("relations", code, "a role has the same code", "Rename one; a rule could not tell them apart")
    for group in groups.values():
        file.must_be_known("groups", group.code, (*group.chair, *group.deputy, *group.members), roles, "role")
    return Organisation(departments, roles, relations, groups, _owners(file, departments, taxonomy))


def _owners(file: ReferenceFile, departments: Mapping[str, Department], taxonomy: Taxonomy) -> dict[str, str]:
    owners: dict[str, str] = {}
    for department in departments.values():
        file.must_be_known("departments", department.code, department.owns, taxonomy.all, "category")
        for category in department.owns:
            if category in owners:
                file.refuse(
                    "departments",
                    department.code,
                    f"{category!r} is owned by {owners[category]!r} already",
                    "Let one department own it",
                )
            owners[category] = department.code
    for category in taxonomy.categories:
        if category not in owners:
            file.refuse("departments", "", f"nobody owns {category!r}", "Add it to a department's 'owns'")
    return owners
