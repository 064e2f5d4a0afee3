"""What every way out must do, shown on a server that behaves like the real one. One test for all kinds."""

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args
from urllib.parse import quote

import pytest

from engine.errors import Text
from engine.events import Recipient
from notifications.channels import Receipt, TransportError
from notifications.channels.forms import in_both
from notifications.channels.trial import trial
from notifications.message import Outgoing, Words
from tests.notifications.channels.places import LINK, PLACES, WORDS, ZHANG, Place, Situation, a_place, possible
from tests.services.certificates import Certificates
from tests.services.processes import Running

SLOW = 0.5  # seconds a channel waits where a test waits for that
IN_TIME = 60  # seconds: the answer drips for ever, and a machine may be busy


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, mail: Running, certificates: Certificates) -> Iterator[Place]:
    with a_place(request.param, mail, certificates) as place:
        yield place


def refused(place: Place, situation: Situation, seconds: float = 20.0) -> TransportError:
    message, account = place.brought_to(situation)
    channel = place.channel(seconds)
    try:
        with pytest.raises(TransportError) as error:
            channel.send(message, account)
    finally:
        channel.close()
    return error.value


def in_each(*situations: Situation) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("place, situation", possible(*situations), indirect=["place"])


# --- taken -----------------------------------------------------------------------------------------------------------


def test_what_is_sent_is_taken_and_arrives_whole_under_its_key(place: Place) -> None:
    assert isinstance(place.channel().send(place.message(), place.account()), Receipt)
    [taken] = place.taken()
    assert taken.key == "msg_0123456789abcdef"
    for part in (WORDS.subject, "张伟，您好", "教学楼三楼走廊", LINK):
        assert part in place.words(taken)
    assert place.words(taken).count(LINK) in {1, 2}, "the webhook's notice says it twice, as the body is its title here"


def test_a_second_send_goes_under_the_same_key(place: Place) -> None:
    channel = place.channel()
    for _ in range(2):
        channel.send(place.message(), place.account())
    taken = place.taken()
    assert {each.key for each in taken} == {"msg_0123456789abcdef"}
    assert len(taken) == (1 if place.shown_once else 2)


def numbered(place: Place, number: int) -> Outgoing:
    """Of words of its own: WeCom takes the same words twice for one message."""
    return place.message(replace(WORDS, subject=f"{number}. {WORDS.subject}"), f"msg_{number:016}")


def test_many_messages_arrive_exactly_once(place: Place) -> None:
    channel, messages = place.channel(), [numbered(place, number) for number in range(12)]
    for message in messages:
        channel.send(message, place.account())
        place.clock.advance(timedelta(minutes=1))  # none of them too many for its service
    assert [each.key for each in place.taken()] == [message.key for message in messages]


def test_messages_of_several_threads_arrive_exactly_once(place: Place) -> None:
    channel, messages = place.channel(), [numbered(place, number) for number in range(12)]
    with ThreadPoolExecutor(4) as pool:
        for together in range(0, 12, 4):
            list(pool.map(lambda each: channel.send(each, place.account()), messages[together : together + 4]))
            place.clock.advance(timedelta(minutes=1))
    assert sorted(each.key for each in place.taken()) == [message.key for message in messages]


def test_a_message_taken_by_a_server_that_died_over_it_is_sent_again_under_the_same_key(place: Place) -> None:
    error = refused(place, "dies_after_taking")
    assert error.sort == "again"
    message, account = place.message(), place.account()
    place.channel().send(message, account)
    assert {each.key for each in place.taken()} == {message.key}


def test_an_account_that_may_not_reach_inside_sends_nothing_to_a_server_in_there(place: Place) -> None:
    channel = place.channel()
    with pytest.raises(TransportError) as error:
        channel.send(place.message(), replace(place.account(), may_reach_inside=False))
    assert (error.value.sort, error.value.concerns) == ("give_up", "channel")
    assert "inside" in error.value.answer
    assert place.taken() == []
    assert isinstance(channel.send(place.message(), place.account()), Receipt), "another one's may"


@pytest.mark.parametrize(
    "words",
    [
        Words("＜紧急＞ “引号” 'quotes' & 100%", '{"a": "\\n"}\n第二行\t表格\n{phone} {secret}', LINK),
        Words("emoji 🔥", "𠮷野家 — naïve", None),
        Words("half a character \ud83d", "and another \udd25", LINK),
    ],
    ids=["marks", "far planes", "surrogates"],
)
def test_whatever_people_type_is_taken(place: Place, words: Words) -> None:
    place.channel().send(place.message(words), place.account())
    [taken] = place.taken()
    assert words.subject.encode("utf-8", "replace").decode() in place.words(taken)


