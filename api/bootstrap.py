"""Puts a process together: the engine on a data folder, the writer, the delivery worker. Everything is handed in here, once."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TextIO
from zoneinfo import ZoneInfo

import structlog
from pydantic import SecretStr, ValidationError
from sqlalchemy import make_url

from api import migrations, throttle
from api.evidence.store import FileStore
from api.familiar import Familiar
from api.figures import FIGURES
from api.folder import Folder
from api.heartbeat import Heartbeat
from api.keys import KeyRing
from api.links import FolderLinks
from api.loops import the_loops
from api.metrics import Metrics
from api.passwords import Hashing
from api.sealing import SealedRound, SealFile, seal_all, tell
from api.settings import Settings
from api.sources import DirectoryOfTheEngine, OutboxOfTheEngine
from api.vault import CHANNELS_KEY, FolderVault
from api.writer import Writer
from engine.clock import Clock, RunningFrom, SystemClock
from engine.definition import Catalog
from engine.errors import DefinitionGone, FolderError, Text
from engine.handle import Engine, FiguresOf
from engine.pace import Pace
from engine.sealing import own_pace
from engine.store import accounts, answers, cases, history, labels, people
from engine.store.clock import DatabaseClock
from engine.store.database import Database, mark_of, set_mark
from engine.tick import Ticked, tick
from notifications.accounts import AccountBook
from notifications.channels import Account, Channel
from notifications.channels.console import ConsoleChannel
from notifications.channels.dingtalk_robot import DingTalkRobot
from notifications.channels.email import EmailChannel
from notifications.channels.feishu_robot import FeishuRobot
from notifications.channels.forms import NothingToSetUp
from notifications.channels.inbox import InboxChannel
from notifications.channels.sms import SmsChannel
from notifications.channels.webhook import WebhookChannel, WebhookForm
from notifications.channels.wecom_app import WeComApp
from notifications.channels.wecom_robot import WeComRobot
from notifications.office import PostOffice, RoundResult
from notifications.routing import SchoolSettings
from notifications.worker import DeliveryWorker
from workflows.wording import ERROR_WORDS

log = structlog.get_logger(__name__)

# The database's own word on what it holds, which no lost or edited marker can change.
SIMULATED_ID = 0x42485349  # "BHSI"
ALONE_SECONDS = 60.0  # before it is asked again whether there is one school alone
REAL_ID = 0x42485245  # "BHRE"; 0 in a database that says nothing


class Strangers:
    """How often somebody nobody knows was turned away, by reason: counted, never stored."""

    def __init__(self, told: Callable[[str], None] = lambda _: None) -> None:
        self._told = told
        self._lock = threading.Lock()
        self._counted: Counter[str] = Counter()

    def count(self, reason: str) -> None:
        with self._lock:
            self._counted[reason] += 1
        self._told(reason)

    def counted(self) -> dict[str, int]:
        """In this process alone."""
        with self._lock:
            return dict(self._counted)


@dataclass
class Runtime:
    """What a process works with. Made by `open_runtime`; `close` it.

    book         what its organisations send by
    heartbeat    of the ticking on this node, in this process or in one beside it
    ticks_here   whether this node ticks at all
    """

    settings: Settings
    folder: Folder
    engine: Engine
    writer: Writer
    worker: DeliveryWorker
    book: AccountBook
    files: FileStore
    simulated: bool
    metrics: Metrics
    strangers: Strangers
    links: FolderLinks
    hashing: Hashing = field(default_factory=Hashing)
    familiar: Familiar = field(default_factory=Familiar)
    pace: Pace = field(default_factory=Pace)
    heartbeat: Heartbeat = field(default_factory=Heartbeat)
    ticks_here: bool = False
    stopping: threading.Event = field(default_factory=threading.Event)
    seal_file: SealFile | None = None
    _channels: Sequence[Channel] = ()
    _tells_outside: bool = False
    _seal_pace: Pace = field(default_factory=own_pace)

    @property
    def database(self) -> Database:
        return self.engine.database

    @property
    def clock(self) -> Clock:
        return self.engine.clock

    @cached_property
    def channels(self) -> Mapping[str, Channel]:
        """Every channel of this process, by name."""
        return {channel.name: channel for channel in self._channels}

    @cached_property
    def kinds(self) -> Mapping[str, Channel]:
        """The channels an organisation can set up, by name."""
        return {name: each for name, each in self.channels.items() if each.form is not NothingToSetUp}

    @cached_property
    def vault(self) -> FolderVault:
        """What closes the secrets of channels."""
        return _vault(self.folder)

    @cached_property
    def sign_in_key(self) -> bytes:
        """What hashes of names and addresses are keyed with, and known devices recognised by."""
        return self.folder.key("sign-in")

    @cached_property
    def labels_key(self) -> bytes:
        """What the codes of labels for places are drawn from, and the addresses of strangers hashed with."""
        return self.folder.key("labels")

    @cached_property
    def feeds_key(self) -> bytes:
        """What the tokens of links to calendars are drawn from."""
        return self.folder.key("feeds")

    def shared_zone(self) -> ZoneInfo | None:
        """By which clock to tell the time to whoever has not signed in; None where schools' clocks differ, or there is no school."""
        with self.database.read_across() as connection:
            return people.shared_zone(connection)

    def tick(self) -> Ticked:
        """Everything that fell due becomes commands. What a defect stopped is logged and tried again next time."""
        began = time.monotonic()
        ticked = tick(self.engine, self.pace, lambda: not self.stopping.is_set())
        self.metrics.ticked(ticked, time.monotonic() - began, self.clock.now())
        for asked, error in ticked.failed:
            log.error("tick_failed", key=asked.key, exc_info=error)
        for organisation, error in ticked.unreadable:
            log.error("calendar_unreadable", organisation=organisation, exc_info=error)
        if ticked.opened or ticked.reminded:
            log.info("ticked", opened=ticked.opened, reminded=ticked.reminded)
        self.remember()
        return ticked

    def deliver(self, lane: str | None = None) -> RoundResult:
        """One round of the delivery worker: by one channel, or by all of them."""
        result = self.worker.run_once() if lane is None else self.worker.run_lane(lane)
        if result.sent or result.dead or result.again:
            log.info("delivered", sent=result.sent, again=result.again, dead=result.dead)
        return result

    @cached_property
    def keys(self) -> KeyRing:
        """What checkpoints are signed with."""
        return KeyRing(self.folder.keys)

    def seal(self) -> SealedRound:
        """Number what was recorded, sign what the trail has come to, and hand each checkpoint out. What cannot be signed or
        handed out is logged, and tried again next time.
        """
        done = seal_all(self.engine, self.keys, self._seal_pace, lambda: not self.stopping.is_set())
        for organisation, error in done.failed.items():
            log.error("not_sealed", organisation=organisation, why=str(error))
        if done.sealed:
            log.info("sealed", numbered=done.numbered, sizes={each: cp.size for each, cp in done.sealed.items()})
        self.hand_out()
        if self._tells_outside and not self.simulated:
            for organisation in done.sealed:
                tell(self.engine, organisation)
        return done

    def hand_out(self) -> None:
        """Let the seal file have every checkpoint; one that cannot be written now gets them with the next round."""
        if self.seal_file is not None and not self.simulated:
            try:
                self.seal_file.catch_up(self.database)
            except OSError as error:  # also whoever holds it too long
                log.warning("seal_file_not_written", file=str(self.seal_file.path), why=str(error))

    def sweep(self) -> tuple[int, int]:
        """Forget what is over: uploads nobody used, idempotency keys, sessions, tries to sign in, how often a label was used.

        Gives how many uploads and how many keys.
        """
        now = self.clock.now()
        swept = self.files.sweep(self.database, now)
        with self.database.write_across() as connection:
            forgotten = answers.sweep(connection, now)
            over = accounts.sweep(connection, now, now - throttle.FORGOTTEN_AFTER)
            labels.sweep(
                connection, (now - timedelta(days=2)).date().isoformat()
            )  # a day that is over wherever a school is
        log.info("swept", files=swept, keys=forgotten, sessions_and_tries=over)
        return swept, forgotten

    def remember(self) -> None:
        """Save where a simulated clock stands, so that it never runs backwards from one process to the next."""
        if self.simulated:
            self.folder.remember(self.clock.now())

    def stop_soon(self) -> None:
        """Begin nothing more by itself: no tick, no round; what was claimed and not begun goes to others. Does not wait."""
        self.stopping.set()
        self.worker.stop()

    def close(self) -> None:
        self.writer.stop()
        self.remember()
        for channel in self._channels:
            channel.close()
        self.database.close()


