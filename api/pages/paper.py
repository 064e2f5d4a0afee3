"""A paper of a case as a page: to be read, printed, and taken as Word or Excel. One that may not be issued says that it is a draft."""

from urllib.parse import urlencode

from fastapi import Request, Response

from api.auth import SignedIn, TheRuntime
from api.pages.addresses import Pages
from api.pages.rendering import CASES, page
from api.papers import html, making
from api.routes.papers import Of
from api.routes.under import BASE

router = Pages(prefix=CASES)
NAMES = {"docx": "Word", "xlsx": "Excel"}  # of the files that a page offers; it is one itself


@router.get("/{number}/papers/{paper}")
def paper_page(
    request: Request,
    runtime: TheRuntime,
    asker: SignedIn,
    number: str,
    paper: str,
    event: Of = None,
) -> Response:
    drawn = making.drawn(runtime, asker, None, number, paper, event, draft=True)
    workflow = runtime.engine.catalog.get(drawn.kind.workflow)
    assert workflow is not None  # the case is one of its
    said = {"event": str(drawn.event), **({"draft": "true"} if drawn.missing else {})}
    at = f"{BASE}/{workflow.plural}/{number}/papers/{paper}"
    files = [(form, name, f"{at}.{form}?{urlencode(said)}") for form, name in NAMES.items() if form in drawn.kind.files]
    if isinstance(drawn, making.Written):
        body = html.inside_summary(drawn.document)
    else:
        body = html.inside(drawn.paper, lambda sha: f"{BASE}/files/{sha}", stamped=drawn.kind.stamped)
    return page(
        request, "paper.html", asker=asker, active="cases", title=drawn.kind.title, number=number, files=files,
        back=f"{CASES}/{number}", body=body,
    )  # fmt: skip
