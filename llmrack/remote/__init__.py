"""Where deploy.py, verify.py and remove.py of releases before 0.2 import from; gone in 0.3."""

from pyinfra import logger

logger.warning(
    "this deploy.py, verify.py or remove.py is of an older llmrack: llmrack.remote has become "
    "llmrack.deploy, and the next release does without it; take the new files from llmrack"
)
