"""The wheel holds everything that running needs."""

import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("engine", "workflows", "notifications", "api")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZipFile]:
    """The wheel as `make dist` builds it, without asking the network for anything."""
    place = tmp_path_factory.mktemp("dist")
    build = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(place), str(ROOT)],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert build.returncode == 0, build.stdout + build.stderr
    (path,) = place.glob("bihuan-*.whl")
    with ZipFile(path) as opened:
        yield opened


def test_the_wheel_holds_every_file_of_every_package(wheel: ZipFile) -> None:
    made_by_running = ("*/__pycache__/*", "*.pyc")
    expected = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and not any(fnmatch(path.as_posix(), made) for made in made_by_running)
    }
    assert expected <= set(wheel.namelist())


@pytest.mark.parametrize(
    "needed",
    [
        "api/demo/*.yaml",
        "api/migrations/env.py",
        "api/migrations/script.py.mako",
        "api/migrations/versions/*.py",
        "workflows/reference/scheme.yaml",
        "workflows/reference/taxonomy.yaml",
        "engine/py.typed",
        "bihuan-*.dist-info/licenses/LICENSE",
    ],
)
def test_the_wheel_holds_what_a_run_reads(wheel: ZipFile, needed: str) -> None:
    assert any(fnmatch(name, needed) for name in wheel.namelist())


def test_the_wheel_holds_nothing_but_the_four_packages(wheel: ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_the_wheel_brings_the_command_bihuan(wheel: ZipFile) -> None:
    (entry_points,) = (name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt"))
    assert "bihuan = api.cli:main" in wheel.read(entry_points).decode()
