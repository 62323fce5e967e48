from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.config.edit import put_first
from vivavoce.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ('[routes.mt]\norder = ["pairs"] # mine\n', '[routes.mt]\norder = ["chat", "pairs"] # mine\n'),
        ('[routes]\nmt.order = ["pairs", "chat"]\n', '[routes]\nmt.order = ["chat", "pairs"]\n'),
        ('[routes]\nmt.order = ["pairs", "chat", "x"]\n', '[routes]\nmt.order = ["chat", "pairs", "x"]\n'),
        ("routes.mt.order=['pairs',\"chat\",]\n", "routes.mt.order=[\"chat\", 'pairs',]\n"),
        ('[routes]\nmt = { order = ["pairs"] }\n', '[routes]\nmt = { order = ["chat", "pairs"] }\n'),
        (
            '[routes.mt]\norder = [ # who\n    "pairs",   # ours\n    "chat",    # theirs\n    "x"\n]\n',
            '[routes.mt]\norder = [ "chat", # who\n    "pairs",   # ours\n    # theirs\n    "x"\n]\n',
        ),
        (
            '[routes.mt]\norder = [\n    "pairs",  # ours\n    "chat",\n]\n',
            '[routes.mt]\norder = [\n    "chat",\n    "pairs",  # ours\n]\n',
        ),
        (
            '[routes.stt]\norder = ["pairs"]\n[routes.mt]\norder = ["pairs"]\n',
            '[routes.stt]\norder = ["pairs"]\n[routes.mt]\norder = ["chat", "pairs"]\n',
        ),
        ("[routes.mt]\nstall_ms = 5\n", '[routes.mt]\norder = ["chat", "pairs"]\nstall_ms = 5\n'),
        (
            "[routes]\nmt.shadow = { chat = 0.5 }  # tried\n[spend]\n",
            '[routes]\nmt.order = ["chat", "pairs"]\nmt.shadow = { chat = 0.5 }  # tried\n[spend]\n',
        ),
        (
            "[routes.mt.shadow]\nchat = 0.5\n",
            '[routes.mt.shadow]\nchat = 0.5\n\n[routes.mt]\norder = ["chat", "pairs"]\n',
        ),
        ("", '[routes.mt]\norder = ["chat", "pairs"]\n'),
        ("routes.mt.shadow.chat = 0.5\n", 'routes.mt.order = ["chat", "pairs"]\nroutes.mt.shadow.chat = 0.5\n'),
        ('[routes.mt]\r\norder = ["pairs"]\r\n', '[routes.mt]\r\norder = ["chat", "pairs"]\r\n'),
    ],
)
def test_one_word_comes_first_and_the_rest_stays_as_it_was_written(text: str, changed: str) -> None:
    order = tomllib.loads(text).get("routes", {}).get("mt", {}).get("order", ["pairs"])
    assert put_first(text, "mt", "chat", order) == changed


def test_what_only_looks_like_it_is_left_alone() -> None:
    text = '# order = ["pairs"]\n[routes.mt]\nnote = \'order = ["pairs"]\'\norder = ["pairs"]\n'
    assert put_first(text, "mt", "chat", ["pairs"]) == text[: -len('["pairs"]\n')] + '["chat", "pairs"]\n'


def test_a_form_that_is_not_known_is_refused_with_the_line_to_write() -> None:
    text = "[routes]\nmt = { shadow = { chat = 0.5 } }\n"
    with pytest.raises(ConfigError, match="form") as error:
        put_first(text, "mt", "chat", ["pairs"])
    assert 'mt.order = ["chat", "pairs"]' in error.value.hint


names = st.lists(st.sampled_from(["a", "b", "c-d", "é", 'q"']), unique=True, min_size=1)
gaps = st.sampled_from(["", " ", "\n  ", ' # it\'s "b",\n', "\n\n\t"])


@given(names, st.lists(gaps, min_size=20, max_size=20), st.booleans(), st.sampled_from(["a", "b", 'q"', "new"]))
def test_any_array_keeps_what_it_says_and_its_comments(
    order: list[str], around: list[str], comma: bool, engine: str
) -> None:
    gap = iter(around)
    items = [f"{next(gap)}{quoted(name)}{next(gap)}" for name in order]
    text = f"[routes.mt]\norder = [{','.join(items)}{',' if comma else ''}{next(gap)}]\nx = 1\n"
    changed = put_first(text, "mt", engine, order)
    assert tomllib.loads(changed)["routes"]["mt"]["order"] == [engine, *(name for name in order if name != engine)]
    assert changed.count("# it's") == text.count("# it's")


def quoted(name: str) -> str:
    return '"' + name.replace('"', '\\"') + '"'
