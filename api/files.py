"""The bytes of uploaded pictures: checked, named by their SHA-256, written whole before the database hears of them."""

import hashlib
import io
import os
import re
import secrets
import threading
import warnings
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from PIL import Image
from sqlalchemy.exc import OperationalError

from api.problems import cannot_write
from engine.errors import FieldFault, InvalidInput, Text
from engine.store import files
from engine.store.database import Database
from engine.store.files import FileRecord

FORMATS = ("JPEG", "PNG", "WEBP")
MEDIA_TYPES = {  # by what the decoder calls it: MPO is a JPEG that carries a second picture, as many phones make them
    "JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp",
}  # fmt: skip
MAX_PIXELS = 60_000_000  # a good phone takes 50 million; a small file that unfolds into more is meant to hurt
DRAFT_PIXELS = 256  # scale at which a JPEG is read to its end
FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # what an organisation's key has to be to name a folder
SHA256 = re.compile(r"[0-9a-f]{64}")

_decoding = threading.Lock()  # a picture unfolds into 240 MB at worst: one after another, however many are uploaded


@dataclass(frozen=True, slots=True)
class Picture:
    sha256: str
    media_type: str
    size_bytes: int


def look_at(content: bytes) -> Picture:
    """What the bytes are, whatever they were called. Raises InvalidInput unless they are a picture we take."""
    try:
        with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
            image = Image.open(io.BytesIO(content), formats=FORMATS)
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise _no_picture(
                Text(
                    f"图片为 {width}×{height} 像素，超过 {MAX_PIXELS} 像素",
                    f"it has {width}×{height} pixels, more than {MAX_PIXELS}",
                )
            )
        kind = MEDIA_TYPES[str(image.format)]
        image.verify()
        # `verify` looks at the frame only: an upload that broke off must not become evidence, so it is read to its end
        with (
            _decoding,
            warnings.catch_warnings(action="ignore"),
            Image.open(io.BytesIO(content), formats=FORMATS) as whole,
        ):
            whole.draft(
                "L", (DRAFT_PIXELS, DRAFT_PIXELS)
            )  # a JPEG is read at a small scale: all its bytes, little memory
            whole.load()
    except InvalidInput:
        raise
    except Exception as error:  # a broken file can fail in any decoder, with any exception
        raise _no_picture(
            Text("不是完好的 JPEG、PNG 或 WebP 图片", "it is no sound JPEG, PNG or WebP picture")
        ) from error
    return Picture(hashlib.sha256(content).hexdigest(), kind, len(content))


class FileStore:
    """The folder of uploads. One lock for putting and sweeping: a file may not vanish while its row is being written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def path_of(self, organisation: str, sha256: str) -> Path:
        """Where a file lies: tenants apart, so that sweeping one never takes another's."""
        if not FOLDER_NAME.fullmatch(organisation) or not SHA256.fullmatch(sha256):
            raise ValueError(f"{organisation!r}/{sha256!r} names no file")
        return self._path / organisation / sha256[:2] / sha256

    def put(self, database: Database, organisation: str, content: bytes, by: str, now: datetime) -> FileRecord:
        """Keep an upload: bytes first, durable and under their final name, then the row."""
        picture = look_at(content)
        record = FileRecord(organisation, picture.sha256, picture.media_type, picture.size_bytes, now)
        target = self.path_of(organisation, picture.sha256)
        with self._lock:
            known = target.exists()
            try:
                if not known:
                    _write_whole(target, content)
                with database.write() as connection:
                    files.add(connection, record, by)
            except BaseException as error:
                if not known:  # bytes without a row would never be swept
                    target.unlink(missing_ok=True)
                if isinstance(error, OSError | OperationalError):
                    raise cannot_write(error) from error
                raise
        return record

    def sweep(self, database: Database, now: datetime) -> int:
        """Forget what nobody used for a week, rows first: a row without bytes would be a broken promise."""
        with self._lock:
            with database.write() as connection:
                swept = files.sweep(connection, now)
            for organisation, sha256 in swept:
                self.path_of(organisation, sha256).unlink(missing_ok=True)
        return len(swept)


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


def _no_picture(obstacle: Text) -> InvalidInput:
    return InvalidInput(
        asked=Text("上传图片", "Upload a picture"),
        obstacle=obstacle,
        remedy=Text("请重新拍照或换一种格式上传", "Take it again, or send it in another format"),
        fields=(FieldFault("body", obstacle),),
    )
