"""Pages for people, in plain HTML that needs no script: signing in, the desk, one's account."""

from api.pages import (
    account,
    books,
    bulk,
    calendar,
    cases,
    desk,
    first_visit,
    guide,
    inbox,
    labels,
    ledger,
    mine,
    more,
    overview,
    paper,
    receiving,
    school,
    sign_in,
    steps,
    stranger,
    trail,
    views,
)
from api.pages.refusals import for_people, refused
from api.pages.rendering import is_page

#: open: nobody is signed in yet
STRANGERS = (sign_in.strangers, first_visit.strangers, stranger.strangers, desk.strangers)
ROUTERS = (
    sign_in.router,
    mine.router,
    ledger.router,
    books.router,
    bulk.router,  # before the steps and the cases, which would take `bulk` and `views` for numbers
    views.router,
    desk.router,
    paper.router,
    steps.router,
    cases.router,
    trail.router,
    inbox.router,
    labels.router,
    account.router,
    overview.router,
    receiving.router,
    more.router,
    calendar.router,
    guide.router,
    *school.ROUTERS,
)

__all__ = ["ROUTERS", "STRANGERS", "for_people", "is_page", "refused"]
