"""Settings of the hosts that run Ollama."""

# The release, and the SHA-256 of its archives (sha256sum.txt of that release): `llmrack pin ollama
# VERSION` writes both. Hosts with a card of AMD's get the archive with ROCm's libraries, too.
ollama_version = "0.34.4"
ollama_sha256 = {
    "amd64": "c238986e61d40c0cc5f4a9b9e40b9eea104350b77efa34741fc134e105cb9533",
    "arm64": "96f50a1192133028cf4e010d8c333f8af14b1505db6be7b2034c11487e7fd7e6",
    "amd64-rocm": "dbfcbdff6c36f69bfed177d1807aa2a23ad04ad9208f9a3f648d2fd36136ff3d",
}

# A host that has no GPU Ollama can use is refused, and a model that fell back to the CPU fails the
# proof. False: this box serves from its CPU.
gpu_required = True

# Where NVIDIA's driver comes from: None (it is your affair), "distribution" (Debian's or Ubuntu's
# packages) or "nvidia" (NVIDIA's own apt repository). docs/gpus.md
gpu_driver = None

# Whether a run may reboot hosts for their driver, one at a time. Otherwise it says what needs it.
gpu_reboot = False

# Releases that stay on a host, with the one that serves (2 or more).
ollama_keep_releases = 2

# Where it comes from, in this order: a file on this machine (ollama-linux-ARCH.tar.zst; beside it
# ollama-linux-amd64-rocm.tar.zst), a mirror (MIRROR/vVERSION/ollama-linux-ARCH.tar.zst), GitHub.
ollama_archive = None
ollama_mirror = None

# "one": an instance with every card. "per-gpu": one a card, pinned by its UUID, on ollama_port and
# the ports after it. Or a list (`llmrack status --gpus --uuids` names the cards):
#   [{"name": "big", "gpus": ["GPU-...", "GPU-..."], "environment": {"OLLAMA_NUM_PARALLEL": 4}},
#    {"name": "small", "gpus": ["GPU-..."], "port": 11500}]
ollama_instances = "one"

# The models directory, which all instances share (None: service_home/.ollama/models), and the mount
# point it must be on: a run stops where nothing is mounted there.
ollama_models = None
ollama_models_mount = None

# Limits of each instance: memory ("48G", "50%") and the number of its threads and processes.
ollama_memory_max = None
ollama_tasks_max = None

# The address and port it listens on. Anything but loopback is open to the network, and Ollama has
# no authentication: with ollama_guard a firewall rule (nftables) lets only the gateways in, and the
# addresses and ranges of ollama_admitted, such as a cluster's nodes: ["10.1.0.0/24"].
ollama_bind = "127.0.0.1"
ollama_port = 11434
ollama_guard = True
ollama_admitted = []

# For gateways: which instances are asked first (1 to 10, lower first), and the share of each
# instance of this host among those of the same priority. None: what the provider says.
ollama_priority = None
ollama_weight = None

# How many hosts may restart their Ollama at a time, after one went first. docs/upgrade.md
ollama_batch = 1

# Seconds a pull may go without progress before it is tried again.
ollama_pull_deadline = 120

# Ollama's own variables, by their own names; unknown ones are refused. Those worth knowing:
# OLLAMA_KEEP_ALIVE, OLLAMA_NUM_PARALLEL, OLLAMA_MAX_LOADED_MODELS, OLLAMA_MAX_QUEUE,
# OLLAMA_LOAD_TIMEOUT, OLLAMA_FLASH_ATTENTION, OLLAMA_KV_CACHE_TYPE, OLLAMA_SCHED_SPREAD,
# OLLAMA_VULKAN. docs/declare.md
# OLLAMA_CONTEXT_LENGTH is always set: Ollama's default follows the card's memory, so that the same
# box behaves differently after a card swap.
# OLLAMA_NO_CLOUD is set, too: no instance asks ollama.com for anything. False lets it pass requests
# for NAME:cloud on, with a key of its own (`ollama signin`).
ollama_environment = {
    "OLLAMA_CONTEXT_LENGTH": 8192,
    "OLLAMA_KEEP_ALIVE": "5m",
}

# Variables that Ollama or one of its libraries reads and llmrack does not know, handed on as they
# are: {"HSA_OVERRIDE_GFX_VERSION_1": "11.0.0"}. No secrets: the file is not made for them.
ollama_extra_environment = {}
