from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workflows.school import School, a_school, make_template


@pytest.fixture(scope="session")
def school_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("school") / "template.sqlite3")


@pytest.fixture
def school(school_template: Path, tmp_path: Path) -> Iterator[School]:
    """Monday 6 January 2020, nine in the morning."""
    with a_school(school_template, tmp_path) as school:
        yield school
