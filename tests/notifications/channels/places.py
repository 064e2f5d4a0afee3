"""For each kind of channel: a service as the real one is, an account with it, and how to bring it into every situation."""

import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar, Literal

from engine.clock import SimulatedClock
from notifications.channels import Account, Channel, Concerns, Sort
from notifications.channels.dingtalk_robot import DingTalkRobot
from notifications.channels.email import EmailChannel
from notifications.channels.feishu_robot import FeishuRobot
from notifications.channels.sms import SmsChannel
from notifications.channels.webhook import WebhookChannel
from notifications.channels.wecom_app import WeComApp
from notifications.channels.wecom_robot import WeComRobot
from notifications.message import Addressee, Outgoing, Words
from tests.notifications.fakes import a_notice, local, outgoing
from tests.services.certificates import Certificates
from tests.services.dingtalk import DingTalk
from tests.services.feishu import Feishu
from tests.services.gateway import Gateway
from tests.services.hooks import Hooks
from tests.services.processes import Running
from tests.services.serving import Fault, Service, Taken
from tests.services.wecom import WeCom

NOW = local("2020-01-15 16:00")
LINK = "https://safety.school.example/api/v1/hazards/YH-2020-0012"
WORDS = Words(
    "待办：YH-2020-0012 插座面板破损，还有 4 天",
    f"张伟，您好：\n隐患整改“插座面板破损”（YH-2020-0012）现在等您办理。\n\n地点：教学楼三楼走廊\n打开：{LINK}",
    LINK,
)
ADDRESSES = {"email": "zhangwei@school.example", "wecom": "zhangwei", "phone": "13800000001"}
ZHANG = Addressee("alice", "张伟", "zh", ADDRESSES)

#: what may befall a message, beside being taken
Situation = Literal[
    "slow", "slow_answer", "gone", "closed", "half_closed", "malformed", "empty", "no_code", "too_large", "packed", "redirected",
    "away", "again", "give_up", "slow_down", "bad_address", "bad_secret", "echoed", "dies_after_taking",
]  # fmt: skip

FAULTS: Mapping[str, Fault] = {
    "slow": Fault("drips_head"),
    "slow_answer": Fault("drips_body"),
    "closed": Fault("closes"),
    "half_closed": Fault("closes_half"),
    "malformed": Fault("malformed"),
    "empty": Fault("empty"),
    "no_code": Fault("no_code"),
    "too_large": Fault("huge"),
    "packed": Fault("packed"),
    "redirected": Fault("status", 302, {"location": "http://127.0.0.1:9/elsewhere"}),
    "away": Fault("status", 503, {"retry-after": "120"}),
    "echoed": Fault("echoes"),
    "dies_after_taking": Fault("dies_after_taking"),
}


class Place(ABC):
    """A channel, the service it speaks to and an account there.

    codes    situation → the service's code for it, and how it has to be sorted
    """

    kind: ClassVar[str]
    codes: ClassVar[Mapping[Situation, tuple[int, Sort, Concerns]]]

    def __init__(self) -> None:
        self.clock = SimulatedClock(NOW)

    @abstractmethod
    def channel(self, seconds: float = 20.0) -> Channel: ...
    @abstractmethod
    def account(self) -> Account: ...
    @abstractmethod
    def taken(self) -> list[Taken]: ...
    @abstractmethod
    def words(self, taken: Taken) -> str:
        """All that the reader sees."""

    @abstractmethod
    def brought_to(self, situation: Situation) -> tuple[Outgoing, Account]:
        """See to it that the next message meets this, and give that message."""

    @abstractmethod
    def close(self) -> None: ...

    def message(self, words: Words = WORDS, key: str = "msg_0123456789abcdef") -> Outgoing:
        return outgoing(a_notice(), addressee=ZHANG, words=words, key=key)

    @classmethod
    def is_possible(cls, situation: Situation) -> bool:
        """Whether it can come about at all; a webhook has no codes, a mail server no pages."""
        return situation == "gone" or situation in cls.codes or situation in FAULTS

    @property
    def shown_once(self) -> bool:
        """Whether the service itself drops a second copy."""
        return False


