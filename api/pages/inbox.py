"""The desk's messages: what was sent to me, the newest first, and what I have read of it."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.auth import SignedIn, TheRuntime
from api.auth.forms import TheSent
from api.pages.addresses import Pages
from api.pages.rendering import INBOX, go_to, local, page
from engine.store import people
from notifications import deliveries

router = Pages(prefix=INBOX)

AT_A_TIME = 30

After = Annotated[str | None, Query(max_length=64)]
Done = Annotated[str | None, Query(max_length=20)]


@router.get("")
def inbox(request: Request, runtime: TheRuntime, asker: SignedIn, after: After = None, done: Done = None) -> Response:
    organisation, me = asker.actor.organisation, str(asker.actor.person)
    with runtime.database.read(organisation) as connection:
        found = deliveries.inbox_of(connection, organisation, me, limit=AT_A_TIME + 1, after=after)
        zone = people.time_zone(connection, organisation)
    shown = [(message, local(message.received_at, zone)) for message in found[:AT_A_TIME]]
    return page(
        request, "inbox.html", asker=asker, active="more", messages=shown, done=done == "read",
        unread=any(message.read_at is None for message, _ in shown), cases_at="/cases",
        older=shown[-1][0].id if len(found) > AT_A_TIME else None,
    )  # fmt: skip


@router.post("/read")
def mark_read(runtime: TheRuntime, asker: SignedIn, sent: TheSent) -> Response:
    """Those that are named; all of them where none is."""
    ids = [value[:64] for value in sent.values.get("id", ())][:200] or None
    runtime.writer.must_be_in_place()
    organisation, me = asker.actor.organisation, str(asker.actor.person)
    with runtime.database.write(organisation) as connection:
        deliveries.mark_read(connection, organisation, me, ids, runtime.clock.now())
    return go_to(f"{INBOX}?done=read")
