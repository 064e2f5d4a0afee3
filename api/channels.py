"""The one way in which an edge changes an organisation's channels, and tries them out.

What is given is checked by the form of its kind, its secrets are closed with the folder's key and never shown again, and each
change stands in the logbook.
"""

import hashlib
import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NoReturn

import structlog
from pydantic import ValidationError
from sqlalchemy import Connection

from api.bootstrap import Runtime
from api.conditions import Condition, condition_of
from api.directory import DEPARTMENT_CODE, not_in_his_place
from api.problems import UnknownChannel
from api.requests import fault_of
from engine.actor import Actor
from engine.errors import FieldFault, InvalidInput, Locale, NotPossibleNow, StaleCase, Text
from engine.events import Recipient
from engine.handle import Engine, note_in
from engine.store import people
from notifications import accounts, answers, deliveries
from notifications.accounts import AccountBook, SetUp, State, Vault, VaultError
from notifications.answers import as_kept, kind_of
from notifications.channels import Account, Channel, Concerns, Receipt, Sort, TransportError
from notifications.channels.fence import ALLOWED_BY, INSIDE
from notifications.channels.forms import Form, in_both, labels
from notifications.channels.trial import trial
from notifications.message import ORGANISATION, Addressee, Outgoing

log = structlog.get_logger(__name__)

NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}", re.ASCII)
WITH_PASSWORD = re.compile(r"https?://[^/?#]*@", re.IGNORECASE)
KINDS = "kinds"  # what follows /channels/ in an address and means no channel
MOST = 100  # of one organisation; a robot for every department, and some
LONGEST_TITLE = 100
SEND_WITHIN = timedelta(minutes=2)  # a slot is held so long where nobody lives to tell what came back
SLOW_DOWN = timedelta(minutes=1)  # for whoever asks for patience and does not say how much


class Unsaid:
    """What a change does not speak of stays as it is."""


UNSAID: Final = Unsaid()


@dataclass(frozen=True, slots=True)
class Change:
    """What a channel shall be from now on. What is left unsaid stays as it is, or as it is by itself in a new one.

    settings, secrets   by field; None takes a field away
    whole               whether settings that are not named go; secrets that are not named never do
    """

    kind: str | Unsaid = UNSAID
    title: str | Unsaid = UNSAID
    department: str | Unsaid | None = UNSAID
    settings: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str | None] = field(default_factory=dict, repr=False)
    enabled: bool | Unsaid = UNSAID
    daily_list: bool | Unsaid = UNSAID
    direct: bool | Unsaid = UNSAID
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Keeper:
    """Who changes an organisation's channels, and what he changes them with. Who may is asked by the edge."""

    engine: Engine
    kinds: Mapping[str, Channel]
    vault: Vault
    book: AccountBook
    actor: Actor

    @classmethod
    def of(cls, runtime: Runtime, actor: Actor) -> "Keeper":
        return cls(runtime.engine, runtime.kinds, runtime.vault, runtime.book, actor)

    @property
    def organisation(self) -> str:
        return self.actor.organisation


# --- seen ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seen:
    """A channel as it may be shown.

    secrets     by field, whether it is set
    given       whether whoever runs the process gave it to every organisation: it is not changed here
    condition   how it does
    """

    set_up: SetUp
    state: State
    condition: Condition
    secrets: Mapping[str, bool]
    given: bool


def all_of(connection: Connection, keeper: Keeper) -> list[Seen]:
    """What the organisation set up, in use or not, and what it is given, by name."""
    own = {set_up.id: set_up for set_up in accounts.all_of(connection, keeper.organisation)}
    in_use = {set_up.id: set_up for set_up in keeper.book.in_use(connection, keeper.organisation)}
    states = accounts.states_of(connection, keeper.organisation)
    known = {**in_use, **own}
    return [_seen(keeper, known[name], states.get(name, State(name)), given=name not in own) for name in sorted(known)]


def find(connection: Connection, keeper: Keeper, name: str) -> Seen:
    """Raises UnknownChannel."""
    for seen in all_of(connection, keeper):
        if seen.set_up.id == name:
            return seen
    raise _unknown(name, Text("查看消息渠道", "See a channel"))


