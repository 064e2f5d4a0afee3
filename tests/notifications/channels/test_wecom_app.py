"""WeCom's application messages: tokens, cards, people who are not there."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from pydantic import ValidationError

from engine.clock import SimulatedClock
from notifications.channels import Account, Concerns, Sort, TransportError
from notifications.channels.wecom_app import WeComApp, WeComAppForm
from notifications.message import Outgoing, Words
from tests.notifications.channels.places import LINK, NOW, WORDS, ZHANG, WeComAppPlace
from tests.services.serving import Fault
from tests.services.wecom import WeCom


@pytest.fixture
def place() -> Iterator[WeComAppPlace]:
    place = WeComAppPlace()
    yield place
    place.close()


def service_of(place: WeComAppPlace) -> WeCom:
    assert isinstance(place.service, WeCom)
    return place.service


def refused(channel: WeComApp, message: Outgoing, account: Account) -> TransportError:
    with pytest.raises(TransportError) as error:
        channel.send(message, account)
    return error.value


# --- tokens ----------------------------------------------------------------------------------------------------------


def test_a_token_is_asked_for_once_and_kept_until_shortly_before_its_end(place: WeComAppPlace) -> None:
    channel = WeComApp(place.clock)
    for n in range(3):
        channel.send(place.message(key=f"msg_{n}"), place.account())
        place.clock.advance(timedelta(minutes=60))
    assert service_of(place).asked_for_tokens == 2
    channel.close()


def test_a_token_that_is_gone_is_renewed_at_once_and_the_message_arrives(place: WeComAppPlace) -> None:
    channel = WeComApp(place.clock)
    channel.send(place.message(), place.account())
    service_of(place).end_tokens()
    channel.send(place.message(Words("又一件", "正文", LINK)), place.account())
    assert service_of(place).asked_for_tokens == 2
    assert len(place.taken()) == 2


@pytest.mark.parametrize("code", [40014, 42001])
def test_a_token_that_is_refused_twice_is_no_endless_round(place: WeComAppPlace, code: int) -> None:
    channel = WeComApp(place.clock)
    channel.send(place.message(), place.account())
    place.service.then(Fault("code", code))
    channel.send(place.message(Words("又一件", "正文", LINK)), place.account())
    assert service_of(place).asked_for_tokens == 2, "renewed, and then taken"

    def never(request: httpx.Request) -> httpx.Response:
        if "gettoken" in str(request.url):
            return httpx.Response(200, json={"errcode": 0, "access_token": "t" * 20, "expires_in": 7200})
        asked.append(parse_qs(urlsplit(str(request.url)).query)["access_token"][0])
        return httpx.Response(200, json={"errcode": code, "errmsg": "no"})

    asked: list[str] = []
    lost = WeComApp(place.clock, httpx.Client(transport=httpx.MockTransport(never)))
    assert refused(lost, place.message(), place.account()).sort == "again"
    assert len(asked) == 2


def test_the_tokens_of_two_schools_and_of_two_secrets_are_kept_apart(place: WeComAppPlace) -> None:
    channel = WeComApp(place.clock)
    channel.send(place.message(), place.account())
    other = replace(place.account(), secrets={"secret": "another-secret"})
    error = refused(channel, place.message(), other)
    assert (error.sort, error.concerns) == ("give_up", "channel")
    assert error.answer.startswith("40001")


def test_an_answer_with_a_token_that_cannot_be_read_does_not_show_it(place: WeComAppPlace) -> None:
    said = '{"errcode": "x", "access_token": "tell-nobody-this-token", "expires_in": 7200'
    client = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, text=said)))
    assert "tell-nobody" not in refused(WeComApp(place.clock, client), place.message(), place.account()).answer


def test_many_threads_share_a_token(place: WeComAppPlace) -> None:
    channel = WeComApp(place.clock)
    channel.send(place.message(), place.account())
    threads = [
        threading.Thread(
            target=channel.send, args=(place.message(Words(f"第{n}件", "正文", LINK), key=f"msg_{n}"), place.account())
        )
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(place.taken()) == 9
    assert service_of(place).asked_for_tokens == 1


# --- people ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", ["@all", "zhangwei|lina", "", "zhang wei", "张伟", "a" * 65, "|", "-x"])
def test_an_address_that_means_everybody_or_nobody_is_never_asked(place: WeComAppPlace, user: str) -> None:
    message = replace(place.message(), addressee=replace(ZHANG, addresses={"wecom": user}))
    error = refused(WeComApp(place.clock), message, place.account())
    assert (error.sort, error.concerns) == ("give_up", "address")
    assert service_of(place).asked_for_tokens == 0


def test_a_user_that_is_gone_is_told_in_an_answer_that_says_ok(place: WeComAppPlace) -> None:
    service_of(place).gone.add("lina")
    message = replace(place.message(), addressee=replace(ZHANG, addresses={"wecom": "lina"}))
    error = refused(WeComApp(place.clock), message, place.account())
    assert (error.sort, error.concerns) == ("give_up", "address")
    assert "invaliduser" in error.answer


@pytest.mark.parametrize(
    "code, sort, concerns",
    [
        (-1, "again", "message"), (6000, "again", "message"), (999999, "again", "message"),
        (45009, "slow_down", "channel"), (45033, "slow_down", "channel"),
        (40003, "give_up", "address"), (60111, "give_up", "address"), (81013, "give_up", "address"),
        (43004, "give_up", "address"), (60011, "give_up", "address"), (50002, "give_up", "address"),
        (40056, "give_up", "channel"), (301002, "give_up", "channel"), (48002, "give_up", "channel"),
        (50003, "give_up", "channel"), (60020, "give_up", "channel"), (40013, "give_up", "channel"),
        (40058, "give_up", "message"), (44004, "give_up", "message"), (45002, "give_up", "message"),
    ],
)  # fmt: skip
def test_every_code_is_sorted(place: WeComAppPlace, code: int, sort: Sort, concerns: Concerns) -> None:
    channel = WeComApp(place.clock)
    channel.send(place.message(), place.account())
    place.service.then(Fault("code", code))
    error = refused(channel, place.message(), place.account())
    assert (error.sort, error.concerns) == (sort, concerns)


# --- words -----------------------------------------------------------------------------------------------------------


def test_what_fits_on_a_card_is_a_card_that_opens_the_case(place: WeComAppPlace) -> None:
    WeComApp(place.clock).send(place.message(), place.account())
    card = place.taken()[0].body["textcard"]
    assert (card["title"], card["url"], card["btntxt"]) == (WORDS.subject, LINK, "打开")
    assert LINK not in card["description"]
    assert card["description"].startswith("张伟，您好：")


def test_a_card_for_who_reads_english_says_so(place: WeComAppPlace) -> None:
    message = replace(place.message(), addressee=replace(ZHANG, locale="en"))
    WeComApp(place.clock).send(message, place.account())
    assert place.taken()[0].body["textcard"]["btntxt"] == "Open"


@pytest.mark.parametrize("words", [Words("题", "很长" * 200, LINK), Words("题", "正文", None)])
def test_what_is_too_long_for_a_card_or_has_no_link_is_a_text(place: WeComAppPlace, words: Words) -> None:
    WeComApp(place.clock).send(place.message(words), place.account())
    assert place.taken()[0].body["msgtype"] == "text"


def test_what_people_type_hides_no_link(place: WeComAppPlace) -> None:
    words = Words("题<a>", '<a href="https://evil.example">点这里</a>', LINK)
    WeComApp(place.clock).send(place.message(words), place.account())
    assert "<" not in place.words(place.taken()[0])


def test_a_second_copy_within_four_hours_is_shown_once(place: WeComAppPlace) -> None:
    channel = WeComApp(place.clock)
    channel.send(place.message(), place.account())
    place.clock.advance(timedelta(hours=3, minutes=59))
    channel.send(place.message(), place.account())
    assert len(place.taken()) == 1
    assert service_of(place).repeated == ["msg_0123456789abcdef"]


# --- bounds ----------------------------------------------------------------------------------------------------------


def test_all_the_asking_for_one_message_shares_one_patience() -> None:
    place = WeComAppPlace()
    place.service.then(Fault("drips_head"))
    channel = WeComApp(SimulatedClock(NOW), seconds=0.3)
    assert refused(channel, place.message(), place.account()).answer == "no answer: it took too long"
    place.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"corp_id": "ww&x=1"},
        {"agent_id": 0},
        {"secret": "short"},
        {"base_url": "qyapi.weixin.qq.com"},
        {"corp_id": "ww\n12345"},
    ],
)
def test_what_cannot_work_is_refused_when_it_is_set_up(wrong: dict[str, object]) -> None:
    right = {"corp_id": "ww0123456789abcdef", "agent_id": 1000002, "secret": "application-secret"}
    assert WeComAppForm.model_validate(right).base == "https://qyapi.weixin.qq.com"
    with pytest.raises(ValidationError):
        WeComAppForm.model_validate({**right, **wrong})
