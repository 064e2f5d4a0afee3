"""The house rules hold, and breaking one breaks the build."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from importlinter.application.use_cases import create_report, read_user_options
from importlinter.configuration import configure
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.layers import LayersContract
from importlinter.domain.contract import registry
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PACKAGES = ("engine", "workflows", "notifications", "api")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONTRACTS = {contract["id"]: contract["name"] for contract in PROJECT["tool"]["importlinter"]["contracts"]}

TOP_LEVEL = {
    *(*PACKAGES, "tests"),
    *("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile"),
    *("requirements.txt", "requirements-dev.txt"),
}


def broken_contracts(tree: Path) -> set[str]:
    """The ids of the contracts that the packages under `tree` break.

    Raises AssertionError with the linter's own words if it could not judge at all.
    """
    # In a process of its own: this one has already imported the packages from the real tree.
    lint = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    result = subprocess.run(
        [sys.executable, "-c", lint, "--no-logo", "--no-cache", "--config", "pyproject.toml"],
        cwd=tree,
        env=os.environ | {"COLUMNS": "1000", "PYTHONIOENCODING": "utf-8"},  # long names stay on one line
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    verdicts = dict(re.findall(r"^(.+) (KEPT|BROKEN)\b", result.stdout, flags=re.MULTILINE))
    assert set(verdicts) == set(CONTRACTS.values()), result.stdout + result.stderr
    broken = {contract for contract, name in CONTRACTS.items() if verdicts[name] == "BROKEN"}
    assert (result.returncode != 0) == bool(broken), result.stdout + result.stderr
    return broken


def test_the_import_contracts_hold() -> None:
    assert broken_contracts(ROOT) == set()


@pytest.fixture(scope="module")
def copied_sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages' Python files and the contracts, free to be spoiled; whoever does puts them right again."""
    tree = tmp_path_factory.mktemp("sources")
    for package in PACKAGES:
        for source in (ROOT / package).rglob("*.py"):
            target = tree / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    shutil.copyfile(ROOT / "pyproject.toml", tree / "pyproject.toml")
    return tree


@pytest.fixture
def broken_here(copied_sources: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], set[str]]:
    """What `broken_contracts` says of the copied sources, asked of the same linter in this process.

    It looks the packages up as an import would, so for a moment none of them is known; what it read of a file it keeps
    until the file is another.
    """
    configure()
    registry.register(ForbiddenContract, "forbidden")
    registry.register(LayersContract, "layers")
    asked = read_user_options(str(copied_sources / "pyproject.toml"))

    def broken() -> set[str]:
        with monkeypatch.context() as patch:
            for package in PACKAGES:
                patch.delitem(sys.modules, package, raising=False)
            patch.syspath_prepend(copied_sources)
            report = create_report(asked, cache_dir=str(copied_sources / ".read"))
        assert not report.could_not_run, report.invalid_contract_options
        verdicts = {contract.name: check.kept for contract, check in report.get_contracts_and_checks()}
        assert set(verdicts) == set(CONTRACTS.values())
        return {contract for contract, name in CONTRACTS.items() if not verdicts[name]}

    return broken


@pytest.fixture
def plant(copied_sources: Path) -> Iterator[Callable[[str, str], None]]:
    """Writes a line at the end of a file, for as long as the test runs."""
    originals: dict[Path, str | None] = {}

    def planted(where: str, line: str) -> None:
        spoiled = copied_sources / where
        originals[spoiled] = spoiled.read_text(encoding="utf-8") if spoiled.exists() else None
        spoiled.write_text(f"{originals[spoiled] or ''}\n{line}\n", encoding="utf-8")

    yield planted
    for spoiled, original in originals.items():
        if original is None:
            spoiled.unlink()
        else:
            spoiled.write_text(original, encoding="utf-8")


def test_what_is_asked_here_says_what_the_command_says(
    copied_sources: Path, broken_here: Callable[[], set[str]], plant: Callable[[str, str], None]
) -> None:
    assert broken_here() == set()
    plant("engine/clock.py", "import api")
    plant("notifications/planted.py", "from engine.store import outbox")
    plant("api/feeds.py", "from icalendar import Event")
    assert (
        broken_here() == broken_contracts(copied_sources) >= {"packages", "notifications-see-events", "icalendar-door"}
    )


