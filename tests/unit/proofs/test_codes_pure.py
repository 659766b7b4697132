"""Codes by themselves: for any order of codes and clocks, none is good twice, and a lock holds."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from pyotp import TOTP

from bot.backups.age import Identity
from bot.errors import NotOurs
from bot.proofs.codes import LOCKED_FOR, Said, Secret, Tally, check, newer
from bot.proofs.sealing import seal, unseal

KEY = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
SECRET = Secret(KEY, 1, (("00", "0" * 64),))
BEGIN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
#: (seconds the clock moves, which step's code is typed, or a wrong one)
MOVES = st.lists(
    st.tuples(st.integers(-120, 120), st.one_of(st.integers(-3, 3), st.just(None))), min_size=1, max_size=30
)


@given(MOVES)
def test_whatever_the_clock_does_no_code_is_good_twice_and_steps_only_grow(
    moves: list[tuple[int, int | None]],
) -> None:
    now, tally, good = BEGIN, Tally(), []
    for number, (seconds, step) in enumerate(moves):
        now += timedelta(seconds=seconds)
        current = int(now.timestamp()) // 30
        code = "no" if step is None else TOTP(KEY).generate_otp(current + step)
        said, after = check(SECRET, tally, code, str(number), now)
        assert after.version >= tally.version
        assert after.last_step >= tally.last_step
        assert said is not Said.GOOD or (after.last_step > tally.last_step and after.last_step not in good)
        if said is Said.GOOD:
            good.append(after.last_step)
            assert step in (-1, 0, 1)
        tally = after


@given(st.lists(st.integers(-3600, 899), max_size=20))
def test_a_lock_holds_for_its_time_whatever_the_clock_does_before(jumps: list[int]) -> None:
    tally = Tally()
    for number in range(5):
        said, tally = check(SECRET, tally, "000000", str(number), BEGIN)
    assert said is Said.LOCKED_NOW
    for seconds in jumps:
        now = BEGIN + timedelta(seconds=seconds)
        code = TOTP(KEY).at(now)
        assert check(SECRET, tally, code, "x", now) == (Said.LOCKED, tally)
    later = BEGIN + LOCKED_FOR
    assert check(SECRET, tally, TOTP(KEY).at(later), "x", later)[0] is Said.GOOD


@given(st.builds(Tally, version=st.integers(0, 9)), st.builds(Tally, version=st.integers(0, 9)))
def test_of_two_tallies_the_newer_one_counts(one: Tally, other: Tally) -> None:
    assert newer(one, other).version == max(one.version, other.version)


@given(st.binary(max_size=200), st.integers(0, 2000))
def test_a_letter_that_was_changed_opens_as_nothing(noise: bytes, place: int) -> None:
    """What somebody writes into the table is either the letter itself or no letter."""
    identity = Identity(b"\x05" * 32)
    letter = seal(identity.recipient, {"code": "123456"}, lambda n: bytes(range(n)))
    assert unseal([identity], letter) == {"code": "123456"}
    changed = letter[: place % len(letter)] + noise.hex() + letter[place % len(letter) :]
    for blob in (changed, noise.hex(), letter[:-4], ""):
        if blob == letter:
            continue
        try:
            assert unseal([identity], blob) == {"code": "123456"}
        except NotOurs:
            continue
