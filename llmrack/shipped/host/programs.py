"""Which server of models a process or an image is, by its name and arguments.

It is sent to hosts: Python 3.10 and its standard library.
"""

from __future__ import annotations

import os

OLLAMA = "ollama"
# By the last part of an image's name, without its tag.
IMAGES = {
    "ollama": OLLAMA,
    "open-webui": "Open WebUI",
    "litellm": "LiteLLM",
    "litellm-database": "LiteLLM",
    "litellm-non_root": "LiteLLM",
    "vllm-openai": "vLLM",
    "llama.cpp": "llama.cpp",
}


def program_of(arguments: list[str]) -> str:
    """The server that a process is, by its arguments; empty for any other program."""
    names = [os.path.basename(word) for word in arguments[:4]]  # noqa: PTH119
    if names[0].startswith("python") and len(names) > 1:
        # An interpreter, and the program or -m and the module.
        names = [name for name in names[1:] if not name.startswith("-")]
    name, follows = (*names, "", "")[:2]
    if name == OLLAMA and follows in ("serve", "start"):
        return OLLAMA
    if name == "llama-server" and "/lib/ollama/" not in arguments[0]:
        return "llama.cpp"
    if (name, follows) == ("vllm", "serve") or name == "vllm.entrypoints.openai.api_server":
        return "vLLM"
    if name in ("litellm", "litellm.proxy.proxy_cli", "proxy_cli.py"):
        return "LiteLLM"
    if (name, follows) == ("open-webui", "serve") or "open_webui.main:app" in arguments:
        return "Open WebUI"
    return ""


def program_of_image(image: str) -> str:
    """The server that an image has, as in ``ghcr.io/open-webui/open-webui:main``; or empty."""
    return IMAGES.get(image.rpartition("/")[2].partition("@")[0].partition(":")[0], "")


def config_of(program: str, arguments: list[str]) -> str:
    """The file that LiteLLM reads its configuration from; empty for other programs."""
    if program != "LiteLLM":
        return ""
    for place, word in enumerate(arguments):
        if word in ("--config", "-c"):
            return arguments[place + 1] if place + 1 < len(arguments) else ""
        if word.startswith("--config="):
            return word.partition("=")[2]
    return ""
