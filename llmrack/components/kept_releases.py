"""How many releases a host keeps: the declared number, and whatever is in use."""

from __future__ import annotations

from llmrack.components.gateway.service import COLOURS
from llmrack.resources.old_releases import OldReleases
from llmrack.resources.releases import Release, Venv
from llmrack.stack.home import Home
from llmrack.stack.settings import Settings


def engine_releases(settings: Settings, home: Home, archive: str) -> OldReleases:
    """Ollama's; ``archive`` is the release that is declared."""
    return OldReleases(
        home.ollama,
        home.user,
        settings.ollama_keep_releases,
        archive,
        links=(f"{home.ollama}/current",),
        after=(f"Archive {archive}",),
    )


def gateway_releases(
    settings: Settings, home: Home, release: Release, venv: Venv
) -> list[OldReleases]:
    """The gateway's, then the environments that none of those left has."""
    base = home.gateway
    after = (release.name, "Gateway")
    links = ("current", *COLOURS, "started/*/release")
    return [
        OldReleases(
            f"{base}/releases",
            home.user,
            settings.gateway_keep_releases,
            release.path,
            tuple(f"{base}/{link}" for link in links),
            after,
        ),
        OldReleases(f"{base}/venvs", home.user, 1, venv.path, (f"{base}/releases/*/venv",), after),
    ]