def make_folder(folder: Folder, settings: Settings, *, simulated: bool = False, at: datetime | None = None) -> None:
    """Make the data folder and its database, or bring both to the newest revision.

    Raises    FolderError
    """
    new = not folder.made
    if not new and not settings.database_url:
        _must_be_there(folder, settings)
    folder.make(simulated=simulated, at=at)
    database = database_of(folder, settings)
    try:
        _must_be_of_its_kind(database, folder)
        migrations.upgrade(database)
        with database.own() as connection:
            set_mark(connection, SIMULATED_ID if simulated else REAL_ID)
    finally:
        database.close()


def open_runtime(
    settings: Settings,
    *,
    clock: Clock | None = None,
    console: TextIO | None = None,
    catalog: Catalog | None = None,
    words: Mapping[str, Text] = ERROR_WORDS,
    figures: Mapping[str, FiguresOf] = FIGURES,
    hashing: Hashing | None = None,
    metrics: Metrics | None = None,
    more_channels: Sequence[Channel] = (),
) -> Runtime:
    """The engine and what belongs to it on the settings' data folder.

    clock     by default the folder decides: the system's, or on from a simulated folder's last instant
    console   where messages are printed; nowhere if None
    catalog   the loops it runs; ours and those that are installed beside them if None
    hashing   what hashes passwords; as slow as it should be if None
    metrics   what counts, for `/metrics`; one of its own if None
    more_channels   kinds of channels besides those there are
    Raises    FolderError for a folder that is not made, simulated where real is wanted or the other way round, or of
              another revision; OutsideRefused for a workflow from outside that does not fit; DefinitionGone while a case
              needs a definition this program does not carry
    """
    catalog = catalog or the_loops().catalog
    folder = Folder(settings.data)
    folder.must_be_made()
    if clock is not None:
        folder.must_be(simulated=not isinstance(clock, SystemClock | DatabaseClock))
    simulated = folder.simulated
    _must_be_there(folder, settings)
    database = database_of(folder, settings)
    try:
        _must_be_of_its_kind(database, folder)
        migrations.must_be_newest(database)
        _check_definitions(database, catalog, figures)
        clock = clock or _clock_of(folder, database)
        webhook = _webhook(settings)
    except BaseException:
        database.close()
        raise
    engine = Engine(database, catalog, clock, words, figures=figures)
    channels = [*_channels(engine, console=console), *more_channels]
    book = _book(folder, webhook, InsideAllowed(database, settings.channels_inside))
    links = FolderLinks(folder.key("links"), settings.reached_at)
    metrics = metrics or Metrics()
    metrics.watch(engine)
    return Runtime(
        settings=settings,
        folder=folder,
        engine=engine,
        writer=Writer(engine, settings.queue_limit, _database_file(folder, settings) or folder.path, metrics),
        worker=_worker(settings, engine, channels, book, links, simulated=simulated),
        book=book,
        links=links,
        files=FileStore(folder.files),
        simulated=simulated,
        metrics=metrics,
        strangers=Strangers(metrics.stranger),
        hashing=hashing or Hashing(),
        seal_file=None if settings.seal_file is None else SealFile(settings.seal_file),
        _channels=channels,
        _tells_outside=webhook is not None,
    )


