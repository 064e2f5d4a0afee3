"""The robots of WeCom, DingTalk and Feishu, each against its service: hooks, signatures, limits and codes."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from engine.clock import SimulatedClock
from notifications.channels import Account, Channel, Concerns, Limit, Sort, TransportError
from notifications.channels.dingtalk_robot import DingTalkRobot, DingTalkRobotForm
from notifications.channels.dingtalk_robot import sign as sign_dingtalk
from notifications.channels.feishu_robot import FeishuRobot, FeishuRobotForm
from notifications.channels.feishu_robot import sign as sign_feishu
from notifications.channels.robots import HookForm
from notifications.channels.wecom_robot import WeComRobot, WeComRobotForm
from notifications.message import Words
from tests.notifications.channels.places import (
    LINK,
    NOW,
    ZHANG,
    DingTalkPlace,
    FeishuPlace,
    WeComRobotPlace,
)
from tests.notifications.fakes import a_notice, outgoing
from tests.services.serving import Fault

ROBOTS: dict[str, Callable[[], Any]] = {"wecom": WeComRobotPlace, "dingtalk": DingTalkPlace, "feishu": FeishuPlace}


@pytest.fixture(params=ROBOTS)
def place(request: pytest.FixtureRequest) -> Iterator[Any]:
    place = ROBOTS[request.param]()
    yield place
    place.close()


def refused_for(channel: Channel, account: Account, message: Any) -> TransportError:
    with pytest.raises(TransportError) as refused:
        channel.send(message, account)
    return refused.value


# --- limits ----------------------------------------------------------------------------------------------------------


def test_each_says_what_its_service_takes() -> None:
    clock = SimulatedClock(NOW)
    minute = timedelta(minutes=1)
    assert WeComRobot(clock).limit == DingTalkRobot(clock).limit == Limit(20, minute)
    assert FeishuRobot(clock).limit == Limit(5, timedelta(seconds=3)), "100 a minute, and never above 5 a second"


@pytest.mark.parametrize("name", ["wecom", "dingtalk"])
def test_the_21st_in_a_minute_is_refused_as_too_fast(name: str) -> None:
    place = ROBOTS[name]()
    channel, account = place.channel(), place.account()
    for n in range(20):
        channel.send(place.message(key=f"msg_{n}"), account)
    error = refused_for(channel, account, place.message())
    assert (error.sort, error.concerns) == ("slow_down", "channel")
    assert len(place.taken()) == 20
    place.clock.advance(timedelta(minutes=1))
    if name == "wecom":
        channel.send(place.message(), account)
    else:
        assert refused_for(channel, account, place.message()).sort == "slow_down", "mute for ten minutes"
        place.clock.advance(timedelta(minutes=9))
        channel.send(place.message(), account)
    assert len(place.taken()) == 21
    place.close()


def test_the_limit_that_feishu_names_is_kept_by_ours() -> None:
    place = FeishuPlace()
    channel, account = place.channel(), place.account()
    for n in range(120):
        if n and n % channel.limit.count == 0:  # type: ignore[union-attr]
            place.clock.advance(channel.limit.per)  # type: ignore[union-attr]
        channel.send(place.message(key=f"msg_{n}"), account)
    for n in range(6):
        place.clock.advance(timedelta(seconds=0.1))
        if n == 5:
            assert refused_for(channel, account, place.message()).sort == "slow_down"
    place.close()


# --- signatures ------------------------------------------------------------------------------------------------------


def test_the_signatures_are_those_of_the_documentation() -> None:
    # worked out by `openssl dgst -sha256 -hmac`
    assert sign_dingtalk("SEC-secret", 1579075200000) == "LKICoRzQybmYCa70wvS8GTnad3RYaj2KyFqJXwxkV00="
    assert sign_feishu("secret", 1599360473) == "q4jswNiMy51J5JuQV566yJat0/lQ/c+22kINzUgKsGU="


@pytest.mark.parametrize("name", ["dingtalk", "feishu"])
def test_a_clock_that_is_off_by_more_than_an_hour_is_told_as_a_fault_of_the_account(name: str) -> None:
    place = ROBOTS[name]()
    channel, account = place.channel(), place.account()
    place.service.clock = SimulatedClock(NOW + timedelta(minutes=59))
    channel.send(place.message(), account)
    place.service.clock = SimulatedClock(NOW + timedelta(minutes=61))
    error = refused_for(channel, account, place.message())
    assert (error.sort, error.concerns) == ("give_up", "channel")
    place.close()


@pytest.mark.parametrize("name", ["dingtalk", "feishu"])
@pytest.mark.parametrize("secret", ["another-signing-secret", None])
def test_a_wrong_or_missing_signature_is_told_as_a_fault_of_the_account(name: str, secret: str | None) -> None:
    place = ROBOTS[name]()
    account = place.account()
    secrets = {name: value for name, value in {**account.secrets, "secret": secret}.items() if value}
    error = refused_for(place.channel(), replace(account, secrets=secrets), place.message())
    assert (error.sort, error.concerns) == ("give_up", "channel")
    assert "sign" in error.answer
    assert place.taken() == []
    place.close()


def test_a_robot_without_a_signature_needs_none() -> None:
    for place in (DingTalkPlace(), FeishuPlace()):
        place.service.secrets.clear()  # type: ignore[attr-defined]
        account = place.account()
        place.channel().send(place.message(), replace(account, secrets={"key": account.secrets["key"]}))
        assert len(place.taken()) == 1
        place.close()


# --- codes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, code, sort, concerns",
    [
        ("wecom", -1, "again", "message"),
        ("wecom", 45009, "slow_down", "channel"),
        ("wecom", 45033, "slow_down", "channel"),
        ("wecom", 93000, "give_up", "channel"),
        ("wecom", 93004, "give_up", "channel"),
        ("wecom", 93008, "give_up", "channel"),
        ("wecom", 60020, "give_up", "channel"),
        ("wecom", 40008, "give_up", "message"),
        ("wecom", 40058, "give_up", "message"),
        ("wecom", 44004, "give_up", "message"),
        ("wecom", 45002, "give_up", "message"),
        ("wecom", 999999, "again", "message"),
        ("dingtalk", -1, "again", "message"),
        ("dingtalk", 130101, "slow_down", "channel"),
        ("dingtalk", 410100, "slow_down", "channel"),
        ("dingtalk", 310000, "give_up", "channel"),
        ("dingtalk", 300001, "give_up", "channel"),
        ("dingtalk", 300005, "give_up", "channel"),
        ("dingtalk", 400013, "give_up", "channel"),
        ("dingtalk", 400102, "give_up", "channel"),
        ("dingtalk", 400105, "give_up", "message"),
        ("dingtalk", 999999, "again", "message"),
        ("feishu", 9499, "give_up", "message"),
        ("feishu", 11232, "slow_down", "channel"),
        ("feishu", 19001, "give_up", "channel"),
        ("feishu", 19002, "give_up", "message"),
        ("feishu", 19021, "give_up", "channel"),
        ("feishu", 19022, "give_up", "channel"),
        ("feishu", 19024, "give_up", "channel"),
        ("feishu", 999999, "again", "message"),
    ],
)
def test_every_code_that_is_known_is_sorted_and_others_are_tried_again(
    name: str, code: int, sort: Sort, concerns: Concerns
) -> None:
    place = ROBOTS[name]()
    place.service.then(Fault("code", code))
    error = refused_for(place.channel(), place.account(), place.message())
    assert (error.sort, error.concerns) == (sort, concerns)
    assert error.answer.startswith(str(code))
    place.close()


def test_dingtalks_keyword_is_a_matter_of_the_account() -> None:
    place = DingTalkPlace()
    place.service.keyword = "闭环"  # type: ignore[attr-defined]
    assert refused_for(place.channel(), place.account(), place.message()).concerns == "channel"
    place.close()


# --- words -----------------------------------------------------------------------------------------------------------


def test_what_people_type_mentions_nobody_and_hides_no_link(place: Any) -> None:
    words = Words('<at user_id="all">所有人</at>', "<@all> [点这里](https://evil.example)\n# 大", LINK)
    place.channel().send(place.message(words), place.account())
    text = place.words(place.taken()[0])
    assert "<" not in text and ">" not in text


def test_markdown_shows_typed_words_as_they_are() -> None:
    place = WeComRobotPlace()
    account = replace(place.account(), settings={**place.account().settings, "format": "markdown"})
    words = Words("待办 [1]", '# 大\n[点这里](https://evil.example) `x` <font color="warning">', LINK)
    place.channel().send(place.message(words), account)
    [taken] = place.taken()
    assert taken.body["msgtype"] == "markdown"
    said = taken.body["markdown"]["content"]
    assert said.split("\n")[0] == "**待办 ［1］**"
    assert "](" not in said and "<" not in said and "`" not in said and "\n#" not in said
    assert said.endswith(LINK)
    place.close()


def test_markdown_that_is_too_long_is_cut_at_a_line() -> None:
    place = WeComRobotPlace()
    account = replace(place.account(), settings={**place.account().settings, "format": "markdown"})
    body = "\n".join([*(f"{n}. 消防栓前堆放杂物" for n in range(1000)), LINK])
    place.channel().send(place.message(Words("待办", body, LINK)), account)
    said = place.taken()[0].body["markdown"]["content"]
    assert 3900 < len(said.encode()) <= 4096
    assert said.endswith(f"……\n{LINK}")
    place.close()


# --- hooks -----------------------------------------------------------------------------------------------------------

WECOM = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa"
DINGTALK = "https://oapi.dingtalk.com/robot/send?access_token=0123456789abcdef"
FEISHU = "https://open.feishu.cn/open-apis/bot/v2/hook/9af7e3b2-1c1d-4c61-93b5-0b2e1f6c7a11"
FORMS: dict[str, tuple[type[HookForm], str]] = {
    "wecom": (WeComRobotForm, WECOM),
    "dingtalk": (DingTalkRobotForm, DINGTALK),
    "feishu": (FeishuRobotForm, FEISHU),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_hook_is_given_whole_or_by_its_key_alone(name: str) -> None:
    form, hook = FORMS[name]
    given = form.model_validate({"key": hook})
    assert given.hook == hook
    assert form.model_validate({"key": given.key.get_secret_value()}) == given
    assert given.secrets() == {"key": given.key.get_secret_value()}
    assert given.key.get_secret_value() not in repr(given)


@pytest.mark.parametrize("name", FORMS)
def test_a_private_service_has_an_address_of_its_own(name: str) -> None:
    form, hook = FORMS[name]
    private = hook.replace(form.home, "https://im.school.example:8443/qy")
    base = "https://im.school.example:8443/qy/"
    assert form.model_validate({"key": private, "base_url": base}).hook == private
    assert form.model_validate({"key": hook, "base_url": base}).hook == private


@pytest.mark.parametrize(
    "name, hook",
    [
        ("wecom", WECOM.replace("https", "http")),
        ("wecom", DINGTALK),
        ("wecom", WECOM.replace("qyapi.weixin.qq.com", "qyapi.weixin.qq.com.evil.example")),
        ("wecom", WECOM.replace("qyapi.weixin.qq.com", "qyapi.weixin.qq.com@evil.example")),
        ("wecom", WECOM.replace("webhook/send", "webhook/upload_media")),
        ("wecom", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?kay=693a91f6"),
        ("wecom", "short"),
        ("wecom", "0123456789&agent=1"),
        ("wecom", "0123456789\r\nx-evil: 1"),
        ("dingtalk", WECOM),
        ("dingtalk", DINGTALK.replace("https", "http")),
        ("feishu", FEISHU.replace("/hook/", "/")),
        ("feishu", FEISHU.replace("open.feishu.cn", "open.larksuite.com")),
        ("feishu", f"{FEISHU}/../../x?y"),
    ],
)
def test_what_is_no_hook_of_the_service_is_refused_without_showing_it(name: str, hook: str) -> None:
    with pytest.raises(ValidationError) as refused:
        FORMS[name][0].model_validate({"key": hook})
    assert hook not in str(refused.value)


@pytest.mark.parametrize(
    "base",
    [
        "ftp://im.school.example", "im.school.example", "https://", "https://a@b.example", "https://b.example?x=1", "https://b.example#x",
        "https://b.example/\r\nx-evil: 1", "https://b.example:99999", "https://b .example", "https://b.example\\@c.example",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_service_is_refused(base: str) -> None:
    with pytest.raises(ValidationError):
        WeComRobotForm.model_validate({"key": "0123456789", "base_url": base})


def test_a_message_for_nobody_in_particular_reads_the_same(place: Any) -> None:
    place.channel().send(outgoing(a_notice(), addressee=ZHANG, words=Words("题", "", None)), place.account())
    assert place.words(place.taken()[0]) == "题"
