"""The names of the GenAI semantic conventions that our spans bear, all of them here, and what they say of an engine.

Source: OpenTelemetry semantic conventions 1.41, "Semantic conventions for generative AI spans" and "… agent spans": the
last release that has them. From 1.42 on they are in a repository of their own, which has no release yet. What they have
no name for is `vivavoce.*`; names with content (`gen_ai.input.messages` and its like) are never set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vivavoce.config.settings import EngineSettings

OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
MODEL: Final = "gen_ai.request.model"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
OUTPUT_TYPE: Final = "gen_ai.output.type"
CONVERSATION: Final = "gen_ai.conversation.id"
AGENT_NAME: Final = "gen_ai.agent.name"
ERROR_TYPE: Final = "error.type"

INVOKE_AGENT: Final = "invoke_agent"
CHAT: Final = "chat"
_OPERATIONS: Final = {"stt": "transcribe", "mt": "translate", "tts": "synthesize"}
"""Of legs; the conventions know only a language model's and leave others free."""
_OUTPUTS: Final = {"stt": "text", "mt": "text", "tts": "speech"}
_PROVIDERS: Final = {
    "aura": "deepgram",
    "cartesia": "cartesia",
    "deepgram": "deepgram",
    "deepgram_flux": "deepgram",
    "elevenlabs": "elevenlabs",
    # Whoever speaks its protocol: the conventions want it called by that.
    "openai_chat": "openai",
    "openai_transcription": "openai",
}
OURS: Final = "vivavoce"
"""The provider of what runs in this process."""


@dataclass(frozen=True, slots=True)
class Model:
    """An engine as the conventions name it."""

    provider: str
    name: str

    @property
    def hosted(self) -> bool:
        return self.provider != OURS


def models_of(engines: EngineSettings) -> dict[str, Model]:
    """Each engine of a configuration by its name there; a model without one in its options is called as the engine."""
    found = {}
    for name, path in engines.paths.items():
        module = path.partition(":")[0].rpartition(".")[2]
        model = engines.options.get(name, {}).get("model", name)
        found[name] = Model(_PROVIDERS.get(module, OURS), model if isinstance(model, str) else name)
    return found


def operation_of(leg: str, *, tokens: bool) -> str:
    """What a leg does; translation is a chat where its tokens are counted."""
    return CHAT if leg == "mt" and tokens else _OPERATIONS.get(leg, leg)


def output_of(leg: str) -> str | None:
    return _OUTPUTS.get(leg)
