"""The services messages go to, each in a process of its own that can be killed and comes back where it was."""

import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from notifications.channels import Account
from tests.services import mail
from tests.services.certificates import Certificates
from tests.services.dingtalk import DingTalk
from tests.services.feishu import Feishu
from tests.services.gateway import Gateway
from tests.services.hooks import TOLERANCE_SECONDS, Hooks
from tests.services.processes import lines_of
from tests.services.serving import Service, Taken
from tests.services.wecom import WeCom
from tests.sorting.clock import FastClock

#: kind of channel → the service it goes to
SERVED_BY: Mapping[str, str] = {
    "wecom_app": "wecom", "wecom_robot": "wecom", "dingtalk_robot": "dingtalk", "feishu_robot": "feishu", "email": "mail",
    "sms": "gateway", "webhook": "hooks",
}  # fmt: skip
NAMES = tuple(dict.fromkeys(SERVED_BY.values()))
MAIL_USER, MAIL_PASSWORD = "safety@school.example", "mail-password"
ROBOTS = 3  # of each of the kinds that have a limit
READERS = 100


def person(number: int) -> str:
    return f"p{number % READERS:03}"


@dataclass(frozen=True)
class Premises:
    """Where the services are: their ports, their logs, and what they are told."""

    folder: Path
    clock: FastClock
    certificates: Certificates
    ports: Mapping[str, int]
    failing: float
    dead: tuple[str, ...] = ()

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def taken(self, name: str) -> list[Taken]:
        return lines_of(self.log(name))

    def refused(self, name: str) -> list[Taken]:
        return lines_of(self.folder / f"{name}.log.refused")

    def url(self, kind: str) -> str:
        return f"http://127.0.0.1:{self.ports[SERVED_BY[kind]]}"

    def accounts(self) -> list[Account]:
        """One of each kind, and several robots."""
        return [account for kind in SERVED_BY for account in self._of(kind)]

    def _of(self, kind: str) -> list[Account]:
        url = self.url(kind)
        if kind.endswith("_robot"):
            return [
                Account(
                    "school", robot, kind, settings={"base_url": url}, secrets={"key": robot, **SIGNING.get(kind, {})}
                )
                for robot in robots_of(kind)
            ]
        told: Mapping[str, tuple[Mapping[str, Any], Mapping[str, str]]] = {
            "wecom_app": (
                {"base_url": url, "corp_id": "ww0123456789abcdef", "agent_id": 1000002}, {"secret": "application-secret"}
            ),
            "email": (
                {"host": "127.0.0.1", "port": self.ports["mail"], "security": "starttls", "username": MAIL_USER,
                 "sender": MAIL_USER, "sender_name": "安全办", "certificates": self.certificates.authority},
                {"password": MAIL_PASSWORD},
            ),
            "sms": (
                {"url": f"{url}/sms/send", "user": "school", "code_at": "code", "taken": ["0"], "again": ["1"],
                 "slow_down": ["110"], "bad_number": ["107", "108"], "bad_account": ["101"], "bad_message": ["109"],
                 "body": '{"account": "{user}", "password": "{secret}", "mobile": "{phone}", "content": "{text}", "uid": "{key}"}'},
                {"secret": "gateway-password"},
            ),
            "webhook": ({"url": f"{url}/bihuan"}, {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}),
        }  # fmt: skip
        settings, secrets = told[kind]
        return [Account("school", kind.replace("_", "-"), kind, settings=settings, secrets=secrets)]


SIGNING: Mapping[str, Mapping[str, str]] = {
    "dingtalk_robot": {"secret": "SECdingtalk-signing-secret"}, "feishu_robot": {"secret": "feishu-signing-secret"},
}  # fmt: skip


PORTS = range(20_000, 32_000)
PORTS_APART = 40


def robots_of(kind: str) -> list[str]:
    return [f"{kind.replace('_', '-')}-{number:04}" for number in range(ROBOTS)]


def free_ports(names: Sequence[str]) -> dict[str, int]:
    """Free now, and below those that the system hands out itself, where somebody else could get one before it is listened on.
    Processes look in different places.
    """
    candidates = (PORTS.start + turn % len(PORTS) for turn in count(os.getpid() * PORTS_APART))
    return dict(zip(names, filter(_is_free, candidates), strict=False))


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def run(name: str, premises: Premises) -> None:
    """Until it is killed."""
    if name == "mail":
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        mail.serve(
            port=premises.ports[name], log=premises.log(name), certificate=premises.certificates.certificate,
            key=premises.certificates.key, user=MAIL_USER, password=MAIL_PASSWORD, implicit=False,
        )  # fmt: skip
        return
    service = _made(name, premises)
    service._thread.join()


def _made(name: str, premises: Premises) -> Service:
    how: dict[str, Any] = {
        "clock": premises.clock, "port": premises.ports[name], "log": premises.log(name),
        "failing": premises.failing, "seed": os.getpid(),
    }  # fmt: skip
    if name == "wecom":
        users = tuple(person(number) for number in range(READERS))
        return WeCom(robots=tuple(robots_of("wecom_robot")), users=users, **how)
    if name == "dingtalk":
        secret, tokens = SIGNING["dingtalk_robot"]["secret"], tuple(robots_of("dingtalk_robot"))
        return DingTalk(tokens=tokens, secrets=dict.fromkeys(tokens, secret), **how)
    if name == "feishu":
        secret, robots = SIGNING["feishu_robot"]["secret"], tuple(robots_of("feishu_robot"))
        return Feishu(robots=robots, secrets=dict.fromkeys(robots, secret), **how)
    if name == "gateway":
        return Gateway(**how)
    # what stands between sender and receiver is no faster than elsewhere: a machine that is held up for seconds is no thief
    return Hooks(tolerance=TOLERANCE_SECONDS * premises.clock.factor, **how)


class Running:
    """All of them but the dead ones."""

    def __init__(self, context: ForkServerContext, premises: Premises) -> None:
        self._context = context
        self.premises = premises
        self._processes: dict[str, BaseProcess] = {}
        for name in NAMES:
            if name not in premises.dead:
                self.start(name)

    def start(self, name: str) -> None:
        process = self._context.Process(target=run, args=(name, self.premises), daemon=True)
        process.start()
        self._processes[name] = process

    def kill(self, name: str) -> None:
        process = self._processes.pop(name)
        process.kill()
        process.join()

    def close(self) -> None:
        for name in list(self._processes):
            self.kill(name)


def listens(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0
