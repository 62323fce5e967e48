"""Debian packages as a source: real archives, a mirror on this machine, and a stand-in for apt that copies a file."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from vivavoce.errors import ModelDamaged, ModelMissing
from vivavoce.models import ModelStore
from vivavoce.models.archives import join
from vivavoce.models.debian import write_data_tar
from vivavoce.models.fetch import fetch
from vivavoce.models.registries import Registries

SOUND = b"sound" * 3001


def _deb(compress: Callable[[bytes], bytes], suffix: str, **members: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(f"./usr/share/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    parts = {"debian-binary": b"2.0\n", "control.tar.gz": b"odd", f"data.tar{suffix}": compress(packed.getvalue())}
    deb = b"!<arch>\n"
    for name, content in parts.items():
        deb += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
        deb += content + b"\n" * (len(content) % 2)
    return deb


@pytest.mark.parametrize(("compress", "suffix"), [(lzma.compress, ".xz"), (gzip.compress, ".gz")])
def test_files_of_a_package_are_read(compress: Callable[[bytes], bytes], suffix: str, tmp_path: Path) -> None:
    (tmp_path / "p.deb").write_bytes(_deb(compress, suffix, one=SOUND, two=b"2"))
    write_data_tar(tmp_path / "p.deb", tmp_path / "p.deb.tar")
    sha256 = join([(tmp_path / "p.deb.tar", "usr/share/one")], tmp_path / "out", size_bytes=len(SOUND))
    assert sha256 == hashlib.sha256(SOUND).hexdigest()
    with pytest.raises(ModelDamaged, match="has no usr/share/three"):
        join([(tmp_path / "p.deb.tar", "usr/share/three")], tmp_path / "out", size_bytes=1)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"!<arch>\n",
        b"no archive",
        _deb(lzma.compress, ".xz", one=SOUND)[:-60],
        _deb(lambda tar: tar, ".zst", a=b""),
    ],
    ids=["empty", "without members", "another format", "cut", "wrongly compressed"],
)
def test_what_is_no_package_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "p.deb").write_bytes(content)
    with pytest.raises(ModelDamaged, match=r"p\.deb is not a whole archive"):
        write_data_tar(tmp_path / "p.deb", tmp_path / "p.deb.tar")


class Mirror:
    """A store whose model `m` has a sound of a Debian package, and the ways to that package."""

    def __init__(self, site, shelf, tmp_path: Path) -> None:
        self.site, self.tmp_path = site, tmp_path
        self.deb = _deb(lzma.compress, ".xz", sound=SOUND)
        sha256 = hashlib.sha256(self.deb).hexdigest()
        shelf.packages += (
            '[packages.p]\nindex = "debian"\nname = "p"\nversion = "1-1"\npool = "pool/main/p/p"\n'
            f'archive = "p_1-1_all.deb"\nsha256 = "{sha256}"\n'
        )
        shelf.model("m")
        shelf.file("m", "sound.g722", SOUND, '{ parts = ["p:usr/share/sound"] }')
        self.store: ModelStore = shelf.store()
        self.registries: Registries = replace(site.registries(), debian_urls=(f"{site.url}/gone", f"{site.url}/debian"))

    def add_to_mirror(self, content: bytes) -> None:
        self.site.add_file("/debian/pool/main/p/p/p_1-1_all.deb", content)

    def apt(self, script: str) -> Registries:
        """With an apt-get that is a shell script: $5, $6 … are after its options."""
        path = self.tmp_path / "apt-get"
        path.write_text(f'#!/bin/sh\nfor last; do :; done\necho "$last" >>{self.tmp_path}/asked\n{script}\n')
        path.chmod(0o755)
        return replace(self.registries, apt_get=str(path))

    def asked_of_apt(self) -> list[str]:
        return (self.tmp_path / "asked").read_text().split()


@pytest.fixture
def mirror(site, shelf, tmp_path: Path) -> Mirror:
    return Mirror(site, shelf, tmp_path)


def test_a_mirror_gives_the_package_where_there_is_no_apt(mirror: Mirror) -> None:
    mirror.add_to_mirror(mirror.deb)
    assert [path.name for path in fetch(mirror.store, registries=mirror.registries)] == ["sound.g722"]
    assert mirror.store.path("m", "sound.g722").read_bytes() == SOUND
    assert list((mirror.store.root / "downloads").iterdir()) == []


def test_a_download_that_was_cut_goes_on(mirror: Mirror) -> None:
    mirror.add_to_mirror(mirror.deb)
    mirror.site.cut_after["/debian/pool/main/p/p/p_1-1_all.deb"] = [100]
    fetch(mirror.store, registries=mirror.registries)
    assert ("/debian/pool/main/p/p/p_1-1_all.deb", "bytes=100-") in mirror.site.asked


def test_apt_comes_first_and_is_asked_for_the_version(mirror: Mirror) -> None:
    (mirror.tmp_path / "kept.deb").write_bytes(mirror.deb)
    registries = mirror.apt(f"cp {mirror.tmp_path}/kept.deb p_1-1_all.deb")
    fetch(mirror.store, registries=registries)
    assert mirror.asked_of_apt() == ["p=1-1"]
    assert mirror.site.asked == []


def test_another_version_of_apt_will_do_where_its_files_are_the_same(mirror: Mirror) -> None:
    other = _deb(gzip.compress, ".gz", sound=SOUND, more=b"new")
    (mirror.tmp_path / "kept.deb").write_bytes(other)
    registries = mirror.apt(f'[ "$last" = p ] || exit 100\ncp {mirror.tmp_path}/kept.deb p_2-1_all.deb')
    fetch(mirror.store, registries=registries)
    assert mirror.asked_of_apt() == ["p=1-1", "p"]
    assert mirror.store.path("m", "sound.g722").read_bytes() == SOUND


def test_another_version_with_other_files_is_refused(mirror: Mirror) -> None:
    (mirror.tmp_path / "kept.deb").write_bytes(_deb(gzip.compress, ".gz", sound=SOUND[::-1]))
    registries = mirror.apt(f'[ "$last" = p ] || exit 100\ncp {mirror.tmp_path}/kept.deb p_2-1_all.deb')
    with pytest.raises(ModelDamaged, match="the checksum is another"):
        fetch(mirror.store, registries=registries)


def test_a_package_that_nobody_has_is_told_with_what_each_said(mirror: Mirror) -> None:
    registries = mirror.apt("echo 'E: Unable to locate package p' >&2; exit 100")
    with pytest.raises(ModelMissing, match=r"apt: Unable to locate package p; 127\.0\.0\.1 answered 404"):
        fetch(mirror.store, registries=registries)


def test_a_mirror_that_sends_something_else_is_refused(mirror: Mirror) -> None:
    mirror.add_to_mirror(mirror.deb[:-1] + b"x")
    with pytest.raises(ModelDamaged, match="checksum"):
        fetch(mirror.store, registries=mirror.registries)
