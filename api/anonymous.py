"""What somebody who is not signed in reports by the label of a place: taken where the school allows it, as much of it as the
school takes in a day, and under nobody's name.

His address is counted under a hash that is another one each day and never written anywhere else. What he is told is the same
words whatever became of it: nothing about any case is shown to a stranger.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection

from api.auth import cookies
from api.auth.addresses import place_of
from api.auth.forms import SentFile
from api.bootstrap import Runtime
from api.problems import too_many_reports
from api.requests import for_a_page, read_as
from engine.actor import anonymous
from engine.commands import Asked, OpenCase
from engine.definition import Line, asks
from engine.errors import FieldFault, InvalidInput, Refusal, Text
from engine.handle import Done, Failed, Refused
from engine.store import labels, people, policies
from engine.store.labels import Label

log = structlog.get_logger(__name__)

LOOP = "hazard"
MOST_PICTURES = 3
REPORTING = Text("上报隐患", "Report a hazard")
ROUTE = "POST /q"  # what idempotency keys are scoped to, besides the place


class Said(BaseModel):
    """All that is asked of a stranger."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
    title: Line = asks("看到了什么", "What you saw")


@dataclass(frozen=True, slots=True)
class Report:
    """What a stranger sent.

    key         from his form: pressed twice is reported once
    address     where he comes from
    pictures    as they came; read one at a time
    """

    title: str
    key: str
    address: str = field(repr=False)
    pictures: Sequence[SentFile] = field(default=(), repr=False)


def allowed(runtime: Runtime, organisation: str) -> bool:
    """Whether the school takes anonymous reports."""
    return bool(numbers(runtime, organisation).get("anonymous_reports"))


def numbers(runtime: Runtime, organisation: str) -> Mapping[str, Any]:
    """The loop's numbers as they hold there; none where there is no such loop."""
    with runtime.database.read(organisation) as connection:
        return _numbers(runtime, connection, organisation)


def _numbers(runtime: Runtime, connection: Connection, organisation: str) -> Mapping[str, Any]:
    loop = runtime.engine.catalog.get(LOOP)
    if loop is None:
        return {}
    _, decided = policies.in_force(connection, organisation, LOOP)
    return {**loop.defaults(), **decided}


def take(runtime: Runtime, label: Label, report: Report) -> None:
    """Open a hazard at the label's place, or the same one again where it was opened under this key before.

    1. what was written is read, which costs nothing
    2. it is counted, so that many at once do not slip through together
    3. its pictures are kept, and the case is opened
    4. what came to nothing is not counted, unless its pictures were looked into: neither disk nor processor for nothing

    Raises    InvalidInput naming `title` or `photos`; TooManyReports; NotAllowed, GuardRefused; Busy
    """
    runtime.writer.must_be_in_place()
    actor = anonymous(label.organisation, label.place)
    try:
        said = _read(runtime, report.title)
        _must_be_few_and_small(runtime, report.pictures)
        day, sources = _count(runtime, label, report.address)
    except Refusal as refusal:
        _tell(label, refusal)
        raise
    photos: dict[str, None] = {}
    try:
        _keep(runtime, label.organisation, actor.principal, report.pictures, photos)
        data = {"title": said.title, "place": label.place, "photos": [*photos], "source": "anonymous"}
        [outcome] = runtime.writer.ask_all([Asked(actor, OpenCase(LOOP, data), ROUTE, _key_of(runtime, report))])
        if isinstance(outcome, Refused):
            raise outcome.refusal
        if isinstance(outcome, Failed):
            raise outcome.error
        if not isinstance(outcome, Done):
            raise outcome if isinstance(outcome, Refusal) else AssertionError(outcome)
    except BaseException as error:
        if not photos and not (report.pictures and isinstance(error, InvalidInput)):
            _take_back(runtime, label, day, sources)
        if isinstance(error, Refusal):
            _tell(label, error)
        raise
    if outcome.replayed:
        _take_back(runtime, label, day, sources)
    log.info(
        "carried_out", case=outcome.case.number, trigger="open", state=outcome.case.state, principal=actor.principal,
        replayed=outcome.replayed,
    )  # fmt: skip


def _read(runtime: Runtime, title: str) -> Said:
    try:
        return read_as(Said, {"title": " ".join(title.split())}, runtime.engine.words)
    except InvalidInput as refusal:
        raise for_a_page(refusal, Said, REPORTING) from refusal


def _tell(label: Label, refusal: Refusal) -> None:
    """Without the address, and without what was typed."""
    log.info(
        "refused", trigger="open", code=refusal.code, principal=anonymous(label.organisation, label.place).principal
    )


