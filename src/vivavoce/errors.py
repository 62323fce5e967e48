"""Every error the package raises, as one tree.

    VivavoceError
    ├── ConfigError            a configuration file or option is refused
    │   ├── ContractError      stages add up past the bound
    │   └── ScriptError        an agent's script is refused
    ├── AudioError             the sound that came in cannot be used
    │   ├── SourceMissing      no such file
    │   ├── SourceUnreadable   empty, truncated, too large or in no known format
    │   ├── NoSpeech           nothing in it is speech
    │   └── DeviceLost         a microphone or speaker is missing or vanished
    ├── LanguageError
    │   ├── PairUnavailable    no route from this language to that one
    │   └── WrongLanguage      another language is spoken than was stated
    ├── ModelError
    │   ├── ModelMissing       a weight file is not in the cache and no source has it
    │   └── ModelDamaged       a weight file does not have its checksum
    ├── OutputError            a result could not be written (full disk, no permission)
    ├── LegError               a leg failed
    │   ├── LegUnavailable     its engine is not installed or did not start, or has no key
    │   ├── LegTimeout         it did not answer within its deadline
    │   ├── LegCapped          it would cost more than may be spent
    │   ├── LegRefused         its provider said no
    │   └── LegLost            the connection to its provider closed
    ├── MediaError             the media plane cannot do this
    │   └── CallOver           the call has ended, or has not begun
    ├── StateError             the state of dialogues cannot be stored, or what is stored cannot be used
    ├── StoreError             the store of usage and settings cannot be used
    │   ├── StoreAway          it cannot be reached now: try again
    │   └── StoreRefused       it does not take this, and never will
    ├── GateBlocked            an evaluation is worse than it may be
    └── GateUndecided          an evaluation does not hold enough to say so, or is void

Each error says what to do (`hint`) and carries the exit code of the command line, so that a script can tell the
kinds apart.
"""

from __future__ import annotations

from typing import ClassVar


class VivavoceError(Exception):
    """Base of every error of the package; `hint` says what the user can do about it."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(VivavoceError):
    exit_code = 9


class ContractError(ConfigError):
    pass


class ScriptError(ConfigError):
    pass


class AudioError(VivavoceError):
    exit_code = 3


class SourceMissing(AudioError):
    pass


class SourceUnreadable(AudioError):
    pass


class NoSpeech(AudioError):
    exit_code = 4


class DeviceLost(AudioError):
    exit_code = 7


class LanguageError(VivavoceError):
    exit_code = 5


class PairUnavailable(LanguageError):
    pass


class WrongLanguage(LanguageError):
    pass


class ModelError(VivavoceError):
    exit_code = 6


class ModelMissing(ModelError):
    pass


class ModelDamaged(ModelError):
    pass


class OutputError(VivavoceError):
    exit_code = 8


class LegError(VivavoceError):
    exit_code = 10


class LegUnavailable(LegError):
    pass


class LegTimeout(LegError):
    pass


class LegCapped(LegError):
    pass


class LegRefused(LegError):
    """`status` is that of HTTP, or what comes nearest to it."""

    def __init__(self, message: str, *, hint: str = "", status: int) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class LegLost(LegError):
    pass


class MediaError(VivavoceError):
    exit_code = 11


class CallOver(MediaError):
    pass


class StateError(VivavoceError):
    exit_code = 12


class StoreError(VivavoceError):
    exit_code = 13


class StoreAway(StoreError):
    pass


class StoreRefused(StoreError):
    pass


class GateBlocked(VivavoceError):
    exit_code = 14


class GateUndecided(VivavoceError):
    exit_code = 15


def first_of_ours(error: BaseException) -> VivavoceError | None:
    """The error itself, or the first in a task group's bundle; None where something in it is not ours."""
    if isinstance(error, VivavoceError):
        return error
    if not isinstance(error, BaseExceptionGroup):
        return None
    found = [first_of_ours(each) for each in error.exceptions]
    return None if None in found else found[0]
