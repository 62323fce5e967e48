"""The packages that only agents need: the optional group `agent`."""

from __future__ import annotations

from importlib.util import find_spec

from vivavoce.errors import ConfigError

_NEEDED = {
    "babel": "babel",
    "dateparser": "dateparser",
    "email_validator": "email-validator",
    "phonenumbers": "phonenumbers",
    "ruamel": "ruamel.yaml",
    "text_to_num": "text2num",
    "websockets": "websockets",
}


def require_agent_packages() -> None:
    """Raises ConfigError that names what is not installed."""
    missing = [package for module, package in _NEEDED.items() if find_spec(module) is None]
    if missing:
        raise ConfigError(
            f"an agent needs {', '.join(missing)}", hint="install the group agent: pip install 'vivavoce[agent]'"
        )
