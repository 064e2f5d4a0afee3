"""What the README says can be done is done here: its commands, run as they stand, and its tables against the code."""

import json
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import click
import httpx
import pytest
import yaml

from api.cli import main
from api.demo.school import KEEPER
from api.settings import documented
from engine.calendar import Calendar
from engine.store import accounts, people
from engine.store.database import Database
from tests.conftest import Played

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
STARTS_WITHIN = 240  # seconds for the replay and the server; a quarter of a minute where nothing else runs


@dataclass(frozen=True)
class Demo:
    """A `bihuan demo` that replayed the campaign and serves it; `printed` is all it said until then."""

    printed: list[str]
    folder: Path

    @property
    def counted(self) -> dict[str, object]:
        text = "\n".join(self.printed)
        counted: dict[str, object] = json.loads(text[text.index("{") : text.rindex("}") + 1])
        return counted


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The README's first command, on a free port instead of 8000."""
    folder = tmp_path_factory.mktemp("demo") / "data"
    command = [sys.executable, "-m", "api.cli", "demo", "--json", "--port", "0", "--data", str(folder)]
    environment = {**os.environ, "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8"
    )  # fmt: skip
    lines: queue.Queue[str] = queue.Queue()
    assert process.stdout is not None
    reading = threading.Thread(target=_read_into, args=(lines, process.stdout))
    reading.start()
    try:
        printed: list[str] = []
        while not printed or "Serving" not in printed[-1]:
            printed.append(lines.get(timeout=STARTS_WITHIN).rstrip("\n"))
        yield Demo(printed, folder)
    finally:
        process.terminate()
        process.wait(timeout=STARTS_WITHIN)
        reading.join()
        process.stdout.close()


def _read_into(lines: queue.Queue[str], said: TextIO) -> None:
    for line in said:
        lines.put(line)


def shell_blocks(section: str) -> list[str]:
    """The shell's part of one section of the README."""
    [text] = re.findall(rf"^## {section}\n(.*?)^## ", README, re.MULTILINE | re.DOTALL)
    return re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def run(demo: Demo, blocks: list[str], where: Path) -> str:
    """The blocks as one session of a shell that read `try.env`."""
    bash = shutil.which("bash")
    assert bash is not None, "the README's session is written for a POSIX shell"
    script = "set -euo pipefail\n. " + str(demo.folder / "try.env") + "\n" + "\necho\n".join(blocks)
    done = subprocess.run(
        [bash, "-c", script], cwd=where, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_readmes_session_closes_a_loop_with_nothing_but_curl(demo: Demo, tmp_path: Path) -> None:
    said = run(demo, shell_blocks("See it work"), tmp_path)
    number = re.search(r"YH-2020-\d{4}", said)
    assert number is not None
    states = re.findall(r'"to_state": ?"(\w+)"', said)
    walked = [state for n, state in enumerate(states) if n == 0 or states[n - 1] != state]
    assert walked[:4] == ["assigned", "fixed", "verified", "closed"]
    assert '"code":"not_allowed"' in said.replace(" ", "")  # he cannot confirm his own work


SETUP_WITHIN = 200  # seconds; a quarter of a minute where nothing else runs


def test_six_commands_make_a_working_school_of_an_empty_folder(tmp_path: Path) -> None:
    """The README's session from `setup` to `serve`, as it stands; `bihuan` is this checkout, the port a free one."""
    [session] = shell_blocks("Set up a school")
    commands = session.replace("\\\n", "").strip().splitlines()
    assert len(commands) <= 6 and all(command.startswith("bihuan ") for command in commands)
    bash = shutil.which("bash")
    assert bash is not None, "the README's session is written for a POSIX shell"
    # the last command serves until it is stopped: as the shell's own last act, so that stopping reaches it
    ours = f'bihuan() {{ "{sys.executable}" -m api.cli "$@"; }}\nset -euo pipefail\n'
    script = (
        ours + "\n".join(commands[:-1]) + f'\nexec "{sys.executable}" -m api.cli {commands[-1].removeprefix("bihuan ")}'
    )
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("BIHUAN_")},
        "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1", "BIHUAN_PORT": "0",
    }  # fmt: skip
    process = subprocess.Popen(
        [bash, "-c", script], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        encoding="utf-8",
    )  # fmt: skip
    lines: queue.Queue[str] = queue.Queue()
    assert process.stdout is not None
    reading = threading.Thread(target=_read_into, args=(lines, process.stdout))
    reading.start()
    try:
        said: list[str] = []
        while not said or "Serving" not in said[-1]:
            said.append(lines.get(timeout=SETUP_WITHIN).rstrip("\n"))
        assert httpx.get(f"{said[-1].split()[-1]}/readyz").status_code == 200
    finally:
        process.terminate()
        process.wait(timeout=STARTS_WITHIN)
        reading.join()
        process.stdout.close()
    assert "新增 71 人" in "\n".join(said)
    assert sum("没有死角" in line for line in said) == 2, "after the import, and asked again by `check`"
    database = Database.in_file(tmp_path / "bihuan-data" / "bihuan.db")
    with database.read_across() as connection:
        assert len(people.people(connection, "no1")) == 72
        assert accounts.password(connection, "no1", "0001") is not None
    database.close()


