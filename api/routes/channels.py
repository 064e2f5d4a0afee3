"""An organisation's channels: set up, changed, tried out, removed, by its administrator; and how they do. No secret leaves here."""

from typing import Annotated, Any, Literal

from fastapi import Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api import channels
from api.auth import Asker, SignedIn, TheRuntime
from api.bootstrap import Runtime
from api.channels import UNSAID, Change, Keeper, Seen
from api.conditions import IN_WORDS, Condition
from api.problems import not_for_you
from api.requests import Answers, Key, expected_revision_of, read_as
from api.routes.answering import KEY_HEADER, REVISION_HEADER, body_of, json_of, refusals
from api.routes.under import Router
from engine.errors import Locale, Text
from notifications.answers import in_words
from notifications.channels import Channel
from workflows.roles import ADMINISTRATOR

router = Router(tags=["channels"])

READERS = frozenset({ADMINISTRATOR, "auditor"})
SET = Text("已设置", "set")
NOT_SET = Text("未设置", "not set")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


Title = Annotated[str, Field(max_length=channels.LONGEST_TITLE)]
Code = Annotated[str, Field(max_length=32)]
Said = Annotated[bool, Field(strict=True)]
Settings = Annotated[dict[str, Any], Field(max_length=50)]
Secrets = Annotated[dict[str, Annotated[str, Field(max_length=20_000)] | None], Field(max_length=20)]


class SetChannel(_Body):
    """A channel as it shall be. `settings` and `secrets` as its kind's form has them; a secret left out is kept, null takes it
    away.
    """

    kind: Code
    title: Title = ""
    department: Code | None = None
    settings: Settings = {}
    secrets: Secrets = {}
    enabled: Said = True
    daily_list: Said | None = None
    direct: Said = False


class ChangeChannel(_Body):
    """Only what is named changes; a setting or a secret that is null is taken away."""

    title: Title | None = None
    department: Code | None = None
    settings: Settings = {}
    secrets: Secrets = {}
    enabled: Said | None = None
    daily_list: Said | None = None
    direct: Said | None = None


#: the bodies of these addresses, as components of the OpenAPI document
FORMS: dict[str, type[BaseModel]] = {form.__name__: form for form in (SetChannel, ChangeChannel)}


class SecretAnswer(BaseModel):
    """`shown` stands where the secret would: it is never shown again."""

    name: str
    label: str
    set: bool
    shown: str


class HealthAnswer(BaseModel):
    """How a channel does.

    since        since when it works, or fails, as it does now
    left_until   nothing is sent before, but for a test: it does not work, or its service asked for patience
    full_until   its service takes no more before
    answer       the last that was no success
    """

    condition: Condition
    text: str
    since: AwareDatetime | None
    failures: int
    left_until: AwareDatetime | None
    full_until: AwareDatetime | None
    answer: str | None
    failed_at: AwareDatetime | None
    worked_at: AwareDatetime | None


class ChannelAnswer(BaseModel):
    """`given`: whoever runs the service gave it to every organisation; it is not changed here."""

    id: str
    kind: str
    kind_title: str
    title: str
    serves: Literal["person", "place", "organisation"] | None
    department: str | None
    enabled: bool
    daily_list: bool
    direct: bool
    given: bool
    revision: int
    changed_at: AwareDatetime | None
    settings: dict[str, Any]
    secrets: list[SecretAnswer]
    health: HealthAnswer


class ChannelList(BaseModel):
    items: list[ChannelAnswer]


class KindAnswer(BaseModel):
    """A kind of channel and its form. `secrets` are the fields that go into `secrets`, the others go into `settings`.

    most, per_seconds   the service's own bound on one account, kept here for all nodes; null where it names none
    """

    kind: str
    title: str
    serves: Literal["person", "place", "organisation"]
    most: int | None
    per_seconds: float | None
    form: dict[str, Any]
    secrets: list[str]


class KindList(BaseModel):
    items: list[KindAnswer]


class TestAnswer(BaseModel):
    """What came back of a test message, sorted: `taken`, try `again`, `give_up`, `slow_down`; and what to do next.

    concerns   what is at fault: the message, the addressee's address, or the channel itself
    sent       false where it was not even asked: its service takes no more for now
    """

    sort: Literal["taken", "again", "give_up", "slow_down"]
    concerns: Literal["message", "address", "channel"] | None
    answer: str
    retry_after_seconds: int | None
    sent: bool
    milliseconds: int
    next: str