def must_be_own(connection: Connection, keeper: Keeper, name: str) -> None:
    """Raises UnknownChannel for what the organisation did not set up itself, NotPossibleNow where it is given."""
    if accounts.find(connection, keeper.organisation, name) is None:
        raise _given(name, SETTING) if keeper.book.given_to_all(name) else _unknown(name, SETTING)


def _seen(keeper: Keeper, set_up: SetUp, state: State, *, given: bool) -> Seen:
    form = form_of(keeper.kinds.get(set_up.kind))
    kept: Mapping[str, str] = {}
    locked = False
    if not given:
        try:
            kept = set_up.account(keeper.vault).secrets
        except VaultError:
            locked = True
    names = sorted(form.secret_fields()) if form else sorted(kept)
    condition = condition_of(state, keeper.engine.clock.now(), enabled=set_up.enabled, locked=locked)
    return Seen(set_up, state, condition, {name: given or name in kept for name in names}, given)


def form_of(channel: Channel | None) -> type[Form] | None:
    return channel.form if channel is not None and issubclass(channel.form, Form) else None


# --- changed ---------------------------------------------------------------------------------------------------------

HANDED_ON = frozenset({"title", "enabled"})  # of a channel, to who stands in for an administrator
SETTING = Text("设置消息渠道", "Set a channel up")
REMOVING = Text("移除消息渠道", "Remove a channel")
_STAYS = Text(
    "消息发往哪里不随代理移交，代办人只能停用、启用和改名",
    "where messages go is not handed on with a delegation: who stands in switches a channel off and on, and names it",
)


def set_up(keeper: Keeper, name: str, change: Change, expected: int | None = None) -> Seen:
    """Set a channel up, or change it, switch it on or off. What is so already changes nothing and is not noted again.

    expected   the revision somebody looked at
    Raises     InvalidInput field by field; StaleCase where it was changed since; NotAllowed in an administrator's place for more
               than its name and its switch
    """
    here, now = keeper.organisation, keeper.engine.clock.now()
    _must_be_a_name(keeper, name)
    with keeper.engine.database.write(here) as connection:
        people.change_alone(connection, here)
        known = accounts.find(connection, here, name)
        wanted, opened, changed = _changed(connection, keeper, name, known, change)
        if not changed:
            return find(connection, keeper, name)
        _must_be_as_looked_at(name, known, expected, SETTING)
        # who only stands in would go on reading at an address of his own when he does not any more
        if keeper.actor.on_behalf_of is not None and (known is None or {*changed} - HANDED_ON):
            raise not_in_his_place(SETTING, _STAYS)
        if known is None and len(accounts.all_of(connection, here)) >= MOST:
            _refuse("name", Text(f"最多 {MOST} 个渠道", f"an organisation has {MOST} channels at most"))
        wanted = replace(
            wanted, secrets=accounts.closed(keeper.vault, here, name, opened), changed_at=now,
            revision=known.revision + 1 if known else 1,
        )  # fmt: skip
        accounts.put(connection, wanted)
        if known is not None and known.enabled and not (wanted.enabled and wanted.department == known.department):
            _go_by_another_way(connection, keeper, known, now)
        what = "changed" if known else "set_up"
        if changed == ["enabled"]:
            what = "switched_on" if wanted.enabled else "switched_off"
        about = {"channel": name, "kind": wanted.kind, "title": wanted.title, "what": what, "fields": changed}
        note_in(keeper.engine, connection, keeper.actor, "channel_changed", about)
        return find(connection, keeper, name)


def remove(keeper: Keeper, name: str, expected: int | None = None) -> int:
    """Take a channel away for good. How many messages that waited for it go by another way now.

    Raises    UnknownChannel, StaleCase
    """
    here, now = keeper.organisation, keeper.engine.clock.now()
    with keeper.engine.database.write(here) as connection:
        people.change_alone(connection, here)
        known = accounts.find(connection, here, name)
        if known is None:
            if keeper.book.given_to_all(name):
                raise _given(name, REMOVING)
            raise _unknown(name, REMOVING)
        _must_be_as_looked_at(name, known, expected, REMOVING)
        accounts.drop(connection, here, name)
        moved = _go_by_another_way(connection, keeper, known, now)
        about = {"channel": name, "kind": known.kind, "title": known.title, "what": "removed", "fields": []}
        note_in(keeper.engine, connection, keeper.actor, "channel_changed", about)
    return moved


