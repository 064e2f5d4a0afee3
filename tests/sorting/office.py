"""A sorting office: messages that are due, workers in processes of their own that send them by the real channels, and the
services at the other end, all under one clock. Anybody in it can be killed.
"""

import multiprocessing
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

from sqlalchemy import func, select

from engine.errors import Busy
from engine.events import Recipient
from engine.store.database import Database, is_crossed, is_passing, table_of
from notifications import accounts, deliveries
from notifications.accounts import AccountBook, SetUp
from notifications.channels import Account, Channel
from notifications.channels.dingtalk_robot import DingTalkRobot
from notifications.channels.email import EmailChannel
from notifications.channels.feishu_robot import FeishuRobot
from notifications.channels.sms import SmsChannel
from notifications.channels.webhook import WebhookChannel
from notifications.channels.wecom_app import WeComApp
from notifications.channels.wecom_robot import WeComRobot
from notifications.message import ORGANISATION, Addressee, Planned
from notifications.office import PostOffice
from notifications.tables import DeliveryRow
from notifications.worker import DeliveryWorker
from tests.notifications.fakes import SCHOOL, FakeDirectory, FakeOutbox, OpenVault, a_notice
from tests.services.certificates import certificates_in
from tests.sorting import services
from tests.sorting.clock import FastClock
from tests.sorting.services import NAMES, SERVED_BY, Premises, Running, free_ports, listens, person

LEASE = timedelta(minutes=5)
PAUSE_SECONDS = 0.25  # between two rounds of a lane
CHANNELS = (WeComApp, WeComRobot, DingTalkRobot, FeishuRobot, EmailChannel, SmsChannel, WebhookChannel)
VAULT = OpenVault()
D = table_of(DeliveryRow).c


class Everybody(FakeDirectory):
    """Whoever a message is for is still in charge."""

    def recipients(self, organisation: str, case: str, audience: tuple[str, ...]) -> Sequence[Recipient]:
        return [reader(int(name.removeprefix("p"))) for name in audience]


def reader(number: int) -> Recipient:
    key = person(number)
    return Recipient(
        key, f"读者{key}", "zh", {"email": f"{key}@school.example", "wecom": key, "phone": f"13800000{key[1:]}"}
    )


# --- a worker ----------------------------------------------------------------------------------------------------------


