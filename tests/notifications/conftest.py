from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import Kind
from tests.notifications.fakes import Post, a_post, local


@pytest.fixture
def post(tmp_path: Path, kind: Kind) -> Iterator[Post]:
    """Wednesday 15 January 2020, four in the afternoon."""
    with a_post(tmp_path, kind, local("2020-01-15 16:00")) as post:
        yield post