def _go_by_another_way(connection: Connection, keeper: Keeper, gone: SetUp, now: datetime) -> int:
    here = keeper.organisation
    instead = keeper.book.instead_of(connection, here, gone.id, gone.kind, gone.department)
    if instead is None and gone.department is None and keeper.book.given_to_all(gone.id):
        instead = gone.id  # what is given to all stands in its place again
    return deliveries.address_anew(connection, here, gone.id, gone.kind, instead, now)


def _changed(
    connection: Connection, keeper: Keeper, name: str, known: SetUp | None, change: Change
) -> tuple[SetUp, dict[str, str], list[str]]:
    """(as it shall be, its secrets as they are, the names of what changes)."""
    kind = known.kind if known is not None and isinstance(change.kind, Unsaid) else change.kind
    channel = keeper.kinds.get(kind) if isinstance(kind, str) else None
    if channel is None:
        said = "" if isinstance(kind, Unsaid) else kind[:40]
        listed = sorted(keeper.kinds)
        zh, en = "、".join(listed), ", ".join(listed)
        _refuse(
            "kind", Text(f"没有渠道类型 {said!r}；可用：{zh}", f"there is no kind of channel {said!r}; there are {en}")
        )
    if known is not None and known.kind != channel.name:
        fault = Text(
            "渠道类型不能更改；请另设一个，再移除这个",
            "a channel keeps its kind: set another one up and remove this one",
        )
        _refuse("kind", fault)
    before, locked = _opened(keeper, known)
    given = {**before, **change.secrets}
    settings = {**({} if change.whole or known is None else known.settings), **change.settings}
    form = _checked(channel, settings, given, keeper.engine.words)
    wanted = SetUp(
        organisation=keeper.organisation, id=name, kind=channel.name,
        title=_said(change.title, known.title if known else "").strip(),
        department=_said(change.department, known.department if known else None),
        settings=form.settings(), secrets=b"",
        enabled=_said(change.enabled, known.enabled if known else True),
        daily_list=_said(change.daily_list, known.daily_list if known else channel.serves == "place"),
        direct=_said(change.direct, known.direct if known else False),
        changed_at=keeper.engine.clock.now(),
    )  # fmt: skip
    _must_fit(connection, wanted, channel)
    _must_be_the_only_one(connection, keeper, wanted, channel)
    _must_hold_no_password(wanted.settings)
    opened = form.secrets()
    if known is None:
        return wanted, opened, sorted({*wanted.settings, *opened})
    _must_not_lead_away(form, known, before, change.secrets)
    changed = [
        each for each in ("title", "department", "enabled", "daily_list", "direct")
        if getattr(wanted, each) != getattr(known, each)
    ]  # fmt: skip
    changed += [each for each in wanted.settings if wanted.settings[each] != known.settings.get(each)]
    changed += [each for each in {*opened, *before} if locked or opened.get(each) != before.get(each)]
    return wanted, opened, sorted(set(changed))


def _must_hold_no_password(settings: Mapping[str, Any]) -> None:
    """Raises InvalidInput for an address with a password in it: settings are shown to whoever may see the channel."""
    for name, value in settings.items():
        if isinstance(value, str) and WITH_PASSWORD.match(value):
            _refuse(
                f"settings.{name}",
                Text(
                    "网址中不能带用户名或密码：设置会显示给他人",
                    "an address must not carry a user name or password: settings are shown",
                ),
            )


def _must_not_lead_away(form: Form, known: SetUp, before: Mapping[str, str], given: Mapping[str, str | None]) -> None:
    """Raises InvalidInput where secrets that nobody gave again would be sent where they never were: whoever is there sees them."""
    kept = sorted(name for name in form.secrets() if name in before and name not in given)
    if not kept or not (leads_to := form.secrets_go_to()):
        return
    try:
        led_to = type(form).model_validate({**known.settings, **before}).secrets_go_to()
    except ValidationError:  # set up by another version of the program
        led_to = ""
    if leads_to != led_to:
        what = labels(type(form))[kept[0]]
        _refuse(
            f"secrets.{kept[0]}",
            Text(
                f"{what.zh}是为原来的服务器填写的；服务器或请求格式改了，须重新填写",
                f"{what.en} was given for another server or request; give it again with the new one",
            ),
        )


