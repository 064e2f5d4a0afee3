"""Papers as HTML: a file that brings along how it looks and what it shows, or the inside of a page of ours. A4 either way."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from api.papers.paper import Paper, Sheet, short
from api.papers.summary.document import Cited, Counted, Document, Gap, Part

HERE = Path(__file__).parents[1]
CSS = HERE / "static" / "paper.css"


def file_of_paper(paper: Paper, shown: Mapping[str, bytes], *, stamped: bool) -> str:
    """shown    hash → JPEG, of every picture of the paper"""
    addresses = {sha: f"data:image/jpeg;base64,{b64encode(content).decode()}" for sha, content in shown.items()}
    return _file("paper_file.html", title=paper.title, paper=_paper(paper, addresses.__getitem__), stamped=stamped)


def file_of_sheet(sheet: Sheet) -> str:
    return _file("sheet_file.html", title=sheet.title, sheet=sheet)


def file_of_summary(summary: Document, base: str) -> str:
    """base    what addresses begin with: where people open the program"""

    return _file("summary_file.html", title=f"{summary.school}{summary.title}", body=inside_summary(summary, base))


def inside_summary(summary: Document, base: str = "") -> Markup:
    """The summary as part of a page of ours, or of a file with another `base`."""

    def drawn(part: Part) -> Markup:
        if isinstance(part, Counted):
            return Markup('<a href="{}/cases?{}" data-number="{}">{}</a>').format(base, part.query, part.key, part.text)
        if isinstance(part, Cited):
            return Markup('<a href="{}/cases/{}">{}</a>').format(base, part.text, part.text)
        return Markup("<mark>{}</mark>").format(part.text) if isinstance(part, Gap) else escape(part.text)

    html = _templates().get_template("summary_body.html").render(summary=summary, drawn=drawn)
    return Markup(html)  # noqa: S704  drawn by a template that escapes


def inside(paper: Paper, address: Callable[[str], str], *, stamped: bool) -> Markup:
    """The paper as part of a page of ours.

    address    hash → where a browser finds the picture
    """
    html = _templates().get_template("paper_body.html").render(paper=_paper(paper, address), stamped=stamped)
    return Markup(html)  # noqa: S704  drawn by a template that escapes


def _paper(paper: Paper, address: Callable[[str], str]) -> Mapping[str, object]:
    """What the template draws: (heading, text, addresses of pictures) by rows."""
    rows = [
        [(short(cell.heading), cell.text, [address(sha) for sha in cell.pictures]) for cell in cells]
        for cells in paper.rows()
    ]
    return {
        "school": paper.school, "title": paper.title, "case": paper.case, "number": paper.number, "draft": paper.draft,
        "rows": rows, "told_from": paper.told_from,
    }  # fmt: skip


def _file(template: str, **values: object) -> str:
    css = Markup(CSS.read_text(encoding="utf-8"))  # noqa: S704  a file of ours
    return _templates().get_template(template).render(css=css, **values)


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
