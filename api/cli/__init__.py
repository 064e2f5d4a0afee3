"""The command `bihuan`. Every error is one sentence in Chinese and in English on standard error, and an exit code.

0 done · 1 refused or failed, with the sentence · 2 called the wrong way
"""

import sqlite3
import sys
from typing import Any

import click
from sqlalchemy.exc import SQLAlchemyError

from api import garbage  # noqa: F401  # before what it is there for
from api.cli import (
    calendars,
    channels,
    checking,
    deliveries,
    duties,
    exporting,
    founding,
    importing,
    keeping,
    keys,
    labels,
    loops,
    messages,
    passwords,
    running,
    summarising,
    tokens,
)
from api.cli.audit import audit
from engine.errors import BihuanError, FolderError, OutsideRefused, Refusal


class _Command(click.Group):
    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except Refusal as refusal:
            _say(refusal.sentence("zh"), refusal.sentence("en"))
        except (FolderError, OutsideRefused) as error:
            _say(error.text.zh, error.text.en)
        except BihuanError as error:
            _say(str(error))
        except BrokenPipeError:
            raise  # who read along has seen enough, as in `bihuan … | head`: click ends quietly
        except (OSError, SQLAlchemyError, sqlite3.Error) as error:
            # the folder or the disk, not the program: what the system says, and no traceback
            from api.causes import cause_of

            why = cause_of(error)
            where = f" {error.filename}" if isinstance(error, OSError) and error.filename else ""
            _say(
                f"数据目录或磁盘不可用{where}：{why.zh}。请检查路径、权限和剩余空间。",
                f"The data folder or the disk cannot be used{where}: {why.en}. "
                "Check its path, its permissions and the space left.",
            )
        raise click.exceptions.Exit(1)


def _say(*sentences: str) -> None:
    click.echo(" / ".join(sentences), err=True)


@click.group(cls=_Command, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="bihuan", message="%(version)s")
def main() -> None:
    """Bihuan 闭环: rectification loops for school safety, closed and provable."""
    for stream in (sys.stdout, sys.stderr):
        # a Windows console may know no Chinese: a question mark is better than a crash
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


for command in (
    running.demo, founding.setup, running.serve, running.work, running.tick, running.db,
    checking.check, duties.user, tokens.token, importing.import_, exporting.export, calendars.calendar, loops.workflow, channels.channel, labels.label, deliveries.outbox, messages.message,
    audit, summarising.summary, keeping.backup, keeping.restore, keys.keys,
):  # fmt: skip
    main.add_command(command)
duties.user.add_command(passwords.password)
