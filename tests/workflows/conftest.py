from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import Kind
from tests.workflows.school import School, a_school


@pytest.fixture
def school(tmp_path: Path, kind: Kind) -> Iterator[School]:
    """Monday 6 January 2020, nine in the morning."""
    with a_school(tmp_path, kind) as school:
        yield school
