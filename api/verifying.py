"""Verification of everything an organisation recorded: shared among processes, in constant memory, told as findings.

    ranges   histories, a few thousand events at a time, each read as one instant shows it (`engine.verifying.Histories`)
    tree     leaves, kept nodes and checkpoints from the first event on, and the checkpoints others kept

What holds when it ends without findings: everything up to the last checkpoint that is there is what was recorded, as far as
nobody but the school has its key. That a later one was taken away, with what it spoke of, shows the checkpoint beside the key;
that who has the key signed another history, only checkpoints kept outside. What came after the last checkpoint, a minute's worth
while it is served, is chained but not signed yet.
"""

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from functools import lru_cache, partial
from heapq import merge
from itertools import chain, islice
from operator import attrgetter
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from api.evidence.store import FileStore
from api.folder import Folder
from api.keys import Held, KeyRing, is_signed
from api.loops import the_loops
from api.processes import beginning
from api.sealing import KeyGone, is_vouched_for, key_in, losses
from engine.audit import KEPT_EVERY, Checkpoint, envelope_hash, fingerprint, leaf_hash, root_of
from engine.case import instant_text
from engine.definition import Catalog
from engine.errors import Busy, FolderError, Text
from engine.events import LOGBOOK
from engine.sealing import number
from engine.store import seals, trail
from engine.store import verifying as kept
from engine.store.database import Connection, Database
from engine.verifying import Finding, Histories, Key, Lost, Peaks, Seals, signature_fault

PROCESSES = 2
EVENTS_AT_ONCE = 2_000  # of a range: some megabytes, and half a second until the progress bar moves
LEAVES_AT_ONCE = 4_096
CHECKPOINTS_AT_ONCE = 500
NODES_AT_ONCE = 256
NUMBERS_AT_ONCE = 500
MOST_FINDINGS = 1_000  # told; of more it is said how many
#: what reading raises where somebody wrote what the product never writes: text for a number, no JSON, no instant
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
FILES_REMEMBERED = 4_096  # hashes looked at lately: a picture may be named by several events
FILE_BYTES_AT_ONCE = 1 << 20
WHOLE_FILE = 1 << 20  # bytes; a file of checkpoints up to this size may also be one JSON document

Progress = Callable[[float], None]


