"""`bihuan channel`: set up without a secret among the arguments, shown without it, tried out with what came back."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from api.cli import main
from tests.builders import a_runtime, a_school

SECRET = "whsec_" + "A" * 32
CLOSED = "http://127.0.0.1:9/closed"  # the port of `discard`, which nobody serves


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BIHUAN_LOG_LEVEL", "error")
    monkeypatch.setenv("BIHUAN_DATA", "data")
    runtime = a_runtime(tmp_path / "data", "sqlite", simulated=False)
    a_school(runtime.database)
    runtime.close()
    return tmp_path / "data"


def channel(*arguments: str, typed: str | None = None) -> Result:
    done = CliRunner().invoke(main, ["channel", *arguments], input=typed)
    assert SECRET not in done.output
    return done


def set_up(*more: str, typed: str = f"{SECRET}\n") -> Result:
    return channel("set", "webhook", "hook", *more, "--secret", "secret", "--secrets-stdin", typed=typed)


def test_a_channel_is_set_up_listed_switched_off_and_removed(data: Path) -> None:
    assert set_up("--field", f"url={CLOSED}", "--title", "平台").exit_code == 0
    [listed] = json.loads(channel("list", "--json").stdout)
    assert (listed["id"], listed["settings"], listed["title"]) == ("hook", {"url": CLOSED}, "平台")
    assert [secret["shown"] for secret in listed["secrets"]] == ["已设置"]
    assert "hook  webhook  -  未使用过 · not tried yet" in channel("list").stdout
    assert channel("off", "hook").exit_code == 0
    assert "已停用 · switched off" in channel("list").stdout
    assert json.loads(channel("on", "hook", "--json").stdout)["enabled"] is True
    assert json.loads(channel("remove", "hook", "--json").stdout) == {"removed": "hook", "addressed_anew": 0}
    assert "没有" in channel("list").stdout


def test_what_is_not_said_stays_and_a_secret_is_read_from_the_environment(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIHUAN_SECRET_SECRET", SECRET)
    done = channel("set", "webhook", "hook", "--field", f"url={CLOSED}", "--secret", "secret")
    assert (done.exit_code, done.stderr) == (0, "")
    monkeypatch.delenv("BIHUAN_SECRET_SECRET")
    changed = json.loads(channel("set", "webhook", "hook", "--title", "平台", "--json").stdout)
    assert (changed["settings"], changed["title"], changed["revision"]) == ({"url": CLOSED}, "平台", 2)


def test_a_secret_is_no_argument_and_nobody_is_asked_where_nobody_is(data: Path) -> None:
    wrong = channel("set", "webhook", "hook", "--field", "secret=tiny")
    assert (wrong.exit_code, "--secret secret" in wrong.stderr) == (2, True)
    nobody = channel("set", "webhook", "hook", "--field", f"url={CLOSED}", "--secret", "secret")
    assert (nobody.exit_code, "BIHUAN_SECRET_SECRET" in nobody.stderr) == (2, True)


def test_what_cannot_be_used_is_told_in_both_languages(data: Path) -> None:
    refused = set_up("--field", "url=nowhere")
    assert refused.exit_code == 1
    assert "接收地址" in refused.stderr and "Address to post to" in refused.stderr
    for arguments in (("off", "nothing"), ("remove", "nothing"), ("test", "nothing")):
        gone = channel(*arguments)
        assert (gone.exit_code, "there is no channel called 'nothing'" in gone.stderr) == (1, True)


def test_kinds_say_what_has_to_be_given(data: Path) -> None:
    assert "webhook  网络回调 · Webhook" in channel("kinds").stdout
    told = channel("kinds", "webhook").stdout
    assert "--field url  必填 needed" in told and "--secret secret  必填 needed" in told
    kinds = {kind["kind"] for kind in json.loads(channel("kinds", "--json").stdout)}
    assert kinds == {"dingtalk_robot", "email", "feishu_robot", "sms", "webhook", "wecom_app", "wecom_robot"}
    assert channel("kinds", "pigeon").exit_code == 1


def test_a_test_says_what_came_back_and_what_to_do(data: Path) -> None:
    set_up("--field", f"url={CLOSED}")
    tried = channel("test", "hook")
    assert tried.exit_code == 1
    assert tried.stdout.startswith("… again") and "check address, port and network" in tried.stdout
    told = json.loads(channel("test", "hook", "--json").stdout)
    assert (told["sort"], told["sent"], set(told["next"])) == ("again", True, {"zh", "en"})