def database_of(folder: Folder, settings: Settings) -> Database:
    """The folder's database, or the one the settings name. Raises FolderError where its place does not exist."""
    if not settings.database_url:
        return Database.in_file(folder.database)
    file = _database_file(folder, settings)
    if file is not None and not (inside := file.parent).is_dir():
        raise FolderError(
            Text(
                f"BIHUAN_DATABASE_URL 所指的目录 {inside} 不存在。请先建立它，或改正设置。",
                f"The folder {inside} that BIHUAN_DATABASE_URL names does not exist. Make it, or correct the setting.",
            )
        )
    return Database(
        settings.database_url, sweeps_url=settings.database_sweep_url, owners_url=settings.database_owner_url
    )


def _database_file(folder: Folder, settings: Settings) -> Path | None:
    """Where the database lies; None where a server keeps it."""
    if settings.on_server:
        return None
    return Path(make_url(settings.database_url).database or "") if settings.database_url else folder.database


def _must_be_there(folder: Folder, settings: Settings) -> None:
    """Raises FolderError when the database of a made folder is gone: making an empty one would bury the loss."""
    file = _database_file(folder, settings)
    if file is not None and file.parent.is_dir() and not file.is_file():
        raise FolderError(
            Text(
                f"数据目录 {folder.path} 的数据库 {file.name} 不见了。请从备份恢复该文件；从未存过数据的，可删去该目录重建。",
                f"The database {file.name} of the data folder {folder.path} is gone. Restore it from a backup; "
                "where nothing was ever kept, remove the folder and make it again.",
            )
        )