class Removed(BaseModel):
    """`addressed_anew`: messages that waited for it and go by another way now."""

    removed: str
    addressed_anew: int


def _keeper(runtime: Runtime, asker: Asker, roles: frozenset[str] = frozenset({ADMINISTRATOR})) -> Keeper:
    """Raises NotAllowed, before anything is looked up: who may not ask learns of no channel."""
    if not asker.actor.holds_any(roles):
        raise not_for_you(Text("本单位系统管理员", "the administrator of the organisation"))
    return Keeper.of(runtime, asker.actor)


# --- reading -------------------------------------------------------------------------------------------------------------


@router.get("/channels", response_model=ChannelList, summary="消息渠道 · Channels", responses=refusals(403))
def list_channels(runtime: TheRuntime, asker: SignedIn) -> Response:
    """What the organisation set up, in use or not, and how each does."""
    keeper = _keeper(runtime, asker, READERS)
    with runtime.database.read(asker.actor.organisation) as connection:
        found = channels.all_of(connection, keeper)
    return json_of(ChannelList(items=[channel_answer(seen, keeper, asker.locale) for seen in found]))


@router.get("/channels/kinds", response_model=KindList, summary="渠道类型 · Kinds of channels", responses=refusals(403))
def list_kinds(runtime: TheRuntime, asker: SignedIn) -> Response:
    """What there is to set up, and what has to be given for each, as JSON Schema."""
    keeper = _keeper(runtime, asker, READERS)
    return json_of(KindList(items=[kind_answer(each, asker.locale) for each in channels.kinds_of(keeper.kinds)]))


@router.get(
    "/channels/{channel}", response_model=ChannelAnswer, summary="查看渠道 · A channel", responses=refusals(403, 404)
)
def read_channel(runtime: TheRuntime, asker: SignedIn, channel: str) -> Response:
    keeper = _keeper(runtime, asker, READERS)
    with runtime.database.read(asker.actor.organisation) as connection:
        seen = channels.find(connection, keeper, channel)
    return _one(seen, keeper, asker)


# --- changing ------------------------------------------------------------------------------------------------------------


@router.put(
    "/channels/{channel}", response_model=ChannelAnswer, summary="设置渠道 · Set a channel up",
    openapi_extra=body_of(SetChannel, REVISION_HEADER), responses=refusals(403, 412, 413, 415, 422),
)  # fmt: skip
def put_channel(request: Request, runtime: TheRuntime, asker: SignedIn, channel: str, answers: Answers) -> Response:
    """A new one, or whole anew; secrets that are left out are kept. Saying the same twice changes nothing."""
    keeper = _keeper(runtime, asker)
    form = read_as(SetChannel, answers, runtime.engine.words)
    change = Change(
        kind=form.kind, title=form.title, department=form.department, settings=form.settings, secrets=form.secrets,
        enabled=form.enabled, direct=form.direct, daily_list=UNSAID if form.daily_list is None else form.daily_list,
        whole=True,
    )  # fmt: skip
    return _set(request, runtime, asker, keeper, channel, change)


@router.patch(
    "/channels/{channel}", response_model=ChannelAnswer, summary="更改渠道 · Change a channel",
    openapi_extra=body_of(ChangeChannel, REVISION_HEADER), responses=refusals(403, 404, 412, 413, 415, 422),
)  # fmt: skip
def change_channel(request: Request, runtime: TheRuntime, asker: SignedIn, channel: str, answers: Answers) -> Response:
    """As to switch it off: `{"enabled": false}`. What waits for it then goes by another way."""
    keeper = _keeper(runtime, asker)
    form = read_as(ChangeChannel, answers, runtime.engine.words)
    with runtime.database.read(asker.actor.organisation) as connection:
        channels.must_be_own(connection, keeper, channel)
    named = form.model_dump(exclude_unset=True)
    kept = {name: value for name, value in named.items() if value is not None or name == "department"}
    return _set(request, runtime, asker, keeper, channel, Change(**kept))


