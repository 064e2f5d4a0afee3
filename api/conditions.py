"""How an organisation's channels do, in words; and what of it somebody has to mend, for the dead-corner check, with whom they
do not reach.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from engine.directory import Person
from engine.errors import Text
from engine.proof import Finding
from engine.store import people
from notifications import accounts, readers
from notifications.accounts import SetUp, State
from notifications.answers import in_words
from notifications.readers import Unreached

Condition = Literal["off", "untried", "works", "fails", "down", "left_alone", "locked"]
#: off          not in use
#: untried      nothing went by it since it was set up, changed or found to fail
#: works        the last message was taken
#: fails        the last try was in vain; it is tried again by the schedule
#: down         several were, or it said itself that it does not work: one message is tried now and then
#: left_alone   its service asked for patience
#: locked       its secrets do not open with this folder's key, and have to be given again
IN_WORDS: dict[Condition, Text] = {
    "off": Text("已停用", "switched off"),
    "untried": Text("未使用过", "not tried yet"),
    "works": Text("正常", "works"),
    "fails": Text("最近一次发送未成功", "the last try was in vain"),
    "down": Text("不通", "does not work"),
    "left_alone": Text("按对方要求暂缓发送", "left alone, as its service asked"),
    "locked": Text("密钥无法读取，请重新填写", "its secrets cannot be read: give them again"),
}
MENDED_WITHIN = timedelta(days=1)  # whoever keeps the other side has noticed by then; afterwards it is ours to tell


def condition_of(state: State, now: datetime, *, enabled: bool = True, locked: bool = False) -> Condition:
    if not enabled:
        return "off"
    if locked:
        return "locked"
    if state.failures:
        return "down" if state.down else "fails"
    if state.paused_until is not None and state.paused_until > now:
        return "left_alone"
    return "untried" if state.since is None else "works"


def findings(connection: Connection, organisation: str, now: datetime) -> list[Finding]:
    """Channels in use that have not worked for a day, or that said themselves that somebody has to mend them; and people whom
    messages do not reach. Warnings: what they do not bring is on the desk all the same.
    """
    zone = people.time_zone(connection, organisation)
    own = {set_up.id: set_up for set_up in accounts.all_of(connection, organisation)}
    found, failing = [], set()
    for name, state in sorted(accounts.states_of(connection, organisation).items()):
        set_up = own.get(name)
        if (set_up is not None and not set_up.enabled) or not state.failures:
            continue
        late = state.since is not None and state.since <= now - MENDED_WITHIN
        since = state.out_of_order or (state.since if late else None)
        if since is not None:
            found.append(_finding(name, set_up, state, since.astimezone(zone)))
            failing.add(set_up.kind if set_up is not None else name)
    return found + [_of_person(known, him, zone) for known, him in _unreached(connection, organisation, failing)]


def _unreached(connection: Connection, organisation: str, failing: Collection[str]) -> list[tuple[Unreached, Person]]:
    """Whom something was to reach and did not, who still works here, each with what was written down first. Not whom a channel
    does not reach that is `failing`: that is one finding, and not one of each of its readers.
    """
    found: dict[str, tuple[Unreached, Person]] = {}
    for known in sorted(readers.unreached(connection, organisation), key=lambda known: known.since):
        if known.told_at is None or known.person in found:
            continue  # another way reaches him
        if known.channel in failing and not known.address:
            continue
        him = people.person(connection, organisation, known.person)
        if him is not None and him.active:
            found[known.person] = (known, him)
    return list(found.values())


NO_ADDRESS = Text("没有登记可用的联系方式", "no address is known for any channel in use")


def _of_person(known: Unreached, him: Person, zone: ZoneInfo) -> Finding:
    since = known.since.astimezone(zone)
    answer = known.cause.strip()[:200].rstrip("。.")
    said = in_words(answer) if known.channel else NO_ADDRESS
    return Finding(
        key=f"unreached:{known.person}",
        code="person_unreached",
        stuck=False,
        text=Text(
            f"消息送不到{him.name}（{known.person}），自 {since:%Y-%m-%d} 起：{said.zh}。",
            f"Messages do not reach {him.name} ({known.person}) since {since:%Y-%m-%d}: {said.en}.",
        ),
        remedy=Text(
            "请补上或更正此人的手机号、邮箱或企业微信账号；此前急事请当面或电话告知",
            "Add or correct his phone, e-mail or WeCom account; until then tell him in person what cannot wait",
        )
        if known.address or not known.channel
        else Text(
            f"请用 bihuan outbox list --dead --person {known.person} 查看原因，处理后用 bihuan outbox redrive 重新发送；"
            "此前急事请当面或电话告知",
            f"See why in `bihuan outbox list --dead --person {known.person}`, mend it and send it again with `bihuan outbox "
            "redrive`; until then tell him in person what cannot wait",
        ),
        since=since.date(),
        departments=(him.department,) if him.department else (),
    )


def _finding(name: str, set_up: SetUp | None, state: State, since: datetime) -> Finding:
    said = in_words((state.answer or "").strip()[:200])
    title = (set_up.title if set_up else "") or name
    broken = state.out_of_order is not None
    text = (
        Text(
            f"消息渠道“{title}”自 {since:%Y-%m-%d %H:%M} 起不能使用，须有人处理。对方答复：{said.zh or '无'}。",
            f"The channel {title!r} has been out of order since {since:%Y-%m-%d %H:%M} and has to be mended. "
            f"It answers: {said.en or 'nothing'}.",
        )
        if broken
        else Text(
            f"消息渠道“{title}”自 {since:%Y-%m-%d %H:%M} 起一直不通。最近的答复：{said.zh or '无'}。",
            f"The channel {title!r} has not worked since {since:%Y-%m-%d %H:%M}. It last answered: {said.en or 'nothing'}.",
        )
    )
    return Finding(
        key=f"channel:{name}",
        code="channel_out_of_order" if broken else "channel_down",
        stuck=False,
        text=text,
        remedy=Text(
            f"请用 bihuan channel test {name} 试发并按提示处理，或停用该渠道",
            f"Try it with `bihuan channel test {name}` and do what it says, or switch it off",
        ),
        since=since.date(),
        departments=(set_up.department,) if set_up is not None and set_up.department else (),
    )
