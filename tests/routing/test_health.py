from time import perf_counter_ns

from vivavoce.errors import LegTimeout
from vivavoce.routing.breaker import State
from vivavoce.routing.health import Health


def health() -> Health:
    return Health(window_s=10, retry_s=1, longest_retry_s=60)


def test_only_the_window_counts() -> None:
    one = health()
    for at_s in range(20):
        one.succeeded(at_s, 100 + at_s)
    one.succeeded(19.5)
    assert one.latencies(19.5) == [float(100 + at_s) for at_s in range(10, 20)]
    assert one.latencies(100) == []


def test_slow_is_a_p95_over_the_cap_of_enough_latencies() -> None:
    one = health()
    for _ in range(4):
        one.succeeded(1, 400)
    assert one.slow(1, cap_ms=300, least=4)
    assert not one.slow(1, cap_ms=300, least=5)
    assert not one.slow(1, cap_ms=400, least=4)
    assert not one.slow(1, cap_ms=None, least=1)
    assert not one.slow(12, cap_ms=300, least=1)  # that was long ago


def test_one_slow_answer_in_forty_is_not_slow() -> None:
    one = health()
    for at in range(40):
        one.succeeded(1, 900 if at == 20 else 100)
    assert not one.slow(1, cap_ms=300, least=20)


def test_failures_are_counted_with_their_last_reason() -> None:
    one = health()
    one.begin(0)
    one.failed(0, LegTimeout("deepgram: no answer in 400 ms"))
    one.end()
    assert (one.started, one.serving, one.failures) == (1, 0, 1)
    assert one.reason == "deepgram: no answer in 400 ms"
    assert one.breaker.state(0) is State.OPEN


def test_new_settings_keep_what_is_known() -> None:
    one = health()
    one.succeeded(0, 5)
    one.failed(0, LegTimeout("late"))
    one.configure(window_s=1, retry_s=3, longest_retry_s=4)
    assert one.latencies(0.5) == [5]
    assert one.latencies(1.5) == []
    one.failed(1, LegTimeout("late"))
    assert one.breaker.retry_in_s(1) == 2


def test_memory_is_bounded_and_an_answer_costs_next_to_nothing() -> None:
    one = health()
    taken = []
    for _ in range(5000):
        began = perf_counter_ns()
        one.succeeded(1, 100)
        taken.append(perf_counter_ns() - began)
    assert len(one.latencies(1)) == 512
    assert sorted(taken)[len(taken) // 2] < 20_000
