"""Published versions never change. Whoever changes one sees this fail, and draws a new version beside it instead.

A fingerprint covers titles, states, steps, forms with their bounds, sign-off, ladders, cycles, policies, and the names of
guards and functions. What a guard or an effect does under its name is for the rules' own tests.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Annotated, Any

import pytest
from pydantic import ConfigDict, Field

from engine.cycles import DueOn, Quarter
from engine.deadlines import Ladder
from engine.definition import FileRef, State, Transition, Within, Workflow, asks
from engine.errors import Text
from engine.guards import Situation, guard
from workflows import CATALOG
from workflows.drill import DRILL
from workflows.hazard import HAZARD, HazardPolicyWithStrangers, Photos, ReportFixWithPapers
from workflows.inspection import INSPECTION

PUBLISHED = {
    ("hazard", 1): "39422642bd33c6131075fc1006b74e8bdd003ca7ab1a5e53b6bae469c2da268f",
    ("hazard", 2): "8ea205aa27473095210d57cd4ae2ebd259866dde0d45b7e79011dd938e5a3ce2",
    ("hazard", 3): "108cff0ee5e52d1519deb73945d7dd14d65d7c95041c85c500ee58ac1eea0d4f",
    ("hazard", 4): "3aef0861cdb358e4f3777620265a3bd916eabd5313e788ef40e0c96b8b8b519d",
    ("hazard", 5): "6664ba3cb77f5fe8437d6c9b8ad8165ca5956bfa047e4a8ec11820b11419c3db",
    ("drill", 1): "1e65bc986c9e7923abdf1554e73f6493a9c10c7262696d8e5824052d56f725ca",
    ("drill", 2): "8d319db59ebddea16d19fa2eb6f4c2bf76362b3782a734e04b30b232648d721f",
    ("notice", 1): "17def30fec1902f6cc80207ee1f74c8ce9789ff44d6e03e7d133ec1489d5adbd",
    ("task", 1): "8470f5c8092c175acd7747ceaa32959678f9850ba610a6f33a2d650b1e7dfed0",
    ("comparison", 1): "0adce3707086e265ff79d5af52129a9ae613cd0d2babbfc1a049c2b0d1ca4735",
    ("comparison", 2): "c8d6d4d55aa3ac7fe30f7d2b2183203a55f60c7904db0e6b34eca02bf6d36f91",
    ("inspection", 1): "4d11545258b2e4755386cb8f57c0251ec7769be19d61e968ebc39be4842831f4",
    ("group_inspection", 1): "f1d96f4b5698a9ab1473c66ac346371a125cc345883a71c136f646962c1b8372",
    ("group_inspection", 2): "a5ec66070d4fda27531699dc44453aa4e17bc8a1aad42efb32ac73e9a3f58218",
    ("group_check", 1): "a0f590638f8753e6f71f9793dd764a7d5086e7d043f1db088ee9d7d943c0f5ed",
    ("cross_inspection", 1): "4ff3ff6d8681990a597ff40879d273f1c7e0a9238e1bdf0325f86fcceefead42",
    ("cross_inspection", 2): "c310ec9d72579c19b5492a0a450bac26cb76f007307a946046b75168e2b4401e",
    ("cross_check", 1): "79768a9e73630d354f72cf5d0d2f52f965fe5c276505a9ce91dcec396892a9bc",
    ("campaign", 1): "0d39fd703da7cab1956ea7a3b8461850e449ee78494aebd76b6196595a0285b8",
    ("survey", 1): "55dea5fde2ad0030f0f7ec78f4b59b8ede74348883277b4dfa223358cc2b8931",
    ("survey_answer", 1): "3707c3545efb5b0b82fa2d12f306b187a2808b8214b3be11626f17e8af777695",
    ("spot_check", 1): "4b86a4a4e9cada12123b6292b47f479294167f5598e9c65f6c6dd83121d12a7e",
    ("revisit", 1): "755386094248fbe4939792b0bdfc191dbc9d8f026a70f83dd7ae8c5ea0afa6fc",
    ("record", 1): "6540636380f1a516a9072b1cce66d673fc63150d7590f9c230a17cfa6dece3dd",
    ("weekly", 1): "737e7f7d197767e5637999e703c86af31525a874f9e55d2d305243c47ff2f26e",
    ("weekly", 2): "7508950b8e585a572a07c0af5f9d814b0b51229a65d62e8ae6b377baec85b9f6",
    ("daily", 1): "60da807cfdf5c092d027eaaf45966cd7e0d74d1958779174c9a517a39b4fb1b1",
    ("portal", 1): "715bca141e8fc129838d6700b15442be566c58b4d1e9394592b1b3682519e280",
    ("bulletin", 1): "fa8f96a8e871bde52373401b0a791dec4dc022c1ef9b2b2126a3a59f212f532e",
    ("portal", 2): "d8fd17156a55d77ebd2dd168124883c653ba1f5cd3b25df23627fc30c6b5393d",
    ("hazard_report", 1): "9ece9c3bde4bebb03ebff9af3c6c1d63d978b5d71c8382a03e14a08876d78efe",
    ("hazard_report", 2): "37c220fc074cbdc7431c5a492255cab36ee77e3a5f9233c8684f1cd253763942",
    ("stage_summary", 1): "718a47b691f8ae07ea1febe921c1d968d8a988db61b9a890062bc6903b93c92d",
}


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda published: f"{published[0]} v{published[1]}")
def test_a_published_version_is_what_it_was(published: tuple[str, int]) -> None:
    workflow = CATALOG.get(*published)
    assert workflow is not None, "a published version has to stay in the catalog: old cases are pinned to it"
    assert workflow.fingerprint == PUBLISHED[published], "draw a new version; do not change a published one"


def test_every_version_of_the_catalog_is_pinned_here() -> None:
    assert set(CATALOG._by_version) == set(PUBLISHED)


# --- what moves it -------------------------------------------------------------------------------------------------------


@guard("fingerprint.another", obstacle=Text("字", "word"), remedy=Text("字", "word"))
def another(_: Situation) -> bool:
    return True


class ReportFixOfFewerPhotos(ReportFixWithPapers):
    model_config = ConfigDict(title="ReportFixWithPapers")
    photos_after: Annotated[list[FileRef], Field(max_length=3)] = asks(
        "整改后照片", "Photos after", default_factory=list
    )


class ReportFixOfAsManyPhotos(ReportFixWithPapers):
    model_config = ConfigDict(title="ReportFixWithPapers")
    photos_after: Photos = asks("整改后照片", "Photos after", default_factory=list)


# under the name of the one they stand in for: only what they ask for may tell them apart
ReportFixOfFewerPhotos.__name__ = ReportFixOfAsManyPhotos.__name__ = ReportFixWithPapers.__name__


class HazardPolicyOfTwoReturns(HazardPolicyWithStrangers):
    model_config = ConfigDict(title="HazardPolicyWithStrangers")
    returns_before_escalation: Annotated[int, Field(ge=1, le=20)] = 2


class HazardPolicyOfWiderBounds(HazardPolicyWithStrangers):
    model_config = ConfigDict(title="HazardPolicyWithStrangers")
    returns_before_escalation: Annotated[int, Field(ge=1, le=99)] = 3


class HazardPolicyAsItWas(HazardPolicyWithStrangers):
    model_config = ConfigDict(title="HazardPolicyWithStrangers")
    returns_before_escalation: Annotated[int, Field(ge=1, le=20)] = 3


for policy in (HazardPolicyOfTwoReturns, HazardPolicyOfWiderBounds, HazardPolicyAsItWas):
    policy.__name__ = HazardPolicyWithStrangers.__name__


def changed(workflow: Workflow, **attributes: Any) -> Workflow:
    return Workflow(**{**{f.name: getattr(workflow, f.name) for f in fields(workflow)}, **attributes})


def with_state(workflow: Workflow, name: str, **attributes: Any) -> Workflow:
    states: list[State] = [replace(s, **attributes) if s.name == name else s for s in workflow.states]
    return changed(workflow, states=states)


def with_step(workflow: Workflow, trigger: str, **attributes: Any) -> Workflow:
    steps: list[Transition] = [replace(t, **attributes) if t.trigger == trigger else t for t in workflow.transitions]
    return changed(workflow, transitions=steps)


def with_rung(workflow: Workflow, state: str, rung: str, offset: int) -> Workflow:
    ladder = workflow.state(state).ladder
    assert ladder is not None
    moved = Ladder(tuple(replace(r, offset_workdays=offset) if r.name == rung else r for r in ladder.rungs))
    return with_state(workflow, state, ladder=moved)


def with_cycle(workflow: Workflow, **attributes: Any) -> Workflow:
    [rule] = workflow.cycles
    return changed(workflow, cycles=(replace(rule, cycle=replace(rule.cycle, **attributes)),))


def with_row(workflow: Workflow, mode: str, step: str, **attributes: Any) -> Workflow:
    assert workflow.sign_off is not None
    rows = {**workflow.sign_off.rows, (mode, step): replace(workflow.sign_off.rows[mode, step], **attributes)}
    return changed(workflow, sign_off=replace(workflow.sign_off, rows=rows))


FIX_GUARDS = next(t.guards for t in HAZARD.transitions if t.trigger == "fix")

MOVES: Mapping[str, tuple[Workflow, Workflow]] = {
    "a title": (HAZARD, changed(HAZARD, title=Text("隐患治理", "Hazard rectification"))),
    "a state's title": (DRILL, with_state(DRILL, "fixed", title=Text("已开展", "Held"))),
    "a guard more": (HAZARD, with_step(HAZARD, "fix", guards=(*FIX_GUARDS, another))),
    "a guard less": (HAZARD, with_step(HAZARD, "fix", guards=FIX_GUARDS[:-1])),
    "a form field's bound": (HAZARD, with_step(HAZARD, "fix", form=ReportFixOfFewerPhotos)),
    "a rung's offset": (HAZARD, with_rung(HAZARD, "assigned", "after-1", 2)),
    "a deadline": (DRILL, with_state(DRILL, "verified", due=Within(workdays=6))),
    "a cycle's rule": (INSPECTION, with_cycle(INSPECTION, every=Quarter())),
    "a cycle's due day": (INSPECTION, with_cycle(INSPECTION, due=DueOn(25))),
    "a policy's default": (HAZARD, changed(HAZARD, policy=HazardPolicyOfTwoReturns)),
    "a policy's bound": (HAZARD, changed(HAZARD, policy=HazardPolicyOfWiderBounds)),
    "a signature less": (HAZARD, with_row(HAZARD, "major", "verify", count=1)),
    "an exclusion less": (HAZARD, with_row(HAZARD, "general", "approve", never=("assignee", "fixer"))),
    "an effect less": (HAZARD, with_step(HAZARD, "return", effect=None)),
}


@pytest.mark.parametrize("published, moved", MOVES.values(), ids=MOVES.keys())
def test_a_changed_published_version_is_seen(published: Workflow, moved: Workflow) -> None:
    assert moved.fingerprint != PUBLISHED[published.key, published.version]


STAYS: Mapping[str, tuple[Workflow, Workflow]] = {
    "a copy of the hazard": (HAZARD, changed(HAZARD)),
    "a copy of the drill": (DRILL, changed(DRILL)),
    "a copy of the inspection": (INSPECTION, changed(INSPECTION)),
    "a form that asks for the same": (HAZARD, with_step(HAZARD, "fix", form=ReportFixOfAsManyPhotos)),
    "a relation in better words": (
        HAZARD,
        changed(HAZARD, own_words={"fixer": Text("整改经办人", "whoever mended it")}),
    ),
    "a policy of the same numbers": (HAZARD, changed(HAZARD, policy=HazardPolicyAsItWas)),
}


@pytest.mark.parametrize("published, same", STAYS.values(), ids=STAYS.keys())
def test_what_means_the_same_is_the_same(published: Workflow, same: Workflow) -> None:
    assert same.fingerprint == PUBLISHED[published.key, published.version]
