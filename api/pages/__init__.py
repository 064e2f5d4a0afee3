"""Pages for people: signing in and one's account, in plain HTML that needs no script. The desk comes on top of these."""

from fastapi import APIRouter

from api.pages import account, receiving, sign_in
from api.pages.rendering import is_page, refused

strangers = APIRouter(include_in_schema=False)  # open: nobody is signed in yet
strangers.include_router(sign_in.strangers)

router = APIRouter(include_in_schema=False)
router.include_router(sign_in.router)
router.include_router(account.router)
router.include_router(receiving.router)

__all__ = ["is_page", "refused", "router", "strangers"]
