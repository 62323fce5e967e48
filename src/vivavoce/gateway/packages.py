"""The packages that only the gateway needs: the optional group `serve`."""

from __future__ import annotations

from importlib.util import find_spec

from vivavoce.errors import ConfigError

_NEEDED = {"fastapi": "fastapi", "twilio": "twilio", "uvicorn": "uvicorn"}


def require_serve_packages() -> None:
    """Raises ConfigError that names what is not installed."""
    missing = [package for module, package in _NEEDED.items() if find_spec(module) is None]
    if missing:
        raise ConfigError(
            f"serving needs {', '.join(missing)}", hint="install the group serve: pip install 'vivavoce[agent,serve]'"
        )
