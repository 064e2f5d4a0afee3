"""Messages reach whoever is in charge that day: a delegate, a new principal, somebody who is back; and climb where they do not."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from api import checking
from api.sources import DirectoryOfTheEngine, OutboxOfTheEngine
from engine.clock import SimulatedClock
from engine.directory import Person
from engine.events import Recipient
from engine.store import people
from notifications.accounts import AccountBook
from notifications.channels.inbox import InboxChannel
from notifications.deliveries import inbox_of
from notifications.message import InboxMessage
from notifications.office import PostOffice
from notifications.worker import DeliveryWorker
from tests.databases import Kind
from tests.journeys.campus import SCHOOL, Campus, a_campus
from tests.notifications.fakes import FailingChannel, OpenVault


class Mail(FailingChannel):
    """Reaches whoever has an address."""

    def address_of(self, recipient: Recipient) -> str | None:
        return recipient.addresses.get("email")


@dataclass
class Office:
    """A campus with a worker, and mail by which everybody is reached outside; `day` after `day` begins."""

    campus: Campus
    mail: Mail = field(default_factory=lambda: Mail("email"))

    def __post_init__(self) -> None:
        runtime = self.campus.runtime
        self.worker = DeliveryWorker(
            PostOffice(
                runtime.database, OutboxOfTheEngine(), DirectoryOfTheEngine(runtime.clock, runtime.engine.catalog),
                [InboxChannel(runtime.database, runtime.clock), self.mail], AccountBook(OpenVault()), runtime.clock,
            )
        )  # fmt: skip
        with runtime.database.read_across() as connection:
            known = people.people(connection, SCHOOL)
        for person in known:
            self.gets_address(person.person, f"{person.person}@school.example")

    def gets_address(self, who: str, email: str | None) -> None:
        with self.campus.runtime.database.write_across() as connection:
            known = people.person(connection, SCHOOL, who)
            assert known is not None
            addresses = {"email": email} if email else {}
            changed = Person(SCHOOL, who, known.name, known.department, addresses=addresses, post=known.post)
            people.update_person(connection, changed)

    def at(self, local_time: str) -> None:
        """It is this time at the school; whatever fell due is told."""
        clock = self.campus.runtime.clock
        assert isinstance(clock, SimulatedClock)
        with self.campus.runtime.database.read_across() as connection:
            zone = people.time_zone(connection, SCHOOL)
        clock.advance_to(datetime.fromisoformat(local_time).replace(tzinfo=zone).astimezone(UTC))
        self.campus.runtime.tick()
        self.worker.run_once()

    def mailed(self, who: str) -> list[str]:
        return [message.words.subject for message in self.mail.arrived if message.addressee.key == who]

    def on_the_desk(self, who: str) -> list[InboxMessage]:
        with self.campus.runtime.database.read_across() as connection:
            return inbox_of(connection, SCHOOL, who)


@pytest.fixture
def office(tmp_path: Path, kind: Kind) -> Iterator[Office]:
    with a_campus(tmp_path, kind) as campus:
        yield Office(campus)


def test_the_delegate_gets_what_the_absent_would_have_got_and_the_absent_a_summary_on_his_return(
    office: Office,
) -> None:
    campus = office.campus
    campus.away("vice", "head", days=2)  # Monday to Wednesday
    path = campus.hazard("verified", extended=True)
    number = path.rsplit("/", 1)[1]
    office.at("2020-03-03 07:45")
    office.at("2020-03-03 12:00")
    assert any(number in message.body or number in message.cases for message in office.on_the_desk("head"))
    assert len(office.mailed("head")) == 1 and office.mailed("vice") == []
    assert office.on_the_desk("vice"), "his desk has it all the same"

    campus.done("head", f"{path}/approve", for_="vice", opinion="同意销号")
    campus.runtime.seal()
    office.at("2020-03-04 07:45")
    assert office.mailed("vice") == []
    office.at("2020-03-05 07:45")
    [back] = office.mailed("vice")
    assert back.startswith("欢迎回来")
    [body] = [m.words.body for m in office.mail.arrived if m.addressee.key == "vice"]
    assert "替您办了 1 项" in body and "插座破损" in body
    office.at("2020-03-06 07:45")
    assert len(office.mailed("vice")) == 1, "once"


def test_whose_delegate_is_away_as_well_is_told_like_anybody_else(office: Office) -> None:
    office.campus.away("vice", "head", days=2)
    office.campus.away("head", None, days=2)
    office.campus.hazard("verified", extended=True)
    office.at("2020-03-03 07:45")
    office.at("2020-03-03 12:00")
    assert (len(office.mailed("vice")), len(office.mailed("head"))) == (1, 1)


def test_a_principal_replaced_at_noon_the_evenings_escalation_goes_to_the_new_one(office: Office) -> None:
    campus = office.campus
    path = campus.hazard("verified", major=True)
    office.at("2020-03-02 12:00")
    assert office.mailed("principal"), "the major hazard waits for him"
    yesterday = campus.today - timedelta(days=1)
    campus.withdraw("principal", "principal", yesterday)
    campus.give("clerk", "principal", valid_from=campus.today)
    office.at("2020-03-02 18:00")
    # two working days to approve it: from the third on it is late, and climbs
    for day in ("2020-03-03", "2020-03-04", "2020-03-05", "2020-03-06"):
        office.at(f"{day} 07:41")
        office.at(f"{day} 07:46")
    late = f"逾期提级：{path.rsplit('/', 1)[1]}"
    assert any(late in subject for subject in office.mailed("clerk"))
    assert not any(late in subject for subject in office.mailed("principal"))


def test_who_has_no_address_climbs_to_his_head_and_stands_in_the_check_until_he_has_one(office: Office) -> None:
    campus = office.campus
    office.gets_address("fixer", None)
    campus.hazard("assigned")
    office.at("2020-03-02 12:00")
    office.at("2020-03-03 07:46")

    def unreached() -> list[str]:
        with campus.runtime.database.read_across() as connection:
            found = checking.findings(connection, campus.runtime.engine.catalog, SCHOOL, campus.runtime.clock.now())
        return [finding.text.zh for finding in found if finding.code == "person_unreached"]

    [said] = unreached()
    assert "姓名-fixer（fixer）" in said
    told = [m for m in office.mail.arrived if any(notice.reason == "unreached" for notice in m.items)]
    assert [message.how for message in told] == ["digest"]
    assert told[0].addressee.key != "fixer" and "姓名-fixer收不到消息" in told[0].words.body
    office.gets_address("fixer", "fixer@school.example")
    campus.hazard("assigned")
    office.at("2020-03-03 09:00")
    assert unreached() == []
    assert len(office.mailed("fixer")) >= 1


def test_of_what_waits_little_is_looked_up_and_the_rest_when_it_is_told(office: Office) -> None:
    """A school may have ten thousand open cases, and a digest tells of twelve."""
    campus = office.campus
    paths = [campus.hazard(state) for state in ("assigned", "assigned", "verified")]
    first, second, closed = (path.rsplit("/", 1)[1] for path in paths)
    campus.done("head", f"{paths[2]}/approve", opinion="同意销号")
    directory = DirectoryOfTheEngine(campus.runtime.clock, campus.runtime.engine.catalog)
    with campus.runtime.database.read_across() as connection:
        waiting = directory.waiting(connection, SCHOOL)["fixer"]
        told = directory.as_they_stand(connection, SCHOOL, [second, closed, "YH-2020-9999", first])
    assert {about["number"] for about in waiting} == {first, second}
    assert all(about.keys() == {"number", "level", "due_at"} for about in waiting)
    assert [about["number"] for about in told] == [second, first], "what is finished by now waits no more"
    assert [about["due_at"] for about in told] == [
        about["due_at"] for number in (second, first) for about in waiting if about["number"] == number
    ]
