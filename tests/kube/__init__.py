"""Tests on a real cluster of one node (llmrack_lab/kube); the modules share it."""
