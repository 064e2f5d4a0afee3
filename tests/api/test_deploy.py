"""What lies in api/deploy says nothing that the program does not understand."""

import configparser
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from api.cli import main
from api.migrations.walls import ROLES
from api.nodes import LEAVES_LATER_SECONDS
from api.settings import PREFIX, Settings, documented

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "api" / "deploy"
UNITS = sorted(DEPLOY.glob("*.service"))
README = (DEPLOY / "README.md").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
OURS = {name: service for name, service in COMPOSE["services"].items() if service["image"] == "bihuan"}
CONTAINERFILE = (DEPLOY / "Containerfile").read_text(encoding="utf-8")


def unit(path: Path) -> configparser.ConfigParser:
    read = configparser.ConfigParser(interpolation=None)
    read.optionxform = str  # type: ignore[assignment,method-assign]  # systemd tells great letters from small ones
    read.read(path, encoding="utf-8")
    return read


def understood(arguments: list[str]) -> None:
    """Raises click's own error for what the command line does not take. Runs nothing."""
    command: click.Command = main
    while isinstance(command, click.Group):
        name, *arguments = arguments
        assert name in command.commands, f"there is no `{name}`"
        command = command.commands[name]
    command.make_context(command.name, arguments)


def lines_of_the_readme() -> list[list[str]]:
    """What follows `bihuan` in each of its commands, in blocks and between backticks."""
    blocks = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    said = [
        line.partition(start)[2]
        for line in lines
        for start in ("/bin/bihuan ", "docker compose run --rm api ")
        if start in line
    ]
    said += re.findall(r"`bihuan ([a-z][^`]*)`", README)
    return [shlex.split(line, comments=True) for line in said]


COMMANDS: dict[str, list[str]] = {
    **{f"compose's {name}": service["command"] for name, service in OURS.items()},
    **{path.name: unit(path)["Service"]["ExecStart"].split()[1:] for path in UNITS},
    "Containerfile": json.loads(re.findall(r"^CMD (.*)", CONTAINERFILE, re.MULTILINE)[-1]),
    **{f"README {turn}": arguments for turn, arguments in enumerate(lines_of_the_readme(), 1)},
}


def test_commands_are_found_wherever_they_stand() -> None:
    assert COMMANDS["compose's api"] == COMMANDS["bihuan-serve.service"] == ["serve", "--workers", "4"]
    assert {"setup", "db", "serve", "work"} == {arguments[0] for arguments in lines_of_the_readme()}


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_every_command_is_one(arguments: list[str]) -> None:
    understood(arguments)


@pytest.mark.parametrize("arguments", [["serv"], ["serve", "--worker", "4"], ["serve", "--workers", "0"], ["db", "up"]])
def test_what_is_no_command_would_be_noticed(arguments: list[str]) -> None:
    with pytest.raises((AssertionError, click.UsageError)):
        understood(arguments)


def test_every_setting_is_one() -> None:
    told = set(re.findall(r"^([A-Z_]+)=", (DEPLOY / "bihuan.env.example").read_text(encoding="utf-8"), re.MULTILINE))
    told |= set(re.findall(r"\b(BIHUAN_[A-Z_]+)=", CONTAINERFILE))
    told |= set(re.findall(r"BIHUAN_[A-Z_]+", README))
    told |= {name for service in OURS.values() for name in service["environment"]}
    told |= {name for path in UNITS for name in re.findall(rf"{PREFIX}[A-Z_]+", path.read_text(encoding="utf-8"))}
    assert len(told) > 8
    assert told <= {name for name, _, _ in documented()}


def test_every_example_of_a_setting_is_taken(tmp_path: Path) -> None:
    example = tmp_path / ".env"
    shutil.copyfile(DEPLOY / "bihuan.env.example", example)
    assert Settings(_env_file=example).stop_seconds == Settings.model_fields["stop_seconds"].default


