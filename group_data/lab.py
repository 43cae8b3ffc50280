"""Settings of the lab's hosts; `llmrack lab up` writes the values that it read from a file."""

import json as _json
import os as _os
from pathlib import Path as _Path

_file = _Path(".lab") / _os.environ.get("LLMRACK_LAB", "demo") / "settings.json"
_settings = _json.loads(_file.read_text()) if _file.exists() else {}

# The stand-in release, the mirror that has it, and the keys that the stand-ins accept; each is
# absent where the lab uses the real thing. A real Ollama cannot use the pretended GPUs.
globals().update({k: v for k, v in _settings.items() if k.startswith(("ollama_", "gpu_"))})
env_file = _settings.get("env_file", ".env")
secrets_file = _settings.get("secrets_file", "secrets.age")

# What answers in place of the real thing; the proof's table says so.
lab_standins = [name for name, used in _settings.get("standins", {}).items() if used]

# In the lab the boxes reach each other, and you reach the gateway.
ollama_bind = "0.0.0.0"  # noqa: S104  (its network is this machine)
gateway_bind = "0.0.0.0"  # noqa: S104  (its network is this machine)
