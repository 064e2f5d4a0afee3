"""What the pages' own script asks for: whose browser it is and a fresh form token, categories for words, and the worker that opens
pages without a network.
"""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from api.auth import SignedIn, locale_of
from api.pages.addresses import Pages
from api.pages.rendering import DESK, HEADERS, HOME, MANIFEST, SUGGEST, WORKER, script, static_address, static_files
from api.pages.words import WORDS
from workflows.reference import suggest, taxonomy

strangers = APIRouter(include_in_schema=False)
router = Pages()

Words = Annotated[str, Query(max_length=500)]


@router.get(f"{DESK}/token")
def token(asker: SignedIn) -> Response:
    """Whose desk this browser shows now, and what his forms carry: what waited on the phone may be older than his session."""
    whose = f"{asker.account.organisation}/{asker.account.person}"
    csrf = asker.account.csrf if asker.account.session is not None else None
    return JSONResponse({"desk": whose, "csrf": csrf}, headers=dict(HEADERS))


@router.get(SUGGEST)
def suggested(asker: SignedIn, words: Words = "") -> Response:
    """At most three categories these words speak of, the likeliest first."""
    found = [
        {"category": each.category, "title": taxonomy().title(each.category, asker.locale), "score": each.score}
        for each in suggest(words)
    ]
    return JSONResponse(found, headers=dict(HEADERS))


#: for a home screen: file, sizes, and whether a phone may cut its own shape out of it. `tests.browser.icons` draws them
ICONS = (
    ("icon-192.png", "192x192", "any"),
    ("icon-512.png", "512x512", "any"),
    ("icon-maskable-512.png", "512x512", "maskable"),
    ("mark.svg", "any", "any"),
)


@strangers.get(WORKER)
def worker() -> Response:
    """From the root, for a worker sees to no address above its own. Another version of any file makes it another worker."""
    # icons are asked for once, when the desk is put on a home screen: no phone keeps them for a cellar
    files = [static_address(name) for name in static_files() if not name.endswith(".png")]
    words = {
        locale: {
            name.removeprefix("copy_"): text.in_(locale) for name, text in WORDS.items() if name.startswith("copy_")
        }
        for locale in ("zh", "en")
    }
    content = script("service-worker.js", files=files, queue=static_address("queue.js"), words=words)
    return Response(
        content, media_type="text/javascript; charset=utf-8", headers={**HEADERS, "Cache-Control": "no-cache"}
    )


@strangers.get(MANIFEST)
def manifest(request: Request) -> Response:
    """What a phone needs to put the desk on its home screen."""
    locale = locale_of(request)
    told = {
        "name": WORDS["product"].in_(locale), "short_name": WORDS["product"].in_(locale), "description": WORDS["tagline"].in_(locale),
        "lang": "zh-CN" if locale == "zh" else "en", "id": "/", "start_url": HOME, "scope": "/", "display": "standalone",
        "background_color": "#f3f6f4", "theme_color": "#0b6b53",
        "icons": [
            {"src": static_address(name), "sizes": sizes, "type": static_files()[name][1], "purpose": purpose}
            for name, sizes, purpose in ICONS
        ],
    }  # fmt: skip
    headers = {**HEADERS, "Cache-Control": "no-cache"}
    return JSONResponse(told, headers=headers, media_type="application/manifest+json")