def _set(request: Request, runtime: Runtime, asker: Asker, keeper: Keeper, channel: str, change: Change) -> Response:
    runtime.writer.must_be_in_place()
    return _one(channels.set_up(keeper, channel, change, expected_revision_of(request)), keeper, asker)


@router.delete(
    "/channels/{channel}", response_model=Removed, summary="移除渠道 · Remove a channel",
    openapi_extra={"parameters": [REVISION_HEADER]}, responses=refusals(403, 404, 409, 412),
)  # fmt: skip
def remove_channel(request: Request, runtime: TheRuntime, asker: SignedIn, channel: str) -> Response:
    """What waits for it goes by another way."""
    keeper = _keeper(runtime, asker)
    runtime.writer.must_be_in_place()
    moved = channels.remove(keeper, channel, expected_revision_of(request))
    return json_of(Removed(removed=channel, addressed_anew=moved))


@router.post(
    "/channels/{channel}/test", response_model=TestAnswer, summary="试发 · Send a test message",
    openapi_extra={"parameters": [KEY_HEADER]}, responses=refusals(403, 404, 409, 422),
)  # fmt: skip
def test_channel(runtime: TheRuntime, asker: SignedIn, channel: str, key: Key) -> Response:
    """A real message, now: to the asker's own address, or to the group or address it serves. Says what came back."""
    keeper = _keeper(runtime, asker)
    runtime.writer.must_be_in_place()
    tested = channels.try_out(runtime, keeper, channel, asker.actor.person, key)
    return json_of(test_answer(tested, asker.locale))


# --- answers -------------------------------------------------------------------------------------------------------------


def _one(seen: Seen, keeper: Keeper, asker: Asker) -> Response:
    etag = {"ETag": f'"{seen.set_up.revision}"'} if not seen.given else {}
    return json_of(channel_answer(seen, keeper, asker.locale), headers=etag)


def channel_answer(seen: Seen, keeper: Keeper, locale: Locale) -> ChannelAnswer:
    set_up, state = seen.set_up, seen.state
    kind = keeper.kinds.get(set_up.kind)
    form = channels.form_of(kind)
    called = {name: label for name, label, _, _ in channels.fields_of(form)} if form else {}
    return ChannelAnswer(
        id=set_up.id,
        kind=set_up.kind,
        kind_title=kind.title.in_(locale) if kind else set_up.kind,
        title=set_up.title,
        serves=kind.serves if kind else None,
        department=set_up.department,
        enabled=set_up.enabled,
        daily_list=set_up.daily_list,
        direct=set_up.direct,
        given=seen.given,
        revision=0 if seen.given else set_up.revision,
        changed_at=None if seen.given else set_up.changed_at,
        settings=dict(set_up.settings),
        secrets=[
            SecretAnswer(
                name=name, label=called.get(name, Text(name, name)).in_(locale), set=is_set,
                shown=(SET if is_set else NOT_SET).in_(locale),
            )
            for name, is_set in seen.secrets.items()
        ],
        health=HealthAnswer(
            condition=seen.condition, text=IN_WORDS[seen.condition].in_(locale), since=state.since,
            failures=state.failures, left_until=state.paused_until, full_until=state.full_until, answer=in_words(state.answer).in_(locale) if state.answer else None,
            failed_at=state.failed_at, worked_at=state.worked_at,
        ),
    )  # fmt: skip


def kind_answer(kind: Channel, locale: Locale) -> KindAnswer:
    form = channels.form_of(kind)
    return KindAnswer(
        kind=kind.name,
        title=kind.title.in_(locale),
        serves=kind.serves,
        most=kind.limit.count if kind.limit else None,
        per_seconds=kind.limit.per.total_seconds() if kind.limit else None,
        form=channels.schema_of(form, locale) if form else {},
        secrets=sorted(form.secret_fields()) if form else [],
    )


def test_answer(tested: channels.Tested, locale: Locale) -> TestAnswer:
    return TestAnswer(
        sort=tested.sort,
        concerns=tested.concerns,
        answer=in_words(tested.answer).in_(locale),
        retry_after_seconds=None if tested.retry_after is None else max(0, int(tested.retry_after.total_seconds())),
        sent=tested.sent,
        milliseconds=tested.milliseconds,
        next=tested.next.in_(locale),
    )
