"""Checks what is kept against itself, event by event and leaf by leaf, and names what is wrong where; no more in memory than
one case and the peaks of the tree. Pure: rows come in (`engine.store.verifying`), findings come out.

    histories   chains, canonical form, columns, commitments, leaves, and that folding the events gives the stored case
    peaks       the tree over the leaves as it grows: its root at every size, its kept nodes on the way
    seals       checkpoints in their order: signature, key, previous, growth
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any

import orjson

from engine.audit import (
    EMPTY_ROOT,
    KEPT_EVERY,
    SALT_BYTES,
    Checkpoint,
    canonical,
    envelope_hash,
    fingerprint,
    genesis,
    node_hash,
)
from engine.case import Case, apply, fold, instant_text
from engine.definition import Catalog, references
from engine.errors import Text
from engine.events import FORMAT, LOGBOOK
from engine.store import cases
from engine.store.history import entry_of, told_by
from engine.store.seals import Signed
from engine.store.tables import FOREVER, LONG
from engine.store.trail import STANDING, over
from engine.store.verifying import BESIDE_BODY


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and where: at which event of which case, at which leaf, in which checkpoint."""

    code: str
    what: Text
    number: str | None = None
    sequence: int | None = None
    position: int | None = None
    checkpoint: int | None = None

    def to_json(self) -> dict[str, Any]:
        places = ("number", "sequence", "position", "checkpoint")
        return {"code": self.code, **{name: getattr(self, name) for name in places}, "what": self.what.to_json()}

    @property
    def where(self) -> Text:
        """`YH-2020-0012 第 3 条记录`, *YH-2020-0012, event 3*."""
        zh, en = [], []
        if self.number is not None:
            book = self.number == LOGBOOK
            zh.append("操作日志" if book else self.number)
            en.append("the logbook" if book else self.number)
        if self.sequence is not None:
            zh.append(f"第 {self.sequence} 条记录")
            en.append(f"event {self.sequence}")
        if self.position is not None and self.number is None:
            zh.append(f"总第 {self.position + 1} 条记录")
            en.append(f"event {self.position + 1} of all")
        if self.checkpoint is not None:
            zh.append(f"检查点 {self.checkpoint}")
            en.append(f"checkpoint {self.checkpoint}")
        return Text(" ".join(zh) or "本单位", ", ".join(en) or "the organisation")

    def sentence(self, locale: str) -> str:
        zh, en = self.where.zh, self.where.en
        return f"{zh}：{self.what.zh}" if locale == "zh" else f"{en}: {self.what.en}"


# --- histories -------------------------------------------------------------------------------------------------------------

#: (number, sequence, name, sequence of the logbook's event) → the commitment to what is left of this entry that this event has;
#: None where it does not say that it was erased
Erased = Callable[[str, int, str, int], str | None]
#: hash of a file → what is wrong with it, None for nothing
FileFault = Callable[[str], Text | None]
#: (number, sequence) → whether this event still waits for its number
Waits = Callable[[str, int], bool]


@dataclass
class Histories:
    """Checks histories one after the other; counts what it saw.

    file_fault   None where there are no files to look at
    """

    organisation: str
    catalog: Catalog
    erased: Erased = lambda _number, _sequence, _name, _by: None
    file_fault: FileFault | None = None
    waits: Waits = lambda _number, _sequence: False
    events: int = 0
    cases: int = 0
    files: set[str] = field(default_factory=set)

    def check(self, rows: Iterable[Any], kept: dict[str, Any]) -> Iterator[Finding]:
        """Findings in the histories of these rows (`engine.store.verifying.events_in`), and in the cases they belong to.

        kept    number → the case as it is stored; all of them are taken out
        """
        for number, events in groupby(rows, attrgetter("number")):
            history = _History(self, number)
            for row in events:
                self.events += 1
                yield from history.take(row)
            if number != LOGBOOK:
                self.cases += 1
                yield from history.compare(kept.pop(number, None))
        for number in list(kept):
            del kept[number]
            zh, en = "有事项而没有任何记录：它没有经过办理", "there is a case and no event of it: it never happened"
            yield Finding("case_without_events", Text(zh, en), number)


