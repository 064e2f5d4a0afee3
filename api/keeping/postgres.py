"""PostgreSQL's own programs for dumping and restoring: found, fit for the server, run without showing a password."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy import URL, make_url, text

from engine.errors import FolderError, Text
from engine.store.database import OF_ALL, OF_ONE, Connection, Database

Program = Literal["pg_dump", "pg_restore"]
LINES = 3  # of what the program says when it fails; the first tell why


def program(name: Program, folder: Path | None, database: Database) -> Path:
    """Where the program is.

    folder    where the setting says they are; on the PATH if None
    Raises    FolderError where there is none, or one older than the server
    """
    found = shutil.which(name, path=None if folder is None else str(folder))
    if found is None:
        where = "PATH" if folder is None else str(folder)
        raise FolderError(
            Text(
                f"在 {where} 中找不到 {name}。备份和恢复 PostgreSQL 需要它：请安装 PostgreSQL 客户端程序，"
                "或用 BIHUAN_POSTGRES_PROGRAMS 指明其目录。",
                f"There is no {name} in {where}, and a backup of PostgreSQL needs it. Install PostgreSQL's client programs, "
                "or name their folder in BIHUAN_POSTGRES_PROGRAMS.",
            )
        )
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    version = re.search(r"(\d+)", said)
    with database.own() as connection:
        server = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one()) // 10000
    if version is None or int(version[1]) < server:
        raise FolderError(
            Text(
                f"{found} 的版本（{said.strip()}）低于数据库服务器（{server}），其备份不可靠。"
                f"请安装 {server} 或更新的客户端程序，或用 BIHUAN_POSTGRES_PROGRAMS 指明其目录。",
                f"{found} ({said.strip()}) is older than the server ({server}) and cannot read it. Install client programs "
                f"of version {server} or newer, or name their folder in BIHUAN_POSTGRES_PROGRAMS.",
            )
        )
    return Path(found)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one transaction sees, for pg_dump to see the same: its name, and the schema our tables lie in."""

    name: str
    schema: str


def export_snapshot(connection: Connection) -> Snapshot:
    """The transaction has to stay open until whoever is to see the same has begun."""
    connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")  # it waits while others work
    return Snapshot(*connection.exec_driver_sql("SELECT pg_export_snapshot(), current_schema()").one())


def dump(using: Path, url: str, snapshot: Snapshot, to: Path) -> None:
    """Our tables, and what somebody else keeps beside them not, as `snapshot` has it. Raises FolderError with what the program says."""
    _run(
        [
            str(using), "--format=custom", "--no-owner", "--no-comments", f"--snapshot={snapshot.name}", f"--file={to}",
            f"--schema={_quoted(snapshot.schema)}",
            # as who sees the rows of every organisation; the owner of the tables would see none of them
            f"--role={OF_ALL}", "--enable-row-security",
        ],
        url, Text("备份数据库", "Dump the database"),
    )  # fmt: skip


def make_roles(connection: Connection) -> None:
    """The roles that what is in a dump is granted to: they are the server's, so in no dump. Where the owner may not make them,
    whoever runs the server has (`bihuan db roles`).
    """
    for role in (OF_ONE, OF_ALL):
        connection.execute(text(_MAKE.replace("{role}", role)))


_MAKE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN CREATE ROLE {role} NOLOGIN; END IF;
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        BEGIN GRANT {role} TO CURRENT_USER; EXCEPTION WHEN insufficient_privilege THEN NULL; END;
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO {role}', current_schema());
END $$
"""


def load(using: Path, url: str, dumped: Path, schema: str) -> None:
    """All of it into an empty database, or nothing. The schema is there already. Raises FolderError with what the program says."""
    _run(
        [str(using), "--no-owner", "--no-comments", "--single-transaction", "--exit-on-error", f"--schema={schema}",
         str(dumped)],
        url, Text("恢复数据库", "Restore the database"),
    )  # fmt: skip


def _run(command: Sequence[str], url: str, what: Text) -> None:
    where = make_url(url).set(drivername="postgresql")
    environment = {**os.environ, "PGAPPNAME": "bihuan", "PGCONNECT_TIMEOUT": "10"}
    if where.password is not None:  # everybody on the machine can read a command line
        environment["PGPASSWORD"] = str(where.password)
    done = subprocess.run(  # noqa: S603  # a program of PostgreSQL's, and no shell
        [*command, f"--dbname={_shown(where)}", "--no-password"],
        capture_output=True, text=True, errors="replace", check=False, env=environment,
    )  # fmt: skip
    if done.returncode:
        said = " ".join(done.stderr.split("\n")[:LINES]).strip()
        raise FolderError(
            Text(
                f"{what.zh}没有成功，没有保留任何内容。{Path(command[0]).name} 说：{said}",
                f"{what.en}: it did not succeed, and nothing was kept. {Path(command[0]).name} says: {said}",
            )
        )


def _quoted(schema: str) -> str:
    """As a pattern that matches this name and no other."""
    return '"' + schema.replace('"', '""') + '"'


def _shown(url: URL) -> str:
    return url._replace(password=None).render_as_string(hide_password=False)