def _key_of(runtime: Runtime, report: Report) -> str:
    """The form's key together with what was said by it. The same form with another sentence, as a browser's way back shows it
    again, is another report: that its key was used would tell a stranger by which case.
    """
    pictures = [sha256(picture.read()).hexdigest() for picture in report.pictures]
    return cookies.keyed(runtime.labels_key, "report", report.key, report.title, *pictures)


def _must_be_few_and_small(runtime: Runtime, pictures: Sequence[SentFile]) -> None:
    """Raises InvalidInput naming `photos`, before any is read."""
    if len(pictures) > MOST_PICTURES:
        raise _of_photos(Text(f"最多 {MOST_PICTURES} 张", f"{MOST_PICTURES} at most"))
    limit = runtime.settings.max_upload_bytes
    if any(picture.size_bytes > limit for picture in pictures):
        most = max(1, limit // (1 << 20))
        raise _of_photos(Text(f"每张不超过 {most} MB", f"{most} MB each at most"))


def _keep(
    runtime: Runtime, organisation: str, by: str, pictures: Sequence[SentFile], hashes: MutableMapping[str, None]
) -> None:
    """Writes down the hash of each picture as it is kept, in their order. Raises InvalidInput naming `photos`; Busy."""
    for picture in pictures:
        try:
            kept = runtime.files.put(runtime.database, organisation, picture.read(), by, runtime.clock.now())
        except InvalidInput as refusal:
            raise _of_photos(refusal.obstacle) from refusal
        hashes[kept.record.sha256] = None


def _of_photos(what: Text) -> InvalidInput:
    return InvalidInput(
        asked=REPORTING,
        obstacle=Text(f"照片：{what.zh}", f"Pictures: {what.en}"),
        remedy=Text("请重新选择照片", "Choose the pictures again"),
        fields=(FieldFault("photos", what),),
    )


# --- how much is taken ---------------------------------------------------------------------------------------------------


def must_have_room(runtime: Runtime, label: Label, address: str) -> None:
    """Raises TooManyReports where one more from there would be too many today: asked before what he sends is read."""
    here = label.organisation
    with runtime.database.read(here) as connection:
        quota = _quota(runtime, connection, label, address)
        counted = labels.counted_on(connection, here, quota.day)
    if any(counted.get(source, 0) >= number for source, number in quota.most.items()):
        refusal = too_many_reports(quota.seconds_left)
        _tell(label, refusal)
        raise refusal


def _count(runtime: Runtime, label: Label, address: str) -> tuple[str, tuple[str, ...]]:
    """Raises TooManyReports, and then nothing is counted."""
    with runtime.database.write(label.organisation) as connection:
        quota = _quota(runtime, connection, label, address)
        counted = labels.count(connection, label.organisation, quota.day, quota.most)
        if any(counted[source] > number for source, number in quota.most.items()):
            raise too_many_reports(quota.seconds_left)
    return quota.day, tuple(quota.most)


@dataclass(frozen=True, slots=True)
class _Quota:
    """What is taken on a day.

    day             as the school's calendar has it
    most            source → how many reports
    seconds_left    until the next day
    """

    day: str
    most: Mapping[str, int]
    seconds_left: int


def _quota(runtime: Runtime, connection: Connection, label: Label, address: str) -> _Quota:
    here, now = label.organisation, runtime.clock.now()
    policy = _numbers(runtime, connection, here)
    zone = people.time_zone(connection, here)
    day = now.astimezone(zone).date().isoformat()
    most = {
        f"place:{label.place}": policy["anonymous_per_place"],
        f"address:{_hashed(runtime, here, day, address)}": policy["anonymous_per_address"],
        "school": policy["anonymous_per_day"],
    }
    return _Quota(day, most, _until_tomorrow(now, zone))


def _take_back(runtime: Runtime, label: Label, day: str, sources: Sequence[str]) -> None:
    with runtime.database.write(label.organisation) as connection:
        labels.take_back(connection, label.organisation, day, sources)


def _hashed(runtime: Runtime, organisation: str, day: str, address: str) -> str:
    """Of IPv6 the network; the day is part of it, so that nobody is followed from one to the next."""
    return cookies.keyed(runtime.labels_key, "address", organisation, day, place_of(address))


def _until_tomorrow(now: datetime, zone: ZoneInfo) -> int:
    local = now.astimezone(zone)
    tomorrow = datetime.combine(local.date() + timedelta(days=1), datetime.min.time(), zone)
    return max(1, int((tomorrow - local).total_seconds()))