@dataclass
class Part:
    """What one piece of the work came to."""

    events: int = 0
    cases: int = 0
    files: int = 0
    checkpoints: int = 0
    outside: int = 0
    findings: list[Finding] = field(default_factory=list)
    more: int = 0
    lost: list[Text] = field(default_factory=list)
    notes: list[Text] = field(default_factory=list)
    size: int = 0
    sealed: int = 0
    remembered: Mapping[str, Any] | None = None

    def find(self, *findings: Finding) -> None:
        room = MOST_FINDINGS - len(self.findings)
        self.findings += findings[:room]
        self.more += len(findings[room:])

    def add(self, other: "Part") -> None:
        for name in ("events", "cases", "files", "checkpoints", "outside", "more"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.find(*other.findings)
        self.lost += other.lost
        self.notes += other.notes
        self.size, self.sealed = max(self.size, other.size), max(self.sealed, other.sealed)
        self.remembered = other.remembered or self.remembered


@dataclass
class Report(Part):
    """What came out.

    size        events in the trail
    sealed      of these, how many the last checkpoint speaks of
    outside     checkpoints kept elsewhere that were held against it
    since       how many events had been verified before and were left out
    findings    the first `MOST_FINDINGS`; `more` says how many there were besides
    lost        ranges that checkpoints kept elsewhere speak of and that are not there, as the logbook says since a backup was
                restored; of which nothing that was signed shows that it is true
    """

    organisation: str = ""
    since: int = 0

    @property
    def is_clean(self) -> bool:
        return not self.findings and not self.lost

    def to_json(self) -> dict[str, Any]:
        numbers = ("organisation", "size", "sealed", "since", "events", "cases", "files", "checkpoints", "outside")
        return {
            "clean": self.is_clean,
            **{name: getattr(self, name) for name in numbers},
            "findings": [finding.to_json() for finding in self.findings],
            "more_findings": self.more,
            "lost": [text.to_json() for text in self.lost],
            "notes": [text.to_json() for text in self.notes],
        }


def verify(
    database: Database,
    folder: Folder,
    organisation: str,
    *,
    outside: Path | None = None,
    processes: int = PROCESSES,
    only_new: bool = False,
    progress: Progress = lambda _: None,
    catalog: Catalog | None = None,
) -> Report:
    """Check everything, or what is new since the last run that found nothing.

    1. number what waits, so that every event has its leaf
    2. the tree in one process while histories are checked in all of them
    3. remember how far it was clean

    outside     checkpoints somebody else kept: lines as `BIHUAN_SEAL_FILE` has them, or what `audit seal --json` printed
    catalog     with one process any; others check with what this program runs, and so does one if None
    Raises      FolderError for a file that holds no checkpoint of this organisation
    """
    report = Report(organisation=organisation)
    report.find(*_number_what_waits(database, organisation))
    memory = folder.path / "verified" / f"{organisation}.json"
    start = _Start()
    if only_new:
        start, notes, gone = _remembered(database, organisation, memory)
        report.notes += notes
        report.find(*gone)
    report.since = start.size
    held, unreadable = _held(folder, organisation)
    report.find(*unreadable)
    report.notes += _about_the_key(database, folder, organisation, nothing_held=held is None and not unreadable)
    tree: Work = partial(_Checker.tree, start=start, outside=outside, held=held)
    if processes == 1:
        checker = _Checker(database, organisation, FileStore(folder.files), catalog or the_loops().catalog)
        works = chain((tree,), _works(database, organisation, start))
        _gather(report, (work(checker) for work in works), progress)
    else:
        begin = (database.url, organisation, folder.files)
        pool = ProcessPoolExecutor(processes, beginning(__name__), initializer=_begin, initargs=begin)
        try:
            _gather(report, _shared(pool, (tree,), _works(database, organisation, start), processes), progress)
        except BrokenProcessPool as error:
            raise FolderError(
                Text(
                    "核验进程被中止（内存不足？）。请重新运行，或用 --processes 1。",
                    "A verifying process was ended (out of memory?). Run it again, or with --processes 1.",
                )
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)
    if outside is not None and not report.outside:
        raise FolderError(
            Text(f"文件 {outside} 中没有本单位的检查点。", f"{outside} holds no checkpoint of this organisation.")
        )
    report.findings.sort(key=lambda finding: (finding.number or "", finding.sequence or 0, finding.checkpoint or 0))
    if report.is_clean and report.remembered is not None:
        _remember(memory, report.remembered)
    return report


def _held(folder: Folder, organisation: str) -> tuple[Mapping[str, Any] | None, list[Finding]]:
    """The checkpoint beside the key, where one lies there and can be read."""
    try:
        held = KeyRing(folder.keys).held(organisation)
    except (OSError, ValueError):
        zh = f"密钥旁留存的检查点 keys/seal/{organisation}/held.json 无法读取"
        en = f"the checkpoint beside the key, keys/seal/{organisation}/held.json, cannot be read"
        return None, [Finding("held", Text(zh, en))]
    return None if held is None else held.told, []


def _number_what_waits(database: Database, organisation: str) -> Iterator[Finding]:
    """Give what waits its number; what it finds where that cannot be, as of rows that somebody made up."""
    with database.read(organisation) as connection:
        twice = kept.numbered_and_waiting(connection, organisation)
    for number_, sequence in twice:
        zh, en = (
            "已有编号，却又列为待编号：它是绕过系统放入的",
            "it has its number and is said to wait for one: somebody put it there",
        )
        yield Finding("numbered", Text(zh, en), number_, sequence)
    try:
        if not twice:
            with suppress(Busy):  # on a full disk, say: what waits is checked as what waits
                number(database, organisation)
    except _UNREADABLE as error:
        zh, en = (
            f"待编号的记录无法读取（{type(error).__name__}）",
            f"what waits for its number cannot be read ({type(error).__name__})",
        )
        yield Finding("unreadable", Text(zh, en))


Work = Callable[["_Checker"], Part]


def _works(database: Database, organisation: str, start: "_Start") -> Iterator[Work]:
    """The histories, piece by piece as they are asked for: all of them, or those that went on since."""
    ask = partial(database.read, organisation)
    if not start.size:
        for within in kept.ranges(ask, organisation, EVENTS_AT_ONCE):
            yield partial(_Checker.range, within=within)
        return
    after = ""
    while True:
        with ask() as connection:
            numbers = kept.numbers_since(connection, organisation, start.size, after, NUMBERS_AT_ONCE)
        if not numbers:
            return
        yield partial(_Checker.histories, numbers=numbers)
        after = numbers[-1]


def _shared(pool: Executor, first: Sequence[Work], rest: Iterator[Work], processes: int) -> Iterator[Part]:
    """Never more under way than keeps every process busy: what is to be done is not remembered ahead."""
    under_way = {pool.submit(_work, work) for work in first}
    while True:
        under_way |= {pool.submit(_work, work) for work in islice(rest, 2 * processes - len(under_way))}
        if not under_way:
            return
        done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
        yield from (each.result() for each in done)


def _gather(report: Report, parts: Iterator[Part], progress: Progress) -> None:
    total = 0
    for part in parts:
        report.add(part)
        total = max(total, report.size - report.since)
        if total:
            progress(min(1.0, report.events / total))
    progress(1.0)


# --- in a process ------------------------------------------------------------------------------------------------------------


_checker: "_Checker | None" = None


def _begin(url: str, organisation: str, files: Path) -> None:
    global _checker  # noqa: PLW0603  # what a process of the pool keeps between two pieces of work
    _checker = _Checker(Database(url), organisation, FileStore(files), the_loops().catalog)


def _work(work: Work) -> Part:
    assert _checker is not None  # begun with the process
    return work(_checker)


class _Checker:
    """Checks pieces of one organisation's records."""

    def __init__(self, database: Database, organisation: str, files: FileStore, catalog: Catalog) -> None:
        self._database = database
        self._organisation = organisation
        self._catalog = catalog
        self._file_fault = lru_cache(FILES_REMEMBERED)(partial(file_fault, files, organisation))
        self._erased: dict[int, Mapping[tuple[str, int], Mapping[str, str]]] = {}

    def range(self, within: kept.Range) -> Part:
        def check(connection: Connection) -> Part:
            part = Part()
            rows = kept.events_in(connection, self._organisation, within)
            cases = kept.cases_in(connection, self._organisation, within)
            self._check(connection, part, rows, cases)
            for table, number_, sequence in kept.strays(connection, self._organisation, within):
                part.find(Finding("event_missing", _STRAY[table], number_, sequence))
            return part

        try:
            return self._reading(check)
        except _UNREADABLE:  # which of them it is shows each by itself
            with self._database.read(self._organisation) as connection, kept.leniently(connection):
                numbers = kept.numbers_in(connection, self._organisation, within)
            return self.histories(numbers)

    def histories(self, numbers: Sequence[str]) -> Part:
        def check(connection: Connection) -> Part:
            part = Part()
            for number_ in numbers:
                try:
                    rows = kept.events_of(connection, self._organisation, number_)
                    case = kept.case_of(connection, self._organisation, number_)
                    self._check(connection, part, rows, {} if case is None else {number_: case})
                except _UNREADABLE as error:
                    part.find(Finding("unreadable", _unreadable(error), number_))
            for table, number_, sequence in kept.strays_of(connection, self._organisation, numbers):
                part.find(Finding("event_missing", _STRAY[table], number_, sequence))
            return part

        return self._reading(check)

    def _reading(self, check: Callable[[Connection], Part]) -> Part:
        """At one instant; in a file that holds what is no text leniently, which takes longer."""
        try:
            with self._database.read(self._organisation) as connection:
                return check(connection)
        except (Busy, SQLAlchemyError, sqlite3.Error):
            if self._database.on_server:
                raise
        with self._database.read(self._organisation) as connection, kept.leniently(connection):
            return check(connection)

    def _check(self, connection: Connection, part: Part, rows: Iterator[Any], cases: dict[str, Any]) -> None:
        histories = Histories(
            self._organisation,
            self._catalog,
            erased=partial(self._what_is_left, connection),
            file_fault=self._file_fault,
            waits=partial(kept.waits_for_a_number, connection, self._organisation),
        )
        for finding in histories.check(rows, cases):
            part.find(finding)
        part.events += histories.events
        part.cases += histories.cases
        part.files += len(histories.files)

    def _what_is_left(self, connection: Connection, number_: str, sequence: int, name: str, by: int) -> str | None:
        if by not in self._erased:
            noted = kept.noted(connection, self._organisation, "erased")
            self._erased = {each.sequence: cleared_by(each.about) for each in noted}
        return self._erased.get(by, {}).get((number_, sequence), {}).get(name)

    def tree(self, start: "_Start", outside: Path | None, held: Mapping[str, Any] | None) -> Part:
        part = Part()
        try:
            self._grow_tree(part, start, outside, held)
        except _UNREADABLE as error:
            part.remembered = None
            part.find(Finding("unreadable", _unreadable(error)))
        return part

    def _grow_tree(self, part: Part, start: "_Start", outside: Path | None, held: Mapping[str, Any] | None) -> None:
        ask = partial(self._database.read, self._organisation)
        # before the database: what is appended later, while it is served, speaks of more than will be looked at
        extent = 0 if outside is None else _extent(outside)
        with ask() as connection, kept.leniently(connection):
            part.size = trail.size(connection, self._organisation)
            last = seals.last_checkpoint(connection, self._organisation)
            nodes = kept.how_many_nodes(connection, self._organisation)
            known = seals.known_keys(connection, self._organisation)
            noted = list(kept.noted(connection, self._organisation, "key_began"))
            lost = losses(connection, self._organisation)
        part.sealed = 0 if last is None else last.size
        keys = {key: Key(key, public, until, since) for key, public, since, until in known}
        part.find(*_keys_not_begun(keys, noted))
        signed = Seals(self._organisation, keys, is_signed)
        if start.checkpoint is not None:
            signed.go_on_after(start.checkpoint)
        own = _own(ask, self._organisation, part, signed, 0 if last is None else last.id)
        others = () if outside is None else _outside(outside, extent, self._organisation)
        beside = () if held is None else (_claim(held),)
        tree = _Tree(ask, self._organisation, part, start, keys, lost)
        for claim in merge(own, others, beside, key=attrgetter("checkpoint.size")):
            if claim.id is not None:
                tree.hold_own(claim)
            else:
                part.outside += claim.line is not None
                tree.hold_outside(claim)
        whole = tree.grow(part.size)
        tree.tell_losses()
        tree.miss_own(part.sealed)
        if tree.wrong_later:
            zh, en = (
                f"其后另有 {tree.wrong_later} 个检查点也不符",
                f"{tree.wrong_later} later checkpoints do not hold either",
            )
            part.notes.append(Text(zh, en))
        if whole:
            wanted = sum(part.size >> level for level in range(KEPT_EVERY, part.size.bit_length() + 1, KEPT_EVERY))
            if nodes != wanted:
                zh, en = (
                    f"树节点应有 {wanted} 个，实有 {nodes} 个",
                    f"{wanted} nodes of the tree are to be kept, and {nodes} are",
                )
                part.find(Finding("nodes", Text(zh, en)))
            part.remembered = {
                "size": tree.peaks.size,
                "peaks": [peak.hex() for peak in tree.peaks.peaks],
                "checkpoint": 0 if last is None else last.id,
                "body": "" if last is None else envelope_hash(last.body.encode()),
            }


def _unreadable(error: Exception) -> Text:
    what = f"{type(error).__name__}: {error}"
    return Text(
        f"有内容无法读取，绕过系统被改动（{what}）",
        f"something there cannot be read, it was edited behind the system's back ({what})",
    )


_STRAY = {
    "trail": Text("审计轨迹中有这条记录，而记录本身不见了", "the trail has it, and the event itself is gone"),
    "disclosure": Text("有所记内容，而记录本身不见了", "what it said is there, and the event itself is gone"),
    "unnumbered": Text("它在等待编号，而记录本身不见了", "it waits for its number, and the event itself is gone"),
}


def file_fault(files: FileStore, organisation: str, sha256: str) -> Text | None:
    """What is wrong with a file that an event names."""
    try:
        path = files.path_of(organisation, sha256)
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(FILE_BYTES_AT_ONCE):
                digest.update(chunk)
    except (OSError, ValueError):
        return Text(f"文件 {sha256} 不在数据目录中", f"its file {sha256} is not in the data folder")
    if digest.hexdigest() != sha256:
        return Text(f"文件 {sha256} 的内容被替换", f"its file {sha256} was replaced by another one")
    return None


def cleared_by(about: Mapping[str, Any]) -> Mapping[tuple[str, int], Mapping[str, str]]:
    """(number, sequence) → entry → the commitment to what is left of it, as the logbook says of an erasure."""
    try:
        return {(number_, sequence): dict(left) for number_, sequence, left in about["cleared"]}
    except (KeyError, TypeError, ValueError):
        return {}


# --- the tree ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Start:
    """How far it was found clean before: the peaks of the tree, and the last checkpoint."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()
    checkpoint: seals.Signed | None = None


@dataclass(frozen=True)
class _Claim:
    """A checkpoint to be held against the tree: one of ours by its id, one kept outside with the line it stands in, or the one
    beside the key.
    """

    checkpoint: Checkpoint
    id: int | None = None
    line: int | None = None
    body: bytes = b""
    signature: str = ""
    public: str = ""

    @property
    def called(self) -> Text:
        size = self.checkpoint.size
        if self.line is None:
            return Text(f"密钥旁留存的检查点（{size} 条记录）", f"the checkpoint beside the key ({size} events)")
        return Text(
            f"外存检查点（第 {self.line} 行，{size} 条记录）",
            f"the checkpoint kept outside (line {self.line}, {size} events)",
        )


@dataclass
class _Excused:
    """Checkpoints that a *restored* note explains: how many, and the furthest of them."""

    count: int
    size: int
    last: Checkpoint


class _Tree:
    """The tree as its leaves come, and what was said of it at each size."""

    def __init__(
        self,
        ask: Callable[[], AbstractContextManager[Connection]],
        organisation: str,
        part: Part,
        start: _Start,
        keys: Mapping[str, Key],
        losses: Sequence[Lost],
    ) -> None:
        self.peaks = Peaks(start.size, start.peaks)
        self.wrong_later = 0
        self._ask, self._organisation, self._part = ask, organisation, part
        self._leaves = self._read(start.size)
        self._nodes: dict[tuple[int, int], bytes] = {}
        self._held = start.size
        self._wrong = False
        self._keys, self._losses = keys, losses
        self._excused: dict[Lost, _Excused] = {}
        self._known_outside: set[str] = set()  # keys that signed what others kept
        self._untrue: set[Lost] = set()
        self._furthest: _Claim | None = None  # that was kept elsewhere or beside the key, and holds

    def hold_own(self, claim: _Claim) -> None:
        size, size_now = claim.checkpoint.size, self._part.size
        for lost in self._losses:
            if lost.position is not None and lost.size < size <= lost.position and lost not in self._untrue:
                self._untrue.add(lost)
                what = Text(
                    f"称恢复时只剩 {lost.size} 条记录，而此前的检查点 {claim.id} 已签署 {size} 条",
                    f"it says that a backup brought {lost.size} events back, and checkpoint {claim.id}, which came with them, "
                    f"speaks of {size}",
                )
                self._part.find(Finding("restored", what, LOGBOOK, lost.sequence))
        if size > size_now:
            what = Text(
                f"签署时有 {size} 条记录，现在只有 {size_now} 条：已签署的记录被截去",
                f"it was signed over {size} events, and there are {size_now}: sealed events were cut off",
            )
        elif self._root_at(size) == bytes.fromhex(claim.checkpoint.root):
            self._held = size
            return
        else:
            what = Text(
                f"签署时的记录与现在不同：总第 {self._held + 1} 至 {size} 条之间有改动、删除或调换",
                f"what it was signed over is not what is there: among events {self._held + 1} to {size} of all some were "
                "changed, removed or exchanged",
            )
        if self._wrong:  # one that does not hold lets no later one hold
            self.wrong_later += 1
        else:
            self._wrong = True
            self._part.find(Finding("root", what, checkpoint=claim.id))

    def hold_outside(self, claim: _Claim) -> None:
        checkpoint = claim.checkpoint
        size, size_now = checkpoint.size, self._part.size
        code, (zh, en) = "held" if claim.line is None else "outside", (claim.called.zh, claim.called.en)
        fault = signature_fault(checkpoint, claim.body, claim.signature, self._keys, is_signed)
        holds = size <= size_now and self._root_at(size) == bytes.fromhex(checkpoint.root)
        genuine = fault is None or _vouches_for_itself(claim)
        if genuine:
            self._known_outside.add(checkpoint.key)
        if holds and fault is None:
            if self._furthest is None or size > self._furthest.checkpoint.size:
                self._furthest = claim
            return
        lost = next((each for each in self._losses if each.explains(checkpoint)), None)
        if lost is not None and not holds and genuine:
            excused = self._excused.setdefault(lost, _Excused(0, size, checkpoint))
            excused.count, excused.size = excused.count + 1, max(excused.size, size)
            excused.last = max(excused.last, checkpoint, key=attrgetter("at"))
        elif fault is not None:
            self._part.find(Finding(code, Text(f"{zh}{fault.zh}", f"{en}: {fault.en}")))
        elif size > size_now:
            self._part.find(
                Finding(
                    code,
                    Text(
                        f"{zh}所述的记录比现在的多（现有 {size_now} 条）：末尾被截去，或数据库被换成了较早的备份",
                        f"{en} speaks of more than there is now ({size_now}): the end was cut off, or an older backup was "
                        "put in the place of the database",
                    ),
                )
            )  # fmt: skip
        else:
            self._part.find(
                Finding(
                    code,
                    Text(
                        f"{zh}不在这段历史中：其所述的记录被改动、删除或调换，或数据库被整个替换",
                        f"{en} is not in this history: events it speaks of were changed, removed or exchanged, or another "
                        "database was put in place",
                    ),
                )
            )  # fmt: skip

    def tell_losses(self) -> None:
        """What restores lost, as the logbook says. Where a checkpoint kept elsewhere speaks of it, that is a note only if a key
        that signed such signed the logbook's word afterwards: anybody else may have cut the end off and made that word up.
        """
        for lost in self._losses:
            excused = self._excused.get(lost)
            to = max(lost.to or 0, excused.size if excused else 0)
            zh, en = f"总第 {lost.size + 1} 条起", f"after the first {lost.size} of all"
            if to > lost.size:
                zh, en = f"总第 {lost.size + 1} 至 {to} 条", f"{lost.size + 1} to {to} of all"
            said = Text(
                f"操作日志第 {lost.sequence} 条：{zh}记录在 {instant_text(lost.at)} 从备份恢复时丢失",
                f"the logbook's event {lost.sequence}: events {en} were lost when a backup was restored at "
                f"{instant_text(lost.at)}",
            )
            if excused is None:
                self._part.notes.append(said)
                continue
            said = Text(
                f"{said.zh}；另存的检查点有 {excused.count} 个所述的是这些记录",
                f"{said.en}; {excused.count} of the checkpoints kept elsewhere speak of these",
            )
            if self._is_vouched_for(lost, excused.last):
                self._part.notes.append(said)
            else:
                zh = "其后没有以这些检查点的密钥签署、包含这一记载的检查点：截去记录的人也能写下这一条"
                en = "None that their key signed afterwards has this in it: whoever cut the end off could have written it"
                self._part.lost.append(Text(f"{said.zh}。{zh}", f"{said.en}. {en}"))

    def miss_own(self, sealed: int) -> None:
        """The last checkpoints, where those that were kept show that they were taken out though nothing under them was changed.
        A restore after the last one that is there explains it: a checkpoint may come after a backup and no event between.
        """
        furthest = self._furthest
        if furthest is None or furthest.checkpoint.size <= sealed:
            return
        if any(lost.position is None or lost.position >= sealed for lost in self._losses):
            return
        what = Text(
            f"{furthest.called.zh}与记录相符，而库中的检查点只到 {sealed} 条：其后的检查点被删去",
            f"{furthest.called.en} holds, and the checkpoints that are stored end at {sealed} events: those after it were "
            "taken out",
        )
        self._part.find(Finding("checkpoint_missing", what))

    def _is_vouched_for(self, lost: Lost, checkpoint: Checkpoint) -> bool:
        def is_right(signed: seals.Signed) -> bool:
            body = signed.body.encode()
            found = Checkpoint.from_bytes(body)
            fault = signature_fault(found, body, signed.signature, self._keys, is_signed)
            return fault is None and found.key in self._known_outside

        with self._ask() as connection:
            return is_vouched_for(connection, self._organisation, lost, checkpoint, is_right)

    def grow(self, size: int) -> bool:
        """Take up leaves until there are so many; False where they end, or one is missing, before."""
        peaks = self.peaks
        for leaf in islice(self._leaves, max(0, size - peaks.size)):
            for node in peaks.add(leaf_hash(leaf)):
                self._compare(*node)
        return peaks.size >= size

    def _root_at(self, size: int) -> bytes | None:
        if size >= self.peaks.size:
            return self.peaks.root() if self.grow(size) else None
        with self._ask() as connection:  # out of order: by the nodes that are kept
            try:
                return root_of(seals.Tree(connection, self._organisation), size)
            except LookupError:
                return None

    def _read(self, first: int) -> Iterator[bytes]:
        while first < self._part.size:
            with self._ask() as connection:
                rows = kept.leaves(connection, self._organisation, first, min(LEAVES_AT_ONCE, self._part.size - first))
            for row in rows:
                if row.position != first:
                    break
                yield row.hash
                first += 1
            else:
                if rows:
                    continue
            zh, en = "审计轨迹中缺少这条记录：编号有缺口", "it is missing in the trail: its numbers have a gap"
            self._part.find(Finding("trail_gap", Text(zh, en), position=first))
            return

    def _compare(self, level: int, index: int, node: bytes) -> None:
        if (level, index) not in self._nodes:
            with self._ask() as connection:
                found = seals.nodes(connection, self._organisation, level, index, NODES_AT_ONCE)
            self._nodes = {(each, at): digest for (each, at), digest in self._nodes.items() if each != level}
            self._nodes |= {(level, index + n): digest for n, digest in enumerate(found)}
        if self._nodes.get((level, index)) != node:
            zh, en = "由此开始的树节点与记录不符", "the node of the tree that begins here is not that of its events"
            self._part.find(Finding("node", Text(zh, en), position=index << level))


def _own(
    ask: Callable[[], AbstractContextManager[Connection]], organisation: str, part: Part, signed: Seals, until: int
) -> Iterator[_Claim]:
    while signed.last < until:
        with ask() as connection:
            found = seals.checkpoints(connection, organisation, after=signed.last, limit=CHECKPOINTS_AT_ONCE)
        if not found:
            return
        for each in found:
            if each.id > until:
                return
            checkpoint, findings = signed.check(each)
            part.checkpoints += 1
            part.find(*findings)
            if checkpoint is not None:
                yield _Claim(checkpoint, id=each.id)


def _extent(path: Path) -> int:
    """How many bytes the file has. Raises FolderError where there is none, and for a folder."""
    if not path.is_file():
        raise FolderError(Text(f"没有文件 {path}。", f"There is no file {path}."))
    return path.stat().st_size


def _outside(path: Path, extent: int, organisation: str) -> Iterator[_Claim]:
    """The checkpoints of this organisation that so many bytes of the file hold. Raises FolderError for one that cannot be read."""
    for line, told in _told_in(path, extent):
        try:
            body = str(told["body"]).encode()
            checkpoint = Checkpoint.from_bytes(body)
            signature, public = str(told["signature"]), str(told.get("public", ""))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FolderError(
                Text(f"文件 {path} 第 {line} 行不是检查点。", f"Line {line} of {path} is no checkpoint.")
            ) from error
        if checkpoint.organisation == organisation:
            yield _Claim(checkpoint, line=line, body=body, signature=signature, public=public)


def _claim(told: Mapping[str, Any]) -> _Claim:
    """The checkpoint beside the key."""
    return _Claim(
        Held.read(told).checkpoint, body=str(told["body"]).encode(), signature=told["signature"], public=told["public"]
    )


def _told_in(path: Path, extent: int) -> Iterator[tuple[int, Any]]:
    """Lines of JSON, of which one that was broken off is followed by another; or one document."""
    with path.open("rb") as file:
        if extent <= WHOLE_FILE:
            try:
                document = json.loads(file.read(extent))
            except ValueError:
                file.seek(0)
            else:
                yield from enumerate(document if isinstance(document, list) else [document], 1)
                return
        for number_, line in enumerate(file, 1):
            extent -= len(line)
            if extent < 0:
                return
            try:
                if line.strip():
                    yield number_, json.loads(line)
            except ValueError:
                continue


def _vouches_for_itself(claim: _Claim) -> bool:
    """Whether the key it comes with is the one it names, and signed it: of a key that came after the backup no more is known."""
    try:
        public, signature = bytes.fromhex(claim.public), bytes.fromhex(claim.signature)
    except ValueError:
        return False
    return fingerprint(public) == claim.checkpoint.key and is_signed(public, signature, claim.body)


def _keys_not_begun(keys: Mapping[str, Key], noted: Sequence[kept.Noted]) -> Iterator[Finding]:
    """Keys of which the logbook does not say that they began: somebody put them there. And those that are said to be sealed
    with still, though another began after them.
    """
    began = {each.about.get("key"): each.about.get("public") for each in noted if each.what == "key_began"}
    before = {each.about.get("key"): each.about.get("before") for each in noted if each.what == "key_began"}
    for key in keys.values():
        old = keys.get(str(before.get(key.key)))
        if old is not None and (old.until is None or (key.since is not None and old.until > key.since)):
            zh = f"密钥（指纹 {old.key}）应在下一密钥启用时停用，现登记为停用更晚或仍在使用"
            en = f"the key of fingerprint {old.key} ended when the next one began, and is said to have ended later or not at all"
            yield Finding("key", Text(zh, en))
    for key in keys.values():
        if began.get(key.key) != key.public:
            zh = f"操作日志中没有启用密钥的记载（指纹 {key.key}）：它是绕过系统放入的"
            en = f"the logbook does not say that the key of fingerprint {key.key} began: somebody put it there"
            yield Finding("key", Text(zh, en))
    for each in began:
        if each not in keys:
            zh = f"操作日志记载启用过密钥（指纹 {each}），而该密钥的登记已不在：它被删去"
            en = f"the logbook says that the key of fingerprint {each} began, and it is not among the keys: it was taken out"
            yield Finding("key", Text(zh, en))


def _about_the_key(database: Database, folder: Folder, organisation: str, *, nothing_held: bool) -> list[Text]:
    """That nothing can be signed here, where the key is not in the folder; that no checkpoint lies beside it."""
    with database.read(organisation) as connection:
        try:
            current = [key for key, _, _, until in seals.known_keys(connection, organisation) if until is None]
            is_sealed = seals.last_checkpoint(connection, organisation) is not None
        except _UNREADABLE:  # which is found with the tree
            return []
    ring = KeyRing(folder.keys)
    for key in current:
        with suppress(KeyGone):
            key_in(ring, organisation, key)
            if not (nothing_held and is_sealed):
                return []
            return [
                Text(
                    "密钥旁没有留存检查点（密钥刚导入时如此，也可能被人删去）：末尾若被截去，只有外存的检查点（--checkpoint）"
                    "才能揭穿",
                    "no checkpoint lies beside the key: so it is after a key was imported, and where somebody took it away. That "
                    "nothing was cut off only checkpoints kept elsewhere show (--checkpoint)",
                )
            ]
    if not current:
        return []
    return [
        Text(
            f"签名密钥（指纹 {current[-1]}）不在数据目录中：此处不能再签署检查点，请用 bihuan audit seal --import-key 导入",
            f"the key of fingerprint {current[-1]} is not in the data folder: nothing can be signed here until it is brought back "
            "with `bihuan audit seal --import-key`",
        )
    ]


# --- from one run to the next --------------------------------------------------------------------------------------------------


def _remembered(database: Database, organisation: str, memory: Path) -> tuple[_Start, list[Text], list[Finding]]:
    """How far it was clean, if what was checked then is still what is there; else from the beginning, and why."""
    anew = Text("没有上次核验的结果，已从头核验", "nothing is remembered of a run before: everything was checked")
    try:
        told = json.loads(memory.read_bytes())
        size, peaks = int(told["size"]), tuple(map(bytes.fromhex, told["peaks"]))
        root, after = Peaks(size, peaks).root(), int(told["checkpoint"])
    except (OSError, ValueError, KeyError, TypeError):
        return _Start(), [anew], []
    changed = Text(
        "上次核验过的内容与现在不同，已从头核验",
        "what was checked before is not what is there now: everything was checked",
    )
    gone = Text(
        "上次核验过的记录与现在不同：有改动或被截去，或数据库被换成了较早的备份。查明缘由后，不带 --new 核验一次即从此算起",
        "what the last run checked is not what is there now: events were changed or cut off, or an older backup was put in the "
        "place of the database. Find out why; a run without --new begins anew from there",
    )
    with database.read(organisation) as connection:
        try:
            alike = root_of(seals.Tree(connection, organisation), size) == root
        except LookupError:
            alike = False
        found = seals.checkpoints(connection, organisation, after=after - 1, limit=1) if after else ()
    if not alike or (after and (not found or envelope_hash(found[0].body.encode()) != told.get("body"))):
        return _Start(), [changed], [Finding("remembered", gone)]
    return _Start(size, peaks, found[0] if found else None), [], []


def _remember(memory: Path, what: Mapping[str, Any]) -> None:
    memory.parent.mkdir(exist_ok=True)
    beside = memory.with_name(f"{memory.name}.{secrets.token_hex(4)}")
    beside.write_text(json.dumps(what), encoding="utf-8")
    beside.replace(memory)
