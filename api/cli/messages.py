"""What messages say: the texts a school may word itself, checked and previewed; and every message there can be, for reading."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.opening import data_option, json_option, opened, organisation_option, print_json, the_organisation
from engine.errors import FolderError, Text

if TYPE_CHECKING:
    from api.samples import Sample
    from api.texts import Shown

LOCALE = click.Choice(["zh", "en"])
locale_option = click.option("--locale", type=LOCALE, default="zh", show_default=True, help="In which language.")
workflow_option = click.option("--workflow", default="", help="Of this loop alone; of all where it is left out.")


@click.group()
def message() -> None:
    """What messages say."""


@message.command("list")
@click.option("--own", is_flag=True, help="Only those the organisation worded itself.")
@data_option
@organisation_option
@json_option
def list_(own: bool, data: Path | None, organisation: str | None, as_json: bool) -> None:
    """The texts there are, by name, loop and language."""
    from api import texts

    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        with runtime.database.read(here) as connection:
            found = [shown for shown in texts.all_of(connection, runtime.engine, here) if shown.own or not own]
    if as_json:
        print_json([_told(shown) for shown in found])
        return
    if not found:
        click.echo("没有 · none")
        return
    click.echo("名称 name  流程 loop  语言 locale  本单位 own  说明 title")
    for shown in found:
        mark = f"{shown.changed_at:%Y-%m-%d %H:%M}Z" if shown.changed_at else "-"
        title = shown.demand.title
        click.echo(f"{shown.name}  {shown.workflow or '*'}  {shown.locale}  {mark}  {title.zh} · {title.en}")
        for fault in shown.faults:
            click.echo(f"  {fault.zh} · {fault.en}")


@message.command()
@click.argument("name")
@workflow_option
@locale_option
@data_option
@organisation_option
@json_option
def show(name: str, workflow: str, locale: str, data: Path | None, organisation: str | None, as_json: bool) -> None:
    """The text NAME as it is used: its first line is the subject. With what it may and has to say on standard error."""
    from api import texts

    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        with runtime.database.read(here) as connection:
            shown = texts.find(connection, runtime.engine, here, name, workflow, locale)
    if as_json:
        print_json(_told(shown))
        return
    click.echo(shown.text)
    demand = shown.demand
    may, must = (" ".join(f"{{{fact}}}" for fact in sorted(facts)) for facts in (demand.may, demand.must))
    click.echo(f"可用 · may say: {may}\n必须 · has to say: {must}", err=True)


@message.command("set")
@click.argument("name")
@click.argument("file", type=click.File(encoding="utf-8"))
@workflow_option
@locale_option
@data_option
@organisation_option
@json_option
def set_(
    name: str,
    file: Any,
    workflow: str,
    locale: str,
    data: Path | None,
    organisation: str | None,
    as_json: bool,
) -> None:
    """Word the text NAME anew as FILE has it (- for standard input). It is checked first.

    \b
      The first line is the subject.   待办：{number} {title}[，{left}]
      A fact stands in braces; what is not always known is put in brackets with the words around it, and falls away with
      it, or gives way to what stands behind a bar: 地点：[{place}|未填]
    """
    from api import texts
    from engine.actor import system

    source = _read(file)
    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        shown = texts.keep(runtime.engine, system(here), name, workflow, locale, source)
    if as_json:
        print_json(_told(shown))
    else:
        click.echo(f"已保存 · kept: {_named(shown)}")


@message.command()
@click.argument("name")
@workflow_option
@locale_option
@data_option
@organisation_option
def reset(name: str, workflow: str, locale: str, data: Path | None, organisation: str | None) -> None:
    """Take the text NAME back to the words that come with the program."""
    from api import texts
    from engine.actor import system

    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        shown = texts.reset(runtime.engine, system(here), name, workflow, locale)
    click.echo(f"已恢复 · taken back: {_named(shown)}")


@message.command()
@click.argument("name")
@click.option(
    "--file", type=click.File(encoding="utf-8"), help="With this text (- for standard input); else the one in use."
)
@click.option("--case", "number", help="About this case as it stands, instead of made-up ones.")
@workflow_option
@locale_option
@data_option
@organisation_option
@json_option
def preview(
    name: str,
    file: Any,
    number: str | None,
    workflow: str,
    locale: str,
    data: Path | None,
    organisation: str | None,
    as_json: bool,
) -> None:
    """How messages of the text NAME look. Nothing is kept and nothing sent."""
    from api import texts
    from engine.actor import system
    from notifications.routing import SchoolSettings

    source = None if file is None else _read(file)
    with opened(data) as runtime:
        here, engine = the_organisation(runtime, organisation), runtime.engine
        with runtime.database.read(here) as connection:
            if number is not None:
                school = SchoolSettings(public_url=runtime.settings.reached_at)
                place = name, workflow, locale
                words = texts.preview_of_case(connection, engine, system(here), None, place, source, number, school)
                found = [(number, words.subject, words.body)]
            else:
                samples = texts.preview(connection, engine, here, name, workflow, locale, source)
                found = [(sample.file, sample.words.subject, sample.words.body) for sample in samples]
    if as_json:
        print_json([{"of": of, "subject": subject, "body": body} for of, subject, body in found])
        return
    for of, subject, body in found:
        click.echo(f"── {of}\n{subject}\n{body}\n")


@message.command()
@click.option(
    "-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="DIR", help="Where to."
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="With the texts of this data folder's organisation.",
)
@organisation_option
def render(output: Path, data: Path | None, organisation: str | None) -> None:
    """Every message there can be, in both languages, as files to be read: one a message, and an index.

    They are made from made-up facts, as a rule (usual), with everything that can be known (full) and with as little as can be
    (bare). Without --data they are the program's own words.
    """
    written = sorted(_write(output, _own_wording(data, organisation)))
    click.echo(f"{len(written)} 条消息 · messages: {output / 'index.txt'}")


def _own_wording(data: Path | None, organisation: str | None) -> Any:
    from notifications import texts
    from notifications.rendering import STANDARD, Wording

    if data is None:
        return STANDARD
    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        with runtime.database.read(here) as connection:
            return Wording(texts.in_use(connection, here))


def _write(output: Path, wording: Any) -> Iterator[str]:
    from typing import get_args

    from api.loops import the_loops
    from api.samples import Fullness, messages
    from api.texts import LOCALES
    from notifications.rendering import rows

    index = []
    loops = the_loops().catalog.newest()
    for locale in LOCALES:
        for fullness in get_args(Fullness):
            for sample in messages(loops, locale, wording, fullness):
                name = _file_of(sample, fullness)
                path = output / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"{sample.words.subject}\n\n{sample.words.body}\n", encoding="utf-8")
                index.append(f"{rows(sample.words.body):2}  {name}  {sample.words.subject}")
                yield name
    head = "行数 rows  文件 file  标题 subject"
    (output / "index.txt").write_text("\n".join([head, *index, ""]), encoding="utf-8")


def _file_of(sample: "Sample", fullness: str) -> str:
    folder, _, name = sample.file.partition("/")
    return f"{folder}/{fullness}/{name}"


def _told(shown: "Shown") -> dict[str, Any]:
    return {
        "name": shown.name, "title": shown.demand.title.to_json(), "workflow": shown.workflow, "locale": shown.locale,
        "own": shown.own, "text": shown.text, "standard": shown.standard, "changed_at": shown.changed_at,
        "may": sorted(shown.demand.may), "must": sorted(shown.demand.must),
        "faults": [fault.to_json() for fault in shown.faults],
    }  # fmt: skip


def _named(shown: "Shown") -> str:
    return f"{shown.name} {shown.workflow or '*'} {shown.locale}"


def _read(file: Any) -> str:
    """What the file says, as it says it. Raises FolderError for what is no text."""
    try:
        text: str = file.read(100_000)
    except UnicodeDecodeError as error:
        raise FolderError(
            Text(
                f"{file.name} 不是 UTF-8 文本。请另存为 UTF-8。", f"{file.name} is no text in UTF-8. Save it as UTF-8."
            )
        ) from error
    return text.removeprefix("\ufeff")
