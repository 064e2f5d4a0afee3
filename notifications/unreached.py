"""Who cannot be reached outside: written down once, and brought once to who looks after him. It ends as soon as he has an
address, or a message reaches him.
"""

from datetime import datetime

from engine.errors import Text
from engine.events import LOGBOOK, Notice, Recipient
from notifications import readers
from notifications.answers import in_words
from notifications.asking import Asking
from notifications.channels import TransportError
from notifications.message import NOBODY, Claimed
from notifications.office import PostOffice
from notifications.routing import Situation
from notifications.tables import Connection


def note_out_of_reach(ask: Asking, organisation: str, him: Recipient, situation: Situation, now: datetime) -> None:
    """Write down that he has no address outside, or that this is over."""
    if him.away or not situation.reaches_outside:
        return
    reaching, noted = bool(situation.reaching(him)), NOBODY in situation.unreached.get(him.person, ())
    if reaching != noted:
        return
    if reaching:
        readers.reached(ask.connection, organisation, him.person, NOBODY)
    else:
        titles = [way.channel.title for way in situation.ways if way.personal and way.outside]
        asked_for = Text("、".join(t.zh for t in titles), ", ".join(t.en for t in titles))
        cause = Text(f"没有登记可用的联系方式（{asked_for.zh}）", f"no address is known for {asked_for.en}")
        readers.does_not_reach(ask.connection, organisation, him.person, NOBODY, "", cause.zh, now)
        _climb(ask, organisation, him, NOBODY, cause, now)
    ask.forget_unreached(organisation)


def last_way_failed(ask: Asking, claimed: Claimed, him: Recipient, answer: TransportError, now: datetime) -> None:
    """Write down that the last of his ways outside has failed him."""
    kind = next(channel for channel in ask.office.channels if channel.name == claimed.channel)
    said = in_words(answer.answer)
    cause = Text(f"{kind.title.zh}送不到：{said.zh}", f"{kind.title.en} does not reach him: {said.en}")
    readers.does_not_reach(ask.connection, claimed.organisation, him.person, kind.name, "", answer.answer, now)
    _climb(ask, claimed.organisation, him, kind.name, cause, now)


def reached(office: PostOffice, connection: Connection, claimed: Claimed) -> None:
    """A message reached him: whatever was written down against this way is over, and that none was left."""
    if claimed.channel in office.outside:
        readers.message_reached(connection, claimed.organisation, claimed.addressee.key, claimed.channel)


def _climb(ask: Asking, organisation: str, him: Recipient, channel: str, cause: Text, now: datetime) -> None:
    """Bring it to who looks after him, once."""
    if not readers.climbs(ask.connection, organisation, him.person, channel, now):
        return
    notice = Notice(
        id=f"unreached:{him.person}:{channel}:{now:%Y%m%dT%H%M%S}",
        organisation=organisation,
        case=LOGBOOK,
        sequence=0,
        reason="unreached",
        audience=ask.office.directory.looking_after(him.person),
        how="digest",
        written_at=now,
        about={
            "number": him.person,
            "title": {"zh": f"{him.name or him.person}：{cause.zh}", "en": f"{him.name or him.person}: {cause.en}"},
            "person": him.person, "who": him.name or him.person, "department": him.department,
            "department_title": ask.called(organisation, him.department),
            "cause": cause.to_json(), "since": now.isoformat(), "path": f"/api/v1/people/{him.person}",
        },
    )  # fmt: skip
    ask.office.outbox.add(ask.connection, [notice])
