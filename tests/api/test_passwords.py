import pytest

from api import passwords


def test_only_the_password_itself_fits_its_hash() -> None:
    kept = passwords.hashed("风雨操场 east-gate")
    assert passwords.fits("风雨操场 east-gate", kept)
    assert not passwords.fits("风雨操场 east-gate ", kept)
    assert not passwords.fits("anything", "no hash at all")
    assert passwords.hashed("风雨操场 east-gate") != kept, "each has a salt of its own"
    assert kept.startswith("$argon2id$") and "east" not in kept
    assert not passwords.outdated(kept)


def test_a_drawn_one_is_hashed_quicker_and_made_again_in_full_at_the_first_sign_in() -> None:
    drawn = passwords.drawn()
    kept = passwords.hashed_as_drawn(drawn)
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")  # what OWASP asks for at least
    assert passwords.fits(drawn, kept) and not passwords.fits(passwords.drawn(), kept)
    assert passwords.outdated(kept)


def test_many_drawn_ones_are_hashed_side_by_side_and_leave_a_turn_for_who_signs_in() -> None:
    hashing, drawn = passwords.Hashing(at_once=2), [passwords.drawn() for _ in range(5)]
    hashes = hashing.each_as_drawn(drawn)
    kept = [next(hashes)]
    with hashing.turn() as hasher, hashing.turn():  # a second one comes when one of theirs is over
        assert hasher is not None
    kept += hashes
    assert all(passwords.fits(*each) for each in zip(drawn, kept, strict=True)), "each its own, in their order"


@pytest.mark.parametrize(
    "password, accepted",
    [
        ("short", False),
        ("九个汉字不够长啊呀", False),
        ("十个汉字的密码已经够长了", True),
        ("aaaaaaaaaaaa", False),
        ("password123", False),
        ("Password123", False),
        ("xx-t20190012-yy", False),
        ("the-T20190012", False),
        ("correct horse battery", True),
        ("x" * 100 + "yzabc", True),
        ("xyza" * 51, False),
    ],
)
def test_what_may_be_a_password(password: str, accepted: bool) -> None:
    fault = passwords.fault_of(password, "T20190012", "教师")
    assert (fault is None) is accepted, fault


def test_a_drawn_password_is_one_and_never_the_same() -> None:
    drawn = {passwords.drawn() for _ in range(50)}
    assert len(drawn) == 50
    assert all(passwords.fault_of(one) is None for one in drawn)
