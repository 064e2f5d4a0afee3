"""The command `bihuan`. Every error is one sentence in Chinese and in English on standard error, and an exit code.

0 done · 1 refused or failed, with the sentence · 2 called the wrong way
"""

import sys
from typing import Any

import click
from sqlalchemy.exc import DBAPIError

from api.cli import calendars, deliveries, exporting, loops, running, tokens
from engine.errors import BihuanError, FolderError, Refusal


class _Command(click.Group):
    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except Refusal as refusal:
            _say(refusal.sentence("zh"), refusal.sentence("en"))
        except FolderError as error:
            _say(error.text.zh, error.text.en)
        except BihuanError as error:
            _say(str(error))
        except (OSError, DBAPIError) as error:
            # the folder or the disk, not the program: what the system says, and no traceback
            said = getattr(error, "orig", None) or error
            _say(
                f"数据目录或磁盘不可用：{said}。请检查路径、权限和剩余空间",
                f"The data folder or the disk cannot be used: {said}. Check its path, its permissions and the space left",
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
    running.demo, running.serve, running.work, running.tick, running.db,
    tokens.token, exporting.export, calendars.calendar, loops.workflow, deliveries.outbox,
):  # fmt: skip
    main.add_command(command)
