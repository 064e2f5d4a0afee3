"""The words of a stage summary: sections of paragraphs with places for what is counted, `{name}`, and what may become of them.

A place stands for a number by its key, for some words (`{school}`), or for a list that stands alone in its paragraph
(`{plans.list}`). Whoever writes the words anew keeps every place and invents none: so no number is ever typed.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from engine.errors import Text

FILE = "stage_summary.yaml"
TO_WRITE = "（请补充）"  # marks what no record says
PLACE = re.compile(r"\{([^{}]*)\}")
LIST = ".list"  # how the name of a place ends that stands for a list
MOST_PARAGRAPHS = 100  # of a section; what is longer is no summary

Words = Annotated[str, Field(max_length=4000)]


class SectionText(BaseModel):
    """`key`: under which a form asks for it; a text that a school brings as a file needs none."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    key: Annotated[str, Field(max_length=40)] = ""
    heading: Annotated[str, Field(max_length=200)] = ""
    paragraphs: Annotated[list[Words], Field(max_length=MOST_PARAGRAPHS)]


class SummaryText(BaseModel):
    """What a summary says, with places for numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    title: Annotated[str, Field(min_length=1, max_length=200)]
    sections: Annotated[list[SectionText], Field(min_length=1, max_length=50)]


def standard_file() -> str:
    """The words as they come with the program."""
    return files("workflows.reference").joinpath(FILE).read_text(encoding="utf-8")


@cache
def standard() -> SummaryText:
    return SummaryText.model_validate(yaml.safe_load(standard_file()))


def places_in(words: str) -> list[str]:
    """The names of the places, in the order in which they come first."""
    return list(dict.fromkeys(PLACE.findall(words)))


@cache
def places_of(section: str) -> tuple[str, ...]:
    """The places of a section of the standard words. They are part of what the loop's form means, and never change under it."""
    [found] = [each for each in standard().sections if each.key == section]
    return tuple(places_in("\n".join(found.paragraphs)))


def paragraphs_of(words: str) -> list[str]:
    """A paragraph a line; empty lines only set them apart."""
    return [line.strip() for line in words.splitlines() if line.strip()]


def fault_in(section: str, words: str) -> Text | None:
    """What is wrong with these words for a section, naming each place; None where nothing is."""
    if len(paragraphs_of(words)) > MOST_PARAGRAPHS:  # kept all the same, it could be signed and never be printed
        return Text(
            f"超过 {MOST_PARAGRAPHS} 段；一行算一段，请合并或删减",
            f"these are more than {MOST_PARAGRAPHS} paragraphs, each line being one: join some, or leave some out",
        )
    wanted, given = places_of(section), places_in(words)
    if not {"{", "}"}.isdisjoint(PLACE.sub("", words)):
        return Text(
            "有不成对的花括号；花括号只用于数字的位置",
            "a brace stands alone; braces are for the places of numbers only",
        )
    lost = [name for name in wanted if name not in given]
    invented = [name for name in given if name not in wanted]
    if lost or invented:
        zh = [f"缺少 {_named(lost)}"] if lost else []
        en = [f"lacks {_named(lost)}"] if lost else []
        zh += [f"多出 {_named(invented)}"] if invented else []
        en += [f"invents {_named(invented)}"] if invented else []
        return Text(
            f"数字的位置{'，'.join(zh)}；文字可以改写，花括号中的位置须原样保留",
            f"this {' and '.join(en)}; the words may change, the places in braces have to stay",
        )
    if beside := [
        name
        for line in paragraphs_of(words)
        for name in places_in(line)
        if name.endswith(LIST) and line != f"{{{name}}}"
    ]:
        return Text(
            f"{_named(beside)} 是列表，须单独成段",
            f"{_named(beside)} is a list and has to stand alone in its paragraph",
        )
    return None


def _named(names: list[str]) -> str:
    return " ".join(f"{{{name}}}" for name in names)


def rewritten(words: Mapping[str, Any], said: Mapping[str, str | None]) -> dict[str, Any]:
    """The words (`SummaryText` as plain JSON) with these sections written anew; None leaves one as it is."""
    sections = [
        {**section, "paragraphs": paragraphs_of(new)} if (new := said.get(section["key"])) else section
        for section in words["sections"]
    ]
    return {**words, "sections": sections}
