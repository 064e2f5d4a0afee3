"""How verifications held when somebody else went there again 回头看: told to those who answer for the whole school, and to each
verifier of himself. It is about single persons, so nobody else is told.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from api.auth import Asker
from api.figures import which
from api.schemas import SecondLooks
from api.trail import called
from engine.actor import Visibility
from engine.case import Case, instant_text
from engine.store import cases, people, worklists
from engine.store.worklists import Filter
from workflows.joint import ISSUERS
from workflows.spot_check import REVISIT, SPOT_CHECK, by_verifier


def of_spot_check(connection: Connection, asker: Asker, case: Case) -> list[SecondLooks]:
    """What a spot check has shown so far; nothing of any other case."""
    if case.workflow != SPOT_CHECK.key:
        return []
    children = [link.number for link in case.links if link.kind == "child"]
    return _told(connection, asker, cases.load_many(connection, case.organisation, children).values())


def between(connection: Connection, asker: Asker, since: datetime, at: datetime, *, then: bool) -> list[SecondLooks]:
    """What every second look has shown that was over by `at`, and not before `since`.

    then   whether `at` is in the past, so that it is told as it was known
    """
    organisation = asker.actor.organisation
    if then:
        asked = {"workflow": REVISIT.key, "closed_from": instant_text(since)}
        return _told(connection, asker, which(connection, organisation, asked, at))
    everything, wanted = Visibility(organisation, everything=True), Filter(workflow=REVISIT.key, closed_from=since)
    return _told(connection, asker, worklists.all_cases(connection, everything, wanted, at))


def _told(connection: Connection, asker: Asker, visits: Iterable[Case]) -> list[SecondLooks]:
    compares = any(actor.holds_any(ISSUERS) for actor in asker.actors)
    person = partial(people.person, connection, asker.actor.organisation)
    return [
        SecondLooks(
            person=held.person,
            name=called(f"person:{held.person}", person, names=True).in_(asker.locale),
            visits=list(held.visits),
            failed=list(held.failed),
        )
        for held in by_verifier(visits)
        if compares or held.person in asker.selves
    ]
