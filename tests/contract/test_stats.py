import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.contract.stats import bootstrap_interval, grouped_interval, percentiles, quantile, ratio, sums_interval

samples = st.lists(st.floats(0, 1e6), min_size=1, max_size=60)


@given(samples, st.floats(0, 1))
def test_quantile_is_numpys(values: list[float], q: float) -> None:
    assert quantile(sorted(values), q) == pytest.approx(float(np.quantile(values, q)), rel=1e-9, abs=1e-9)


@given(samples)
def test_percentiles_are_ordered_and_within_the_values(values: list[float]) -> None:
    of = percentiles(values)
    assert of.n == len(values)
    assert min(values) <= of.p50 <= of.p95 <= of.p99 <= max(values)


@given(samples, st.randoms(use_true_random=False))
def test_order_of_the_values_does_not_matter(values: list[float], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert percentiles(shuffled) == percentiles(values)


def test_interpolates_between_neighbours() -> None:
    of = percentiles([10, 20, 30, 40, 50])
    assert (of.p50, of.p95, of.p99) == pytest.approx((30, 48, 49.6))


def test_without_values_there_is_nothing_to_tell() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentiles([])
    with pytest.raises(ValueError, match="no values"):
        bootstrap_interval([])


def test_interval_holds_the_estimate_and_repeats() -> None:
    values = list(np.random.default_rng(5).normal(550, 40, size=80))
    interval = bootstrap_interval(values, seed=1)
    assert interval.low < percentiles(values).p95 < interval.high
    assert interval == bootstrap_interval(values, seed=1)
    assert bootstrap_interval(values, seed=1, resamples=50) != bootstrap_interval(values, seed=2, resamples=50)


def test_interval_narrows_with_more_values() -> None:
    rng = np.random.default_rng(5)
    few, many = (bootstrap_interval(list(rng.normal(550, 40, size=n))) for n in (30, 3000))
    assert many.high - many.low < (few.high - few.low) / 3


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(9)
    median = 0.0
    runs = [bootstrap_interval(list(rng.normal(0, 1, size=60)), q=0.5, resamples=300) for _ in range(100)]
    assert sum(interval.low <= median <= interval.high for interval in runs) >= 88


def test_blocks_do_not_change_the_number_of_resamples() -> None:
    interval = bootstrap_interval([float(n) for n in range(300_000)], q=0.5, resamples=7)
    assert interval.low < 150_000 < interval.high


def test_equal_values_have_no_spread() -> None:
    interval = bootstrap_interval([7.0] * 10)
    assert (interval.low, interval.high) == (7.0, 7.0)


def test_a_rates_interval_holds_the_rate_and_is_the_same_again() -> None:
    parts = [(n % 3, 10) for n in range(60)]
    found = sums_interval(parts, ratio)
    assert found == sums_interval(parts, ratio)
    assert found is not None
    assert found.low < 0.1 < found.high
    assert found.high - found.low < 0.06


def test_units_and_not_events_are_drawn() -> None:
    """Two clips that differ are two draws, however many words they have."""
    found = sums_interval([(0, 1000), (1000, 1000)], ratio)
    assert found is not None
    assert (found.low, found.high) == (0, 1)


@given(st.lists(st.lists(st.floats(0, 1e6), min_size=1, max_size=5), min_size=1, max_size=6), st.floats(0, 1))
def test_groups_are_drawn_whole(groups: list[list[float]], q: float) -> None:
    interval = grouped_interval(groups, q, seed=3, resamples=20)
    drawn = np.random.default_rng(3).multinomial(len(groups), [1 / len(groups)] * len(groups), size=20)
    estimates = [
        np.quantile([value for own, times in zip(groups, row, strict=True) for value in own * times], q)
        for row in drawn
    ]
    assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(estimates, [0.025, 0.975])), abs=1e-6)


def test_what_is_alike_within_a_group_makes_the_interval_wider() -> None:
    groups = [[500.0 + 10 * n] * 5 for n in range(40)]
    alike, apart = grouped_interval(groups, 0.5), bootstrap_interval([value for own in groups for value in own], 0.5)
    assert alike.high - alike.low > 1.5 * (apart.high - apart.low)
    assert alike == grouped_interval(groups, 0.5)
    single = grouped_interval([[1.0, 2.0, 3.0], []], 0.5)
    assert (single.low, single.high) == (2.0, 2.0)
    with pytest.raises(ValueError, match="no values"):
        grouped_interval([[], []])


def test_a_figure_without_events_has_no_interval() -> None:
    assert sums_interval([(0, 0), (0, 0)], ratio) is None
    with pytest.raises(ValueError, match="no parts"):
        sums_interval([], ratio)
