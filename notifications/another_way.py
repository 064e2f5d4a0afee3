"""What did not arrive by one way goes by the next that its reader has."""

from datetime import datetime

from engine.events import Recipient
from notifications import accounts, answers, deliveries, readers
from notifications.answers import as_kept
from notifications.asking import Asking
from notifications.channels import TransportError
from notifications.message import Addressee, Claimed, Planned
from notifications.office import PostOffice, RoundResult
from notifications.retry import after_waiting
from notifications.routing import DigestTime, Situation, Way, sent_at, to_person
from notifications.tables import Connection
from notifications.unreached import last_way_failed

PASSED_OVER = 200  # messages that go by another way at once; what is left goes as the account is tried again


def another_way(
    office: PostOffice, connection: Connection, claimed: Claimed, answer: TransportError, now: datetime
) -> RoundResult:
    """What died for its address, or was tried too often or for too long, goes by the next way its reader has, under
    deliveries of its own. Where there is none left, he is written down as somebody who cannot be reached.
    """
    ask, organisation, key = Asking(office, connection), claimed.organisation, claimed.addressee.key
    if claimed.channel not in office.outside or (answer.sort == "give_up" and answer.concerns == "message"):
        return RoundResult()
    him = ask.person(organisation, key)
    if him is None:
        return RoundResult()
    kind = next(channel for channel in office.channels if channel.name == claimed.channel)
    if answer.concerns == "address":
        used = kind.address_of(claimed.addressee.recipient()) or ""
        readers.does_not_reach(
            connection, organisation, key, claimed.channel, readers.hash_of(used), answer.answer, now
        )
    situation = ask.situation(organisation, [him])
    way = situation.outside(him, silence=False, used=_tried(connection, claimed))
    if way is None:
        last_way_failed(ask, claimed, him, answer, now)
        return RoundResult()
    return _by(connection, claimed, him, way, situation, now)


def waits_for_its_account(office: PostOffice, claimed: Claimed, answer: TransportError) -> bool:
    """Whether a message to a person has found out that its account is out of order: that is none of its fault, and it
    goes by another way, or with the others once the account is mended. `passed_over` says which.
    """
    return claimed.channel in office.outside and answer.sort == "give_up" and answer.concerns == "channel"


def passed_over(
    office: PostOffice, connection: Connection, found_out: Claimed, answer: TransportError, now: datetime
) -> RoundResult:
    """An account said itself that it is out of order. What waits for it, and what has found out, goes by another way where
    its reader has one that works. The rest waits until somebody has mended it, or is given up as late as what fails at
    every try would be. Whom what has found out does not reach now is brought to who looks after him.
    """
    ask, result, organisation, account = (
        Asking(office, connection), RoundResult(), found_out.organisation, found_out.account
    )  # fmt: skip
    out_of_order = accounts.state_of(connection, organisation, account).out_of_order or now
    waiting = deliveries.waiting_by(connection, organisation, account, office.outside, PASSED_OVER)
    ask.about_people(organisation, [claimed.addressee.key for claimed in waiting])
    for claimed in waiting:
        him = ask.person(organisation, claimed.addressee.key)
        if him is not None:
            situation = ask.situation(organisation, [him])
            way = situation.outside(him, silence=False, used=_tried(connection, claimed), working=True)
            if way is not None:
                result += _by(connection, claimed, him, way, situation, now)
                why = as_kept(answers.OUT_OF_ORDER, answer.answer, account=account)
                deliveries.withdraw(connection, claimed.deliveries, why)
                result += RoundResult(withdrawn=len(claimed.deliveries))
                continue
        given_up = after_waiting(now - claimed.planned_at, now - out_of_order)
        if given_up is not None:
            deliveries.give_up(connection, claimed.deliveries, f"{given_up.why}: {answer.answer}")
            result += RoundResult(dead=1)
        if him is not None and (given_up is not None or claimed.message == found_out.message):
            last_way_failed(ask, claimed, him, answer, now)
    return result


def _tried(connection: Connection, claimed: Claimed) -> set[str]:
    """The channels by which any of it went to its reader, or was to go."""
    notices = {line.notice.id for line in claimed.deliveries}
    return deliveries.channels_tried(connection, claimed.organisation, notices, claimed.addressee.key)


def _by(
    connection: Connection, claimed: Claimed, him: Recipient, way: Way, situation: Situation, now: datetime
) -> RoundResult:
    """The same message, by this way."""
    if claimed.how == "direct":
        digest = DigestTime(now.astimezone(situation.zone).date(), now)
        planned = [to_person(line.notice, him, way, situation, digest, now) for line in claimed.deliveries]
        return RoundResult(planned=deliveries.take_up(connection, planned, now))
    return _digest_by(connection, claimed, him, way, situation, now)


def _digest_by(
    connection: Connection, claimed: Claimed, him: Recipient, way: Way, situation: Situation, now: datetime
) -> RoundResult:
    """The same digest by another channel."""
    today = claimed.deliveries[0].digest_for or now.astimezone(situation.zone).date()
    leaves_at = sent_at(now, situation.zone, situation.school, situation.preference(him.person))
    planned = [
        Planned(line.notice, Addressee.person(him), way.channel.name, "digest", "waiting", leaves_at, today,
                account=way.account)
        for line in claimed.deliveries
    ]  # fmt: skip
    made = deliveries.take_up(connection, planned, now, in_its_digest=True)
    key = deliveries.put_digest(
        connection, claimed.organisation, him.person, way.channel.name, today, claimed.rest, now
    )
    if key is not None:  # else he had one by it today: lines of it are in it still, others go with the next
        wanted = {p.id for p in planned}
        lines = deliveries.loose_lines(connection, [way.channel.name], claimed.organisation, him.person)
        mine = [line for line in lines if line.id in wanted]
        deliveries.bind(connection, mine, key, today, Addressee.person(him), way.account)
    return RoundResult(planned=made)
