"""The data folder: database, files and a marker that says whether it was made under a simulated clock."""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from api.causes import cause_of
from engine.clock import utc
from engine.errors import FolderError, Text


class Folder:
    """A data folder by path. Nothing is made until `make` is called; nothing here looks into the database."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()

    @property
    def database(self) -> Path:
        return self.path / "bihuan.db"

    @property
    def files(self) -> Path:
        return self.path / "files"

    @property
    def keys(self) -> Path:
        return self.path / "keys"

    @property
    def marker(self) -> Path:
        return self.path / "folder.json"

    def key(self, name: str) -> bytes:
        """A secret of this folder's own, 32 random bytes, drawn when it is first asked for and kept for its user only."""
        kept = self.keys / name
        if not kept.is_file():
            kept.parent.mkdir(mode=0o700, exist_ok=True)
            drawn = kept.with_name(f"{name}.{secrets.token_hex(4)}")
            with os.fdopen(os.open(drawn, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_bytes(32))
            try:
                os.link(drawn, kept)  # whole or not at all, and the first of several processes draws it for all
            except FileExistsError:
                pass
            finally:
                drawn.unlink()
        return kept.read_bytes()

    @property
    def made(self) -> bool:
        return self.marker.is_file()

    @property
    def simulated(self) -> bool:
        return bool(self.made and self._marked()["simulated"])

    @property
    def last_instant(self) -> datetime | None:
        """The last instant of a simulated folder's clock that was saved."""
        text = self._marked().get("last_instant")
        try:
            return None if text is None else utc(datetime.fromisoformat(text))
        except (TypeError, ValueError) as error:
            raise self._unreadable() from error

    def make(self, *, simulated: bool = False, at: datetime | None = None) -> None:
        """Make the folder, or find it made the same way.

        at        where a simulated folder's clock stands
        Raises    FolderError for a real folder where a simulation is wanted, and the other way round
        """
        if self.made:
            self.must_be(simulated=simulated)
            return
        if self.path.is_dir() and any(self.path.iterdir()):
            # without a marker nobody knows what lies there; a simulation among somebody's files would be no kindness
            raise FolderError(
                Text(
                    f"目录 {self.path} 不是空目录，也不是闭环的数据目录。请换一个目录。",
                    f"The folder {self.path} is neither empty nor a data folder of Bihuan. Choose another one.",
                )
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.files.mkdir(exist_ok=True)
        except OSError as error:
            why = cause_of(error)
            raise FolderError(
                Text(
                    f"无法建立数据目录 {self.path}：{why.zh}。请检查权限或换一个目录。",
                    f"Cannot make the data folder {self.path}: {why.en}. Check the permissions or choose another.",
                )
            ) from error
        self._mark({"simulated": simulated, "last_instant": utc(at).isoformat() if at else None})

    def must_be_made(self) -> None:
        """Raises FolderError unless the folder was made."""
        if not self.made:
            raise FolderError(
                Text(
                    f"数据目录 {self.path} 尚未建立。请先运行 bihuan setup 建立单位，或用 bihuan demo 看示范。",
                    f"The data folder {self.path} has not been made. Set a school up with `bihuan setup`, or see one with `bihuan demo`.",
                )
            )

    def must_be(self, *, simulated: bool) -> None:
        """Raises FolderError when a simulated folder meets the system clock, or a real one a simulation."""
        if self.simulated and not simulated:
            raise FolderError(
                Text(
                    f"数据目录 {self.path} 是模拟生成的，不能使用系统时间。请换一个目录存放真实数据。",
                    f"The data folder {self.path} was made under a simulated clock and refuses the system clock. "
                    "Choose another folder for real data.",
                )
            )
        if simulated and not self.simulated:
            raise FolderError(
                Text(
                    f"数据目录 {self.path} 存放真实数据，不能在其中模拟。请换一个目录。",
                    f"The data folder {self.path} holds real data and refuses a simulation. Choose another folder.",
                )
            )

    def remember(self, instant: datetime) -> None:
        """Save where a simulated clock stands; never backwards."""
        last = self.last_instant
        if last is None or instant > last:
            self._mark({**self._marked(), "last_instant": utc(instant).isoformat()})

    @contextmanager
    def served(self) -> Iterator[None]:
        """Hold the folder's lock: one serving process a folder. The system gives it back when the process dies.

        Raises    FolderError while another process serves the folder
        """
        self.must_be_made()
        lock = FileLock(self.path / "serve.lock", timeout=0, thread_local=False)
        try:
            lock.acquire()
        except Timeout as error:
            raise FolderError(
                Text(
                    f"数据目录 {self.path} 正由另一个 bihuan serve 使用。请先停止它，或换一个目录。",
                    f"The data folder {self.path} is being served by another `bihuan serve`. "
                    "Stop that one first, or choose another folder.",
                )
            ) from error
        except OSError as error:
            raise self._not_written(error) from error
        try:
            yield
        finally:
            lock.release()

    def _marked(self) -> dict[str, Any]:
        if not self.made:
            return {}
        try:
            marked: object = json.loads(self.marker.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise self._unreadable() from error
        # without its word a simulated folder would pass for a real one, and its messages would go out
        if not isinstance(marked, dict) or not isinstance(marked.get("simulated"), bool):
            raise self._unreadable()
        return marked

    def _unreadable(self) -> FolderError:
        return FolderError(
            Text(
                f"数据目录的标记 {self.marker} 无法读取。请从备份恢复该文件。",
                f"The data folder's marker {self.marker} cannot be read. Restore it from a backup.",
            )
        )

    def _mark(self, values: dict[str, Any]) -> None:
        # replaced whole: a marker cut off by a power failure would lock its owner out of the folder
        beside = self.marker.with_suffix(f".{os.getpid()}.part")
        try:
            with beside.open("w", encoding="utf-8") as file:
                json.dump(values, file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.marker)
        except OSError as error:
            if beside.is_file():
                beside.unlink()
            raise self._not_written(error) from error

    def _not_written(self, error: OSError) -> FolderError:
        why = cause_of(error)
        return FolderError(
            Text(
                f"无法写入数据目录 {self.path}：{why.zh}。请检查权限和剩余空间。",
                f"Cannot write to the data folder {self.path}: {why.en}. Check its permissions and the space left.",
            )
        )
