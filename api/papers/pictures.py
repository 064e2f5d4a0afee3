"""Pictures as papers show them: small enough to print well and to send; and in words, why one cannot be shown."""

import io
from collections.abc import Collection, Mapping
from dataclasses import replace

from PIL import Image

from api.papers.paper import Cell, Paper

LONGER_SIDE = 1000  # pixels; six centimetres at 400 to the inch
QUALITY = 80
MOST = 9  # under one heading: a page of them
HELD_BACK = "照片在受理前只供安全办公室查看"


def printed(content: bytes) -> bytes:
    """The picture as a JPEG for paper."""
    file = io.BytesIO()
    with Image.open(io.BytesIO(content)) as image:
        image.draft("RGB", (LONGER_SIDE, LONGER_SIDE))  # a large JPEG is unfolded no further than needed
        shown = image.convert("RGB")
    shown.thumbnail((LONGER_SIDE, LONGER_SIDE))
    shown.save(file, "JPEG", quality=QUALITY, optimize=True)
    return file.getvalue()


def showing(paper: Paper, why_not: Mapping[str, str]) -> Paper:
    """The paper with those of its pictures that can be shown, and a line for each that cannot.

    why_not    hash → what is said in place of the picture
    """
    return replace(paper, cells=tuple(_showing(cell, why_not) for cell in paper.cells))


def _showing(cell: Cell, why_not: Mapping[str, str]) -> Cell:
    if not cell.pictures:
        return cell
    shown = [sha for sha in cell.pictures if sha not in why_not]
    said = [f"照片 {at}：{why_not[sha]}" for at, sha in enumerate(cell.pictures, start=1) if sha in why_not]
    if len(shown) > MOST:
        said.append(f"另有照片 {len(shown) - MOST} 张，见系统记录")
    return replace(cell, text="\n".join(filter(None, [cell.text, *said])), pictures=tuple(shown[:MOST]))


def holding_back(paper: Paper) -> Paper:
    """Without a picture, and without how many there are."""
    held: Collection[str] = [cell.heading for cell in paper.cells if cell.pictures]
    return replace(
        paper,
        cells=tuple(
            replace(cell, pictures=(), text=HELD_BACK) if cell.heading in held else cell for cell in paper.cells
        ),
    )
