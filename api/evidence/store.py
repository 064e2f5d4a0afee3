"""The bytes of uploaded evidence: checked, named by their SHA-256, written whole before the database hears of them."""

import hashlib
import os
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import structlog
from sqlalchemy.exc import OperationalError

from api.evidence.documents import media_type_of
from api.evidence.pictures import draw_anew, thumbnail_of
from api.problems import FileGone, cannot_write
from engine.errors import Busy, Text
from engine.store import files
from engine.store.database import Database
from engine.store.files import FileRecord, Sent

log = structlog.get_logger(__name__)

FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # what an organisation's key has to be to name a folder
SHA256 = re.compile(r"[0-9a-f]{64}")
PLACES = (
    12  # uploads looked into or waiting for it: each holds one of the server's 40 threads, the others are for steps
)
EARLIEST_YEAR = 2000  # a camera whose clock was never set says 1970 or 1980

Kind = Literal["picture", "document"]


@dataclass(frozen=True, slots=True)
class Kept:
    """An upload as it is kept, and as it was sent."""

    record: FileRecord
    sent: Sent


@dataclass(frozen=True, slots=True)
class _Made:
    """What is to be kept of an upload."""

    content: bytes
    media_type: str
    thumbnail: bytes | None = None
    taken_at: str | None = None


