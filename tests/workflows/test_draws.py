"""Draws: nobody meets himself, pairs come again as late as they can, every area has one group, and an outsider can repeat it."""

import hashlib
from collections.abc import Callable
from itertools import chain, combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.draws import groups, pairs, sample, shuffled

SEED = "5f" * 32
TWENTY = [f"D{n:02}" for n in range(1, 21)]

some_seed = st.binary(min_size=32, max_size=32).map(bytes.hex)
some_members = st.lists(st.text("甲乙丙丁ABC0123", min_size=1, max_size=4), min_size=2, max_size=24, unique=True)


def met(one: str, other: str) -> frozenset[str]:
    return frozenset((one, other))


# --- pairs -----------------------------------------------------------------------------------------------------------


def test_twenty_departments_over_twelve_months_repeat_no_pair() -> None:
    drawn = [met(*pair) for month in range(12) for pair in pairs(TWENTY, month, SEED).pairs]
    assert len(drawn) == 12 * 10 and len(set(drawn)) == len(drawn)
    assert all(len(pair) == 2 for pair in drawn), "somebody inspects himself"


@given(some_members, some_seed)
def test_a_pair_comes_again_when_every_other_has_met_and_not_before(members: list[str], seed: str) -> None:
    rounds = len(members) - 1 if len(members) % 2 == 0 else len(members)
    drawn = [pairs(members, number, seed) for number in range(rounds)]
    assert sorted(map(sorted, chain.from_iterable(each.pairs for each in drawn))) == sorted(
        map(sorted, combinations(members, 2))
    )
    assert pairs(members, rounds, seed) == drawn[0]


@given(some_members, some_seed, st.integers(0, 500))
def test_each_is_in_one_pair_or_rests(members: list[str], seed: str, number: int) -> None:
    drawn = pairs(members, number, seed)
    seated = [*chain.from_iterable(drawn.pairs), *([drawn.resting] if drawn.resting else [])]
    assert sorted(seated) == sorted(members)
    assert (drawn.resting is None) is (len(members) % 2 == 0)


@given(some_members.filter(lambda members: len(members) % 2 == 1), some_seed)
def test_of_an_odd_number_each_rests_once_before_anybody_rests_again(members: list[str], seed: str) -> None:
    assert sorted(str(pairs(members, n, seed).resting) for n in range(len(members))) == sorted(members)


# --- groups and samples ----------------------------------------------------------------------------------------------


@given(some_members, some_seed, st.data())
def test_every_area_is_in_exactly_one_group_and_sizes_differ_by_one_at_most(
    areas: list[str], seed: str, data: st.DataObject
) -> None:
    number = data.draw(st.integers(1, len(areas)))
    drawn = groups(areas, number, seed)
    assert sorted(chain.from_iterable(drawn)) == sorted(areas)
    sizes = [len(group) for group in drawn]
    assert len(sizes) == number and max(sizes) - min(sizes) <= 1


@given(some_members, some_seed, st.data())
def test_a_sample_is_drawn_without_putting_back(population: list[str], seed: str, data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(population)))
    drawn = sample(population, number, seed)
    assert len(drawn) == len(set(drawn)) == number and set(drawn) <= set(population)


@given(some_members, some_seed, st.data())
def test_the_order_they_were_listed_in_makes_no_difference(members: list[str], seed: str, data: st.DataObject) -> None:
    assert shuffled(data.draw(st.permutations(members)), seed) == shuffled(members, seed)


def test_another_seed_draws_otherwise() -> None:
    drawn = {tuple(shuffled(TWENTY, f"{n:064x}")) for n in range(50)}
    assert len(drawn) == 50


def test_each_place_of_the_order_falls_to_everybody_alike() -> None:
    """Of 2,000 draws among five each is first in about 400; 5 standard deviations are 90."""
    first = [shuffled("ABCDE", f"{n:064x}")[0] for n in range(2000)]
    assert all(abs(first.count(member) - 400) < 90 for member in "ABCDE")


@pytest.mark.parametrize(
    "refused",
    [
        lambda: shuffled(["A", "B", "A"], SEED),
        lambda: pairs(["A"], 0, SEED),
        lambda: groups(["A", "B"], 0, SEED),
        lambda: groups(["A", "B"], 3, SEED),
        lambda: sample(["A", "B"], 3, SEED),
    ],
    ids=["twice named", "a pair of one", "no group", "an empty group", "more than there are"],
)
def test_what_cannot_be_drawn_is_refused(refused: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"twice|two|groups|drawn"):
        refused()


# --- an outsider -----------------------------------------------------------------------------------------------------


def test_an_outsider_repeats_the_draw_from_its_seed() -> None:
    """Nothing of this program is used: the words of the docstring alone."""
    seed, members, month = "00ff" * 16, ["后勤处", "机电系", "信息系", "办公室", "学工处"], 3
    marks = {name: hashlib.sha256(seed.encode() + b"\x00" + name.encode()).hexdigest() for name in members}
    order = [*sorted(members, key=marks.__getitem__), "（空）"]
    moving = order[1:]
    for _ in range(month):
        moving.append(moving.pop(0))
    line = order[:1] + moving
    by_hand = {frozenset((line[seat], line[-1 - seat])) for seat in range(3)}
    drawn = pairs(members, month, seed)
    assert by_hand == {*(met(*pair) for pair in drawn.pairs), met(str(drawn.resting), "（空）")}
    assert groups(members, 2, seed) == [order[:5][0::2], order[:5][1::2]]
    assert sample(members, 2, seed) == order[:2]


def test_the_order_is_what_it_was() -> None:
    """Draws on record are repeated with these marks for ever. `printf '%s\\0%s' $SEED D01 | sha256sum` begins with these."""
    assert shuffled(TWENTY[:6], SEED) == ORDER_ON_RECORD


ORDER_ON_RECORD = ["D04", "D06", "D03", "D02", "D01", "D05"]
