"""Where weights come from: a manifest of files and checksums, the cache that holds them, and the fetching of them.

Only `vivavoce.models.fetch` uses the network; everything else reads the cache.
"""

from vivavoce.models.manifest import Manifest, Model, WeightFile, load_manifest
from vivavoce.models.store import ModelStore, State

__all__ = ["Manifest", "Model", "ModelStore", "State", "WeightFile", "load_manifest"]
