"""The book of a year as a page: how many, in which boxes; every number leads to the cases it stands for."""

from fastapi import Depends, Request, Response

from api.auth import SignedIn, TheRuntime
from api.books import BookCount, book_of_year
from api.pages.addresses import Pages, Tidy
from api.pages.rendering import CASES, page
from api.requests import known_parameters
from api.routes.filtering import Year, must_have_begun
from api.trail import saying_what_is_missing

BOOKS = f"{CASES}/books"

router = Pages(prefix=BOOKS, route_class=Tidy)


@router.get("", dependencies=[Depends(known_parameters)])
def book_page(request: Request, runtime: TheRuntime, asker: SignedIn, year: Year = None) -> Response:
    must_have_begun(year, runtime.clock.now(), "year")
    found = book_of_year(runtime, asker, year)
    return page(
        request, "book.html", headers=saying_what_is_missing(found.unnumbered), asker=asker, active="cases", book=found.answer,
        missing=found.unnumbered, listed=_listed, at=BOOKS, ledger=CASES,
    )  # fmt: skip


def _listed(counted: BookCount) -> str:
    """Where these cases are listed; nowhere for what has none, or no list."""
    return f"{CASES}?{counted.cases}" if counted.cases is not None and counted.count else ""