def test_every_token_of_the_demo_opens_its_post(demo: Demo, tmp_path: Path) -> None:
    posts = re.findall(
        r"^export ([A-Z_]+)=bihuan_", (demo.folder / "try.env").read_text(encoding="utf-8"), re.MULTILINE
    )
    asked = [
        f'curl -sS -o /dev/null -w "%{{http_code}} " "$BIHUAN_API/worklist" -H "Authorization: Bearer ${p}"'
        for p in posts
    ]
    assert run(demo, asked, tmp_path).split() == ["200"] * 9


def test_two_replays_agree_in_all_but_the_time_they_took(demo: Demo, campaign: Played) -> None:
    mine, theirs = dict(demo.counted), dict(campaign.counted)
    assert mine.pop("wall_seconds")
    assert theirs.pop("wall_seconds")
    assert mine == theirs
    assert {"figures", "inspections", "reminders", "commands", "events", "refused"} <= set(mine)


def test_the_demo_says_that_it_is_simulated_and_what_to_try(demo: Demo) -> None:
    said = "\n".join(demo.printed)
    assert "SIMULATED: it is 2020-03-31 18:0" in said  # the school's time, not UTC
    assert f". {demo.folder / 'try.env'}" in said
    [where] = [line for line in demo.printed if "/sign-in" in line]
    assert {"safety.staff", "principal", KEEPER} <= set(where.split()) and KEEPER in README


def test_the_readme_opens_in_chinese_and_goes_on_in_english() -> None:
    opening, rest = README.split("\n\n", 2)[1:3]
    assert re.search(r"[一-鿿]", opening)
    assert rest.startswith("*Bihuan*")


def test_the_readme_lists_every_setting_with_its_default_and_meaning() -> None:
    rows = re.findall(r"^\| `(BIHUAN_\w+)` \| (?:`(.*?)`)? ?\| (.*) \|$", README, re.MULTILINE)
    assert rows == documented()


def test_the_readme_lists_every_command() -> None:
    said = {words.split()[0] for words in re.findall(r"`bihuan ([a-z ]+)", README)}
    assert isinstance(main, click.Group)
    assert set(main.commands) == said


def test_the_commands_of_the_readme_know_the_demo_s_folder_in_the_shell_that_read_its_file(
    demo: Demo, tmp_path: Path
) -> None:
    listed = run(demo, [f"PYTHONPATH={ROOT} {sys.executable} -m api.cli token list"], tmp_path)
    assert "safety.head" in listed


def test_the_calendar_file_of_the_readme_is_one_that_can_be_loaded() -> None:
    [written] = re.findall(r"^```yaml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    said = json.loads(json.dumps(yaml.safe_load(written), default=str))
    notice = Calendar.from_json({**said, "version": 1, "time_zone": "Asia/Shanghai"})
    assert notice.known_until.year == notice.known_from.year and notice.breaks


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:`|^    )make ([a-z-]+)", README, re.MULTILINE))))
def test_every_make_target_the_readme_names_exists(target: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)
