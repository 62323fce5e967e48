"""What is written as a fault, and which connections have it when."""

from __future__ import annotations

import pytest

from vivavoce.emulators.faults import GENERAL, Fault, Faults
from vivavoce.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("stall", Fault("stall")),
        ("stall@2s", Fault("stall", at_s=2.0)),
        ("abort@?", Fault("abort", at_s=None)),
        ("close:1008", Fault("close", "1008")),
        (" refuse:429x3 ", Fault("refuse", "429", times=3)),
        ("slow:800@0.5sx1", Fault("slow", "800", 0.5, 1)),
        ("429-contexts", Fault("429-contexts")),
        ("metadata-0@?x2", Fault("metadata-0", at_s=None, times=2)),
    ],
)
def test_a_fault_is_read(text: str, fault: Fault) -> None:
    assert Fault.parse(text, known=[*GENERAL, "429-contexts", "metadata-0"]) == fault


@pytest.mark.parametrize("text", ["", "nonsense", "stall@", "stall@x", "stall@1.2.3s", "stall x2", "Stall", "x3"])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="fault"):
        Fault.parse(text, known=GENERAL)


def test_an_argument_that_should_be_a_number_is_checked() -> None:
    assert Fault("slow").number(800) == 800
    assert Fault("slow", "5").number(800) == 5
    with pytest.raises(ConfigError, match="slow"):
        Fault("slow", "soon").number(800)


def test_only_so_many_connections_have_a_fault_and_in_the_order_of_its_moments() -> None:
    twice, always = Fault("close", at_s=3.0, times=2), Fault("slow", at_s=1.0)
    faults = Faults([twice, always])
    plans = [faults.next_connection() for _ in range(3)]
    assert plans == [[(1.0, always), (3.0, twice)]] * 2 + [[(1.0, always)]]


def test_random_moments_repeat_with_the_seed() -> None:
    def moments(seed: int) -> list[float]:
        faults = Faults([Fault("abort", at_s=None)], seed=seed)
        return [at_s for _ in range(5) for at_s, _ in faults.next_connection()]

    assert moments(7) == moments(7)
    assert moments(7) != moments(8)
    assert all(0 < at_s < 10 for at_s in moments(7))


def test_what_is_injected_is_there_at_once() -> None:
    faults = Faults([Fault("stall", at_s=2.0)])
    faults.injected.append(Fault("refuse"))
    assert faults.next_connection() == [(0.0, Fault("refuse")), (2.0, Fault("stall", at_s=2.0))]