def _said(said: Any, otherwise: Any) -> Any:
    return otherwise if isinstance(said, Unsaid) else said


def _opened(keeper: Keeper, known: SetUp | None) -> tuple[Mapping[str, str], bool]:
    """The secrets there are, and whether they could not be read: then there are none, and they have to be given again."""
    if known is None:
        return {}, False
    try:
        return known.account(keeper.vault).secrets, False
    except VaultError:
        return {}, True


def _checked(
    channel: Channel, settings: Mapping[str, Any], opened: Mapping[str, Any], words: Mapping[str, Text]
) -> Form:
    """Raises InvalidInput, each fault under its field's label; no sentence shows what was typed into a secret."""
    form = form_of(channel)
    assert form is not None
    secret = form.secret_fields()
    odd = sorted(set(opened) - secret)
    if odd:
        _refuse(f"secrets.{odd[0][:40]}", Text("不是该渠道的密钥项", "is no secret of this kind of channel"))
    given = {name: value for name, value in {**settings, **opened}.items() if value is not None}
    try:
        return form.model_validate(given)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
    called = labels(form)
    faults = []
    for each in found:
        path = ".".join(str(part)[:40] for part in each["loc"]) or "settings"
        top = str(each["loc"][0]) if each["loc"] else ""
        label = called.get(top, Text(top[:40], top[:40])) if top else channel.title
        place = "secrets" if top in secret else "settings"
        what = _fault(each, words)
        faults.append((label, FieldFault(path if path == "settings" else f"{place}.{path}", what)))
    raise InvalidInput(
        asked=SETTING,
        obstacle=Text(
            "；".join(f"{label.zh}：{fault.what.zh}" for label, fault in faults),
            "; ".join(f"{label.en}: {fault.what.en}" for label, fault in faults),
        ),
        remedy=CORRECT,
        fields=[fault for _, fault in faults],
    )


def _fault(item: Mapping[str, Any], words: Mapping[str, Text]) -> Text:
    if item["type"] in ("value_error", "assertion_error"):
        sentence = in_both(str(item["msg"]).partition(", ")[2].rstrip("。."))
        return sentence if sentence.zh != sentence.en else Text(f"不符合要求（{sentence.en}）", sentence.en)
    return fault_of("", item, words).what


CORRECT = Text("请改正后重新提交", "Correct it and send it again")


def _must_be_a_name(keeper: Keeper, name: str) -> None:
    inside = name not in keeper.kinds and name in ("inbox", "console")
    if not NAME.fullmatch(name) or name == KINDS or inside:
        _refuse(
            "name",
            Text(
                f"名称 {name[:40]!r} 应为 1 至 32 个小写字母、数字、横线或下划线，以字母开头，且不是 kinds、inbox、console",
                f"the name {name[:40]!r} has to be 1 to 32 of a-z, 0-9, '-' and '_', begin with a letter, and be none of "
                "kinds, inbox and console",
            ),
        )


def _must_fit(connection: Connection, wanted: SetUp, channel: Channel) -> None:
    if len(wanted.title) > LONGEST_TITLE or (wanted.title and not wanted.title.isprintable()):
        _refuse("title", Text(f"最多 {LONGEST_TITLE} 个可见字符", f"takes at most {LONGEST_TITLE} visible characters"))
    if channel.serves != "place":
        for name, said in (
            ("department", wanted.department),
            ("daily_list", wanted.daily_list),
            ("direct", wanted.direct),
        ):
            if said:
                _refuse(name, Text("只有群机器人才有这一项", "only a group's robot has it"))
    elif wanted.department is not None and not (
        DEPARTMENT_CODE.fullmatch(wanted.department)
        and people.department_exists(connection, wanted.organisation, wanted.department)
    ):
        code = wanted.department[:40]
        _refuse("department", Text(f"{code!r} 不是本单位的部门", f"{code!r} is no department here"))