def _must_be_of_its_kind(database: Database, folder: Folder) -> None:
    """Raises FolderError when the database says the contrary of the marker: one of the two is not this folder's."""
    with database.read_shape() as connection:
        said = mark_of(connection)
    if said == (REAL_ID if folder.simulated else SIMULATED_ID):
        zh, en = ("真实数据", "real data") if folder.simulated else ("模拟数据", "a simulation")
        raise FolderError(
            Text(
                f"数据目录 {folder.path} 的数据库存放{zh}，与标记 {folder.marker.name} 不符。请从备份恢复该目录。",
                f"The database of the data folder {folder.path} holds {en}, which its marker {folder.marker.name} denies. "
                "Restore the folder from a backup.",
            )
        )


def _clock_of(folder: Folder, database: Database) -> Clock:
    if not folder.simulated:
        return DatabaseClock(database) if database.on_server else SystemClock()
    with database.read_across() as connection:
        recorded = history.latest_instant(connection)
    # whichever is later: a process that was killed could not save its last instant, its events say it
    known = [instant for instant in (folder.last_instant, recorded) if instant is not None]
    if not known:
        raise FolderError(
            Text(
                f"模拟数据目录 {folder.path} 没有记录时间。请用 bihuan demo 重新生成。",
                f"The simulated data folder {folder.path} has no instant to go on from. Make it again with `bihuan demo`.",
            )
        )
    return RunningFrom(max(known))


def _check_definitions(database: Database, catalog: Catalog, figures: Mapping[str, FiguresOf]) -> None:
    if uncounted := catalog.figures - figures.keys():
        raise DefinitionGone(
            f"流程步骤所用的统计本程序没有：{'、'.join(sorted(uncounted))}。请安装带有这些统计的版本。 / "
            f"steps take figures this program does not count: {', '.join(sorted(uncounted))}. "
            "Install the version of the program that counts them."
        )
    every = catalog.every()
    series = {loop.prefix for loop in every} | {
        t.numbers.prefix for loop in every for t in loop.transitions if t.numbers
    }
    dropped = [(w.key, v) for w in catalog.newest() for v in range(1, w.version) if catalog.get(w.key, v) is None]
    with database.read_across() as connection:
        needed = [
            *cases.definitions_in_use(connection),
            # closed ones too: no list, no case and no proof could be shown that has one of them in it
            *cases.definitions_of_other_series(connection, series),
            *(each for each in dropped if cases.any_of_version(connection, *each)),
        ]
    gone = sorted({f"{key} v{version}" for key, version in needed if catalog.get(key, version) is None})
    if gone:
        raise DefinitionGone(
            f"在册事项所用的流程定义本程序没有：{'、'.join(gone)}。"
            "请安装带有这些定义的版本；流程来自外部发行包的，请重新安装该发行包（已办结的事项仍须能出示）。 / "
            f"cases on record need workflow definitions this program does not carry: {', '.join(gone)}. "
            "Install the version of the program that carries them, or the distribution from outside that they came from: "
            "what is closed has to be shown still."
        )


