"""Pages for people, in plain HTML that needs no script: signing in, the desk, one's account."""

from fastapi import APIRouter

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
from api.pages.rendering import is_page, refused

strangers = APIRouter(include_in_schema=False)  # open: nobody is signed in yet
strangers.include_router(sign_in.strangers)
strangers.include_router(first_visit.strangers)
strangers.include_router(stranger.strangers)
strangers.include_router(desk.strangers)

router = APIRouter(include_in_schema=False)
router.include_router(sign_in.router)
router.include_router(mine.router)
router.include_router(ledger.router)
router.include_router(books.router)
router.include_router(bulk.router)  # before the steps and the cases, which would take `bulk` and `views` for numbers
router.include_router(views.router)
router.include_router(desk.router)
router.include_router(paper.router)
router.include_router(steps.router)
router.include_router(cases.router)
router.include_router(trail.router)
router.include_router(inbox.router)
router.include_router(labels.router)
router.include_router(account.router)
router.include_router(overview.router)
router.include_router(receiving.router)
router.include_router(more.router)
router.include_router(calendar.router)
router.include_router(guide.router)
router.include_router(school.router)

__all__ = ["is_page", "refused", "router", "strangers"]
