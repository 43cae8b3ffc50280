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
# The host's proxy is not for its own services.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def look(question: dict[str, Any]) -> dict[str, Any]:
    """The state of a host's instances, units, cards and gateway.

    + question: ``instances`` (each with ``name``, ``engine``, ``unit`` and ``url``), ``gateway``
      (None, or its ``url`` and ``venv``), ``units`` (those of the gateway), ``models`` (whether to
      describe each model)
    """
    units = unit_states(
        [instance["unit"] for instance in question["instances"]] + question["units"]
    )
    with ThreadPoolExecutor() as pool:
        asked = {
            instance["name"]: pool.submit(
                ASK[instance["engine"]],
                instance["url"],
                units.get(instance["unit"], {}),
                question["models"],
            )
            for instance in question["instances"]
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
    """The state of one Ollama; ``error`` if it does not answer."""
    if unit.get("ActiveState") != "active":
        return {"error": "its unit does not run"}
    try:
        began = time.perf_counter()
        version = get(f"{url}/api/version")["version"]
        latency = time.perf_counter() - began
        listed = get(f"{url}/api/tags")["models"]
        answer = {
            "version": version,
            "latency": latency,
            "loaded": get(f"{url}/api/ps")["models"],
            "models": [{"name": model["name"], "size": model.get("size")} for model in listed],
        }
        for model in answer["models"] if describe else ():
            model["shown"] = described(url, model["name"])
        return answer
    except (OSError, ValueError, KeyError, TypeError) as error:
        return {"error": cause(error)}


def described(url: str, name: str) -> dict[str, Any]:
    """The lengths and capabilities in ``/api/show``, whose whole answer has megabytes."""
    shown = get(f"{url}/api/show", {"model": name}, DESCRIBED)
    info = shown.get("model_info") or {}
    return {
        "model_info": {key: info[key] for key in info if key.endswith(".context_length")},
        "capabilities": shown.get("capabilities"),
        "parameters": shown.get("parameters"),
    }


def ask_gateway(gateway: dict[str, str], units: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Whether the gateway is ready, and its ``health.json`` (``told``)."""
    # Its answers do not contain the version of LiteLLM.
    packages = Path(gateway["venv"]).glob("lib/python3*/site-packages/litellm-*.dist-info")
    versions = [path.name.split("-")[1].removesuffix(".dist") for path in packages]
    answer: dict[str, Any] = {"told": None, "version": versions[0] if versions else None}
    services = [unit for name, unit in units.items() if name.startswith("llmrack-gateway@")]
    if not any(unit["ActiveState"] == "active" for unit in services):
        # A request to its socket would start it.
        return answer | {"error": "it does not run"}
    try:
        began = time.perf_counter()
        get(f"{gateway['url']}/health/readiness")
        answer["latency"] = time.perf_counter() - began
    except (OSError, ValueError) as error:
        answer["error"] = cause(error)
    try:
        file = Path(f"/run/user/{os.getuid()}/llmrack/health.json")
        health = json.loads(file.read_text(encoding="utf-8"))
        # The file of a process that has ended does not count.
        answer["told"] = health if Path(f"/proc/{health['pid']}").is_dir() else None
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return answer


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