def _must_be_the_only_one(connection: Connection, keeper: Keeper, wanted: SetUp, channel: Channel) -> None:
    """Of what serves the whole organisation: a notice goes out by each kind once, and a second one would get nothing."""
    if channel.serves != "organisation" or not wanted.enabled:
        return
    in_use = keeper.book.in_use(connection, wanted.organisation)
    for other in (each.id for each in in_use if each.kind == wanted.kind and each.id != wanted.id):
        _refuse(
            "kind",
            Text(
                f"{channel.title.zh}“{other}”已在使用，同类的只能用一个；请改设它，或先停用它",
                f"{channel.title.en} {other!r} is in use, and there can be only one of them: change it, or switch it off first",
            ),
        )


def _must_be_as_looked_at(name: str, known: SetUp | None, expected: int | None, asked: Text) -> None:
    revision = known.revision if known is not None else 0
    if expected is not None and expected != revision:
        raise StaleCase(
            revision,
            asked=asked,
            obstacle=Text(
                f"{name} 现为第 {revision} 版，您看到的是第 {expected} 版",
                f"{name} is at revision {revision}, and you looked at {expected}",
            ),
            remedy=Text("请重新查看后再改", "Look at it again before you change it"),
        )


def _refuse(where: str, obstacle: Text) -> NoReturn:
    raise InvalidInput(asked=SETTING, obstacle=obstacle, remedy=CORRECT, fields=(FieldFault(where, obstacle),))


def _unknown(name: str, asked: Text) -> UnknownChannel:
    return UnknownChannel(
        asked=asked,
        obstacle=Text(f"没有名为 {name[:40]!r} 的渠道", f"there is no channel called {name[:40]!r}"),
        remedy=Text("请查看渠道列表", "Look it up in the list of channels"),
    )


def _given(name: str, asked: Text) -> NotPossibleNow:
    return NotPossibleNow(
        asked=asked,
        obstacle=Text(
            f"{name} 由系统设置统一提供，不属于本单位", f"{name} is given to every organisation by the settings"
        ),
        remedy=Text(
            f"可另设同名渠道并停用，以代替它：PUT /api/v1/channels/{name}",
            f"Set up one of the same name in its place, and switch that off: PUT /api/v1/channels/{name}",
        ),
    )


# --- tried out -------------------------------------------------------------------------------------------------------

TESTING = Text("试发测试消息", "Send a test message")


@dataclass(frozen=True, slots=True)
class Tested:
    """What came back of a test message.

    sort          `taken`, or as `TransportError` sorts it
    concerns      what is at fault; None where it was taken
    answer        as the other side said it
    retry_after   how long to leave it alone
    sent          whether anything left at all: a service that is full, or wants to be left alone, is
    next          what to do about it
    """

    sort: Literal["taken"] | Sort
    concerns: Concerns | None
    answer: str
    retry_after: timedelta | None
    sent: bool
    milliseconds: int
    next: Text


def try_out(runtime: Runtime, keeper: Keeper, name: str, person: str | None, key: str | None = None) -> Tested:
    """Send a real message now: to this person where the channel serves people, else to its group or its address.

    key       of who asks: the same makes the same message, which the other side can tell from another
    Raises    UnknownChannel; NotPossibleNow in a simulated folder; InvalidInput where the person has no address there
    """
    here = keeper.organisation
    with keeper.engine.database.read(here) as connection:
        seen = find(connection, keeper, name)
        if runtime.simulated:
            raise NotPossibleNow(
                asked=TESTING,
                obstacle=Text("模拟数据目录不对外发送任何消息", "nothing leaves a simulated data folder"),
                remedy=Text("请在正式的数据目录中试发", "Try it in a real data folder"),
            )
        channel = keeper.kinds.get(seen.set_up.kind)
        account = _account(connection, keeper, seen)
        if channel is None:
            return _tested(_no_such_kind(seen.set_up.kind), 0, sent=False)
        addressee = _addressee(connection, keeper, seen, channel, person)
        if isinstance(account, TransportError):
            return _tested(account, 0, sent=False)
        message = _trial(connection, keeper, account, addressee, key)
    slot = _slot(keeper, seen, channel)
    if isinstance(slot, TransportError):
        return _tested(slot, 0, sent=False)
    began = time.monotonic()
    answer = _sent(channel, message, account)
    took = int((time.monotonic() - began) * 1000)
    _remember(keeper, name, channel, slot, answer)
    return _tested(answer, took, sent=True)