@pytest.mark.parametrize(
    "where, planted, contract",
    [
        # Direction between the packages
        ("engine/machine.py", "import workflows", "packages"),
        ("engine/clock.py", "import api", "packages"),
        ("workflows/planted.py", "import notifications", "packages"),
        ("notifications/planted.py", "import workflows", "packages"),
        ("notifications/planted.py", "import api", "packages"),
        # The floors inside the engine
        ("engine/errors.py", "import engine.case", "floors"),
        ("engine/guards.py", "import engine.deadlines", "floors"),
        ("engine/deadlines.py", "import engine.machine", "floors"),
        ("engine/machine.py", "import engine.handle", "floors"),
        ("engine/utils.py", "", "floors"),
        # and those of notifications
        ("notifications/asking.py", "import notifications.days", "floors-of-notifications"),
        ("notifications/planted.py", "", "floors-of-notifications"),
        # Memory and mind
        ("engine/store/planted.py", "import engine.machine", "memory"),
        ("engine/store/planted.py", "from engine.authority import anything", "memory"),
        ("engine/store/planted.py", "def later() -> None:\n    from engine import definition", "memory"),
        ("engine/machine.py", "import engine.store.database", "mind"),
        ("engine/definition/workflow.py", "from engine.store import database", "mind"),
        # What notifications may see
        ("notifications/planted.py", "from engine.handle import handle", "notifications-see-events"),
        ("notifications/planted.py", "import engine.tick", "notifications-see-events"),
        ("notifications/planted.py", "from engine.case import Case", "notifications-see-events"),
        ("notifications/planted.py", "from engine.store import outbox", "notifications-see-events"),
        ("notifications/channels/planted.py", "import engine.machine", "notifications-see-events"),
        # The doors
        ("workflows/planted.py", "from transitions import Machine", "transitions-door"),
        ("engine/definition/workflow.py", "import transitions.core", "transitions-door"),
        ("engine/tick.py", "import apscheduler", "apscheduler-door"),
        ("api/planted.py", "from apscheduler.schedulers.background import BackgroundScheduler", "apscheduler-door"),
        ("engine/handle/turn.py", "import httpx", "httpx-doors"),
        ("notifications/planted.py", "import httpx", "httpx-doors"),
        ("api/planted.py", "import httpx", "httpx-doors"),
        ("engine/handle/turn.py", "import prometheus_client", "prometheus-door"),
        ("api/writer.py", "from prometheus_client import Counter", "prometheus-door"),
        ("api/feeds.py", "from icalendar import Event", "icalendar-door"),
        ("api/papers/filing.py", "import xlsxwriter", "xlsxwriter-door"),
        ("api/papers/making.py", "from docxtpl import DocxTemplate", "word-doors"),
        ("api/papers/making.py", "from api.papers.word import filling", "word-apart"),
        ("engine/errors.py", "from fastapi import HTTPException", "web-door"),
        ("notifications/planted.py", "import starlette.status", "web-door"),
        ("workflows/planted.py", "import sqlmodel", "sql-doors"),
        ("workflows/planted.py", "from sqlalchemy import select", "sql-doors"),
        ("engine/handle/turn.py", "import sqlalchemy.exc", "sql-doors"),
        ("notifications/channels/planted.py", "import sqlmodel", "sql-doors"),
    ],
)
def test_a_forbidden_import_breaks_its_contract(
    broken_here: Callable[[], set[str]], plant: Callable[[str, str], None], where: str, planted: str, contract: str
) -> None:
    plant(where, planted)
    assert contract in broken_here()


def test_a_clone_has_nothing_at_the_top_but_what_the_design_names() -> None:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("only a git clone knows which files belong to the project")
    listing = subprocess.run(
        [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    top = {path.split("/")[0] for path in listing.stdout.split("\0") if path}
    assert {name for name in top if not name.startswith(".")} <= TOP_LEVEL


LOCKS = ("requirements.txt", "requirements-dev.txt")


def pins(lock: str) -> dict[str, Version]:
    """Package name to the one version that the lock allows."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    return {
        canonicalize_name(name): Version(pin) for name, pin in re.findall(r"^([\w.-]+)==([^ ;\\]+)", text, re.MULTILINE)
    }


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("trace", ["://", "index-url", "find-links", "trusted-host", "file:", " @ ", "--editable"])
def test_a_lock_names_no_host_and_no_machine(lock: str, trace: str) -> None:
    assert trace not in (ROOT / lock).read_text(encoding="utf-8")


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_of_a_lock_is_a_pin_a_hash_or_a_reason(lock: str) -> None:
    shapes = re.compile(r"[\w.-]+==\S+( ; .+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?|    # .+")
    lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not shapes.fullmatch(line)] == []


@pytest.mark.parametrize(
    "declared, locks",
    [
        (PROJECT["project"]["dependencies"], ["requirements.txt"]),
        (PROJECT["dependency-groups"]["dev"], ["requirements-dev.txt"]),
        (PROJECT["build-system"]["requires"], ["requirements-dev.txt"]),
    ],
    ids=["run", "test", "build"],
)
def test_the_locks_pin_what_pyproject_declares(declared: list[str], locks: list[str]) -> None:
    pinned = {name: version for lock in locks for name, version in pins(lock).items()}
    for requirement in map(Requirement, declared):
        assert pinned[canonicalize_name(requirement.name)] in requirement.specifier, f"{requirement}: run `make lock`"


def test_the_two_locks_agree() -> None:
    running, testing = map(pins, LOCKS)
    assert {name: testing[name] for name in running.keys() & testing} == {
        name: running[name] for name in running.keys() & testing
    }


#: who goes to the database for every organisation at once; whoever joins them gives a reason in engine/decisions/0005
ACROSS = {
    "api/auth/signing.py", "api/bootstrap.py", "api/cli/opening.py", "api/cli/running.py", "api/copying.py",
    "api/directory.py", "api/evidence/store.py", "api/first_visit.py", "api/founding.py", "api/keeping/backup.py", "api/keeping/postgres.py",
    "api/cli/keys.py", "api/keeping/keyfile.py", "api/keeping/restoring.py", "api/metrics.py", "api/migrations/__init__.py", "api/overview.py",
    "api/pages/sign_in.py", "api/routes/health.py", "api/routes/organisations.py", "api/sealing.py", "engine/sealing.py", "engine/store/clock.py",
    "engine/tick.py",
    "notifications/addressing.py", "notifications/again.py", "notifications/channels/inbox.py", "notifications/days.py",
    "notifications/digests.py", "notifications/loose.py", "notifications/planning.py", "notifications/worker.py",
}  # fmt: skip


def test_nobody_goes_across_but_those_who_have_a_reason() -> None:
    found = {
        str(file.relative_to(ROOT))
        for package in PACKAGES
        for file in (ROOT / package).rglob("*.py")
        if re.search(r"\.(read_across|write_across|own|read_shape)\(", file.read_text(encoding="utf-8"))
    } - {"engine/store/database.py"}  # where the doors are
    assert found == ACROSS
