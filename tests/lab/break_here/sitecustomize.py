"""Breaks a function of llmrack in the process that starts with this folder in PYTHONPATH.

``BREAK_HERE=module:name.of.it`` makes it raise with everything it was given in the error's text,
in its arguments and in local variables: the worst that a mistake of ours could do.
"""

import importlib
import os
from functools import reduce

module, _, path = os.environ.get("BREAK_HERE", "").partition(":")
if path:
    *parents, name = path.split(".")
    owner = reduce(getattr, parents, importlib.import_module(module))

    def broken(*args: object, **kwargs: object) -> None:
        given = {"args": args, "kwargs": kwargs}
        raise RuntimeError(f"broken on purpose: {given}", given)

    setattr(owner, name, broken)
