"""The gateway's modules that need no LiteLLM, by their place among the templates."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

from tests import ROOT

GATEWAY = ROOT / "templates" / "gateway"


def load(name: str) -> ModuleType:
    """A module of its own; it is not left where others would import it."""
    spec = importlib.util.spec_from_file_location(name, GATEWAY / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    before = set(sys.modules)
    sys.modules[name] = module
    # Its siblings lie beside it, as they do in a release.
    sys.path.append(str(GATEWAY))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(GATEWAY))
        for new in set(sys.modules) - before:
            if str(getattr(sys.modules[new], "__file__", "")).startswith(str(GATEWAY)):
                del sys.modules[new]
    return module
