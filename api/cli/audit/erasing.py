"""`bihuan audit erase`: the personal data of one person, everywhere it lies."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.cli.opening import data_option, json_option, opened, organisation_option, print_json, the_organisation

if TYPE_CHECKING:
    from api.keeping.erasing import Found
    from engine.errors import Text

PERMILLE = 1000  # the progress bar's steps
SHOWN = 20  # events that are listed; --json has all


@click.command()
@click.option("--person", required=True, help="The key of the account. It stays, as a pseudonym.")
@click.option("--reason", required=True, help="Why; kept for good, so without the name.")
@click.option(
    "--also", multiple=True, help="What else the person is called: a former name, another number. As often as needed."
)
@click.option("--picture", "pictures", multiple=True, help="SHA-256 of a picture to clear as well. As often as needed.")
@click.option("--dry-run", is_flag=True, help="Only say what would be cleared.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--no-rewrite", is_flag=True, help="Do not write the tables anew; what was cleared stays in freed space until then."
)
@data_option
@organisation_option
@json_option
def erase(
    person: str, reason: str, also: tuple[str, ...], pictures: tuple[str, ...], dry_run: bool, yes: bool,
    no_rewrite: bool, data: Path | None, organisation: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Clear a person's data everywhere it lies; the proofs still hold, and the logbook says that it was done.

    Name, numbers and addresses become ▇▇ in events' texts, cases, messages, refusals and the directory; the account signs
    in no more. Nothing brings it back. Stop nothing for it; on SQLite whoever writes waits while the file is written anew.
    """
    from api.keeping.erasing import Wanted, look_for, rewrite
    from api.keeping.erasing import erase as clear

    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        wanted = Wanted(here, person, reason, also, pictures)
        found = look_for(runtime.database, wanted)
        if not dry_run and not yes:
            _tell(found)
            click.confirm(
                "以上内容将被清除，不能恢复。继续？ · All this is cleared for good. Go on?", abort=True, err=True
            )
        remains: Text | None = None
        if not dry_run:
            with click.progressbar(length=PERMILLE, label="清除 · Clearing", file=sys.stderr) as bar:
                found = clear(
                    runtime.engine, runtime.files, wanted,
                    lambda part: bar.update(max(0, round(part * PERMILLE) - bar.pos)),
                )  # fmt: skip
            remains = None if no_rewrite else rewrite(runtime.database)
    if as_json:
        print_json(
            {
                "organisation": here, "person": person, "done": not dry_run, "events": found.entries, "rows": found.rows,
                "pictures": found.pictures, "templates": list(found.papers), "not_looked_for": list(found.untouched), "linked": list(found.linked),
                "notes": found.notes, "rewritten": not dry_run and not no_rewrite and remains is None,
            }
        )  # fmt: skip
    elif dry_run or yes:
        _tell(found)
    if dry_run:
        return
    click.echo(f"已清除，见操作日志 · Cleared; see the logbook: {found.notes}", err=True)
    for zh, en in _remaining(found, remains, no_rewrite=no_rewrite):
        click.echo(f"{zh} / {en}", err=True)


def _tell(found: "Found") -> None:
    for number, sequence, names in found.entries[:SHOWN]:
        click.echo(f"{number} #{sequence}: {', '.join(names)}")
    if len(found.entries) > SHOWN:
        click.echo(f"… {len(found.entries) - SHOWN}")
    for table, count in sorted(found.rows.items()):
        click.echo(f"{table}: {count}")
    for sha256 in found.pictures:
        click.echo(f"图片 · Picture: {sha256}")
    for code in found.papers:
        click.echo(f"模板 · Template: {_paper(code)}")
    if found.untouched:
        click.echo("{} / {}".format(*_not_looked_for(found)), err=True)


def _paper(code: str) -> str:
    from api.papers.kinds import BY_CODE, LISTS_BY_CODE

    kind = BY_CODE.get(code) or LISTS_BY_CODE.get(code)
    return code if kind is None else f"{kind.title.zh} ({kind.title.en}, {code})"


def _remaining(found: "Found", remains: "Text | None", *, no_rewrite: bool) -> "list[tuple[str, str]]":
    """What the program cannot clear, in words."""
    told = [
        (
            "此前生成的备份仍含这些数据，恢复后须再次清除；导出的文件和已发出的消息也是",
            (
                "backups made before still hold it, and it has to be cleared again after one is restored; so do files that "
                "were exported and messages that were sent"
            ),
        ),
        (
            "照片上的人认不出来：请用 --picture 指明",
            "nobody can tell who is in a picture: name those with --picture",
        ),
    ]
    if found.papers:
        listed = "、".join(map(_paper, found.papers))
        told.append(
            (
                f"本单位的 Word 文书模板仍含这些内容，程序不改动它：{listed}。请在“文书模板”页换成不含这些内容的，或恢复默认，再用 --also 写明姓名运行一次核对",
                (
                    f"Word templates of the organisation's own still say it, and are not changed by the program: {listed}. Replace "
                    "each by one without it on the page of paper templates, or go back to the default, and run this again with the name as --also to see"
                ),
            )
        )
    if no_rewrite:
        told.append(
            (
                "旧内容仍在数据库文件的空闲空间里",
                "what it was is still in freed space of the database's files",
            )
        )
    if remains is not None:
        told.append((remains.zh, remains.en))
    if found.linked:
        listed = ", ".join(found.linked)
        told.append(
            (
                f"同一人在其他单位的账号未动：{listed}",
                f"accounts of the same person elsewhere were left alone: {listed}",
            )
        )
    return told


def _not_looked_for(found: "Found") -> tuple[str, str]:
    listed = ", ".join(repr(each) for each in found.untouched)
    return f"太短或就是账号本身，没有查找：{listed}", f"too short, or the key itself, and not looked for: {listed}"
