"""What somebody takes away as a file is written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from engine.errors import FolderError, Text


@contextmanager
def written_whole(output: Path) -> Iterator[BinaryIO]:
    """A file to write and read again, readable for its user only, that takes its name once the block ends, durably; nothing
    is left of one that raises.

    Raises    FolderError where it cannot be written
    """
    from api.causes import cause_of

    beside = output.with_name(f"{output.name}.part")  # one cut off half-way may not take the old one's place
    try:
        with os.fdopen(os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(output)
    except OSError as error:
        why = cause_of(error)
        raise FolderError(Text(f"无法写入 {output}：{why.zh}。", f"Cannot write {output}: {why.en}.")) from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
