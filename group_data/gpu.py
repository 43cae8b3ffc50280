"""Settings of the hosts that run Ollama."""

# The release, and the SHA-256 of its archive per architecture (sha256sum.txt of that release).
ollama_version = "0.34.4"
ollama_sha256 = {
    "amd64": "c238986e61d40c0cc5f4a9b9e40b9eea104350b77efa34741fc134e105cb9533",
    "arm64": "96f50a1192133028cf4e010d8c333f8af14b1505db6be7b2034c11487e7fd7e6",
}

# Where it comes from, in this order: a file on this machine (ollama-linux-ARCH.tar.zst), a mirror
# (MIRROR/vVERSION/ollama-linux-ARCH.tar.zst), GitHub.
ollama_archive = None
ollama_mirror = None

# The address and port it listens on. Anything but loopback is open to the network, and Ollama has
# no authentication: with ollama_guard a firewall rule (nftables) lets only the gateways in.
ollama_bind = "127.0.0.1"
ollama_port = 11434
ollama_guard = True

# Seconds a pull may go without progress before it is tried again.
ollama_pull_deadline = 120

# Ollama's own variables, by their own names; unknown ones are refused.
# OLLAMA_CONTEXT_LENGTH is always set: Ollama's default follows the card's memory, so that the same
# box behaves differently after a card swap.
ollama_environment = {
    "OLLAMA_CONTEXT_LENGTH": 8192,
    "OLLAMA_KEEP_ALIVE": "5m",
}