def _account(connection: Connection, keeper: Keeper, seen: Seen) -> Account | TransportError:
    """Also of one that is switched off: it is tried out before it is switched on."""
    try:
        if seen.given:
            account = keeper.book.account(connection, keeper.organisation, seen.set_up.id)
            assert account is not None
            return account
        return keeper.book.opened(seen.set_up)
    except VaultError:
        why = as_kept(answers.LOCKED, account=seen.set_up.id)
        return TransportError(why, "give_up", concerns="channel")


def _addressee(connection: Connection, keeper: Keeper, seen: Seen, channel: Channel, person: str | None) -> Addressee:
    if channel.serves != "person":
        return Addressee(seen.set_up.department or ORGANISATION)
    found = people.person(connection, keeper.organisation, person) if person else None
    if found is None or not found.active:
        said = (person or "")[:130]
        raise _no_one(
            Text(f"名册中没有在册人员 {said!r}", f"there is nobody active called {said!r} in the directory"),
            Text("请指明发给谁", "Say to whom it shall go"),
        )
    locale: Locale = "en" if found.locale == "en" else "zh"
    recipient = Recipient(found.person, found.name, locale, found.addresses)
    if channel.address_of(recipient) is None:
        raise _no_one(
            Text(
                f"{found.name}没有登记{channel.title.zh}所需的联系方式",
                f"the directory has no address of {found.name} for {channel.title.en}",
            ),
            Text("请先在名册中补充，再试发", "Add it to the directory, and try again"),
        )
    return Addressee.person(recipient)


def _no_one(obstacle: Text, remedy: Text) -> InvalidInput:
    return InvalidInput(asked=TESTING, obstacle=obstacle, remedy=remedy, fields=(FieldFault("person", obstacle),))


def _trial(connection: Connection, keeper: Keeper, account: Account, addressee: Addressee, key: str | None) -> Outgoing:
    here = keeper.organisation
    organisation = people.organisation(connection, here)
    at = keeper.engine.clock.now().astimezone(people.time_zone(connection, here))
    drawn = secrets.token_hex(16) if key is None else f"{here} {account.id} {keeper.actor.principal} {key}"
    name = f"msg_{hashlib.sha256(drawn.encode()).hexdigest()[:32]}"
    return trial(account, addressee, name, organisation.name if organisation else Text(here, here), at)


def _slot(keeper: Keeper, seen: Seen, channel: Channel) -> int | TransportError | None:
    """A place in what the service takes; or why it is not asked now. One that fails may be asked: somebody may have mended it."""
    here, name, now = keeper.organisation, seen.set_up.id, keeper.engine.clock.now()
    with keeper.engine.database.write(here) as connection:
        state = accounts.state_of(connection, here, name)
        if state.paused_until is not None and state.paused_until > now and not state.failures:
            return TransportError(
                state.answer or as_kept(answers.PATIENCE), "slow_down", retry_after=state.paused_until - now
            )
        if channel.limit is None:
            return None
        taken = accounts.take_slots(connection, here, name, channel.limit, 1, now, now + SEND_WITHIN)
        if taken:
            return taken[0]
        accounts.is_full(connection, here, name)
        full_until = accounts.state_of(connection, here, name).full_until or now
    count, seconds = channel.limit.count, int(channel.limit.per.total_seconds())
    return TransportError(
        as_kept(answers.FULL, count=count, seconds=seconds),
        "slow_down",
        retry_after=full_until - now,
    )


def _sent(channel: Channel, message: Outgoing, account: Account) -> Receipt | TransportError:
    try:
        return channel.send(message, account)
    except TransportError as error:
        return error
    except Exception as error:
        log.exception("test_message_failed", channel=channel.name)
        return TransportError(kind_of(error), "again")


