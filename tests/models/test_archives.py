"""Members of archives, by exact name."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from vivavoce.errors import ModelDamaged
from vivavoce.models.archives import join


@pytest.fixture
def archives(tmp_path: Path, pack_wheel, pack_tarball) -> tuple[Path, Path]:
    wheel, tarball = tmp_path / "a.whl", tmp_path / "b.tgz"
    wheel.write_bytes(pack_wheel(one=b"one" * 5000))
    tarball.write_bytes(pack_tarball(two=b"two" * 5000))
    return wheel, tarball


def test_parts_are_joined_while_they_are_hashed(archives: tuple[Path, Path], tmp_path: Path) -> None:
    wheel, tarball = archives
    sha256 = join([(wheel, "data/one"), (tarball, "package/two")], tmp_path / "out", size_bytes=30_000)
    content = (tmp_path / "out").read_bytes()
    assert content == b"one" * 5000 + b"two" * 5000
    assert sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("which", [0, 1], ids=["wheel", "tarball"])
def test_a_member_that_is_not_there_is_named(archives: tuple[Path, Path], tmp_path: Path, which: int) -> None:
    with pytest.raises(ModelDamaged, match="has no one"):
        join([(archives[which], "one")], tmp_path / "out", size_bytes=1)


@pytest.mark.parametrize("which", [0, 1], ids=["wheel", "tarball"])
@pytest.mark.parametrize("keep", [0, 20, -60])
def test_a_broken_archive_is_refused(archives: tuple[Path, Path], tmp_path: Path, which: int, keep: int) -> None:
    archive = archives[which]
    archive.write_bytes(archive.read_bytes()[:keep])
    with pytest.raises(ModelDamaged, match=archive.name):
        join([(archive, ("data/one", "package/two")[which])], tmp_path / "out", size_bytes=15_000)


def test_a_member_that_is_too_long_is_cut_short(archives: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ModelDamaged, match="longer"):
        join([(archives[0], "data/one")], tmp_path / "out", size_bytes=14_999)
