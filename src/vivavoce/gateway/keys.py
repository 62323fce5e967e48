"""Secrets, from the environment only. They are shown nowhere: not in a log, an error, or an answer."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

from vivavoce.config.settings import ServeSettings
from vivavoce.errors import ConfigError

TWILIO = "TWILIO_AUTH_TOKEN"
ASTERISK = "VIVAVOCE_ASTERISK_SECRET"


@dataclass(frozen=True, slots=True)
class Keys:
    """What callers' exchanges prove themselves by; who has none is not served. Empty for none."""

    twilio: str = field(default="", repr=False)
    asterisk: str = field(default="", repr=False)

    @classmethod
    def of(cls, environment: Mapping[str, str], settings: ServeSettings) -> Keys:
        """Raises ConfigError where nobody could call, or Twilio only half."""
        keys = cls(environment.get(TWILIO, ""), environment.get(ASTERISK, ""))
        if not keys.twilio and settings.public_url:
            raise ConfigError(
                f"serve.public_url is set, {TWILIO} is not",
                hint=f"put the account's auth token into the environment variable {TWILIO}, or empty public_url",
            )
        if keys.twilio and not settings.public_url:
            raise ConfigError(
                f"{TWILIO} is set, serve.public_url is not",
                hint="name the https address that Twilio calls as public_url under [serve], or unset the variable",
            )
        if not keys.twilio and not keys.asterisk:
            raise ConfigError(
                "nobody could call: there is no secret in the environment",
                hint=f"set {TWILIO} for Twilio (and serve.public_url), {ASTERISK} for Asterisk, or both",
            )
        return keys

    def is_asterisk(self, shown: str) -> bool:
        return bool(self.asterisk) and hmac.compare_digest(shown.encode(), self.asterisk.encode())
