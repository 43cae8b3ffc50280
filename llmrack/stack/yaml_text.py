"""How values become YAML."""

from __future__ import annotations

import yaml
from typing_extensions import override


class WithoutReferences(yaml.SafeDumper):
    """Writes what stands in several places at each of them, never ``&name`` and ``*name``."""

    @override
    def ignore_aliases(self, data: object) -> bool:
        return True
