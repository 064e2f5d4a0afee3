"""The school's channels: set up from the form of their kind, tried out, switched off; and what went nowhere, sent again."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal, get_args, get_origin

from fastapi import Query, Request, Response

from api import channels
from api.auth import Asker, SignedIn, TheRuntime
from api.auth.forms import Sent, TheSent
from api.bootstrap import Runtime
from api.channels import UNSAID, Change, Keeper
from api.pages.addresses import Pages
from api.pages.forms import Control
from api.pages.naming import day_in_words
from api.pages.rendering import SCHOOL, go_to, page
from api.pages.school.keeping import AUDITOR, Asking, chosen, form_page, holding, keeper, line, of_departments, whole
from api.pages.words import WORDS
from api.problems import not_for_you, unknown_address
from api.requests import KEY
from api.routes.channels import channel_answer, test_answer
from api.routes.check import OPEN_TO
from engine.errors import Refusal, Text
from engine.store import people
from notifications import deliveries
from notifications.channels import Channel
from notifications.channels.forms import Form
from notifications.deliveries import Stuck
from workflows.asking import Choice
from workflows.roles import ADMINISTRATOR

router = Pages()

AT = f"{SCHOOL}/channels"
NEW = f"{SCHOOL}/new-channel"
DEAD = f"{SCHOOL}/dead-letters"
AT_ONCE = 200  # redriven in one transaction, so that nobody waits for it
LOOKING = Text("查看消息渠道", "See the channels")
SETTING = channels.SETTING

Word = Annotated[str, Query(max_length=100)]


@router.get(AT)
def channels_page(request: Request, runtime: TheRuntime, asker: SignedIn, done: Word = "") -> Response:
    asker = keeper(asker, LOOKING, AUDITOR)
    keeping = Keeper.of(runtime, asker.actor)
    with runtime.database.read(asker.actor.organisation) as connection:
        found = [channel_answer(seen, keeping, asker.locale) for seen in channels.all_of(connection, keeping)]
    kinds = [(kind.name, kind.title) for kind in channels.kinds_of(keeping.kinds) if channels.form_of(kind) is not None]
    return page(
        request, "school_channels.html", asker=asker, active="more", channels=found, kinds=kinds, at=AT, new_at=NEW, back=SCHOOL,
        may=_may(asker), done=done == "removed", dead_at=DEAD,
    )  # fmt: skip


@router.get(f"{AT}/{{name}}")
def channel_page(request: Request, runtime: TheRuntime, asker: SignedIn, name: str, done: Word = "") -> Response:
    asker = keeper(asker, LOOKING, AUDITOR)
    return _channel(request, runtime, asker, name, done={"set": "done_channel_set"}.get(done, ""))


def _channel(
    request: Request,
    runtime: Runtime,
    asker: Asker,
    name: str,
    *,
    done: str = "",
    tested: channels.Tested | None = None,
    because: Refusal | None = None,
) -> Response:
    keeping = Keeper.of(runtime, asker.actor)
    with runtime.database.read(asker.actor.organisation) as connection:
        seen = channels.find(connection, keeping, name)
        departments = {d.code: d.name for d in people.departments(connection, asker.actor.organisation)}
        zone = people.time_zone(connection, asker.actor.organisation)
    shown = channel_answer(seen, keeping, asker.locale)
    form = channels.form_of(keeping.kinds.get(shown.kind))
    labels = {field: label for field, label, _, _ in channels.fields_of(form)} if form else {}
    settings = [
        (labels.get(field, Text(field, field)), _as_lines(value)) for field, value in shown.settings.items() if value not in (None, "", [], {})
    ]  # fmt: skip
    health = shown.health
    worked = day_in_words(health.worked_at.astimezone(zone).date(), asker.locale) if health.worked_at else ""
    failed = day_in_words(health.failed_at.astimezone(zone).date(), asker.locale) if health.failed_at else ""
    return page(
        request, "school_channel.html", asker=asker, active="more", channel=shown, settings=settings, at=f"{AT}/{name}", back=AT,
        may=_may(asker), done=done, tested=None if tested is None else test_answer(tested, asker.locale), worked=worked, failed=failed,
        department=departments.get(shown.department or ""), key=secrets.token_urlsafe(16), because=because, refusal=because,
    )  # fmt: skip


@router.post(f"{AT}/{{name}}/test")
def try_channel(request: Request, runtime: TheRuntime, asker: SignedIn, name: str, sent: TheSent) -> Response:
    """A real message, now; what came back stands on the page that answers."""
    asker = keeper(asker, channels.TESTING)
    runtime.writer.must_be_in_place()
    key = sent.one("key")
    try:
        keeping = Keeper.of(runtime, asker.actor)
        tested = channels.try_out(runtime, keeping, name, asker.actor.person, key if KEY.fullmatch(key) else None)
    except Refusal as refusal:
        return _channel(request, runtime, asker, name, because=refusal)
    return _channel(request, runtime, asker, name, tested=tested)


@router.post(f"{AT}/{{name}}/enabled")
def switch(request: Request, runtime: TheRuntime, asker: SignedIn, name: str, sent: TheSent) -> Response:
    asker = keeper(asker, SETTING)
    runtime.writer.must_be_in_place()
    keeping = Keeper.of(runtime, asker.actor)
    try:
        with runtime.database.read(asker.actor.organisation) as connection:
            channels.must_be_own(connection, keeping, name)
        channels.set_up(keeping, name, Change(enabled=sent.one("enabled") == "yes"))
    except Refusal as refusal:
        return _channel(request, runtime, asker, name, because=refusal)
    return go_to(f"{AT}/{name}?done=set")


@router.get(f"{AT}/{{name}}/remove")
def remove_form(request: Request, asker: SignedIn, name: str) -> Response:
    return _removing(request, keeper(asker, channels.REMOVING), name)


@router.post(f"{AT}/{{name}}/remove")
def remove(request: Request, runtime: TheRuntime, asker: SignedIn, name: str) -> Response:
    asker = keeper(asker, channels.REMOVING)
    runtime.writer.must_be_in_place()
    try:
        channels.remove(Keeper.of(runtime, asker.actor), name)
    except Refusal as refusal:
        return _removing(request, asker, name, refusal)
    return go_to(f"{AT}?done=removed")


def _removing(request: Request, asker: Asker, name: str, refusal: Refusal | None = None) -> Response:
    at = f"{AT}/{name}"
    asking = Asking(
        channels.REMOVING, f"{at}/remove", WORDS["remove"], (at, WORDS["back_to_channel"]), about=name, note=WORDS["remove_channel_note"]
    )  # fmt: skip
    return form_page(request, asker, asking, refusal)


# --- set up --------------------------------------------------------------------------------------------------------------


@router.get(NEW)
def new_channel(request: Request, runtime: TheRuntime, asker: SignedIn, kind: Word = "") -> Response:
    asker = keeper(asker, SETTING)
    channel = _kind(runtime, kind)
    return _setting(request, runtime, asker, channel, {"kind": (kind,), "name": (kind.replace("_", "-"),)})


@router.get(f"{AT}/{{name}}/change")
def change_form(request: Request, runtime: TheRuntime, asker: SignedIn, name: str) -> Response:
    asker = keeper(asker, SETTING)
    keeping = Keeper.of(runtime, asker.actor)
    with runtime.database.read(asker.actor.organisation) as connection:
        channels.must_be_own(connection, keeping, name)
        seen = channels.find(connection, keeping, name).set_up
    said = {f"settings.{field}": (_as_lines(value),) for field, value in seen.settings.items() if value is not None}
    said |= {
        "title": (seen.title,), "department": (seen.department or "",), "daily_list": ("yes" if seen.daily_list else "no",),
        "direct": ("yes" if seen.direct else "no",),
    }  # fmt: skip
    return _setting(request, runtime, asker, _kind(runtime, seen.kind), said, known=name, revision=str(seen.revision))


@router.post(NEW)
def set_channel(request: Request, runtime: TheRuntime, asker: SignedIn, sent: TheSent) -> Response:
    asker = keeper(asker, SETTING)
    channel = _kind(runtime, sent.one("kind"))
    known, revision = sent.one("known"), sent.one("revision")
    name = known or sent.one("name").strip()
    runtime.writer.must_be_in_place()
    try:
        expected = int(revision) if revision.isdecimal() and len(revision) < 10 else 0
        channels.set_up(Keeper.of(runtime, asker.actor), name, _change(channel, sent), expected)
    except Refusal as refusal:
        said = {n: v for n, v in sent.values.items() if not n.startswith("secrets.")}
        return _setting(request, runtime, asker, channel, said, refusal, known=known, revision=revision)
    return go_to(f"{AT}/{name}?done=set")


def _kind(runtime: Runtime, name: str) -> Channel:
    """Raises UnknownAddress for what cannot be set up."""
    found = runtime.kinds.get(name)
    if found is None or channels.form_of(found) is None:
        raise unknown_address()
    return found


def _change(channel: Channel, sent: Sent) -> Change:
    form = channels.form_of(channel)
    assert form is not None
    settings: dict[str, Any] = {}
    given: dict[str, str | None] = {}
    for name, _, _, secret in channels.fields_of(form):
        said = sent.one(f"{'secrets' if secret else 'settings'}.{name}").strip()
        if said and secret:
            given[name] = said  # one that is left empty stays as it was
        elif said:
            settings[name] = _typed(form, name, said)
    place = channel.serves == "place"
    return Change(
        kind=channel.name, title=sent.one("title").strip(), department=(sent.one("department") or None) if place else None,
        settings=settings, secrets=given, daily_list=sent.one("daily_list") == "yes" if place else UNSAID,
        direct=sent.one("direct") == "yes" if place else False, whole=True, enabled=UNSAID,
    )  # fmt: skip


def _typed(form: type[Form], name: str, said: str) -> Any:
    """What was typed as its field takes it; what it does not take stays words, for the form to refuse."""
    annotation = form.model_fields[name].annotation
    if annotation is int:
        return whole(said)
    if get_origin(annotation) is tuple:
        return [each.strip() for each in said.splitlines() if each.strip()]
    if get_origin(annotation) is dict:
        pairs = (each.partition(":") for each in said.splitlines() if each.strip())
        return {key.strip(): value.strip() for key, _, value in pairs}
    return said


def _as_lines(value: Any) -> str:
    """A setting as it is typed: lists and pairs line by line."""
    if isinstance(value, Mapping):
        return "\n".join(f"{key}: {each}" for key, each in value.items())
    return "\n".join(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)


def _setting(
    request: Request,
    runtime: Runtime,
    asker: Asker,
    channel: Channel,
    said: Mapping[str, tuple[str, ...]],
    refusal: Refusal | None = None,
    *,
    known: str = "",
    revision: str = "",
) -> Response:
    form = channels.form_of(channel)
    assert form is not None
    controls = (
        [] if known else [line("name", "channel_name", said, required=True, most=32, note=WORDS["channel_name_hint"])]
    )
    controls.append(line("title", "channel_title", said, most=100, note=WORDS["channel_title_hint"]))
    controls += [_control(form, *field, said, known=bool(known)) for field in channels.fields_of(form)]
    if channel.serves == "place":
        with runtime.database.read(asker.actor.organisation) as connection:
            departments = people.departments(connection, asker.actor.organisation)
        controls += [
            chosen(
                "department",
                "channel_department",
                said,
                of_departments(departments),
                note=WORDS["channel_department_hint"],
            ),
            line("daily_list", "daily_list", said, kind="yes_no"),
            line("direct", "direct", said, kind="yes_no"),
        ]
    at = (f"{AT}/{known}", WORDS["back_to_channel"]) if known else (AT, WORDS["school_channels"])
    hidden = {"kind": channel.name, "known": known, "revision": revision}
    about = channel.title.in_(asker.locale) + (f" · {known}" if known else "")
    asking = Asking(
        SETTING, NEW, WORDS["save"], at, controls, about=about, note=WORDS["try_it_afterwards"], hidden=hidden
    )
    return form_page(request, asker, asking, refusal)


def _control(
    form: type[Form],
    name: str,
    label: Text,
    needed: bool,
    secret: bool,
    said: Mapping[str, tuple[str, ...]],
    *,
    known: bool,
) -> Control:
    annotation = form.model_fields[name].annotation
    path = f"{'secrets' if secret else 'settings'}.{name}"
    note = WORDS["secret_kept"] if secret and known else None
    control = Control(path, label, "line", needed and not (secret and known), tuple(said.get(path, ())), note=note)
    if get_origin(annotation) is Literal:
        default = form.model_fields[name].default
        values = control.values or (str(default),)
        return replace(
            control, kind="choice", choices=[Choice(v, Text(v, v)) for v in get_args(annotation)], values=values
        )
    if annotation is int:
        default = form.model_fields[name].default
        return replace(
            control, kind="whole", values=control.values or ((str(default),) if isinstance(default, int) else ())
        )
    if get_origin(annotation) in (tuple, dict) or name in ("body", "certificates"):
        lines = WORDS["pairs_hint"] if get_origin(annotation) is dict else WORDS["lines_hint"]
        return replace(control, kind="words", note=None if name in ("body", "certificates") else lines)
    return control


# --- dead letters ----------------------------------------------------------------------------------------------------------


@router.get(DEAD)
def dead_letters(
    request: Request, runtime: TheRuntime, asker: SignedIn, done: Annotated[int | None, Query(ge=0, le=10**9)] = None
) -> Response:
    """What went nowhere, by where and why: the most first."""
    if not (asker.seen.everything or holding(asker, ADMINISTRATOR)):
        raise not_for_you(OPEN_TO)
    organisation = asker.actor.organisation
    with runtime.database.read(organisation) as connection:
        causes = deliveries.causes(connection, organisation, Stuck())
        zone = people.time_zone(connection, organisation)
        keeping = Keeper.of(runtime, asker.actor)
        titles = {seen.set_up.id: seen.set_up.title or seen.set_up.id for seen in channels.all_of(connection, keeping)}
    kinds = {name: kind.title for name, kind in runtime.kinds.items()}
    lines = [
        (cause, titles.get(cause.account, ""), kinds.get(cause.channel), day_in_words(cause.since.astimezone(zone).date(), asker.locale))
        for cause in causes
    ]  # fmt: skip
    return page(
        request, "dead_letters.html", asker=asker, active="more", lines=lines, may=_may(asker), back=SCHOOL, at=DEAD, done=done,
        count=sum(cause.count for cause in causes),
    )  # fmt: skip


@router.post(DEAD)
def redrive(runtime: TheRuntime, asker: SignedIn, sent: TheSent) -> Response:
    """Those of one cause, or all of them, under the keys they had."""
    asker = keeper(asker, Text("重新发送", "Send dead letters again"))
    runtime.writer.must_be_in_place()
    organisation = asker.actor.organisation
    which = Stuck()
    if "cause" in sent.values:
        which = Stuck(channel=sent.one("channel"), account=sent.one("account"), cause=sent.one("cause") or None)
    with runtime.database.read(organisation) as connection:
        found = deliveries.stuck_ids(connection, organisation, which)
    again = 0
    for at in range(0, len(found), AT_ONCE):
        with runtime.database.write(organisation) as connection:
            again += deliveries.redrive(connection, organisation, found[at : at + AT_ONCE], runtime.clock.now())
    return go_to(f"{DEAD}?done={again}")


def _may(asker: Asker) -> bool:
    return asker.account.session is not None and holding(asker, ADMINISTRATOR) is not None