def test_compose_starts_what_the_readme_says_in_the_order_that_works() -> None:
    assert set(COMPOSE["services"]) == {"database", *OURS} == {"database", "upgrade", "api", "worker"}
    assert OURS["upgrade"]["depends_on"]["database"]["condition"] == "service_healthy"
    for name in ("api", "worker"):
        assert OURS[name]["depends_on"]["upgrade"]["condition"] == "service_completed_successfully"
    [published] = OURS["api"]["ports"]
    assert published.startswith("127.0.0.1:"), "not to the world without a proxy in front"
    for service in OURS.values():
        context = DEPLOY / service["build"]["context"]
        assert context.resolve() == ROOT
        assert (context / service["build"]["dockerfile"]).is_file()


def test_whoever_stops_a_process_waits_longer_than_it_takes() -> None:
    takes = Settings.model_fields["stop_seconds"].default + LEAVES_LATER_SECONDS
    waits = [int(unit(path)["Service"]["TimeoutStopSec"]) for path in UNITS]
    waits += [int(service["stop_grace_period"].removesuffix("s")) for service in OURS.values()]
    assert len(waits) == 5 and min(waits) > takes


def test_the_image_is_built_from_the_locks_and_from_files_that_are_there() -> None:
    installs = re.findall(r"pip install [^\n]*", CONTAINERFILE)
    assert len(installs) == 3
    assert all("--require-hashes" in line or "--no-index" in line for line in installs)
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", CONTAINERFILE, re.MULTILINE)
    for source in " ".join(copied).split():
        assert (ROOT / source).exists(), source
    for package in ("engine", "workflows", "notifications", "api"):
        assert f"COPY {package} {package}" in CONTAINERFILE


@pytest.mark.parametrize("secret", ["bihuan.env", ".env"])
def test_what_somebody_set_gets_into_no_commit_and_no_image(secret: str) -> None:
    """The wheel leaves out what git ignores, too."""
    ignored = (DEPLOY / "Containerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert f"**/{secret}" in ignored
    git = shutil.which("git")
    if git is not None and (ROOT / ".git").exists():
        asked = subprocess.run([git, "check-ignore", "-q", DEPLOY / secret], cwd=ROOT, check=False)
        assert asked.returncode == 0


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_starts_again_and_may_touch_little(path: Path) -> None:
    service = unit(path)["Service"]
    assert (service["Restart"], service["KillMode"], service["User"]) == ("always", "mixed", "bihuan")
    assert service["EnvironmentFile"] == "/etc/bihuan/bihuan.env"
    assert (service["ProtectSystem"], service["CapabilityBoundingSet"]) == ("strict", "")


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_systemd_finds_nothing_wrong_with_a_unit(path: Path, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("only where systemd is")
    here = tmp_path / path.name  # it wants the program to be there
    here.write_text(path.read_text(encoding="utf-8").replace("/opt/bihuan/bin/bihuan", sys.executable), "utf-8")
    found = subprocess.run([analyze, "verify", here], capture_output=True, text=True, encoding="utf-8", check=False)
    about = [line for line in found.stderr.splitlines() if path.name in line]
    assert (found.returncode, about) == (0, []), found.stderr


def test_the_two_readmes_lead_to_each_other() -> None:
    assert "](api/deploy/README.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    for name in re.findall(r"`([\w.-]+\.(?:yaml|service|example))`", README):
        assert (DEPLOY / name).is_file(), name


def test_compose_makes_the_roles_that_the_command_prints() -> None:
    made = re.findall(
        r"^CREATE ROLE (\w+).*?(?:IN ROLE (\w+))?;", (DEPLOY / "roles.sh").read_text(encoding="utf-8"), re.MULTILINE
    )
    printed = re.findall(r"^CREATE ROLE (\w+).*?(?:IN ROLE (\w+))?;", ROLES, re.MULTILINE)
    assert made == [role for role in printed if role[0] != "bihuan_owner"], "the owner is the image's own user"
