import json
import sys
from pathlib import Path

import pytest

from vivavoce.contract.envelope import enclose, machine_load, package_versions, read_envelope, this_machine
from vivavoce.errors import ConfigError

ORDER = [
    *("schema", "command", "machine", "versions", "config_hash", "load"),
    *("n", "valid", "void_reason", "figures", "peers"),
]


def test_envelope_has_the_agreed_fields_in_order() -> None:
    envelope = enclose("bench", {"wer": 0.02}, config_hash="abc", n=60, peers={"other": {"wer": 0.05}})
    data = json.loads(envelope.to_text())
    assert list(data) == ORDER
    assert (data["schema"], data["n"], data["valid"], data["void_reason"]) == (1, 60, True, None)
    assert data["figures"] == {"wer": 0.02}
    assert data["peers"] == {"other": {"wer": 0.05}}


def test_void_run_says_why() -> None:
    envelope = enclose("bench", {}, config_hash="abc", n=3, void_reason="too few clips", load=(0.5, 0.5, 0.5))
    assert (envelope.valid, envelope.void_reason, envelope.load) == (False, "too few clips", (0.5, 0.5, 0.5))


def test_machine_and_versions_are_told() -> None:
    machine = this_machine()
    assert machine.cpu
    assert machine.cores >= 1
    assert package_versions()["python"] == ".".join(map(str, sys.version_info[:3]))
    assert "numpy" in package_versions()
    assert all(load >= 0 for load in machine_load())


def test_figures_that_are_no_numbers_are_not_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        enclose("bench", {"wer": float("nan")}, config_hash="abc", n=1).to_text()


def test_reads_back_what_it_wrote(tmp_path: Path) -> None:
    envelope = enclose("bench", {"wer": 0.02}, config_hash="abc", n=60)
    path = tmp_path / "figures.json"
    path.write_text(envelope.to_text(), encoding="utf-8")
    assert read_envelope(path) == envelope


@pytest.mark.parametrize(
    ("text", "reason"),
    [("{", "Expecting"), ("[]", "no envelope"), ('{"schema": 2}', "schema"), ('{"schema": 1}', "command")],
)
def test_what_is_no_envelope_is_refused_by_name(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "figures.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=reason) as caught:
        read_envelope(path)
    assert str(path) in caught.value.message


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_envelope(tmp_path / "none.json")
