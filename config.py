"""Read by pyinfra before everything else: makes an empty selection and an interrupt fail."""

import sys

# pyinfra switches this off for deploy files; llmrack itself shall be compiled once, not each run.
sys.dont_write_bytecode = False

from pyinfra import state  # noqa: E402

from llmrack.hosts import guard  # noqa: E402

guard.install(state)
