"""The manifest that is shipped, and refusals that name the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from vivavoce.errors import ConfigError
from vivavoce.models import Manifest, load_manifest
from vivavoce.models.manifest import Installed, PackageSource, UrlSource

GOOD = """
[packages.p]
index = "pypi"
name = "p"
version = "1"
archive = "p-1-py3-none-any.whl"
[models.m]
about = "a"
licence = "MIT"
[[models.m.files]]
name = "f.bin"
size_bytes = 3
sha256 = "{digest}"
sources = [{{ url = "https://example.org/f.bin" }}, {{ parts = ["p:a/f.1", "p:a/f.2"] }}]
""".format(digest="0" * 64)


def _load(tmp_path: Path, text: str) -> Manifest:
    path = tmp_path / "models.toml"
    path.write_text(text)
    return load_manifest(path)


def test_the_shipped_manifest_names_every_embedded_model() -> None:
    models = load_manifest().models
    assert set(models) == {
        "silero-vad",
        "smart-turn",
        "whisper-base",
        "moonshine-tiny-en",
        "kokoro-82m",
        "demo-en",
        "reading-en",
        "speech-en",
        "speech-es",
        "speech-fr",
        "speech-it",
        "bergamot-enpt",
        "bergamot-pten",
    }
    assert {file.name for file in models["whisper-base"].files} == {
        "model.bin",
        "config.json",
        "tokenizer.json",
        "vocabulary.txt",
    }
    voices = [file.name for file in models["kokoro-82m"].files if file.name.endswith(".bin")]
    assert {voice[0] for voice in voices} == set("abefip"), "a language has no voice"


def test_every_shipped_file_that_is_fetched_can_come_from_a_package() -> None:
    for model in load_manifest().models.values():
        for file in model.files:
            kinds = {type(source) for source in file.sources}
            assert kinds & {PackageSource, Installed}, f"{model.id}/{file.name}"


def test_sources_keep_their_order_and_parts(tmp_path: Path) -> None:
    url, package = _load(tmp_path, GOOD).models["m"].files[0].sources
    assert isinstance(url, UrlSource)
    assert isinstance(package, PackageSource)
    assert [part.member for part in package.parts] == ["a/f.1", "a/f.2"]
    assert str(package) == "pypi:p==1"


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('sha256 = "0', 'sha256 = "Z', "models.m.files[0].sha256"),
        ("size_bytes = 3", "size_bytes = 0", "models.m.files[0].size_bytes"),
        ("size_bytes = 3", "size_bytes = true", "models.m.files[0].size_bytes"),
        ('name = "f.bin"', 'name = "../f.bin"', "models.m.files[0].name"),
        ('name = "f.bin"', 'name = ".hidden"', "models.m.files[0].name"),
        ('"p:a/f.1"', '"q:a/f.1"', "models.m.files[0].sources[1].parts"),
        ('"p:a/f.1"', '"p"', "models.m.files[0].sources[1].parts"),
        ('index = "pypi"', 'index = "cargo"', "packages.p.index"),
        ('archive = "p-1-py3-none-any.whl"', 'archive = "p.exe"', "packages.p.archive"),
        ('licence = "MIT"', 'licence = ""', "models.m.licence"),
        ('licence = "MIT"', 'licence = "MIT"\nextra = 1', "models.m.extra"),
        ("[models.m]", '[models."../m"]', "models.../m"),
    ],
)
def test_a_wrong_key_is_refused_by_its_name(tmp_path: Path, old: str, new: str, key: str) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new)
    if "../m" in new:
        text = text.replace("[[models.m.files]]", '[[models."../m".files]]')
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, text)
    assert key in caught.value.message


def test_broken_toml_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="line 1"):
        _load(tmp_path, "models = = 1")
    with pytest.raises(ConfigError, match=r"nothing\.toml"):
        load_manifest(tmp_path / "nothing.toml")