def work(url: str, clock: FastClock, timeout: float, lease: timedelta) -> None:
    """Send whatever is due until the process is killed: a thread a channel, as `bihuan work` does."""
    channels: list[Channel] = [made(clock, seconds=timeout) for made in CHANNELS]
    worker = DeliveryWorker(
        PostOffice(Database(url), FakeOutbox(), Everybody(), channels, AccountBook(VAULT), clock, SCHOOL, lease)
    )

    def lane(name: str) -> None:
        while True:
            try:
                worker.run_lane(name)
            except Exception as error:
                # a database that is held for too long is asked again at the next round, as by the scheduler
                if not (isinstance(error, Busy) or is_passing(error) or is_crossed(error)):
                    raise
            time.sleep(PAUSE_SECONDS)

    threads = [threading.Thread(target=lane, args=(name,)) for name in worker.lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# --- the office --------------------------------------------------------------------------------------------------------


@dataclass
class Office:
    database: Database
    clock: FastClock
    running: Running
    context: ForkServerContext
    timeout: float
    lease: timedelta
    workers: list[BaseProcess] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def premises(self) -> Premises:
        return self.running.premises

    def hire(self, how_many: int) -> None:
        for _ in range(how_many):
            worker = self.context.Process(
                target=work, args=(self.database.url, self.clock, self.timeout, self.lease), daemon=True
            )
            worker.start()
            self.workers.append(worker)

    def kill_a_worker(self, which: int) -> None:
        worker = self.workers.pop(which)
        worker.kill()
        worker.join()

    def bring(self, how_many: int, kinds: Sequence[str] = tuple(SERVED_BY), group: int = 500) -> None:
        """So many messages that are due now, spread over these kinds."""
        now = self.clock.now()
        planned = [self._planned(kinds[n % len(kinds)], next(self.numbers)) for n in range(how_many)]
        for start in range(0, how_many, group):
            with self.database.write("school") as connection:
                deliveries.plan(connection, planned[start : start + group], now)

    def _planned(self, kind: str, number: int) -> Planned:
        now, to = self.clock.now(), reader(number)
        notice = a_notice(f"YH-2020-{number:05}", audience=(to.person,), written_at=now)
        names = [account.id for account in self.premises.accounts() if account.kind == kind]
        name = names[number % len(names)]
        addressee = Addressee(ORGANISATION) if kind == "webhook" else Addressee.person(to)
        return Planned(notice, addressee, kind, "direct", "waiting", now, account=name)

    def statuses(self) -> Counter[tuple[str, str]]:
        """(channel, status) → how many."""
        statement = select(D.channel, D.status, func.count()).group_by(D.channel, D.status)
        with self.database.read_across() as connection:
            return Counter({(row[0], row[1]): row[2] for row in connection.execute(statement)})

    def unsettled(self, *kinds: str) -> int:
        return sum(
            many for (kind, status), many in self.statuses().items()
            if status in ("waiting", "sending") and (not kinds or kind in kinds)
        )  # fmt: skip

    def until_settled(self, seconds: float, *kinds: str) -> float:
        """How long it took. Raises TimeoutError."""
        began = time.monotonic()
        while left := self.unsettled(*kinds):
            if time.monotonic() - began > seconds:
                raise TimeoutError(f"after {seconds} s {left} messages still wait: {dict(self.statuses())}")
            time.sleep(0.1)
        return time.monotonic() - began

    def close(self) -> None:
        while self.workers:
            self.kill_a_worker(0)
        self.running.close()


@contextmanager
def an_office(
    database: Database,
    folder: Path,
    *,
    factor: float = 1.0,
    failing: float = 0.0,
    dead: tuple[str, ...] = (),
    timeout: float = 2.0,
    lease: timedelta = LEASE,
) -> Iterator[Office]:
    """Open for messages of one school; nobody works there yet.

    factor    the clock's seconds in one of the machine's
    failing   share of requests that the services answer with an error that goes away
    dead      services that are not there
    timeout   seconds a channel gives a service
    lease     by the clock: how long a message is a worker's own. Where the clock runs ahead and no worker dies, it has to
              run ahead as well: sending takes as long as it takes
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])  # a process is there in milliseconds, with everything imported
    clock = FastClock(time.time(), factor)
    premises = Premises(folder, clock, certificates_in(folder), free_ports(NAMES), failing, dead)
    with database.write("school") as connection:
        for account in premises.accounts():
            accounts.put(connection, _set_up(account, clock))
    with closing(Office(database, clock, Running(context, premises), context, timeout, lease)) as office:
        _until_all_listen(premises)
        yield office


def _set_up(account: Account, clock: FastClock) -> SetUp:
    closed = accounts.closed(VAULT, account.organisation, account.id, account.secrets)
    return SetUp(
        account.organisation, account.id, account.kind, account.id, account.department, account.settings, closed,
        enabled=True, daily_list=False, direct=False, changed_at=clock.now(),
    )  # fmt: skip


def _until_all_listen(premises: Premises) -> None:
    waits_until = time.monotonic() + 30
    while not all(listens(port) for name, port in premises.ports.items() if name not in premises.dead):
        if time.monotonic() > waits_until:
            raise TimeoutError("a service does not come up")
        time.sleep(0.02)


# --- what must hold ----------------------------------------------------------------------------------------------------


class Broken(AssertionError):
    """A promise is broken."""


@dataclass(frozen=True)
class Arrived:
    """What arrived at the other end: messages, and how many of them came again under the key they had."""

    messages: int
    again: int


def must_have_arrived(office: Office) -> Arrived:
    """Everything that was brought is marked as sent and arrived where it was to go, under one key each; no service ever got
    more than it takes. Raises Broken.
    """
    with office.database.read_across() as connection:
        rows = connection.execute(select(D.channel, D.status, D.message, D.account)).all()
    if unsent := Counter((row.channel, row.status) for row in rows if row.status != "sent"):
        raise Broken(f"not everything was sent: {dict(unsent)}")
    again = 0
    for name in NAMES:
        taken = Counter(each.key for each in office.premises.taken(name))
        wanted = {row.message for row in rows if SERVED_BY[row.channel] == name}
        if missing := wanted - taken.keys():
            raise Broken(f"{len(missing)} messages never arrived at {name}: {sorted(missing)[:3]}")
        if strange := taken.keys() - wanted:
            raise Broken(f"{len(strange)} messages arrived at {name} under a name nobody knows: {sorted(strange)[:3]}")
        again += sum(taken.values()) - len(taken)
    _must_have_kept_to_the_limits(office)
    return Arrived(len(rows), again)


def _must_have_kept_to_the_limits(office: Office) -> None:
    limits = {made.name: made.limit for made in CHANNELS if made.limit is not None}
    for kind, limit in limits.items():
        if office.premises.refused(SERVED_BY[kind]):
            raise Broken(f"{SERVED_BY[kind]} had to refuse: {office.premises.refused(SERVED_BY[kind])[:3]}")
        by_account: dict[str, list[float]] = {}
        for each in office.premises.taken(SERVED_BY[kind]):
            by_account.setdefault(each.account, []).append(each.at.timestamp())
        for account in services.robots_of(kind):
            at = sorted(by_account.get(account, ()))
            for first, last in zip(at, at[limit.count :], strict=False):
                if last - first < limit.per.total_seconds():
                    raise Broken(f"{account} got more than {limit.count} messages within {limit.per}")