class _OverHttp(Place):
    service: Service

    def taken(self) -> list[Taken]:
        return self.service.taken

    def brought_to(self, situation: Situation) -> tuple[Outgoing, Account]:
        account = self.account()
        if situation == "bad_secret":
            return self.message(), replace(account, secrets=dict.fromkeys(account.secrets, "quite-another-secret"))
        if situation == "gone":
            self.service.close()
            return self.message(), account
        fault = Fault("code", self.codes[situation][0]) if situation in self.codes else FAULTS[situation]
        self.service.then(fault)
        return self.message(), account

    def close(self) -> None:
        self.service.close()

    def _account(self, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> Account:
        return Account("school", "ours", self.kind, "安全组", settings=settings, secrets=secrets)


class WeComRobotPlace(_OverHttp):
    kind = "wecom_robot"
    codes: ClassVar[Mapping[Situation, tuple[int, Sort, Concerns]]] = {
        "again": (-1, "again", "message"),
        "give_up": (93000, "give_up", "channel"),
        "slow_down": (45009, "slow_down", "channel"),
        "bad_secret": (93000, "give_up", "channel"),
    }

    def __init__(self) -> None:
        super().__init__()
        self.service = WeCom(self.clock)

    def channel(self, seconds: float = 20.0) -> Channel:
        return WeComRobot(self.clock, seconds=seconds)

    def account(self) -> Account:
        return self._account({"base_url": self.service.url}, {"key": "robot-key-0001"})

    def words(self, taken: Taken) -> str:
        return str(taken.body["text"]["content"])


class WeComAppPlace(_OverHttp):
    kind = "wecom_app"
    codes: ClassVar[Mapping[Situation, tuple[int, Sort, Concerns]]] = {
        "again": (-1, "again", "message"),
        "give_up": (44004, "give_up", "message"),
        "slow_down": (45009, "slow_down", "channel"),
        "bad_address": (81013, "give_up", "address"),
        "bad_secret": (40001, "give_up", "channel"),
    }

    def __init__(self) -> None:
        super().__init__()
        self.service = WeCom(self.clock)

    @property
    def shown_once(self) -> bool:
        return True

    def channel(self, seconds: float = 20.0) -> Channel:
        return WeComApp(self.clock, seconds=seconds)

    def account(self) -> Account:
        settings = {"base_url": self.service.url, "corp_id": "ww0123456789abcdef", "agent_id": 1000002}
        return self._account(settings, {"secret": "application-secret"})

    def words(self, taken: Taken) -> str:
        if taken.body["msgtype"] == "text":
            return str(taken.body["text"]["content"])
        card = taken.body["textcard"]
        return f"{card['title']}\n{card['description']}\n{card['url']}"


class DingTalkPlace(_OverHttp):
    kind = "dingtalk_robot"
    codes: ClassVar[Mapping[Situation, tuple[int, Sort, Concerns]]] = {
        "again": (-1, "again", "message"),
        "give_up": (400102, "give_up", "channel"),
        "slow_down": (130101, "slow_down", "channel"),
        "bad_secret": (300005, "give_up", "channel"),
    }

    def __init__(self) -> None:
        super().__init__()
        self.service = DingTalk(self.clock, secrets={"dingtalk-token-0001": "SECdingtalk-signing-secret"})

    def channel(self, seconds: float = 20.0) -> Channel:
        return DingTalkRobot(self.clock, seconds=seconds)

    def account(self) -> Account:
        secrets = {"key": "dingtalk-token-0001", "secret": "SECdingtalk-signing-secret"}
        return self._account({"base_url": self.service.url}, secrets)

    def words(self, taken: Taken) -> str:
        return str(taken.body["text"]["content"])


class FeishuPlace(_OverHttp):
    kind = "feishu_robot"
    codes: ClassVar[Mapping[Situation, tuple[int, Sort, Concerns]]] = {
        "again": (10001, "again", "message"),
        "give_up": (9499, "give_up", "message"),
        "slow_down": (11232, "slow_down", "channel"),
        "bad_secret": (19001, "give_up", "channel"),
    }

    def __init__(self) -> None:
        super().__init__()
        self.service = Feishu(self.clock, secrets={"feishu-robot-0001": "feishu-signing-secret"})

    def channel(self, seconds: float = 20.0) -> Channel:
        return FeishuRobot(self.clock, seconds=seconds)

    def account(self) -> Account:
        secrets = {"key": "feishu-robot-0001", "secret": "feishu-signing-secret"}
        return self._account({"base_url": self.service.url}, secrets)

    def words(self, taken: Taken) -> str:
        return str(taken.body["content"]["text"])


class SmsPlace(_OverHttp):
    kind = "sms"
    codes: ClassVar[Mapping[Situation, tuple[int, Sort, Concerns]]] = {
        "again": (1, "again", "message"),
        "give_up": (109, "give_up", "message"),
        "slow_down": (110, "slow_down", "channel"),
        "bad_address": (108, "give_up", "address"),
        "bad_secret": (101, "give_up", "channel"),
    }

    def __init__(self) -> None:
        super().__init__()
        self.service = Gateway(self.clock)

    def channel(self, seconds: float = 20.0) -> Channel:
        return SmsChannel(self.clock, seconds=seconds)

    def account(self) -> Account:
        body = '{"account": "{user}", "password": "{secret}", "mobile": "{phone}", "content": "【青山学校】{text}", "uid": "{key}"}'
        settings = {
            "url": f"{self.service.url}/sms/send", "body": body, "user": "school", "code_at": "code", "taken": ["0"],
            "again": ["1"], "slow_down": ["110"], "bad_number": ["107", "108"], "bad_account": ["101", "102"],
            "bad_message": ["109"],
        }  # fmt: skip
        return self._account(settings, {"secret": "gateway-password"})

    def words(self, taken: Taken) -> str:
        return str(taken.body)


class WebhookPlace(_OverHttp):
    kind = "webhook"
    codes: ClassVar[Mapping[Situation, tuple[int, Sort, Concerns]]] = {
        "again": (500, "again", "message"),
        "give_up": (422, "give_up", "message"),
        "slow_down": (429, "slow_down", "channel"),
        "bad_secret": (401, "give_up", "channel"),
    }

    def __init__(self) -> None:
        super().__init__()
        self.service = Hooks(self.clock)

    @classmethod
    def is_possible(cls, situation: Situation) -> bool:
        return super().is_possible(situation) and situation not in {
            "malformed", "empty", "no_code", "too_large", "packed",  # nobody reads what a 2xx says besides
            "slow_answer", "half_closed",
        }  # fmt: skip

    def brought_to(self, situation: Situation) -> tuple[Outgoing, Account]:
        message, account = super().brought_to(situation)
        if situation == "bad_secret":
            account = replace(account, secrets={"secret": "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})
        return message, account

    def channel(self, seconds: float = 20.0) -> Channel:
        return WebhookChannel(self.clock, seconds=seconds)

    def account(self) -> Account:
        return self._account(
            {"url": f"{self.service.url}/bihuan"}, {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
        )

    def message(self, words: Words = WORDS, key: str = "msg_0123456789abcdef") -> Outgoing:
        return outgoing(a_notice(title=words.body, place=words.subject), words=words, key=key)

    def words(self, taken: Taken) -> str:
        if taken.body["type"] == "channel.test":
            return f"{taken.body['data']['subject']}\n{taken.body['data']['body']}"
        about, link = taken.body["data"]["about"], taken.body["data"]["link"]
        return f"{about['place']}\n{about['title']}\n{link}"


class EmailPlace(Place):
    """Its server is a process of its own, which all tests share; the reader's address says what it does."""

    kind = "email"
    codes: ClassVar[Mapping[Situation, tuple[int, Sort, Concerns]]] = {
        "again": (451, "again", "message"),
        "give_up": (552, "give_up", "message"),
        "slow_down": (421, "slow_down", "channel"),
        "bad_address": (550, "give_up", "address"),
        "bad_secret": (535, "give_up", "channel"),
    }
    READERS: ClassVar[Mapping[str, str]] = {
        "slow": "drips@school.example",
        "closed": "closes@school.example",
        "dies_after_taking": "dies@school.example",
        "again": "say-451-4.3.0@school.example",
        "give_up": "data-552-5.3.4@school.example",
        "slow_down": "say-421-4.7.0@school.example",
        "bad_address": "say-550-5.1.1@school.example",
    }

    def __init__(self, server: Running, certificates: Certificates) -> None:
        super().__init__()
        self._server = server
        self._certificates = certificates
        self._before, self._ended_before = len(server.taken), len(server.ended)
        self._strangers: list[Stranger] = []
        self._channels: list[EmailChannel] = []

    def channel(self, seconds: float = 20.0, idle_seconds: float = 20.0) -> Channel:
        """Its connections are kept until the place closes: no test is to be slower than that."""
        self._channels.append(EmailChannel(self.clock, seconds=seconds, idle_seconds=idle_seconds))
        return self._channels[-1]

    def account(self) -> Account:
        settings = {
            "host": "127.0.0.1", "port": self._server.port, "security": "starttls", "username": "safety@school.example",
            "sender": "safety@school.example", "sender_name": "青山学校安全办", "certificates": self._certificates.authority,
        }  # fmt: skip
        return Account("school", "ours", "email", "安全组", settings=settings, secrets={"password": "mail-password"})

    def taken(self) -> list[Taken]:
        return self._server.taken[self._before :]

    def ended(self) -> list[int]:
        """The connections that were ended by a good-bye."""
        return [each.body for each in self._server.ended[self._ended_before :]]

    def words(self, taken: Taken) -> str:
        return f"{taken.body['headers']['subject']}\n{taken.body['text']}"

    @classmethod
    def is_possible(cls, situation: Situation) -> bool:
        return situation in {*cls.READERS, "gone", "bad_secret", "malformed", "half_closed", "slow_answer", "echoed"}

    def brought_to(self, situation: Situation) -> tuple[Outgoing, Account]:
        account = self.account()
        if situation == "bad_secret":
            return self.message(), replace(account, secrets={"password": "quite-another-secret"})
        if situation in self.READERS:
            return replace(
                self.message(), addressee=replace(ZHANG, addresses={"email": self.READERS[situation]})
            ), account
        greetings: Mapping[str, tuple[bytes, bool]] = {
            "malformed": (b"HTTP/1.1 400 Bad Request\r\n\r\n", False),
            "half_closed": (b"220-mail.sch", False),
            "slow_answer": (b"220-", True),
            "gone": (b"", False),
            "echoed": (b"554 5.7.1 we know you: mail-password\r\n", False),
        }
        self._strangers.append(Stranger(*greetings[situation]))
        return self.message(), replace(account, settings={**account.settings, "port": self._strangers[-1].port})

    def close(self) -> None:
        for channel in self._channels:
            channel.close()
        for stranger in self._strangers:
            stranger.close()


class Stranger:
    """Something that listens and is no mail server: says its words, and drips on or hangs up."""

    def __init__(self, greeting: bytes, drips: bool) -> None:
        self._greeting, self._drips = greeting, drips
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:  # closed before anybody came
            return
        with connection:
            try:
                connection.sendall(self._greeting)
                while self._drips and not self._closing.wait(0.02):
                    connection.sendall(b"x")
            except OSError:  # the other side has had enough
                return


PLACES: Mapping[str, type[Place]] = {
    place.kind: place
    for place in (WeComRobotPlace, WeComAppPlace, DingTalkPlace, FeishuPlace, SmsPlace, WebhookPlace, EmailPlace)
}


def possible(*situations: Situation) -> list[tuple[str, Situation]]:
    """(kind, situation) wherever it can come about."""
    return [(kind, each) for kind, place in PLACES.items() for each in situations if place.is_possible(each)]


@contextmanager
def a_place(kind: str, mail: Running, certificates: Certificates) -> Iterator[Place]:
    made = EmailPlace(mail, certificates) if kind == "email" else PLACES[kind]()
    try:
        yield made
    finally:
        made.close()
