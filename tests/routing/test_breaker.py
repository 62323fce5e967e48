import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.routing.breaker import Breaker, State


def breaker() -> Breaker:
    return Breaker(retry_s=1, longest_retry_s=5)


def test_one_failure_opens_it_until_it_may_be_tried_again() -> None:
    one = breaker()
    assert one.state(0) is State.CLOSED
    one.failed(10)
    assert [one.state(at_s) for at_s in (10, 10.9, 11)] == [State.OPEN, State.OPEN, State.HALF_OPEN]
    assert one.retry_in_s(10.25) == 0.75
    assert one.retry_in_s(12) == 0
    assert not one.admits(10.9)
    assert one.admits(11)


def test_one_probe_at_a_time() -> None:
    one = breaker()
    one.failed(0)
    one.begin(1)
    assert not one.admits(1.5)
    one.release()
    assert one.admits(1.5)


def test_probe_that_is_never_heard_of_again_makes_room() -> None:
    one = breaker()
    one.failed(0)
    one.begin(1)
    assert not one.admits(1.9)
    assert one.admits(2)


def test_probe_that_succeeds_closes_it_and_forgets() -> None:
    one = breaker()
    for at_s in (0, 1, 3):
        one.failed(at_s)
    one.begin(7)
    one.succeeded(7.1)
    assert one.state(7.1) is State.CLOSED
    one.failed(8)
    assert one.retry_in_s(8) == 1


def test_each_failure_after_a_try_doubles_the_wait_up_to_the_longest() -> None:
    one, at_s, waits = breaker(), 0.0, []
    for _ in range(5):
        one.failed(at_s)
        waits.append(one.retry_in_s(at_s))
        at_s += waits[-1]
        one.begin(at_s)
    assert waits == [1, 2, 4, 5, 5]


def test_streams_from_before_the_failure_neither_open_it_longer_nor_close_it() -> None:
    one = breaker()
    one.failed(0)
    for at_s in (0.1, 0.5, 0.9):
        one.failed(at_s)
        one.succeeded(at_s)
    assert one.retry_in_s(0.9) == pytest.approx(0.1)
    one.succeeded(1.5)
    assert one.state(1.5) is State.HALF_OPEN


def test_stream_that_had_nowhere_else_to_go_closes_it_too() -> None:
    one = breaker()
    one.failed(0)
    one.begin(0.2)
    one.succeeded(0.3)
    assert one.state(0.3) is State.CLOSED
    one.failed(1)
    one.begin(1.1)
    one.failed(1.2)
    assert one.retry_in_s(1.2) == pytest.approx(0.8)
    one.succeeded(1.3)
    assert one.state(1.3) is State.OPEN


@given(st.lists(st.tuples(st.sampled_from(["fail", "succeed", "begin", "release"]), st.floats(0, 3)), max_size=60))
def test_whatever_happens_it_is_admitted_again_within_the_longest_wait(steps: list[tuple[str, float]]) -> None:
    one, now_s = breaker(), 0.0
    for what, after_s in steps:
        now_s += after_s
        if what == "fail":
            one.failed(now_s)
        elif what == "succeed":
            one.succeeded(now_s)
        elif what == "release":
            one.release()
        elif one.admits(now_s):
            one.begin(now_s)
            assert one.admits(now_s) is (one.state(now_s) is State.CLOSED)
        assert 0 <= one.retry_in_s(now_s) <= 5 + 1e-6
        assert (one.retry_in_s(now_s) > 0) is (one.state(now_s) is State.OPEN)
    assert one.admits(now_s + 5 + 1e-6)
