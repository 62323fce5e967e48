from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.contract.profile import (
    HEARD_CAP_MS,
    PATH,
    PROFILES,
    WORK,
    Profile,
    Stage,
    StageBudget,
    critical_path,
    path_text,
    profile_named,
)
from vivavoce.errors import ContractError

times = st.fixed_dictionaries({stage: st.floats(0, 10_000) for stage in PATH})


@pytest.mark.parametrize(("name", "path_ms", "total_ms"), [("hosted", 650, 650), ("embedded", 550, 560)])
def test_profiles_keep_their_totals(name: str, path_ms: float, total_ms: float) -> None:
    profile = profile_named(name)
    profile.check()
    assert critical_path(profile.targets) == path_ms
    assert profile.stages[Stage.HEARD] == StageBudget(total_ms, 700)


def test_endpoint_runs_beside_the_work() -> None:
    values = {**PROFILES["embedded"].targets, Stage.ENDPOINT: 525.0}
    assert critical_path(values) == 550
    assert critical_path({**values, Stage.ENDPOINT: 526.0}) == 551


@given(times)
def test_path_is_at_least_each_branch_and_at_most_the_sum(values: dict[Stage, float]) -> None:
    path = critical_path(values)
    work = sum(values[stage] for stage in WORK)
    assert path >= values[Stage.ENDPOINT] + values[Stage.ROUTE]
    assert path >= work + values[Stage.ROUTE]
    assert path <= sum(values.values()) + 1e-6


@given(times, st.sampled_from(PATH), st.floats(0, 1000))
def test_a_longer_stage_never_shortens_the_path_nor_lengthens_it_by_more(
    values: dict[Stage, float], stage: Stage, more: float
) -> None:
    before = critical_path(values)
    after = critical_path({**values, stage: values[stage] + more})
    assert before <= after <= before + more + 1e-6


def test_path_past_the_total_is_refused_with_the_path() -> None:
    slow = PROFILES["hosted"].with_budget(Stage.TTS, target_ms=76)
    with pytest.raises(ContractError) as caught:
        slow.check()
    assert "max(endpoint 300, trigger 100 + stt 250 + mt 200 + tts 76) + route 25 = 651 ms" in caught.value.message


def test_cap_below_target_is_refused_with_the_path() -> None:
    with pytest.raises(ContractError, match=r"stt has a cap of 149 ms, below the 150 ms .* = 550 ms"):
        PROFILES["embedded"].with_budget(Stage.STT, cap_ms=149).check()


def test_delay_of_transforms_is_counted() -> None:
    profile = PROFILES["embedded"]
    profile.check(added_delay_ms=10)
    with pytest.raises(ContractError, match=r"transforms 11 = 561 ms"):
        profile.check(added_delay_ms=11)


def test_waiting_longer_than_the_target_lengthens_the_path() -> None:
    profile = PROFILES["embedded"]
    profile.check(waits={Stage.ENDPOINT: 400.0})
    with pytest.raises(ContractError, match="endpoint has a cap of 400 ms, below the 401 ms"):
        profile.check(waits={Stage.ENDPOINT: 401.0})
    with pytest.raises(ContractError, match=r"max\(endpoint 700, .* = 725 ms"):
        PROFILES["hosted"].check(waits={Stage.ENDPOINT: 700.0})


@pytest.mark.parametrize("cap_ms", [800.0, 699.0])
def test_nothing_moves_the_bound(cap_ms: float) -> None:
    with pytest.raises(ContractError, match="heard is capped at 700 ms"):
        PROFILES["hosted"].with_budget(Stage.HEARD, cap_ms=cap_ms).check()


def test_total_above_the_bound_is_refused() -> None:
    with pytest.raises(ContractError, match="heard has a cap of 700 ms, below the 701 ms"):
        PROFILES["hosted"].with_budget(Stage.HEARD, target_ms=HEARD_CAP_MS + 1).check()


@pytest.mark.parametrize("length", [-1.0, float("nan"), float("inf")])
def test_what_is_no_length_of_time_is_refused(length: float) -> None:
    with pytest.raises(ContractError, match="not a length of time"):
        PROFILES["hosted"].with_budget(Stage.MT, target_ms=length).check()
    with pytest.raises(ContractError, match="not a length of time"):
        PROFILES["hosted"].check(added_delay_ms=length)


def test_profile_without_a_stage_is_refused() -> None:
    whole = PROFILES["hosted"]
    holed = replace(whole, stages={stage: whole.stages[stage] for stage in Stage if stage is not Stage.MT})
    with pytest.raises(ContractError, match="no budget for mt"):
        holed.check()


def test_profiles_cannot_be_changed_in_place() -> None:
    given_stages = dict(PROFILES["hosted"].stages)
    profile = Profile("mine", given_stages)
    given_stages[Stage.MT] = StageBudget(1)
    assert profile.stages[Stage.MT] == StageBudget(200)
    with pytest.raises(TypeError):
        profile.stages[Stage.MT] = StageBudget(1)  # type: ignore[index]


def test_unknown_profile_names_the_known() -> None:
    with pytest.raises(ContractError) as caught:
        profile_named("fast")
    assert caught.value.hint == "choose one of: hosted, embedded"


def test_path_text_without_transforms_does_not_mention_them() -> None:
    assert "transforms" not in path_text(PROFILES["embedded"].targets)
