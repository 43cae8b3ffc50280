"""Writes metrics that the node exporter lacks: cards, Ollama's instances, keys, certificates.

    python3 -I host_metrics.py DECLARED.json FOLDER

Every 15 seconds llmrack.prom appears anew in FOLDER, by rename, and every hour certificates.prom;
the exporter's textfile collector reads both. Only Python itself is needed (3.10 or later).
"""

from __future__ import annotations

import calendar
import json
import os
import socket
import ssl
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llmrack.shipped.host.cards import nvidia_cards

EVERY, EVERY_HOUR = 15, 3600
# Seconds that an instance and a provider may take to answer.
PATIENCE = 3
MIB = 1024 * 1024
# A card's field → metric, and by how much the field is multiplied.
CARD = {
    "use_percent": ("llmrack_gpu_utilization_ratio", 0.01),
    "temperature": ("llmrack_gpu_temperature_celsius", 1),
    "used_mib": ("llmrack_gpu_memory_used_bytes", MIB),
    "memory_mib": ("llmrack_gpu_memory_bytes", MIB),
}
HELP = {
    "llmrack_gpu_utilization_ratio": "Share of time in which the card computed.",
    "llmrack_gpu_temperature_celsius": "Temperature of the card.",
    "llmrack_gpu_memory_used_bytes": "Memory of the card that is in use.",
    "llmrack_gpu_memory_bytes": "Memory of the card.",
    "llmrack_ollama_up": "1 while the instance answers.",
    "llmrack_ollama_info": "Its version.",
    "llmrack_ollama_parallel": "Requests that a model answers at once (OLLAMA_NUM_PARALLEL).",
    "llmrack_ollama_model_bytes": "Memory that a loaded model takes.",
    "llmrack_ollama_model_gpu_share": "Share of a loaded model that lies on cards.",
    "llmrack_ollama_model_gpu_share_wanted": "The least that is declared for it.",
    "llmrack_key_end_timestamp_seconds": "When a client's key ends.",
    "llmrack_certificate_end_timestamp_seconds": "When a provider's certificate ends.",
}

Declared = dict[str, Any]
Sample = tuple[str, dict[str, str], float]  # metric, labels, value


def main() -> None:
    """Write until it is stopped."""
    declared = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    folder, hour = Path(sys.argv[2]), None
    while True:
        began = time.monotonic()
        write(folder / "llmrack.prom", [*cards(), *instances(declared), *keys(declared)])
        if hour is None or began - hour >= EVERY_HOUR:
            hour = began
            write(folder / "certificates.prom", list(certificates(declared)))
        time.sleep(max(0.0, began + EVERY - time.monotonic()))


def cards() -> Iterator[Sample]:
    """NVIDIA's cards, where there is a driver for them."""
    for card in nvidia_cards():
        labels = {"gpu": card.uuid, "name": card.name}
        for field, (metric, unit) in CARD.items():
            if (figure := getattr(card, field)) is not None:
                yield metric, labels, figure * unit


def instances(declared: Declared) -> Iterator[Sample]:
    """Ollama's instances of this host, and what each has loaded."""
    for instance in declared["instances"]:
        labels = {"instance": instance["name"]}
        yield "llmrack_ollama_parallel", labels, instance["parallel"]
        try:
            version = ask(f"{instance['url']}/api/version")["version"]
            loaded = ask(f"{instance['url']}/api/ps")["models"]
        except (OSError, ValueError, KeyError, TypeError):
            yield "llmrack_ollama_up", labels, 0
            continue
        yield "llmrack_ollama_up", labels, 1
        yield "llmrack_ollama_info", {**labels, "version": str(version)}, 1
        for model in loaded or []:
            model_labels = {**labels, "model": str(model["name"])}
            size, on_cards = model.get("size") or 0, model.get("size_vram") or 0
            yield "llmrack_ollama_model_bytes", model_labels, size
            yield "llmrack_ollama_model_gpu_share", model_labels, on_cards / size if size else 0
            wanted = instance["gpu_share"].get(model["name"], 0)
            yield "llmrack_ollama_model_gpu_share_wanted", model_labels, wanted


def ask(url: str) -> Any:  # noqa: ANN401  (JSON)
    """What an instance answers; OSError or ValueError where it does not."""
    # No proxy stands between a host and itself.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=PATIENCE) as answer:
        return json.load(answer)


def keys(declared: Declared) -> Iterator[Sample]:
    """The days on which clients' keys end, as this host's gateway knows them."""
    if not declared["keys"]:
        return
    try:
        known = json.loads(Path(declared["keys"]).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    for entry in known.values():
        # A master key that was replaced ends as it should.
        if entry["until"] and not entry["master"]:
            end = calendar.timegm(time.strptime(entry["until"], "%Y-%m-%dT%H:%M:%SZ"))
            yield "llmrack_key_end_timestamp_seconds", {"key": entry["name"]}, end


def certificates(declared: Declared) -> Iterator[Sample]:
    """The ends of providers' certificates, as far as they can be reached from here."""
    for server in declared["certificates"]:
        try:
            context = ssl.create_default_context(cafile=server["authority"])
            place = (server["host"], server["port"])
            with (
                socket.create_connection(place, timeout=PATIENCE) as plain,
                context.wrap_socket(plain, server_hostname=server["host"]) as connection,
            ):
                end = ssl.cert_time_to_seconds(str((connection.getpeercert() or {})["notAfter"]))
        except (OSError, ValueError, KeyError):
            # Whether it can be reached is the gateway's affair.
            continue
        yield "llmrack_certificate_end_timestamp_seconds", {"provider": server["provider"]}, end


def write(file: Path, samples: list[Sample]) -> None:
    """Replace a file by ``samples`` in Prometheus' text form, each metric's together."""
    lines = []
    for metric in sorted({name for name, _, _ in samples}):
        lines += [f"# HELP {metric} {HELP[metric]}", f"# TYPE {metric} gauge"]
        for name, labels, value in samples:
            if name == metric:
                inside = ",".join(f'{label}="{escaped(text)}"' for label, text in labels.items())
                lines.append(f"{metric}{{{inside}}} {value}")
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        beside.write_text("\n".join([*lines, ""]), encoding="utf-8")
        beside.chmod(0o644)
        beside.replace(file)
    except OSError as error:
        # Prometheus notices a full disk by the age of the file.
        print(f"{file} cannot be written: {error.strerror}", file=sys.stderr, flush=True)


def escaped(text: str) -> str:
    """A label's value between quotes."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


if __name__ == "__main__":
    main()
