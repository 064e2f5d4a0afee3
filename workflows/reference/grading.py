"""General or major is answered for, not chosen: the criteria of criteria.yaml, and what they decide."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from typing import Literal

from engine.errors import BihuanError, Locale, Text
from workflows.reference.categories import Category, Taxonomy
from workflows.reference.reading import ReferenceFile, Titled, read_file
from workflows.reference.scheme import Level

FILE = "criteria.yaml"
EVERY_CATEGORY = "all"


class LevelUndecided(BihuanError, ValueError):
    """The answers do not decide the level; `text` says in both languages what to do.

    ├── CriteriaUnanswered   a question that applies has no yes and no no
    └── CriteriaUnknown      an answer belongs to no question of this category
    """

    code = "level_undecided"

    def __init__(self, criteria: tuple[str, ...], text: Text) -> None:
        self.criteria = criteria
        self.text = text
        super().__init__(text.en)

    def sentence(self, locale: Locale) -> str:
        return self.text.in_(locale)


class CriteriaUnanswered(LevelUndecided):
    code = "criteria_unanswered"


class CriteriaUnknown(LevelUndecided):
    code = "criteria_unknown"


class Criterion(Titled):
    """One question; yes makes the hazard major.

    applies   category codes, or `all`
    note      what does not count, for whoever hesitates
    kind      law, guide (the Ministry's guideline of 2024) or policy (our own default, a school may change it)
    basis     where it comes from
    """

    applies: tuple[str, ...]
    kind: Literal["law", "guide", "policy"]
    basis: str
    note: Text | None = None

    @property
    def question(self) -> Text:
        return self.title

    @property
    def general(self) -> bool:
        return EVERY_CATEGORY in self.applies


class OnSpotKind(Titled):
    """A violation that is corrected on the spot and still recorded."""

    applies: tuple[str, ...]


@dataclass(frozen=True)
class Criteria:
    criteria: Mapping[str, Criterion]
    on_spot_kinds: Mapping[str, OnSpotKind]
    taxonomy: Taxonomy
    _asked: dict[str, tuple[Criterion, ...]] = field(default_factory=dict, init=False, compare=False, repr=False)

    def criteria_for(self, category: str) -> tuple[Criterion, ...]:
        """The questions to be answered for a hazard of this category: its own first, the general ones last."""
        found = self._asked.get(category)
        if found is None:
            reached = self._reached_by(category)
            here = [criterion for criterion in self.criteria.values() if reached & set(criterion.applies)]
            found = self._asked[category] = tuple(sorted(here, key=lambda criterion: criterion.general))
        return found

    def on_spot_kinds_for(self, category: str) -> tuple[OnSpotKind, ...]:
        reached = self._reached_by(category)
        return tuple(kind for kind in self.on_spot_kinds.values() if reached & set(kind.applies))

    def decide_level(self, category: str, answers: Mapping[str, bool]) -> Level:
        """Major if one answer is yes, general if all are no.

        answers   criterion code → True or False, for exactly the criteria_for(category)
        Raises    CriteriaUnanswered (blank is not no), CriteriaUnknown, NotInReference for the category
        """
        asked = {criterion.code: criterion for criterion in self.criteria_for(category)}
        unknown = tuple(code for code in answers if code not in asked)
        if unknown:
            raise CriteriaUnknown(unknown, _unknown(self.taxonomy.category(category), unknown, asked))
        unanswered = tuple(code for code in asked if not isinstance(answers.get(code), bool))
        if unanswered:
            raise CriteriaUnanswered(
                unanswered, _unanswered(self.taxonomy.category(category), [asked[code] for code in unanswered])
            )
        return Level.MAJOR if any(answers.values()) else Level.GENERAL

    def _reached_by(self, category: str) -> set[str]:
        # A hazard filed under a whole category may be any of its sub-categories, so it answers for all of them.
        below = (sub.code for sub in self.taxonomy.below(category))
        return {EVERY_CATEGORY, *self.taxonomy.lineage(category), *below}


def read_criteria(folder: Traversable, taxonomy: Taxonomy) -> Criteria:
    file = read_file(folder, FILE, {"criteria", "on_spot_kinds"})
    criteria = file.coded("criteria", Criterion)
    kinds = file.coded("on_spot_kinds", OnSpotKind)
    for criterion in criteria.values():
        _check_applies(file, "criteria", criterion.code, criterion.applies, taxonomy)
    for kind in kinds.values():
        _check_applies(file, "on_spot_kinds", kind.code, kind.applies, taxonomy)
    if not any(criterion.general for criterion in criteria.values()):
        file.refuse("criteria", "", "none applies to all categories", "Put the definition of a major hazard back")
    return Criteria(criteria, kinds, taxonomy)


def explain(criteria: Criteria, category: str, yes: Iterable[str]) -> Level:
    """The level when exactly these criteria are answered with yes and all others that apply with no."""
    answers = {criterion.code: False for criterion in criteria.criteria_for(category)}
    return criteria.decide_level(category, answers | dict.fromkeys(yes, True))


def _check_applies(file: ReferenceFile, section: str, code: str, applies: tuple[str, ...], taxonomy: Taxonomy) -> None:
    if not applies:
        file.refuse(section, code, "it applies to nothing", f"Name categories in 'applies', or {EVERY_CATEGORY!r}")
    if EVERY_CATEGORY in applies and len(applies) > 1:
        file.refuse(section, code, "it applies to all and to some", f"Keep {EVERY_CATEGORY!r} alone")
    file.must_be_known(section, code, applies, (EVERY_CATEGORY, *taxonomy.all), "category")


def _unanswered(category: Category, criteria: list[Criterion]) -> Text:
    return Text(
        zh=f"“{category.title.zh}”类隐患的等级尚不能判定：以下各项未答——"
        + "；".join(f"{criterion.code}（{criterion.question.zh}）" for criterion in criteria)
        + "。每项须答是或否，空白不等于否。",
        en=f"Cannot decide the level of a hazard of category {category.code!r}: no answer to "
        + "; ".join(f"{criterion.code!r} ({criterion.question.en})" for criterion in criteria)
        + ". Answer each with yes or no; blank is not no.",
    )


def _unknown(category: Category, unknown: tuple[str, ...], asked: Mapping[str, Criterion]) -> Text:
    return Text(
        zh=f"“{category.title.zh}”类隐患的等级尚不能判定：{'、'.join(unknown)} 不是该类的判定项。该类的判定项为：{'、'.join(asked)}。",
        en=f"Cannot decide the level of a hazard of category {category.code!r}: {', '.join(map(repr, unknown))} "
        f"is not asked there. Answer exactly: {', '.join(asked)}.",
    )
