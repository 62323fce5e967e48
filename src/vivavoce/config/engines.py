"""From the name of an engine to the engine: its module is imported when it is first wanted."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any

from vivavoce.config.settings import Settings
from vivavoce.errors import ConfigError, LegUnavailable


def engine_class(settings: Settings, name: str) -> Callable[..., Any]:
    """What `[engines]` names. Raises ConfigError when it is not there, LegUnavailable when it needs what is missing."""
    paths = settings.engines.paths
    if name not in paths:
        raise ConfigError(f"engines.{name}: no engine has that name", hint=f"there are {', '.join(paths)}")
    module_name, _, class_name = paths[name].partition(":")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(error.name + ".")):
            raise ConfigError(f"engines.{name}: there is no module {module_name}") from error
        raise LegUnavailable(f"engine {name} needs {error.name}", hint=f"install {error.name}") from error
    except ImportError as error:
        raise LegUnavailable(f"engine {name} cannot be imported: {error}") from error
    found = getattr(module, class_name, None)
    if not callable(found):
        raise ConfigError(f"engines.{name}: {module_name} has no class {class_name}")
    return found  # type: ignore[no-any-return]


def speaks(settings: Settings, name: str, language: str) -> bool:
    """Whether the engine is for that language: one that does not say is for all, as is one that cannot be had here.

    Raises ConfigError for what is no engine.
    """
    try:
        languages = getattr(engine_class(settings, name), "LANGUAGES", None)
    except LegUnavailable:
        return True  # told where it is used
    return languages is None or language in languages


def load_engine(settings: Settings, name: str, **parts: Any) -> Any:
    """Make the named engine from those `parts` that it takes and from its options, which go before parts.

    Raises as `engine_class` does, and ConfigError for options that the engine does not know or refuses.
    """
    make = engine_class(settings, name)
    signature = inspect.signature(make)
    wanted = {part: value for part, value in parts.items() if part in signature.parameters}
    arguments = wanted | settings.engines.options.get(name, {})
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise ConfigError(f"engines.options.{name}: {error}") from error
    return make(**arguments)
