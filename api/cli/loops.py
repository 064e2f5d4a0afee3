"""The loops: list them, show one, draw it, set the numbers an organisation may change."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.opening import data_option, json_option, opened, organisation_option, print_json, the_organisation
from engine.errors import FolderError, Text

if TYPE_CHECKING:
    from engine.definition import Workflow


@click.group()
def workflow() -> None:
    """The loops there are."""


@workflow.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Every loop and its newest version; of one that was installed beside ours, the distribution it comes from."""
    from api.loops import the_loops

    loops = the_loops()
    if as_json:
        print_json(
            [
                {
                    "key": w.key, "plural": w.plural, "version": w.version, "prefix": w.prefix, **w.title.to_json(),
                    "from": asdict(loops.origins[w.key]) if w.key in loops.origins else None,
                }
                for w in loops.catalog.newest()
            ]
        )  # fmt: skip
        return
    for loop in loops.catalog.newest():
        origin = loops.origins.get(loop.key)
        brought = f"  ← {origin.distribution} {origin.version}" if origin else ""
        click.echo(f"{loop.key}  v{loop.version}  {loop.prefix}  {loop.title.zh} · {loop.title.en}{brought}")


@workflow.command()
@click.argument("key")
@json_option
def show(key: str, as_json: bool) -> None:
    """States, steps and numbers of the loop KEY."""
    from api.schemas import workflow_answer

    loop = _loop(key)
    if as_json:
        print_json(workflow_answer(loop, "zh", 0, {}).model_dump(mode="json"))
        return
    click.echo(f"{loop.title.zh} · {loop.title.en} ({loop.key} v{loop.version}, {loop.fingerprint[:12]})")
    for state in loop.states:
        click.echo(f"  {state.name:<12} {state.title.zh} · {state.title.en}  [{state.counted}]")
    for step in loop.transitions:
        who = ", ".join(loop.called(name).en for name in step.by) or f"sign-off {step.sign_off}"
        click.echo(f"  {'|'.join(step.sources)} → {step.target or '='}: {step.trigger} {step.title.zh} ({who})")
    for name, value in loop.defaults().items():
        click.echo(f"  {name} = {json.dumps(value, ensure_ascii=False)}")


@workflow.command()
@click.argument("key")
@click.option("--locale", type=click.Choice(["zh", "en"]), default="zh", show_default=True)
def diagram(key: str, locale: Any) -> None:
    """The loop KEY as Mermaid text."""
    from engine.definition import diagram as drawn

    click.echo(drawn(_loop(key), locale))


@workflow.command()
@click.argument("key")
@click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="Set a number; may be given several times.")
@click.option("--yes", is_flag=True, help="Meant, although it opens a dead corner.")
@data_option
@organisation_option
@json_option
def policy(
    key: str, changes: tuple[str, ...], yes: bool, data: Path | None, organisation: str | None, as_json: bool
) -> None:
    """The numbers of the loop KEY as they hold for an organisation; with --set, change them for steps from now on.

    KEY may be `messages`: when messages go out, by which channels, and what people may choose.
    """
    from notifications.policy import NAME

    if key == NAME:
        _messages(changes, data, organisation, as_json=as_json)
        return
    from api.policies import set_numbers
    from engine.actor import system
    from engine.store import policies

    loop = _loop(key)
    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        if changes:
            wanted = dict(_change(change) for change in changes)
            version, overrides = set_numbers(runtime.engine, system(here), loop, wanted, "cli", confirmed=yes)
        else:
            with runtime.database.read(here) as connection:
                version, overrides = policies.in_force(connection, here, loop.key)
    holds = {**loop.defaults(), **overrides}
    if as_json:
        print_json({"workflow": loop.key, "version": version, "set": overrides, "policy": holds})
        return
    click.echo(f"{loop.key} policy v{version}")
    for name, value in holds.items():
        click.echo(f"  {name} = {json.dumps(value, ensure_ascii=False)}{'  (set here)' if name in overrides else ''}")


def _messages(changes: tuple[str, ...], data: Path | None, organisation: str | None, *, as_json: bool) -> None:
    """What a school decided about its messages, shown or changed."""
    from engine.store import policies
    from notifications.channels.forms import labels
    from notifications.policy import NAME, MessagePolicy, checked

    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        with runtime.database.write(here) if changes else runtime.database.read(here) as connection:
            version, overrides = policies.in_force(connection, here, NAME)
            if changes:
                wanted = {**overrides, **dict(_change(change) for change in changes)}
                try:
                    overrides = checked(wanted)
                except ValueError as error:
                    wrong = _faults(error, Text("不是消息规则中的一项", "is none of its settings"))
                    raise FolderError(
                        Text(f"消息规则不能这样设置：{wrong.zh}。", f"Messages cannot be set so: {wrong.en}.")
                    ) from error
                version = policies.set_(connection, here, NAME, overrides, "cli", runtime.clock.now())
    holds = MessagePolicy.model_validate(overrides).model_dump(mode="json")
    if as_json:
        print_json({"workflow": NAME, "version": version, "set": overrides, "policy": holds})
        return
    click.echo(f"{NAME} policy v{version}")
    for name, title in labels(MessagePolicy).items():
        said = json.dumps(holds[name], ensure_ascii=False)
        click.echo(f"  {name} = {said}  {title.zh} · {title.en}{'  (set here)' if name in overrides else ''}")


def _faults(error: ValueError, unknown: Text) -> Text:
    from pydantic import ValidationError

    from api.causes import faults_in_words
    from workflows.wording import ERROR_WORDS

    assert isinstance(error, ValidationError)
    return faults_in_words(error, words={**ERROR_WORDS, "extra_forbidden": unknown})


def _change(said: str) -> tuple[str, Any]:
    name, given, value = said.partition("=")
    if not given:
        raise click.BadParameter(f"{said!r} is not NAME=VALUE", param_hint="--set")
    try:
        return name.strip(), json.loads(value)
    except ValueError:
        return name.strip(), value  # a word or a time such as 07:40


def _loop(key: str) -> "Workflow":
    from api.loops import the_loops

    catalog = the_loops().catalog
    found = catalog.get(key)
    if found is None:
        listed = ", ".join(w.key for w in catalog.newest())
        raise FolderError(Text(f"没有流程“{key}”；现有：{listed}。", f"There is no loop {key!r}; there are: {listed}."))
    return found
