"""Text messages: any gateway that speaks HTTP, described by its account."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from engine.clock import SimulatedClock
from notifications.channels import Account, Concerns, Sort, TransportError
from notifications.channels.sms import SmsChannel, SmsForm
from notifications.message import Outgoing, Words
from tests.notifications.channels.places import LINK, NOW, WORDS, ZHANG, SmsPlace
from tests.notifications.fakes import a_notice, outgoing

BODY = '{"mobile": "{phone}", "content": "{text}"}'
RIGHT: dict[str, Any] = {"url": "https://sms.example/send", "body": BODY, "code_at": "code", "taken": ["0"]}


def message(words: Words = WORDS, phone: str = "138 0000-0001") -> Outgoing:
    return outgoing(a_notice(), addressee=replace(ZHANG, addresses={"phone": phone}), words=words)


class Recorder:
    """A gateway that keeps what it was asked, and answers as it is told."""

    def __init__(self, answer: str = '{"code": "0"}', status: int = 200) -> None:
        self.asked: list[httpx.Request] = []
        self._answer, self._status = answer, status

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return httpx.Response(self._status, text=self._answer)

    def channel(self) -> SmsChannel:
        return SmsChannel(SimulatedClock(NOW), httpx.Client(transport=httpx.MockTransport(self)))


def an_account(secret: str | None = "gateway-password", **settings: Any) -> Account:
    form = SmsForm.model_validate({**RIGHT, **settings, **({"secret": secret} if secret else {})})
    return Account("school", "ours", "sms", settings=form.settings(), secrets=form.secrets())


def refused(gateway: Recorder, account: Account, of: Outgoing | None = None) -> TransportError:
    with pytest.raises(TransportError) as error:
        gateway.channel().send(of or message(), account)
    return error.value


# --- asking ----------------------------------------------------------------------------------------------------------


def test_json_holds_what_people_type_whatever_it_is() -> None:
    gateway = Recorder()
    words = Words('"}, "mobile": "13999999999', "第一行\n\\第二行 {secret}", LINK)
    gateway.channel().send(message(words), an_account())
    said = json.loads(gateway.asked[0].content)
    assert said == {"mobile": "13800000001", "content": f"{words.subject}\n{words.body}\n{LINK}"}, (
        "no secret is put into words"
    )


def test_a_form_is_percent_encoded() -> None:
    gateway = Recorder()
    account = an_account(written="form", body="m={phone}&c={text}&k={key}&p={secret}")
    gateway.channel().send(message(Words("a&m=1 +%", "", None)), account)
    request = gateway.asked[0]
    assert request.content == b"m=13800000001&c=a%26m%3D1+%2B%25&k=msg_0123456789abcdef&p=gateway-password"
    assert request.headers["content-type"].startswith("application/x-www-form-urlencoded")


def test_an_address_is_percent_encoded_and_may_be_all_there_is() -> None:
    gateway = Recorder()
    account = an_account(method="GET", body="", url="https://sms.example/send?m={phone}&c={text}")
    gateway.channel().send(message(Words("题 & /?#", "", None)), account)
    request = gateway.asked[0]
    assert request.method == "GET"
    assert dict(request.url.params) == {"m": "13800000001", "c": "题 & /?#"}
    assert request.content == b""


def test_a_header_carries_the_key_and_who_we_are() -> None:
    gateway = Recorder()
    account = an_account(user="school", headers={"authorization": "Basic {basic}", "x-name": "{name}"})
    gateway.channel().send(message(), account)
    headers = gateway.asked[0].headers
    assert base64.b64decode(headers["authorization"].removeprefix("Basic ")) == b"school:gateway-password"
    assert headers["x-bihuan-key"] == "msg_0123456789abcdef"
    assert headers["x-name"] == "%E5%BC%A0%E4%BC%9F", "no letter breaks a header"


def test_a_text_is_cut_to_the_length_the_school_pays_for() -> None:
    gateway = Recorder()
    body = "\n".join([*(f"第{n}件：消防栓前堆放杂物" for n in range(50)), f"打开：{LINK}"])
    gateway.channel().send(message(Words("待办 50 项", body, LINK)), an_account(longest=140))
    text = json.loads(gateway.asked[0].content)["content"]
    assert len(text) <= 140
    assert text.startswith("待办 50 项\n第0件") and text.endswith(f"……\n打开：{LINK}")


@pytest.mark.parametrize(
    "phone",
    [
        "",
        "zhang",
        "1380",
        "+",
        "138000000011380000000113800000001",
        "13800000001,13900000001",
        "１３８０００００００１",
    ],
)
def test_what_is_no_number_is_never_asked(phone: str) -> None:
    gateway = Recorder()
    error = refused(gateway, an_account(), message(phone=phone))
    assert (error.sort, error.concerns) == ("give_up", "address")
    assert gateway.asked == []


# --- answers ---------------------------------------------------------------------------------------------------------

LISTS: dict[str, Any] = {
    "again": ["1"], "slow_down": ["2"], "bad_number": ["3"], "bad_account": ["4"], "bad_message": ["5"],
}  # fmt: skip


@pytest.mark.parametrize(
    "code, sort, concerns",
    [
        ("1", "again", "message"), ("2", "slow_down", "channel"), ("3", "give_up", "address"), ("4", "give_up", "channel"),
        ("5", "give_up", "message"), ("6", "again", "message"),
    ],
)  # fmt: skip
def test_a_code_is_sorted_by_the_lists_of_the_account(code: str, sort: Sort, concerns: Concerns) -> None:
    error = refused(Recorder(f'{{"code": "{code}"}}'), an_account(**LISTS))
    assert (error.sort, error.concerns) == (sort, concerns)


@pytest.mark.parametrize(
    "place, answer",
    [
        ("code", '{"code": 0}'),
        ("data.0.status", '{"data": [{"status": "0"}]}'),
        ("Response.SendStatusSet.0.Code", '{"Response": {"SendStatusSet": [{"Code": "0"}]}}'),
    ],
)
def test_a_code_is_found_where_the_account_says(place: str, answer: str) -> None:
    Recorder(answer).channel().send(message(), an_account(code_at=place))


@pytest.mark.parametrize(
    "answer", ['{"code": null}', "{}", "[]", "0", "", '{"code": [0]}', '{"code": 0.0}', '{"code": "00"}']
)
def test_no_code_or_another_is_no_success(answer: str) -> None:
    assert refused(Recorder(answer), an_account()).sort == "again"


def test_yes_and_no_are_codes_too() -> None:
    Recorder('{"success": true}').channel().send(message(), an_account(code_at="success", taken=["true"]))


def test_where_there_is_no_json_words_tell() -> None:
    account = an_account(code_at="", taken=["result=0"], bad_number=["result=7"])
    assert Recorder("sid=1&result=0").channel().send(message(), account).answer == "200 sid=1&result=0"
    assert refused(Recorder("result=7"), account).concerns == "address"
    assert refused(Recorder("result=9"), account).sort == "again"


def test_where_nothing_is_described_the_status_tells() -> None:
    account = an_account(code_at="", taken=[])
    Recorder("", 204).channel().send(message(), account)
    assert refused(Recorder("", 500), account).sort == "again"
    assert refused(Recorder("", 401), account).concerns == "channel"


def test_an_answer_that_repeats_the_secret_does_not_show_it() -> None:
    gateway = Recorder('{"code": "9", "you": "gateway-password Basic c2Nob29sOmdhdGV3YXktcGFzc3dvcmQ="}')
    answer = refused(gateway, an_account(user="school")).answer
    assert "gateway-password" not in answer and "c2Nob29s" not in answer


# --- setting it up ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "sms.example/send"}, {"url": "https://{phone}.example/send"}, {"url": "https://sms.example/a b"},
        {"url": "file:///etc/passwd"}, {"url": "https://sms.example/\r\nx: y"},
        {"body": '{"mobile": {phone}, "content": {text}}'}, {"body": '{"content": "{text}"}'}, {"body": '{"mobile": "{phone}"}'},
        {"body": '{"m": "{phone}", "c": "{text}", "p": "{passwd}"}'},
        {"headers": {"x y": "1"}}, {"headers": {"host": "evil.example"}}, {"headers": {"x": "a\r\nb: c"}}, {"headers": {"x": "张"}},
        {"headers": {"content-length": "1"}}, {"headers": {"x": "{unknown}"}},
        {"taken": []}, {"again": ["0"]}, {"longest": 0}, {"method": "DELETE"},
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_when_it_is_set_up(wrong: dict[str, Any]) -> None:
    SmsForm.model_validate(RIGHT)
    with pytest.raises(ValidationError):
        SmsForm.model_validate({**RIGHT, **wrong})


def test_every_refusal_is_said_in_both_languages() -> None:
    wrongs: list[dict[str, Any]] = [
        {"url": "x"}, {"body": "{}"}, {"taken": []}, {"again": ["0"]}, {"headers": {"host": "x"}},
    ]  # fmt: skip
    for wrong in wrongs:
        with pytest.raises(ValidationError) as refused:
            SmsForm.model_validate({**RIGHT, **wrong})
        [fault] = refused.value.errors()
        assert fault["type"] == "said"
        assert fault["ctx"]["zh"] and fault["ctx"]["en"] == fault["msg"]


def test_a_gateway_that_knows_the_number_as_barred_makes_it_a_matter_of_the_address() -> None:
    place = SmsPlace()
    place.service.barred.add("13800000001")  # type: ignore[attr-defined]
    channel: Callable[..., Any] = place.channel().send
    with pytest.raises(TransportError) as error:
        channel(place.message(), place.account())
    assert error.value.concerns == "address"
    place.close()