def _remember(keeper: Keeper, name: str, channel: Channel, slot: int | None, answer: Receipt | TransportError) -> None:
    """What the answer says about the account: taken, whatever waited for it is tried at once."""
    here, now = keeper.organisation, keeper.engine.clock.now()
    with keeper.engine.database.write(here) as connection:
        if slot is not None and channel.limit is not None:
            accounts.give_slot(connection, here, name, slot, now + channel.limit.per)
        if isinstance(answer, Receipt):
            accounts.worked(connection, here, name, now)
        elif answer.sort == "slow_down":
            accounts.pause(connection, here, name, now + (answer.retry_after or SLOW_DOWN), answer.answer, now)
        elif answer.concerns == "channel" or answer.sort == "again":
            out_of_order = answer.sort == "give_up"
            accounts.failed(connection, here, name, answer.answer, now, out_of_order=out_of_order)


def _no_such_kind(kind: str) -> TransportError:
    return TransportError(as_kept(answers.NO_SUCH_KIND, kind=kind), "give_up", concerns="channel")


def _tested(answer: Receipt | TransportError, milliseconds: int, *, sent: bool) -> Tested:
    if isinstance(answer, Receipt):
        return Tested("taken", None, answer.answer, None, sent, milliseconds, NEXT["taken"])
    said: str = answer.sort if answer.sort != "give_up" else f"give_up.{answer.concerns}"
    said = "inside" if answer.answer == INSIDE else said
    return Tested(answer.sort, answer.concerns, answer.answer, answer.retry_after, sent, milliseconds, NEXT[said])


#: what to do next, by how an answer was sorted
NEXT: Mapping[str, Text] = {
    "inside": Text(
        f"该地址在服务器的内部网络中，不能用于渠道。请改填外网地址，或请服务器管理方设 {ALLOWED_BY}=true",
        f"Give an address outside the server's own network, or ask whoever runs the server to set {ALLOWED_BY}=true",
    ),
    "taken": Text(
        "对方已接收。请在手机、邮箱或群里确认收到，此后该渠道照常发送",
        "It was taken. See that it arrived on the phone, in the mailbox or in the group; messages go by it from now on",
    ),
    "again": Text(
        "对方暂时不通或未作答复。请稍后再试；若仍不行，请核对地址、端口和网络",
        "It does not answer just now. Try again in a moment; if it stays so, check address, port and network",
    ),
    "slow_down": Text(
        "对方要求放慢，消息会自动排队，不会丢失。请过这段时间再试",
        "It takes no more for now. Messages wait by themselves and none is lost; try again after that time",
    ),
    "give_up.message": Text(
        "渠道可用，但对方不接受这条消息。请按答复检查格式、关键词或模板设置",
        "The channel answers, but does not take this message. Check format, keyword or template by what it says",
    ),
    "give_up.address": Text(
        "渠道可用，但收件人的联系方式不对。请在名册中更正后再试",
        "The channel answers, but the addressee's address is wrong. Correct it in the directory and try again",
    ),
    "give_up.channel": Text(
        "渠道本身不能使用：机器人可能已移除，或密钥、账号、IP 白名单不对。请在对方后台核对，重新填写后再试",
        "The channel itself does not work: its robot may have been removed, or secret, account or allowed IP address are "
        "wrong. Check them at the service, set the channel up again and try it",
    ),
}


# --- for forms -------------------------------------------------------------------------------------------------------


def kinds_of(kinds: Mapping[str, Channel]) -> Sequence[Channel]:
    return [kinds[name] for name in sorted(kinds)]


def schema_of(form: type[Form], locale: Locale) -> dict[str, Any]:
    """JSON Schema of what has to be given, its fields called as the reader calls them; secrets are marked `writeOnly`."""
    schema = form.model_json_schema()
    called = labels(form)
    for name, described in schema.get("properties", {}).items():
        described["title"] = called[name].in_(locale)
        described.pop("description", None)
        if name in form.secret_fields():
            described["writeOnly"] = True
    schema.pop("description", None)
    return schema


def fields_of(form: type[Form]) -> Iterator[tuple[str, Text, bool, bool]]:
    """(name, label, whether it has to be given, whether it is secret) of each field."""
    called, secret = labels(form), form.secret_fields()
    for name, info in form.model_fields.items():
        yield name, called[name], info.is_required(), name in secret
