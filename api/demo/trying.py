"""A file for the shell with the demo's address and a token for a few posts, so that a newcomer can take their steps."""

import shlex
from collections.abc import Mapping
from pathlib import Path

from api.demo.school import KEEPER

NAME = "try.env"
API = "BIHUAN_API"  # the variable that holds the address

#: variable → post: whoever a case meets on its way, the two leaders, and who keeps the school's people and numbers
POSTS: Mapping[str, str] = {
    "TEACHER": "xb1.staff",
    "SAFETY": "safety.staff",
    "SAFETY_HEAD": "safety.head",
    "REPAIRER": "hqc.repair1",
    "LOGISTICS_SAFETY": "hqc.safety",
    "LOGISTICS_HEAD": "hqc.head",
    "VICE_PRINCIPAL": "vp.safety",
    "PRINCIPAL": "principal",
    "ADMINISTRATOR": KEEPER,
}

AT_THE_PAGES = (
    "safety.staff",
    "xb1.staff",
    "hqc.repair1",
    "safety.head",
    "principal",
    KEEPER,
)  # who sees the most of them


def write(folder: Path, address: str, tokens: Mapping[str, str]) -> Path:
    """Write `try.env` into the data folder and give its path. The tokens open nothing but this demo."""
    lines = [f"export {API}={address}/api/v1", f"export BIHUAN_DATA={shlex.quote(str(folder.absolute()))}"]
    lines += [f"export {variable}={tokens[person]}" for variable, person in POSTS.items()]
    path = folder / NAME
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
