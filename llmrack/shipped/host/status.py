"""The program that looks at a host for ``llmrack status``; Python 3.10's own library is all it has.

It is sent to ``python3 -I - QUESTION`` on the host, as the service user, and prints one line of
JSON. Nothing is changed: no model is loaded, no unit started.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path
from typing import Any

from llmrack.shipped.host.cards import Card, card, nvidia_cards, output

# Seconds for one short answer; a model's description is read from disk.
SHORT, DESCRIBED = 5, 15
# Whatever proxy the host has is not for its own services.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def look(question: dict[str, Any]) -> dict[str, Any]:
    """What is seen.

    + question: ``instances`` (each with ``name``, ``engine``, ``unit`` and ``url``), ``gateway``
      (None, or its ``url`` and ``venv``), ``units`` (those of the gateway), ``models`` (whether to
      describe each model)
    """
    units = unit_states([each["unit"] for each in question["instances"]] + question["units"])
    with ThreadPoolExecutor() as pool:
        asked = {
            each["name"]: pool.submit(
                ASK[each["engine"]], each["url"], units.get(each["unit"], {}), question["models"]
            )
            for each in question["instances"]
        }
        shown = pool.submit(cards)
        gateway = ask_gateway(question["gateway"], units) if question["gateway"] else None
        return {
            "units": units,
            "instances": {name: future.result() for name, future in asked.items()},
            "cards": [card._asdict() for card in shown.result()],
            "gateway": gateway,
            "now": time.time(),
        }


def unit_states(units: list[str]) -> dict[str, dict[str, str]]:
    """Properties of user units by their names."""
    wanted = "--property=Id,ActiveState,SubState,NRestarts"
    text = output(["systemctl", "--user", "show", wanted, *units])
    blocks = [
        dict(line.split("=", 1) for line in block.splitlines()) for block in text.split("\n\n")
    ]
    return {block["Id"]: block for block in blocks if "Id" in block}


def ask_ollama(url: str, unit: dict[str, str], describe: bool) -> dict[str, Any]:
    """What one Ollama says; ``error`` where it does not."""
    if unit.get("ActiveState") != "active":
        return {"error": "its unit does not run"}
    try:
        began = time.perf_counter()
        version = get(f"{url}/api/version")["version"]
        latency = time.perf_counter() - began
        listed = get(f"{url}/api/tags")["models"]
        found = {
            "version": version,
            "latency": latency,
            "loaded": get(f"{url}/api/ps")["models"],
            "models": [{"name": each["name"], "size": each.get("size")} for each in listed],
        }
        for each in found["models"] if describe else ():
            each["shown"] = described(url, each["name"])
        return found
    except (OSError, ValueError, KeyError, TypeError) as error:
        return {"error": cause(error)}


def described(url: str, name: str) -> dict[str, Any]:
    """What ``/api/show`` says of lengths and capabilities; the whole of it is megabytes."""
    shown = get(f"{url}/api/show", {"model": name}, DESCRIBED)
    info = shown.get("model_info") or {}
    return {
        "model_info": {key: info[key] for key in info if key.endswith(".context_length")},
        "capabilities": shown.get("capabilities"),
        "parameters": shown.get("parameters"),
    }


def ask_gateway(gateway: dict[str, str], units: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Whether it is ready, and what it says of the servers it asks (its ``health.json``)."""
    # Its answers do not tell the version of LiteLLM.
    packages = Path(gateway["venv"]).glob("lib/python3*/site-packages/litellm-*.dist-info")
    versions = [path.name.split("-")[1].removesuffix(".dist") for path in packages]
    found: dict[str, Any] = {"told": None, "version": versions[0] if versions else None}
    services = [unit for name, unit in units.items() if name.startswith("llmrack-gateway@")]
    if not any(unit["ActiveState"] == "active" for unit in services):
        # Its socket would start it for us, and let us wait for that.
        return found | {"error": "it does not run"}
    try:
        began = time.perf_counter()
        get(f"{gateway['url']}/health/readiness")
        found["latency"] = time.perf_counter() - began
    except (OSError, ValueError) as error:
        found["error"] = cause(error)
    try:
        file = Path(f"/run/user/{os.getuid()}/llmrack/health.json")
        told = json.loads(file.read_text(encoding="utf-8"))
        # A file of a process that is gone says nothing.
        found["told"] = told if Path(f"/proc/{told['pid']}").is_dir() else None
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return found


def cards() -> list[Card]:
    """NVIDIA's cards as nvidia-smi shows them, and AMD's as amdgpu does."""
    # Without the module nvidia-smi would have it loaded, and a look changes nothing.
    found = list(nvidia_cards()) if Path("/proc/driver/nvidia/version").exists() else []
    for path in sorted(Path("/sys/bus/pci/devices").glob("*/mem_info_vram_total")):
        folder = path.parent
        # In thousandths of a degree.
        heat = "".join(read(each)[:-3] for each in folder.glob("hwmon/hwmon*/temp1_input"))
        found.append(
            card(
                f"GPU-{read(folder / 'unique_id')}",
                read(folder / "product_name") or f"AMD {read(folder / 'device')}",
                read(folder / "gpu_busy_percent"),
                heat,
                str(int(read(folder / "mem_info_vram_used") or 0) >> 20),
                str(int(read(path) or 0) >> 20),
            )
        )
    return found


def get(url: str, body: object = None, seconds: float = SHORT) -> Any:  # noqa: ANN401  (JSON)
    """The JSON at ``url``; a POST where there is a body. Raises OSError and ValueError."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data)  # noqa: S310  (addresses of our own)
    try:
        with OPENER.open(request, timeout=seconds) as answer:
            return json.load(answer)
    except HTTPException as error:
        raise ValueError from error


def cause(error: Exception) -> str:
    """Why there is no answer."""
    if isinstance(error, urllib.error.HTTPError):
        return f"it answers {error.code}"
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return f"it does not answer within {SHORT} s"
    if isinstance(reason, OSError):
        return reason.strerror or str(reason)
    return "another program answers there"


def read(path: Path) -> str:
    """A file's first line; empty where there is none."""
    try:
        return path.read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, ValueError):
        return ""


# By the names of engines.
ASK = {"ollama": ask_ollama}

if __name__ == "__main__":
    print(json.dumps(look(json.loads(sys.argv[1]))))
