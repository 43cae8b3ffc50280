"""The gateway's own programs: a release runs them with LiteLLM, in Python 3.10 and later.

A release has this folder as the package ``gateway``, beside LiteLLM's config.yaml. Imports are
relative, so they work in both places. ``serve`` starts the gateway; LiteLLM loads ``hooks``.
"""
