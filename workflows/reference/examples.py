"""What hazards look like: the 125 samples of hazards.yaml, each with the level that the criteria give it."""

from collections.abc import Mapping
from importlib.resources.abc import Traversable

from pydantic import Field

from workflows.reference.categories import Taxonomy
from workflows.reference.grading import Criteria, LevelUndecided, explain
from workflows.reference.organisation import Organisation
from workflows.reference.reading import Titled, read_file
from workflows.reference.scheme import Level, Scheme

FILE = "hazards.yaml"


class Sample(Titled):
    """A made-up hazard; `criteria` are those answered with yes, none for a general one."""

    code: str = Field(alias="id")
    category: str = Field(alias="cat")
    level: Level
    limit: str
    department: str = Field(alias="dept")
    interim: str | None = None
    criteria: tuple[str, ...] = ()


def read_samples(
    folder: Traversable, taxonomy: Taxonomy, organisation: Organisation, scheme: Scheme, criteria: Criteria
) -> Mapping[str, Sample]:
    file = read_file(folder, FILE, {"hazards"})
    samples = file.coded("hazards", Sample, key="id")
    for code, sample in samples.items():
        file.must_be_known("hazards", code, [sample.category], taxonomy.subcategories, "sub-category")
        file.must_be_known("hazards", code, [sample.limit], scheme.limits, "time limit")
        file.must_be_known("hazards", code, [sample.department], organisation.departments, "department")
        file.must_be_known("hazards", code, sample.criteria, criteria.criteria, "criterion")
        try:
            decided = explain(criteria, sample.category, sample.criteria)
        except LevelUndecided as error:
            file.refuse("hazards", code, str(error).rstrip("."), "Name only criteria of its category")
        if decided is not sample.level:
            file.refuse(
                "hazards",
                code,
                f"its level is {sample.level.value!r}, but its criteria make it {decided.value!r}",
                "Correct the level, or name the criteria that are answered with yes",
            )
        if scheme.limits[sample.limit].needs_five != (sample.level is Level.MAJOR):
            file.refuse(
                "hazards",
                code,
                f"the limit {sample.limit!r} does not fit the level {sample.level.value!r}",
                "A major hazard is removed by a plan, a general one never",
            )
    return samples
