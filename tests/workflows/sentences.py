"""What a refusal has to be to a reader: three parts, each in both languages, and none of the program's own names in it."""

import re

from engine.definition import RELATIONS
from engine.errors import InvalidInput, Refusal
from workflows.roles import ROLES

ENGLISH = re.compile(r"[A-Za-z]{2,}")
#: what may stand in a Chinese sentence all the same: case numbers, and the command an administrator has to type
NO_WORDS = re.compile(r"[A-Z]{1,8}-\d{4}-\d{4,}|bihuan check")
CHINESE = re.compile("[\u4e00-\u9fff]")
KEYS = {*ROLES, *RELATIONS, *(f"{role}_of_another_department" for role in ROLES)}
KEYS = {key for key in KEYS if "_" in key}  # `student`, `driver` and the like are English words too
A_KEY = re.compile(rf"\b(?:{'|'.join(sorted(KEYS))})\b")


def holds_its_own(refusal: Refusal) -> list[str]:
    """What is wrong with the words of a refusal."""
    wrong = []
    for name in ("asked", "obstacle", "remedy"):
        text = getattr(refusal, name)
        if not CHINESE.search(text.zh) or CHINESE.search(text.en) or not text.en.strip():
            wrong.append(f"{name} is not in its language: {text}")
        if isinstance(refusal, InvalidInput) and name == "obstacle":
            continue  # it quotes the form's fields; the edge puts their labels before them
        if ENGLISH.search(NO_WORDS.sub("", text.zh)):
            wrong.append(f"{name} holds English: {text.zh}")
    sentence = refusal.sentence("zh") + refusal.sentence("en")
    wrong += [f"{key} in {sentence}" for key in A_KEY.findall(sentence)]
    if not refusal.sentence("zh").endswith("。") or "。。" in refusal.sentence("zh"):
        wrong.append(f"no sentence: {refusal.sentence('zh')}")
    return wrong
