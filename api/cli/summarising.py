"""`bihuan summary`: the stage summary of a period, written from its records; counted again, and compared, whenever wanted."""

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.cli.opening import (
    data_option,
    json_option,
    opened,
    organisation_option,
    print_json,
    read_file,
    the_organisation,
)
from api.cli.writing import written_whole
from engine.errors import FolderError, Text

if TYPE_CHECKING:
    from api.bootstrap import Runtime
    from api.papers.summary.counting import Differing, Snapshot
    from workflows.summary_text import SummaryText

ENDINGS = (".docx", ".html")
KEPT = ".figures.json"

_file = click.Path(dir_okay=False, path_type=Path)
_day = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.option("--from", "first", type=_day, metavar="DAY", help="The first day of the period.")
@click.option("--to", "last", type=_day, metavar="DAY", help="The last day of the period.")
@click.option("-o", "--output", type=_file, help=f"FILE.docx or FILE.html; beside it, FILE{KEPT} keeps its numbers.")
@click.option("--text", type=_file, metavar="FILE.yaml", help="Words of the school's own; numbers stay computed.")
@click.option("--default-text", is_flag=True, help="Print the words there are, to be changed and given by --text.")
@click.option("--again", type=_file, metavar=f"FILE{KEPT}", help="Count those numbers again, and compare each.")
@data_option
@organisation_option
@json_option
def summary(
    first: datetime | None,
    last: datetime | None,
    output: Path | None,
    text: Path | None,
    default_text: bool,
    again: Path | None,
    data: Path | None,
    organisation: str | None,
    as_json: bool,  # as click gives it
) -> None:
    """Write the stage summary (阶段小结) of a period, or count the numbers of one again (--again)."""
    if default_text:
        from workflows.summary_text import standard_file

        click.echo(standard_file(), nl=False)
        return
    _must_fit(first, last, output, again)
    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        words = _words(text)
        if again is not None:
            snapshot = _still_so(runtime, here, again, as_json=as_json)
        else:
            assert first is not None and last is not None
            snapshot = _counted(runtime, here, first.date(), last.date())
        if output is not None:
            _write(runtime, snapshot, words, output)
    if as_json and again is None:
        print_json({"sha256": snapshot.digest, "snapshot": snapshot.model_dump(mode="json")})
    elif output is not None:
        kept = output.with_suffix(KEPT)
        click.echo(f"{output}\n{kept}", err=as_json)


def _must_fit(first: datetime | None, last: datetime | None, output: Path | None, again: Path | None) -> None:
    if again is not None and (first or last):
        raise click.UsageError("--again: the period stands in the file; leave --from and --to out")
    if again is None and (first is None or last is None or output is None):
        raise click.UsageError("--from DAY --to DAY -o FILE, or --again FILE")
    if output is not None and output.suffix not in ENDINGS:
        raise click.BadParameter(f"a file ending in {' or '.join(ENDINGS)}", param_hint="-o")


def _words(text: Path | None) -> "SummaryText":
    from api.papers.summary import wording
    from workflows.summary_text import standard

    if text is None:
        return standard()
    try:
        return wording.read_text(read_file(text).decode())
    except UnicodeDecodeError:
        raise FolderError(Text(f"文件 {text} 不是 UTF-8 文本。", f"{text} is no text in UTF-8.")) from None


def _counted(runtime: "Runtime", here: str, first: date, last: date) -> "Snapshot":
    from api.papers.summary import counting

    return counting.take(runtime, here, first, last)


def _still_so(runtime: "Runtime", here: str, file: Path, *, as_json: bool) -> "Snapshot":
    """The snapshot, all of whose numbers come out again as they are. Raises FolderError where one does not, with all that do not."""
    from api.papers.summary import counting

    snapshot = counting.read_snapshot(read_file(file), here)
    found = counting.again(runtime, snapshot)
    if as_json:
        differing = [{"key": each.key, "title": each.title, "kept": each.kept, "now": each.now} for each in found]
        print_json({"numbers": len(snapshot.numbers), "equal": not found, "differing": differing})
    if found:
        raise _differs(found)
    if not as_json:
        many = len(snapshot.numbers)
        click.echo(f"{many} 个数字重新统计，全部一致 · {many} numbers counted again, all the same")
    return snapshot


def _differs(found: "list[Differing]") -> FolderError:
    zh = "；".join(f"{each.title} 原为 {each.kept}，现为 {each.now}" for each in found)
    en = "; ".join(f"{each.key} was {each.kept} and is {each.now}" for each in found)
    return FolderError(
        Text(f"重新统计后有 {len(found)} 个数字不一致：{zh}。请核对后重新生成小结。",
             f"Counted again, {len(found)} numbers differ: {en}. Look into it, and write the summary anew.")
    )  # fmt: skip


def _write(runtime: "Runtime", snapshot: "Snapshot", words: "SummaryText", output: Path) -> None:
    """The document, and beside it what its numbers are locked to. Who takes records away is noted before."""
    from api.papers import html
    from api.papers.summary import counting, wording
    from api.papers.word import asking
    from api.trail import Reader, noted

    document = wording.written(words, counting.gather(runtime, snapshot), runtime.clock.now())
    if output.suffix == ".html":
        content = html.file_of_summary(document, runtime.settings.reached_at).encode()
    else:
        content = asking.summary_of(document)
    period = {"from": snapshot.first.isoformat(), "to": snapshot.last.isoformat(), "sha256": snapshot.digest}
    with written_whole(output) as file, written_whole(output.with_suffix(KEPT)) as kept:
        reader = Reader.system(snapshot.organisation, runtime.engine.catalog)
        noted(runtime, reader, "summary", period, len(snapshot.numbers))
        file.write(content)
        kept.write(snapshot.to_file())
