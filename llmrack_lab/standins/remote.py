"""Stand-ins of two Ollama servers that somebody else runs: `attic` and `office`.

Their shapes are Ollama's (`docs/openapi.yaml`, `api/types.go`). `attic` has Ollama's own paths
behind a bearer key. `office` stands behind a proxy with paths of its own, and wants a second key
and the client's name as well.
"""

from __future__ import annotations

import hmac
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from llmrack_lab.standins import openai_form
from llmrack_lab.standins.answers import Model
from llmrack_lab.standins.cloud import Cloud
from llmrack_lab.standins.http import CLIENT_KEY, Reply, Request
from llmrack_lab.standins.ollama.embedding import NO_EMBEDDINGS
from llmrack_lab.standins.ollama.faults import full_name
from llmrack_lab.standins.program import key_from_environment, parser, run
from llmrack_lab.standins.provider import Refusal, Routes

MODELS = [
    Model("llama3.2:latest"),
    Model("llama3.2:1b"),
    Model("llama3.1:8b"),
    Model("qwen2.5-coder:7b"),
    Model("llava:latest", vision=True),
    Model("nomic-embed-text:latest", dimensions=768),
]
CLIENT_KEY_VARIABLE = "STANDIN_CLIENT_KEY"
CLIENT_ID = "X-Client-Id"


class Attic(Cloud):
    """What `Cloud` has, and embeddings, `/api/ps`, and names that mean `:latest`."""

    name: ClassVar[str] = "attic"
    stands_for: ClassVar[str] = "Ollama"

    def routes(self) -> Routes:
        """Return the paths served."""
        routes: Routes = {
            ("GET", "/api/ps"): lambda _: self._running(),
            ("POST", "/v1/embeddings"): lambda request: openai_form.embeddings(
                self.find_embedding(request), request
            ),
        }
        return {**super().routes(), **routes}

    def needs_key(self, path: str) -> bool:
        """Whoever put it on the network closed all of it."""
        return True

    def find(self, request: Request) -> Model:
        """Return the model, by the name that the request has for it."""
        asked = request.model or ""
        model = self.models.get(full_name(asked))
        if model is None:
            raise self.unknown(asked)
        return replace(model, name=asked)

    def find_embedding(self, request: Request) -> Model:
        """Return the embedding model asked for; Refusal in Ollama's words where it is none."""
        model = self.find(request)
        if not model.dimensions:
            raise Refusal(501, NO_EMBEDDINGS)
        return model

    def _running(self) -> Reply:
        loaded = [self.models[name] for name in self.loaded if name in self.models]
        return Reply({"models": [self.entry(model) | {"size_vram": 0} for model in loaded]})


class Office(Attic):
    """A proxy in front: three paths, two keys, and a client that names itself."""

    name: ClassVar[str] = "office"

    def __init__(self, models: Sequence[Model], key: str, client_key: str) -> None:
        """Serve `models` to who shows both keys and says who it is."""
        super().__init__(models, key)
        self._client_key = client_key.encode()

    def routes(self) -> Routes:
        """Return the paths served; Ollama's own are not."""
        inner = super().routes()
        return {
            ("POST", "/ollama/v2/chat"): inner["POST", "/api/chat"],
            ("GET", "/ollama/v2/models"): inner["GET", "/api/tags"],
            ("GET", "/ollama/v2/health"): inner["GET", "/api/version"],
        }

    def authorized(self, request: Request) -> bool:
        """Return whether all three headers are there, and both keys right."""
        given = request.headers.get(CLIENT_KEY, "").encode()
        return (
            super().authorized(request)
            and hmac.compare_digest(given, self._client_key)
            and CLIENT_ID in request.headers
        )

    def unauthorized(self, request: Request) -> Refusal:
        """Missing and wrong headers are answered alike."""
        return Refusal(401, f"unauthorized: Authorization, {CLIENT_KEY} and {CLIENT_ID} are needed")


def main() -> None:
    """Run one of them from the command line."""
    cli = parser(__spec__.name, __doc__ or "")
    cli.add_argument("--as", dest="which", choices=("attic", "office"), required=True)
    args = cli.parse_args()
    key = key_from_environment(required=True)
    if args.which == "attic":
        run(Attic(MODELS, key), args)
        return
    client_key = os.environ.get(CLIENT_KEY_VARIABLE, "")
    if not client_key:
        sys.exit(f"{CLIENT_KEY_VARIABLE} is not set: export the key that {CLIENT_KEY} shall have")
    run(Office(MODELS, key, client_key), args)


if __name__ == "__main__":
    main()