def test_what_is_too_long_is_cut_at_a_line_and_keeps_its_link(place: Place) -> None:
    lines = [f"{n}. YH-2020-{n:04} 消防栓前堆放杂物（教学楼{n}层）" for n in range(1, 1500)]
    body = "\n".join([*lines, "", f"全部待办：{LINK}"])
    place.channel().send(place.message(Words("1月16日（周四）待办 1499 项", body, LINK)), place.account())
    [taken] = place.taken()
    text = place.words(taken)
    if place.kind in {"webhook", "email"}:  # they bound nothing
        assert body in text
        return
    *kept, cut, last = text.split("\n")
    assert cut == "……" and last in {LINK, f"全部待办：{LINK}"}
    assert kept[0].endswith("1月16日（周四）待办 1499 项")
    assert kept[1:] == lines[: len(kept) - 1], "whole lines, from the first on"
    assert len(kept) > 5


def test_a_test_message_is_taken(place: Place) -> None:
    account = place.account()
    place.channel().send(
        trial(account, ZHANG, "msg_trial", Text("示范学校", "Sample school"), datetime(2020, 3, 2, 9, 0, tzinfo=UTC)),
        account,
    )
    [taken] = place.taken()
    assert taken.key == "msg_trial"
    assert "这是示范学校于 2020-03-02 09:00 从“安全组”发出的测试消息。" in place.words(taken)


# --- not taken -------------------------------------------------------------------------------------------------------


@in_each("again", "give_up", "slow_down", "bad_address", "bad_secret")
def test_a_refusal_is_sorted_by_its_code_though_the_answer_is_http_200(place: Place, situation: Situation) -> None:
    error = refused(place, situation)
    code, sort, concerns = place.codes[situation]
    assert (error.sort, error.concerns) == (sort, concerns)
    assert str(code) in error.answer, "what the service said is on record"
    assert place.taken() == []


def test_who_asks_for_patience_says_for_how_long(place: Place) -> None:
    wait = refused(place, "slow_down").retry_after
    assert wait == {"dingtalk_robot": timedelta(minutes=10), "email": timedelta(minutes=5)}.get(
        place.kind, timedelta(minutes=1)
    )


@in_each("away")
def test_who_is_away_for_a_while_is_left_alone_as_long(place: Place, situation: Situation) -> None:
    error = refused(place, situation)
    assert (error.sort, error.retry_after) == ("again", timedelta(minutes=2))


@in_each("slow", "slow_answer")
def test_an_answer_that_drips_is_cut_off_in_bounded_time(place: Place, situation: Situation) -> None:
    begun = time.monotonic()
    error = refused(place, situation, SLOW)
    assert time.monotonic() - begun < IN_TIME
    assert (error.sort, error.answer) == ("again", "no answer: it took too long")


@in_each("closed", "half_closed", "malformed", "empty", "no_code", "too_large", "packed", "redirected")
def test_an_answer_that_nobody_understands_is_no_success_and_is_tried_again(place: Place, situation: Situation) -> None:
    error = refused(place, situation)
    assert (error.sort, error.concerns) == ("again", "message")
    assert len(error.answer) < 400
    assert place.taken() == []


@in_each("gone")
def test_where_nobody_listens_it_is_tried_again(place: Place, situation: Situation) -> None:
    error = refused(place, situation)
    assert error.sort == "again"
    assert error.answer.startswith("no answer: ")


# --- secrets ---------------------------------------------------------------------------------------------------------


@in_each(*(each for each in get_args(Situation) if not each.startswith("slow")))
def test_no_secret_is_told_in_an_error_or_a_log(
    place: Place, situation: Situation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    message, account = place.brought_to(situation)
    with pytest.raises(TransportError) as error:
        place.channel().send(message, account)
    told = f"{error.value!r} {error.value.answer} {error.value.__cause__!r} {account!r} {caplog.text}"
    for secret in account.secrets.values():
        assert secret not in told
        assert quote(secret, safe="") not in told
    assert "access-token-0001" not in told


def test_a_receipt_tells_no_secret(place: Place) -> None:
    receipt = place.channel().send(place.message(), place.account())
    for secret in (*place.account().secrets.values(), "access-token"):
        assert secret not in receipt.answer


# --- setting it up ---------------------------------------------------------------------------------------------------


def test_its_form_takes_what_the_account_keeps_and_nothing_else(place: Place) -> None:
    form, account = place.channel().form, place.account()
    given = {**account.settings, **account.secrets}
    made = form.model_validate(given)
    for secret in account.secrets.values():
        assert secret not in repr(made) + made.model_dump_json()
    with pytest.raises(ValueError, match=r"(?i)extra"):
        form.model_validate({**given, "colour": "red"})
    for name, field in form.model_fields.items():
        label = in_both(field.description or "")
        assert label.zh and label.en and label.zh != label.en, f"{name} has a label in both languages"


def test_it_is_known_by_its_kind_and_says_whom_it_serves(place: Place) -> None:
    channel = place.channel()
    assert channel.name == place.kind
    assert channel.outside
    assert channel.title.zh and channel.title.en
    address = channel.address_of(Recipient("alice", "张伟", "zh", ZHANG.addresses))
    assert (address is not None) is (channel.serves == "person")
    assert channel.address_of(Recipient("alice", "张伟", "zh", {})) is None
