"""Which category a hazard most likely belongs to, by the words it is reported in: a suggestion, never a decision.

Pairs of characters (words, in English) of a text are looked for in what the reference says of each category: its title, the
sample hazards and the checklist items of its kind. Rare pairs weigh more. The same text always gives the same answer.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from engine.errors import Text
from workflows.reference.library import reference

BEST = 3
LEAST_SCORE = 0.12  # of 1: words less like anything we know get no suggestion, which is better than a wrong one
LONGEST = 500  # characters that are looked at; a report's line has 200
_WHOLE_TITLE = 1.3  # a pair of a category's own name says more than one of an example of it
_ENGLISH_ENDING = 2  # letters: `socket` and `sockets` are one word, `light` and `lights` too

_CHINESE = re.compile(r"[\u3400-\u9fff]+")
_WORD = re.compile(r"[a-z0-9]{2,}")

#: pairs that stand in every report and say nothing of its kind
_SAY_NOTHING = frozenset(
    {"没有", "存在", "发现", "一个", "一处", "两个", "学校", "校园", "以及", "进行", "the", "and", "with", "not", "for"}
)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """category   a sub-category's code
    score      above 0, at most 1: the share of the text's weight that is known of this category
    """

    category: str
    score: float


def suggest(words: str) -> list[Suggestion]:
    """At most three categories, the likeliest first; none for words that are like nothing we know."""
    said = pairs(words[:LONGEST])
    known = _known()
    rarest = math.log(len(known.categories) + 1)
    whole = sum(known.weights.get(pair, rarest) for pair in said)
    if not whole:
        return []
    scores: defaultdict[str, float] = defaultdict(float)
    for pair in said:
        for category, share in known.holding.get(pair, {}).items():
            scores[category] += share * known.weights[pair]
    found = [Suggestion(category, round(min(score / whole, 1.0), 3)) for category, score in scores.items()]
    likely = [each for each in found if each.score >= LEAST_SCORE]
    return sorted(likely, key=lambda each: (-each.score, known.categories[each.category]))[:BEST]


def pairs(words: str) -> frozenset[str]:
    """What a text is compared by: each pair of neighbouring Chinese characters, and each English word without its ending."""
    low = words.lower()
    found = {run[at : at + 2] for run in _CHINESE.findall(low) for at in range(len(run) - 1)}
    found |= {_stem(word) for word in _WORD.findall(low)}
    return frozenset(found - _SAY_NOTHING)


def _stem(word: str) -> str:
    for ending in ("ing", "es", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) > _ENGLISH_ENDING:
            return word.removesuffix(ending)
    return word


@dataclass(frozen=True, slots=True)
class _Known:
    """categories   code → its place in the taxonomy
    weights      pair → how much it says: more the fewer categories have it
    holding      pair → category → 1, or more where it is of the category's own name
    """

    categories: Mapping[str, int]
    weights: Mapping[str, float]
    holding: Mapping[str, Mapping[str, float]]


@cache
def _known() -> _Known:
    return _learnt(_described())


def _described() -> Iterable[tuple[str, Text, float]]:
    """(sub-category, what is said of it, how much that weighs)."""
    held = reference()
    for code, category in held.taxonomy.subcategories.items():
        yield code, category.title, _WHOLE_TITLE
    for sample in held.samples.values():
        yield sample.category, sample.title, 1.0
    for sheet in held.checklists.by_code.values():
        for item in sheet.items:
            yield item.category, item.title, 1.0


def _learnt(described: Iterable[tuple[str, Text, float]]) -> _Known:
    holding: defaultdict[str, dict[str, float]] = defaultdict(dict)
    categories: dict[str, int] = {}
    for category, text, weight in described:
        categories.setdefault(category, len(categories))
        for pair in pairs(text.zh) | pairs(text.en):
            holding[pair][category] = max(weight, holding[pair].get(category, 0.0))
    weights = {pair: math.log((len(categories) + 1) / len(held)) for pair, held in holding.items()}
    return _Known(MappingProxyType(categories), MappingProxyType(weights), MappingProxyType(dict(holding)))
