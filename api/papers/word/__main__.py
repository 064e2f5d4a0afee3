"""The process that writes Word: a request as JSON on its standard input, the answer on its standard output, and it is over."""

import sys
from base64 import b64decode, b64encode
from typing import Any

import orjson

from api.papers.word import blank, bounds, prose
from api.papers.word.filling import filled
from api.papers.word.fitting import UnfitTemplate


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """What is answered: the file, or what is wrong with the template in both languages."""
    if "summary" in asked:
        return {"file": b64encode(prose.summary(asked["summary"])).decode()}
    drawn = asked.get("template")
    try:
        template = b64decode(drawn) if drawn is not None else _blank(asked["blank"])
        if asked["fill"] is None:
            return {"file": b64encode(template).decode()}
        fill = asked["fill"]
        pictures = {name: [b64decode(each) for each in shown] for name, shown in fill["pictures"].items()}
        file = filled(template, fill["plain"], fill["rows"], fill["row_fields"], pictures, fill["draft"])
        return {"file": b64encode(file).decode()}
    except UnfitTemplate as unfit:
        return {"obstacle": unfit.obstacle.to_json(), "remedy": unfit.remedy.to_json()}


def _blank(asked: dict[str, Any]) -> bytes:
    if "layout" in asked:
        return blank.paper(asked["layout"], stamped=asked["stamped"])
    return blank.sheet(asked["groups"], asked["widths"])


if __name__ == "__main__":
    bounds.bind()
    sys.stdout.buffer.write(orjson.dumps(answer(orjson.loads(sys.stdin.buffer.read()))))
