"""How values become YAML."""

from __future__ import annotations

import yaml
from typing_extensions import override


class WithoutReferences(yaml.SafeDumper):
    """Writes a value at each of its places, and never ``&name`` or ``*name``."""

    @override
    def ignore_aliases(self, data: object) -> bool:
        return True
