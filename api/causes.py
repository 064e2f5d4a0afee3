"""Why something failed, in both languages, where only the system, SQLite or pydantic knows and tells it in English."""

import errno
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from engine.errors import Text
from workflows.wording import ERROR_WORDS

#: what else the system may say is told in its own words
_SYSTEM = {
    errno.EACCES: Text("没有权限", "permission denied"),
    errno.EPERM: Text("没有权限", "permission denied"),
    errno.ENOENT: Text("文件或目录不存在", "no such file or folder"),
    errno.ENOTDIR: Text("路径中有一级不是目录", "a part of the path is no folder"),
    errno.EISDIR: Text("那里是一个目录", "there is a folder of that name"),
    errno.EROFS: Text("文件系统只读", "the file system is read-only"),
    errno.ENOSPC: Text("磁盘空间不足", "no space left on the disk"),
    errno.EFBIG: Text("文件超过允许的大小", "the file would be larger than is allowed"),
    errno.EIO: Text("磁盘读写出错", "the disk cannot be read or written"),
    errno.EMFILE: Text("打开的文件过多", "too many files are open"),
    errno.EADDRINUSE: Text("端口已被占用", "the port is in use"),
    errno.EADDRNOTAVAIL: Text("本机没有这个地址", "this machine has no such address"),
}
#: what SQLite says, by a part of it
_DATABASE = {
    "readonly": Text("数据库只读", "the database is read-only"),
    "unable to open": Text("无法打开数据库文件", "unable to open the database file"),
    "not a database": Text("该文件不是数据库", "the file is not a database"),
    "malformed": Text("数据库已损坏，请从备份恢复", "the database is damaged; restore it from a backup"),
    "is full": Text("磁盘空间不足", "no space left on the disk"),
    "disk i/o": Text("磁盘读写出错", "the disk cannot be read or written"),
    "locked": Text("数据库正被另一个进程占用", "another process holds the database"),
    "no such table": Text("数据库不完整，请从备份恢复", "the database is incomplete; restore it from a backup"),
}


def cause_of(error: BaseException) -> Text:
    """Why it failed, without a full stop."""
    if isinstance(error, SQLAlchemyError):
        said = str(getattr(error, "orig", None) or error).splitlines()[0]
        return next((text for part, text in _DATABASE.items() if part in said.lower()), Text(said, said))
    if isinstance(error, OSError):
        said = error.strerror or str(error)
        return _SYSTEM.get(error.errno or 0, Text(said, said))
    return Text(str(error), str(error))


def faults_in_words(error: ValidationError, *, prefix: str = "", words: Mapping[str, Text] = ERROR_WORDS) -> Text:
    """Each field with what is wrong with it; never the value, which may be a secret."""
    told = [
        (prefix + ".".join(map(str, item["loc"])), what_is_wrong(item, words))
        for item in error.errors(include_url=False)
    ]
    if prefix:
        told = [(name.upper(), fault) for name, fault in told]
    return Text(  # what is wrong with no single field has no name in front
        "；".join(f"{name} {fault.zh}".strip() for name, fault in told),
        "; ".join(f"{name} {fault.en}".strip() for name, fault in told),
    )


def what_is_wrong(item: Any, words: Mapping[str, Text] = ERROR_WORDS) -> Text:
    """One of pydantic's errors in words, without the name of its field."""
    context = {name: str(value) for name, value in item.get("ctx", {}).items()}
    if item["type"] == "said":
        return Text(context["zh"], context["en"])
    text = words.get(item["type"], Text(item["msg"], item["msg"]))
    chinese = {name: value.replace("', '", "'、'").replace("' or '", "'、'") for name, value in context.items()}
    return Text(text.zh.format(**chinese), text.en.format(**context)) if item["type"] in words else text
