"""Draws and groupings: who inspects where, drawn from a seed in a way that any outsider can repeat.

How a draw is repeated, in any language and without this program:

1. The seed is the text that is on record with the draw: 64 hexadecimal digits in lower case.
2. For each member (a department's code, a place, a case's number) take SHA-256 over the UTF-8 bytes of the seed, one zero
   byte, and the UTF-8 bytes of the member; write it in hexadecimal.
3. Order the members by that. This is the order of the draw; what they were listed in makes no difference.
4. Pairs: where the members are odd in number, put an empty seat behind the last. The first stays where he is; the others move
   up by one place a round, those who pass the front going to the end. Then the first is with the last, the second with the
   last but one, and so on; whoever is with the empty seat rests. Rounds are counted from 0.
   Groups: the first member goes to the first group, the second to the second, and after the last group the first again.
   A sample: as many as are wanted, from the front.

The same in a shell, for one member: `printf '%s\\0%s' "$SEED" "$MEMBER" | sha256sum`.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engine.errors import Text

#: what is shown beside a draw, so that nobody has to come here to repeat it
REPEATED = Text(
    "以“种子＋零字节＋成员”（UTF-8）的 SHA-256 十六进制值排序，即为抽签顺序；任何人可据此重算",
    "members are ordered by the SHA-256, in hexadecimal, of seed, a zero byte and member (UTF-8); anybody can repeat it",
)


def shuffled(members: Iterable[str], seed: str) -> list[str]:
    """The members in the order of the draw. Raises ValueError where one is named twice."""
    named = list(members)
    if len(set(named)) != len(named):
        raise ValueError("a member is named twice; each is drawn once")
    return sorted(named, key=lambda member: _mark(seed, member))


def _mark(seed: str, member: str) -> str:
    return hashlib.sha256(f"{seed}\0{member}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Round:
    """Who meets whom. Both of a pair visit each other; `resting` is the one who meets nobody this time, of an odd number."""

    pairs: tuple[tuple[str, str], ...]
    resting: str | None = None


def pairs(members: Iterable[str], number: int, seed: str) -> Round:
    """The pairs of one round; nobody is with himself, and no pair comes again before every possible one has met.

    number    of the round, from 0; n members have n - 1 rounds before a pair comes again, or n where n is odd, and each of
              these has rested once by then
    Raises    ValueError for fewer than two members
    """
    seats: list[str | None] = [*shuffled(members, seed)]
    if len(seats) < 2:
        raise ValueError("it takes two to make a pair")
    if len(seats) % 2:
        seats.append(None)
    first, others = seats[0], seats[1:]
    gone = number % len(others)
    line = [first, *others[gone:], *others[:gone]]
    half = len(line) // 2
    met = list(zip(line[:half], reversed(line[half:]), strict=True))
    resting = [one or other for one, other in met if one is None or other is None]
    return Round(
        pairs=tuple((one, other) for one, other in met if one is not None and other is not None),
        resting=resting[0] if resting else None,
    )


def groups(areas: Iterable[str], number: int, seed: str) -> list[list[str]]:
    """As many groups, each area in exactly one of them, their sizes never more than one apart.

    Raises   ValueError for no group, or for more groups than areas: one would have nothing to do
    """
    order = shuffled(areas, seed)
    if not 1 <= number <= len(order):
        raise ValueError(f"{len(order)} areas make from 1 to {len(order)} groups, not {number}")
    return [order[group::number] for group in range(number)]


def sample(population: Iterable[str], number: int, seed: str) -> Sequence[str]:
    """As many of the population, each at most once. Raises ValueError for more than there are."""
    order = shuffled(population, seed)
    if not 0 <= number <= len(order):
        raise ValueError(f"{number} cannot be drawn from {len(order)}")
    return order[:number]