class FileStore:
    """The folder of uploads. One lock for putting and sweeping: a file may not vanish while its row is being written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(PLACES)

    def path_of(self, organisation: str, sha256: str) -> Path:
        """Where a file lies: tenants apart, so that sweeping one never takes another's."""
        if not FOLDER_NAME.fullmatch(organisation) or not SHA256.fullmatch(sha256):
            raise ValueError(f"{organisation!r}/{sha256!r} names no file")
        return self._path / organisation / sha256[:2] / sha256

    def put(
        self,
        database: Database,
        organisation: str,
        content: bytes,
        by: str,
        now: datetime,
        *,
        kind: Kind = "picture",
        name: str = "",
    ) -> Kept:
        """Keep an upload: bytes first, durable and under their final name, then the row.

        1. what was sent before, or was made here of what was sent, is that file, byte for byte
        2. else a picture is drawn anew and a document looked into
        3. it is written under its hash, its thumbnail beside it, and then written down

        by      the principal who sends it
        name    what he calls it, made harmless already
        Raises  InvalidInput unless it is of that kind; Busy when it cannot be written, or too many come at once
        """
        hashed = hashlib.sha256(content).hexdigest()
        with self._lock:
            known = self._known(database, organisation, hashed, kind)
            if known is not None:
                return self._write_down(database, known, by, Sent(hashed, name), now)
        with self._place():
            made = _made_of(content, kind)
        sha256 = hashlib.sha256(made.content).hexdigest()
        record = FileRecord(organisation, sha256, made.media_type, len(made.content), now)
        taken_at = made.taken_at if made.taken_at and _is_plausible(made.taken_at, now) else None
        with self._lock:
            return self._write(database, record, made, by, Sent(hashed, name, taken_at))

    def read_from(self, record: FileRecord) -> Path:
        """Where its bytes are. Raises FileGone when somebody took them away."""
        path = self.path_of(record.organisation, record.sha256)
        if record.erased is not None:
            raise FileGone(
                asked=Text("查看文件", "Fetch the file"),
                obstacle=Text(
                    f"其内容已作为个人数据清除，见操作日志第 {record.erased} 条",
                    f"it was cleared as personal data; event {record.erased} of the logbook says why",
                ),
                remedy=Text("记录中仍有其哈希值", "The records still have its hash"),
            )
        if not path.is_file():
            log.error("file_gone", organisation=record.organisation, sha256=record.sha256)
            raise FileGone(
                asked=Text("查看文件", "Fetch the file"),
                obstacle=Text(
                    "文件记录还在，但其内容已不在数据目录中",
                    "its record is there, but its bytes have left the data folder",
                ),
                remedy=Text(
                    "请系统管理员从备份恢复，或由上传人重新上传原文件",
                    "Ask the administrator to restore them from the backup, or whoever sent it to send it again",
                ),
            )
        return path

    def thumbnail(self, record: FileRecord) -> Path:
        """Where a picture's thumbnail is; made again if it is missing. Raises FileGone, Busy."""
        target = _thumbnail_of(self.path_of(record.organisation, record.sha256))
        if not target.is_file():
            whole = self.read_from(record)
            with self._place():
                small = thumbnail_of(whole.read_bytes())
            try:
                _write_whole(target, small)
            except OSError as error:
                raise cannot_write(error) from error
        return target

    def remove(self, organisation: str, sha256: str) -> None:
        """Take a file's bytes away for good, after its row says so."""
        with self._lock:
            _remove(self.path_of(organisation, sha256))

    def sweep(self, database: Database, now: datetime) -> int:
        """Forget what nobody used for a week, rows first: a row without bytes would be a broken promise."""
        with self._lock:
            with database.write_across() as connection:
                swept = files.sweep(connection, now)
            for organisation, sha256 in swept:
                _remove(self.path_of(organisation, sha256))
        return len(swept)

    def _known(self, database: Database, organisation: str, hashed: str, kind: Kind) -> FileRecord | None:
        """The file that these bytes became, or are, if its bytes are still there."""
        with database.read(organisation) as connection:
            record = files.made_of(connection, organisation, hashed)
        if record is None or record.is_picture != (kind == "picture"):
            return None
        return record if self.path_of(organisation, record.sha256).is_file() else None

    def _write(self, database: Database, record: FileRecord, made: _Made, by: str, sent: Sent) -> Kept:
        target = self.path_of(record.organisation, record.sha256)
        known = target.exists()
        try:
            if not known:
                _write_whole(target, made.content)
                if made.thumbnail is not None:
                    _write_whole(_thumbnail_of(target), made.thumbnail)
            return self._write_down(database, record, by, sent, record.uploaded_at)
        except BaseException as error:
            if not known:  # bytes without a row would never be swept
                _remove(target)
            if isinstance(error, OSError):
                raise cannot_write(error) from error
            raise

    def _write_down(self, database: Database, record: FileRecord, by: str, sent: Sent, now: datetime) -> Kept:
        record = FileRecord(record.organisation, record.sha256, record.media_type, record.size_bytes, now)
        try:
            with database.write(record.organisation) as connection:
                files.add(connection, record, by, sent)
                senders = files.senders(connection, record.organisation, record.sha256)
        except OperationalError as error:
            raise cannot_write(error) from error
        return Kept(record, senders[by])

    @contextmanager
    def _place(self) -> Iterator[None]:
        """One of the places for looking into uploads. Raises Busy when all are taken."""
        if not self._places.acquire(blocking=False):
            raise Busy(
                asked=Text("上传", "Upload"),
                obstacle=Text("同时上传的人太多", "too many are uploading at once"),
                remedy=Text("请稍后重新上传", "Send it again in a moment"),
            )
        try:
            yield
        finally:
            self._places.release()


def _made_of(content: bytes, kind: Kind) -> _Made:
    if kind == "document":
        return _Made(content, media_type_of(content))
    picture = draw_anew(content)
    return _Made(picture.content, picture.media_type, picture.thumbnail, picture.taken_at)


def _is_plausible(taken_at: str, now: datetime) -> bool:
    """Neither of a clock that was never set nor of tomorrow; a day is left for the places that are ahead of UTC."""
    return str(EARLIEST_YEAR) <= taken_at and taken_at[:10] <= (now + timedelta(days=1)).date().isoformat()


def _thumbnail_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.thumbnail")


def _remove(target: Path) -> None:
    for path in (target, _thumbnail_of(target)):
        path.unlink(missing_ok=True)


def _write_whole(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