# --- what notifications ask of the engine's memory ---------------------------------------------------------------------


def _webhook(settings: Settings) -> WebhookForm | None:
    """What the webhook is set up with, for every organisation here."""
    if not settings.webhook_url:
        return None
    secret = settings.webhook_secret.get_secret_value() if settings.webhook_secret else ""
    if not secret:
        raise FolderError(
            Text(
                "已设 BIHUAN_WEBHOOK_URL，未设 BIHUAN_WEBHOOK_SECRET：消息须签名。请设为 whsec_ 加 24 至 64 字节的 base64。",
                "BIHUAN_WEBHOOK_URL is set and BIHUAN_WEBHOOK_SECRET is not: messages have to be signed. "
                "Set it to `whsec_` and base64 of 24 to 64 bytes.",
            )
        )
    try:
        return WebhookForm(url=settings.webhook_url, secret=SecretStr(secret))
    except ValidationError as error:
        faults = "; ".join(fault["msg"] for fault in error.errors(include_input=False))
        raise FolderError(
            Text(
                "网络回调设置有误：BIHUAN_WEBHOOK_URL 应为完整地址（https://主机/路径），"
                "BIHUAN_WEBHOOK_SECRET 应为 whsec_ 加 24 至 64 字节的 base64。",
                f"BIHUAN_WEBHOOK_URL or BIHUAN_WEBHOOK_SECRET cannot be used: {faults}",
            )
        ) from error


def _channels(engine: Engine, *, console: TextIO | None) -> list[Channel]:
    channels: list[Channel] = [InboxChannel(engine.database, engine.clock)]
    if console is not None:
        channels.append(ConsoleChannel(console, engine.clock))
    kinds = (WeComApp, EmailChannel, SmsChannel, WeComRobot, DingTalkRobot, FeishuRobot, WebhookChannel)
    return [*channels, *(kind(engine.clock) for kind in kinds)]


def _worker(
    settings: Settings,
    engine: Engine,
    channels: Sequence[Channel],
    book: AccountBook,
    links: FolderLinks,
    *,
    simulated: bool,
) -> DeliveryWorker:
    office = PostOffice(
        engine.database,
        OutboxOfTheEngine(),
        DirectoryOfTheEngine(engine.clock, engine.catalog),
        channels,
        book,
        engine.clock,
        SchoolSettings(public_url=settings.reached_at),
    )
    return DeliveryWorker(office, links=links, outside_allowed=not simulated)


def _book(folder: Folder, webhook: WebhookForm | None, inside_allowed: Callable[[], bool]) -> AccountBook:
    """What an organisation set up itself, and the webhook that the settings give to all of them."""
    given = []
    if webhook is not None:
        name = WebhookChannel.name
        given.append(Account("", name, name, settings=webhook.settings(), secrets=webhook.secrets()))
    return AccountBook(_vault(folder), given, inside_allowed)


class InsideAllowed:
    """Whether what schools set up may send inside the server's own network: as the settings say, else while there is one
    school alone, since then its administrators and whoever runs the server are of one house.
    """

    def __init__(self, database: Database, said: bool | None) -> None:
        self._database = database
        self._said = said
        self._asked_at: float | None = None
        self._alone = False

    def __call__(self) -> bool:
        if self._said is not None:
            return self._said
        now = time.monotonic()
        if self._asked_at is None or (self._alone and now >= self._asked_at + ALONE_SECONDS):
            with self._database.read_across() as connection:
                self._alone = people.at_most_one_organisation(connection)
            self._asked_at = now
        return self._alone  # a folder that serves several never serves one again


def _vault(folder: Folder) -> FolderVault:
    return FolderVault(folder.key(CHANNELS_KEY))
