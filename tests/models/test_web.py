"""Downloads over real sockets: cut, resumed, refused."""

from __future__ import annotations

import hashlib
import os
import random
import socket
from pathlib import Path

import pytest

from vivavoce.errors import ModelDamaged, ModelMissing, OutputError
from vivavoce.models.web import Checksum, Web

CONTENT = random.Random(7).randbytes(300_000)
RIGHT = Checksum("sha256", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / ".w.part"


def _download(url: str, part: Path, **options) -> list[int]:
    seen: list[int] = []
    with Web() as web:
        web.download(url, part, label="w", report=lambda label, done, total: seen.append(done), **options)
    return seen


def test_a_file_arrives_and_progress_is_told(site, part: Path) -> None:
    seen = _download(site.add_file("/w", CONTENT), part, checksum=RIGHT, size_bytes=len(CONTENT))
    assert part.read_bytes() == CONTENT
    assert seen == sorted(seen)
    assert seen[-1] == len(CONTENT)


def test_a_cut_connection_goes_on_where_it_was_cut(site, part: Path) -> None:
    url = site.add_file("/w", CONTENT)
    site.cut_after["/w"] = [100_000, 50_000]
    _download(url, part, checksum=RIGHT)
    assert part.read_bytes() == CONTENT
    assert [asked for _, asked in site.asked] == ["", "bytes=100000-", "bytes=150000-"]


def test_what_an_earlier_run_left_is_gone_on_with(site, part: Path) -> None:
    part.write_bytes(CONTENT[:200_000])
    _download(site.add_file("/w", CONTENT), part, checksum=RIGHT)
    assert part.read_bytes() == CONTENT
    assert site.asked == [("/w", "bytes=200000-")]


def test_what_an_earlier_run_left_whole_is_not_sent_again(site, part: Path) -> None:
    part.write_bytes(CONTENT)
    _download(site.add_file("/w", CONTENT), part, checksum=RIGHT)
    assert part.read_bytes() == CONTENT


def test_a_server_without_ranges_sends_it_whole(site, part: Path) -> None:
    site.no_ranges = True
    part.write_bytes(CONTENT[:200_000])
    _download(site.add_file("/w", CONTENT), part, checksum=RIGHT)
    assert part.read_bytes() == CONTENT


@pytest.mark.parametrize("left", [b"x" * 1000, b"x" * 400_000], ids=["other", "longer"])
def test_a_leftover_that_is_wrong_is_thrown_away_and_all_is_asked_for(site, part: Path, left: bytes) -> None:
    part.write_bytes(left)
    _download(site.add_file("/w", CONTENT), part, checksum=RIGHT)
    assert part.read_bytes() == CONTENT


def test_a_connection_that_brings_nothing_is_not_tried_for_ever(site, part: Path) -> None:
    url = site.add_file("/w", CONTENT)
    site.cut_after["/w"] = [100_000, 0, 0]
    with pytest.raises(ModelMissing):
        _download(url, part, checksum=RIGHT)
    assert part.read_bytes() == CONTENT[:100_000]
    assert site.asked_for("/w") == 2


def test_another_content_is_refused_and_leaves_nothing(site, part: Path) -> None:
    url = site.add_file("/w", CONTENT[:-1] + b"X")
    with pytest.raises(ModelDamaged, match="checksum"):
        _download(url, part, checksum=RIGHT, size_bytes=len(CONTENT))
    assert not part.exists()


def test_another_size_is_refused_before_it_is_received(site, part: Path) -> None:
    url = site.add_file("/w", CONTENT + b"X")
    with Web() as web, pytest.raises(ModelDamaged, match="300001 bytes are offered, not 300000"):
        web.download(url, part, label="w", size_bytes=len(CONTENT), report=lambda *told: pytest.fail("received"))
    assert not part.exists()


def test_an_answer_of_not_found_keeps_what_was_there(site, part: Path) -> None:
    part.write_bytes(CONTENT[:10])
    with pytest.raises(ModelMissing, match="404"):
        _download(f"{site.url}/nothing", part)
    assert part.read_bytes() == CONTENT[:10]


def test_a_host_that_cannot_be_reached_is_tried_once(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with Web() as web:
            with pytest.raises(ModelMissing, match=r"127\.0\.0\.1 could not be reached"):
                web.download(f"http://user:secret@127.0.0.1:{port}/w", part, label="w")
            free.listen()
            with pytest.raises(ModelMissing) as caught:
                web.page(f"http://127.0.0.1:{port}/w", accept="*/*")
    assert "secret" not in caught.value.message
    assert not part.exists()


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1/w", "http://[::1"])
def test_an_address_that_is_none_is_a_missing_source(part: Path, url: str) -> None:
    with pytest.raises(ModelMissing):
        _download(url, part)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full, a device that is always full")
def test_a_full_disk_says_what_to_do(site, part: Path) -> None:
    part.symlink_to("/dev/full")
    with pytest.raises(OutputError, match="No space left") as caught:
        _download(site.add_file("/w", CONTENT), part)
    assert "VIVAVOCE_CACHE" in caught.value.hint