#: as an envelope says it, and the column of the same
_SAID = ("organisation", "case", "sequence", "type", "trigger", "from", "to", "recorded_at", "actor", "on_behalf_of")
_IN_ENVELOPE = itemgetter(*_SAID)
_IN_COLUMNS = attrgetter(
    "number", "sequence", "type", "trigger", "from_state", "to_state", "recorded_at", "actor", "on_behalf_of"
)
_OF_EVENT = attrgetter("hash", "recorded_at", "type", "trigger", "actor", "on_behalf_of")
_OF_TRAIL = attrgetter(
    "trail_recorded_at", "trail_type", "trail_trigger", "trail_actor", "trail_on_behalf_of"
)  # fmt: skip
_STANDS = attrgetter(*(f"trail_{name}" for name in STANDING))
_NOWHERE = (
    dict.fromkeys(STANDING)
    | dict.fromkeys(("workflow", "state", "counts_as", "level", "category"), "")
    | {"final": False}
)
_STANDING = frozenset(STANDING) - {"due_at"}
_FOREVER = instant_text(FOREVER)
_SHA256_TEXT = 64


class _History:
    """One case's events as they come."""

    def __init__(self, of: Histories, number: str) -> None:
        self._of = of
        self._number = number
        self.sequence = 0
        self._previous = genesis(of.organisation, number)
        self._recorded_at = ""
        self._values: dict[str, Any] = {}
        self._facts: dict[str, Any] = {}
        self._stands: dict[str, Any] = dict(_NOWHERE)
        self._lasting: tuple[int, str] | None = None
        self._spoiled = False

    def take(self, row: Any) -> Iterator[Finding]:
        expected, self.sequence = self.sequence + 1, row.sequence
        if row.sequence != expected:
            self._spoiled = True
            missing = f"{expected}" if row.sequence == expected + 1 else f"{expected}-{row.sequence - 1}"
            yield self._finding("event_missing", f"第 {missing} 条记录不见了", f"event {missing} is missing before it")
        envelope: bytes = row.envelope
        if hashlib.sha256(envelope).hexdigest() != row.hash:
            yield self._finding(
                "event_changed", "记录的内容被改动：与其哈希值不符", "its bytes were changed: they do not have its hash"
            )
        fields = self._fields(envelope)
        if fields is None:
            yield self._finding("event_unreadable", "记录无法读取", "it cannot be read")
        else:
            yield from self._agree(row, fields, envelope)
        if row.recorded_at < self._recorded_at:
            yield self._finding("time_runs_back", "记录时间早于前一条", "it was recorded before the event before it")
        self._previous, self._recorded_at = row.hash, row.recorded_at
        entries = self._entries(row.entries)
        changes: Mapping[str, Any] = {}
        if entries is None:
            self._spoiled = True
            yield self._finding(
                "disclosure_missing",
                "所记内容（承诺所对应的文本）不见了或无法读取",
                "what it says, beside its commitments, is missing or unreadable",
            )
        else:
            for name in self._unopened(row, {} if fields is None else fields, entries):
                yield self._finding(
                    "commitment",
                    f"“{name}”的内容与当时的承诺不符，被改动过",
                    f"what it says of {name!r} is not what was committed to",
                )
            answers, changes = self._told(fields, entries)
            self._fold(changes)
            # what was erased names no file any more
            kept = {name: value for name, value in answers.items() if "salt" in (entry_of(entries, name) or ())}
            yield from self._look_at_files(row, kept)
        yield from self._compare_trail(row, changes)

    @staticmethod
    def _fields(envelope: bytes) -> dict[str, Any] | None:
        try:
            fields = orjson.loads(envelope)
        except ValueError:
            return None
        return fields if isinstance(fields, dict) else None

    def _agree(self, row: Any, fields: dict[str, Any], envelope: bytes) -> Iterator[Finding]:
        """Canonical, of a known format, and as the columns say; behind the one it was chained to."""
        try:
            alike = canonical(fields) == envelope
        except (TypeError, ValueError, RecursionError):
            alike = False
        if not alike or fields.get("format") != FORMAT:
            yield self._finding(
                "event_form", "记录不是规定的格式", f"it is not written as events of format {FORMAT} are"
            )
        try:
            said = _IN_ENVELOPE(fields)
        except KeyError:
            said = tuple(fields.get(name) for name in _SAID)
        columns = (self._of.organisation, *_IN_COLUMNS(row))
        if said != columns:
            other = [name for name, one, two in zip(_SAID, said, columns, strict=True) if one != two]
            zh, en = "、".join(other), ", ".join(other)
            yield self._finding(
                "columns", f"列 {zh} 与记录本身不符", f"its columns say otherwise than the event itself: {en}"
            )
        if fields.get("previous") != self._previous:
            yield self._finding(
                "chain", "它所链接的前一条记录不是现在的前一条：顺序或内容被改动",
                "the event before it is not the one it was chained to: order or content was changed",
            )  # fmt: skip

    @staticmethod
    def _entries(written: bytes | None) -> dict[str, Any] | None:
        if written is None:
            return None
        try:
            entries = orjson.loads(written)
        except ValueError:
            return None
        well = isinstance(entries, dict) and all(isinstance(e, dict) and "value" in e for e in entries.values())
        return entries if well else None

    def _unopened(self, row: Any, fields: Mapping[str, Any], entries: dict[str, Any]) -> Iterator[str]:
        """Names of what does not open its commitment; of what was erased, the one to what is left, which the logbook has."""
        commitments = fields.get("commitments")
        if not isinstance(commitments, dict):
            commitments = {}
        if commitments.keys() != entries.keys():
            yield from sorted(commitments.keys() ^ entries.keys())
        for name, entry in entries.items():
            digest = commitments.get(name)
            if digest is None:
                continue
            salt = entry.get("salt")
            if entry.keys() != ({"erased", "nonce", "value"} if salt is None else {"salt", "value"}):
                yield name
            elif salt is None:
                by = entry["erased"]
                left = self._of.erased(self._number, row.sequence, name, by) if isinstance(by, int) else None
                if left is None or not _opens(left, entry["nonce"], entry["value"]):
                    yield name
            elif not _opens(digest, salt, entry["value"]):
                yield name

    def _told(self, fields: Mapping[str, Any] | None, entries: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Its answers and its changes; nothing of what is not as it was recorded, which is told already."""
        try:
            return told_by(fields or {}, entries)
        except (KeyError, TypeError, ValueError):
            self._spoiled = True
            return {}, {}

    def _fold(self, changes: Mapping[str, Any]) -> None:
        for name, value in changes.items():
            if name.startswith("facts."):
                self._facts[name[6:]] = value
            elif name.startswith("acted"):
                try:
                    apply(self._values, name, value)
                except (AttributeError, TypeError):
                    self._spoiled = True  # of another shape than it was recorded in: its commitment says so
            else:
                self._values[name] = value

    def _look_at_files(self, row: Any, answers: Mapping[str, Any]) -> Iterator[Finding]:
        fault_of = self._of.file_fault
        if fault_of is None or not any(map(_may_be_files, answers.values())):
            return
        workflow = self._of.catalog.get(str(self._values.get("workflow")), self._values.get("version"))
        if workflow is None:
            return
        try:
            form = workflow.opens_with if row.type == "opened" else workflow.form_of(row.trigger)
            found = references(form, answers)
        except (KeyError, AttributeError, TypeError):
            return  # of another shape than its form: its commitment says so
        for _, kind, sha256 in found:
            if kind not in {"file", "document"}:
                continue
            self._of.files.add(sha256)
            if (fault := fault_of(sha256)) is not None:
                yield self._finding("file", fault.zh, fault.en)

    def _compare_trail(self, row: Any, changes: Mapping[str, Any]) -> Iterator[Finding]:
        """Its leaf and what auditors find it by."""
        if row.position is None:
            if not self._of.waits(row.number, row.sequence):
                yield self._finding("not_in_trail", "审计轨迹中没有这条记录", "the trail does not have it")
            return
        if row.leaf.hex() != row.hash:
            yield self._finding(
                "leaf",
                "与审计轨迹（签名所覆盖）中的哈希值不符",
                "it is not the event whose hash is in the trail, which is signed",
            )
        stands = self._stands
        before = dict(stands)
        for name, value in changes.items():
            if name in _STANDING:
                stands[name] = value
            elif name == "clock":
                stands["due_at"] = None if value is None else value["due_at"]
        otherwise = row.sequence == 1 or stands != before
        lasting = otherwise and bool(stands["workflow"])
        wrong = _OF_TRAIL(row) != _OF_EVENT(row)[1:] or _STANDS(row) != tuple(stands.values())
        if otherwise and self._lasting is not None:
            wrong = wrong or self._lasting[1] != row.recorded_at
        if not lasting:
            wrong = wrong or row.trail_until != row.recorded_at
        wrong = wrong or row.trail_lasted != _lasted(row.recorded_at, row.trail_until)
        if wrong and not self._spoiled:
            yield self._finding(
                "trail", "审计轨迹中的查询信息与记录不符", "what the trail is asked by says otherwise than the events"
            )
        if lasting:
            self._lasting = row.sequence, row.trail_until

    def compare(self, kept: Any | None) -> Iterator[Finding]:
        """Whether folding gives the case as it is stored, and the columns beside it."""
        if self._lasting is not None and self._lasting[1] != _FOREVER and not self._spoiled:
            zh, en = "审计轨迹中的查询信息与记录不符", "what the trail is asked by says otherwise than the events"
            yield Finding("trail", Text(zh, en), self._number, self._lasting[0])
        if kept is None:
            zh, en = "有记录而没有事项", "there are events and no case"
            yield Finding("case_missing", Text(zh, en), self._number)
            return
        if self._spoiled:  # what is missing was told; without it nothing follows from the rest
            return
        try:
            folded = fold(
                [{**self._values, **{f"facts.{name}": value for name, value in self._facts.items()}}],
                last_hash=self._previous,
            )
            values, columns = folded.to_json(), self._columns(folded)
        except (TypeError, ValueError, KeyError, AttributeError):
            zh, en = "由记录无法重建该事项", "its events do not give a case"
            yield Finding("fold", Text(zh, en), self._number)
            return
        try:
            body = orjson.loads(kept.body)
            # an older program may have known fewer attributes
            other = [name for name, value in values.items() if body.get(name, _UNSAID.get(name)) != value]
            other += sorted(body.keys() - values.keys())
        except (ValueError, AttributeError):
            other = ["body"]
        other += [name for name, value in columns.items() if getattr(kept, name) != value and name not in other]
        if other:
            zh, en = "、".join(other), ", ".join(other)
            yield Finding(
                "case_changed",
                Text(
                    f"事项与其记录不符，绕过系统被改动：{zh}",
                    f"the case as it is stored is not what its events give, it was edited: {en}",
                ),
                self._number,
            )

    def _columns(self, case: Case) -> dict[str, Any]:
        """What is to stand beside the body, but for what only a definition tells that this program does not carry."""
        workflow = self._of.catalog.get(case.workflow, case.version)
        awaits = () if case.final or workflow is None else workflow.awaited(case)
        columns = cases.columns(case, awaits)
        if workflow is None and not case.final:
            del columns["awaits"]
        return {
            name: instant_text(columns[name]) if isinstance(columns[name], datetime) else columns[name]
            for name in BESIDE_BODY
            if name in columns
        }

    def _finding(self, code: str, zh: str, en: str) -> Finding:
        return Finding(code, Text(zh, en), self._number, self.sequence)


_UNSAID = fold([{"organisation": "", "number": "", "workflow": "", "version": 0, "state": "", "counts_as": "reported", "final": False, "opened_at": _FOREVER}]).to_json()  # fmt: skip


def _lasted(since: str, until: str) -> int:
    """What the trail finds a row by that lasted from one instant to the other; below 0 for what is none."""
    if until == since:
        return 0
    if until == _FOREVER:
        return LONG
    try:
        lasted: int = over(datetime.fromisoformat(since), datetime.fromisoformat(until))["lasted"]
    except ValueError:
        return -1
    return lasted


def _opens(digest: object, salt: object, value: object) -> bool:
    try:
        raw = bytes.fromhex(salt)  # type: ignore[arg-type]  # whatever else it is raises
        if len(raw) != SALT_BYTES:
            return False
        # nearly always these are the very bytes that were committed to, and that they hash to it is all there is to know
        if hashlib.sha256(raw + orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest() == digest:
            return True
        return hashlib.sha256(raw + canonical(value)).hexdigest() == digest
    except (TypeError, ValueError, RecursionError):
        return False


def _may_be_files(value: object) -> bool:
    return (isinstance(value, str) and len(value) == _SHA256_TEXT) or (isinstance(value, list | dict) and bool(value))


# --- the tree --------------------------------------------------------------------------------------------------------------


class Peaks:
    """A tree as it grows, of which only the roots of its whole subtrees are remembered: one for each 1 in its size."""

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        if len(peaks) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} peaks, not {len(peaks)}")
        self.size = size
        self._peaks = list(peaks)

    @property
    def peaks(self) -> tuple[bytes, ...]:
        return tuple(self._peaks)

    def add(self, leaf: bytes) -> tuple[tuple[int, int, bytes], ...]:
        """One more leaf, by its hash. Gives (level, index, hash) of the subtrees that are kept and have become whole."""
        node, level, ends = leaf, 0, self.size
        whole: list[tuple[int, int, bytes]] = []
        while ends & 1:
            node, level, ends = node_hash(self._peaks.pop(), node), level + 1, ends >> 1
            if level % KEPT_EVERY == 0:
                whole.append((level, ends, node))
        self._peaks.append(node)
        self.size += 1
        return tuple(whole)

    def root(self) -> bytes:
        if not self._peaks:
            return EMPTY_ROOT
        node = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            node = node_hash(peak, node)
        return node


# --- seals -----------------------------------------------------------------------------------------------------------------

#: (public key, signature, message) → whether whoever has the other half signed it
IsSigned = Callable[[bytes, bytes, bytes], bool]


@dataclass(frozen=True, slots=True)
class Key:
    """A key the organisation seals or sealed with: fingerprint, public key in hex, until and since when."""

    key: str
    public: str
    until: datetime | None = None
    since: datetime | None = None


@dataclass
class Seals:
    """Checks checkpoints one after the other, oldest first."""

    organisation: str
    keys: Mapping[str, Key]
    is_signed: IsSigned
    last: int = 0
    _before: Checkpoint | None = None
    _previous: str = ""

    def go_on_after(self, signed: Signed) -> None:
        """From here on: this one was found right before."""
        self.last, self._before = signed.id, Checkpoint.from_bytes(signed.body.encode())
        self._previous = envelope_hash(signed.body.encode())

    def check(self, signed: Signed) -> tuple[Checkpoint | None, list[Finding]]:
        """The checkpoint if it can be read, and what is wrong with it but for its root."""
        found: list[Finding] = []

        def fault(code: str, zh: str, en: str) -> None:
            found.append(Finding(code, Text(zh, en), checkpoint=signed.id))

        if signed.id != self.last + 1:
            fault("checkpoint_missing", "它之前的检查点不见了", "the checkpoint before it is missing")
        self.last = signed.id
        body = signed.body.encode(errors="surrogatepass")
        try:
            checkpoint = Checkpoint.from_bytes(body)
        except ValueError:
            fault("checkpoint_changed", "检查点无法读取", "it cannot be read")
            self._previous = envelope_hash(body)
            return None, found
        if checkpoint.organisation != self.organisation:
            fault("checkpoint_changed", "检查点属于另一单位", "it is of another organisation")
        if (checkpoint.size, checkpoint.at, checkpoint.key) != (signed.size, signed.at, signed.key):
            fault("checkpoint_changed", "列与检查点本身不符", "its columns say otherwise than the checkpoint itself")
        if checkpoint.previous != self._previous:
            fault(
                "checkpoint_chain", "它所链接的前一个检查点不是现在的前一个",
                "the checkpoint before it is not the one it was chained to",
            )  # fmt: skip
        if self._before is not None and (checkpoint.size < self._before.size or checkpoint.at < self._before.at):
            fault("checkpoint_growth", "它比前一个检查点更小或更早", "it is smaller or earlier than the one before it")
        what = signature_fault(checkpoint, body, signed.signature, self.keys, self.is_signed)
        if what is not None:
            fault("signature", what.zh, what.en)
        self._previous, self._before = envelope_hash(body), checkpoint
        return checkpoint, found


def signature_fault(
    checkpoint: Checkpoint, body: bytes, signature: str, keys: Mapping[str, Key], is_signed: IsSigned
) -> Text | None:
    """What is wrong with who signed it."""
    key = keys.get(checkpoint.key)
    if key is None:
        return Text(
            f"由本单位从未使用的密钥签名（指纹 {checkpoint.key}）",
            f"it is signed with a key that this organisation never had (fingerprint {checkpoint.key})",
        )
    try:
        public, signed = bytes.fromhex(key.public), bytes.fromhex(signature)
    except ValueError:
        return Text("签名或公钥无法读取", "its signature or its public key cannot be read")
    if fingerprint(public) != key.key:
        return Text("公钥与其指纹不符", "its public key does not have the fingerprint it goes by")
    if not is_signed(public, signed, body):
        return Text(
            "签名不符：由另一密钥签署，或签署后被改动",
            "its signature does not hold: another key signed it, or it was changed since",
        )
    if key.until is not None and checkpoint.at > key.until:
        return Text("由已停用的密钥签名", "it is signed with a key that had ended before")
    return None


@dataclass(frozen=True, slots=True)
class Lost:
    """What a restore left behind: everything after this many events that was recorded until then.

    sequence, position    of the logbook's event that says so, in the logbook and in the trail (None while it waits for that)
    to                    how many events the newest checkpoint spoke of that was known then
    """

    size: int
    at: datetime
    sequence: int = 0
    position: int | None = None
    to: int | None = None

    @classmethod
    def said(cls, about: Mapping[str, Any], at: datetime, sequence: int, position: int | None) -> "Lost | None":
        """What a *restored* note says; None of one that says nothing of it."""
        size, lost = about.get("trail"), about.get("lost")
        to = lost.get("to") if isinstance(lost, Mapping) else None
        if type(size) is not int or size < 0:
            return None
        return cls(size, at, sequence, position, to if type(to) is int else None)

    def explains(self, checkpoint: Checkpoint) -> bool:
        """Whether this checkpoint speaks of what was lost then."""
        return checkpoint.size > self.size and checkpoint.at <= self.at
