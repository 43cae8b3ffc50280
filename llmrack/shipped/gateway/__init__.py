"""The gateway's own programs: what a release runs beside LiteLLM, in Python 3.10 and later.

A release has this folder as the package ``gateway``, beside LiteLLM's config.yaml. Imports are
relative, so they are the same here and there. It begins in ``serve``; LiteLLM loads ``hooks``.
"""
