"""Reads ``model_list``: public names, the servers that have a model for them, and their keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError

from llmrack.adopt import parameters
from llmrack.adopt.entry import Entry
from llmrack.adopt.keys import Keys
from llmrack.adopt.notes import Fields, Notes, Path
from llmrack.adopt.providers import Providers, label_of
from llmrack.adopt.source import Source
from llmrack.stack.kinds import kind_of
from llmrack.stack.load import explained
from llmrack.stack.models import Model
from llmrack.stack.providers import KINDS
from llmrack.stack.types import PublicName, is_wildcard

_NAMES: TypeAdapter[str] = TypeAdapter(PublicName)


def wrong_name(name: str) -> tuple[str, str] | None:
    """Why no client can ask for a public name, with the way out; None if clients can."""
    try:
        _NAMES.validate_python(name)
    except ValidationError:
        return _why_no_name(name)
    return None


class ModelList:
    """Reads the entries of one configuration."""

    def __init__(self, source: Source, notes: Notes, keys: Keys) -> None:
        self._source = source
        self._notes = notes
        self._providers = Providers(source, notes, keys)

    def entries(self) -> Iterator[Entry]:
        """The entries that can be taken over, in the order of the file."""
        for index, row in enumerate(self._source.data["model_list"]):
            path: Path = ("model_list", str(index))
            name = row.get("model_name") if isinstance(row, dict) else None
            params = row.get("litellm_params") if isinstance(row, dict) else None
            if not isinstance(name, str) or not isinstance(params, dict):
                cause = "has no model_name, or no litellm_params"
                self._notes.lost(path, cause, "write it as LiteLLM's docs have it")
                continue
            used = self._source.environment.used
            entry = self._entry(path, name, params, row.get("model_info"))
            if entry:
                yield entry
            else:
                self._notes.lost_as_a_whole(path)
                self._source.environment.forget_uses(used)
                continue
            for other in row.keys() - {"model_name", "litellm_params", "model_info"}:
                self._notes.left_out((*path, str(other)), "is not read by LiteLLM", "remove it")

    def _entry(
        self, path: Path, name: str, params: dict[str, Any], model_info: object
    ) -> Entry | None:
        if reason := wrong_name(name):
            self._notes.lost((*path, "model_name"), *reason)
            return None
        fields = Fields(self._with_credential(params, path), (*path, "litellm_params"))
        info = model_info if isinstance(model_info, dict) else {}
        described_by = Fields(info, (*path, "model_info"))
        asked = self._providers.read(fields)
        if asked is None:
            return None
        provider = self._providers.declared(fields, asked)
        if provider is None:
            return None
        limits = parameters.limits(fields, self._notes)
        weight = self._number(fields, "weight", "weight")
        order = self._number(fields, "order", "priority")
        upstream = asked.upstream
        model = parameters.described(fields, described_by, upstream, provider["kind"], self._notes)
        self._drop_wrong(fields, model, limits)
        if not self._gives(fields, provider, model):
            return None
        label = label_of(asked, provider["kind"])
        return Entry(path, name, upstream, label, provider, model, limits, weight, order)

    def _with_credential(self, params: dict[str, Any], path: Path) -> dict[str, Any]:
        """The parameters, with those of the credential that they name."""
        name = params.get("litellm_credential_name")
        listed = self._source.data.get("credential_list")
        for index, credential in enumerate(listed if isinstance(listed, list) else []):
            if isinstance(credential, dict) and credential.get("credential_name") == name:
                where = (*path, "litellm_params", "litellm_credential_name")
                self._notes.taken(where, "the values of the credential")
                self._notes.taken(("credential_list", str(index)), "by the models that name it")
                values = credential.get("credential_values")
                params = {**(values if isinstance(values, dict) else {}), **params}
                return {k: v for k, v in params.items() if k != "litellm_credential_name"}
        return params

    def _number(self, fields: Fields, name: str, word: str) -> float | None:
        """A positive number; None, with a note, if it is none."""
        value = fields.pop(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            self._notes.lost(fields.at(name), "is no positive number", "correct it")
            return None
        self._notes.taken(fields.at(name), f"{word} {value}")
        return value

    def _drop_wrong(self, fields: Fields, model: dict[str, Any], limits: dict[str, Any]) -> None:
        """Drop what llmrack refuses of a model, with a note."""
        while True:
            try:
                Model.model_validate({"provider": "any", **model, **limits})
                return
            except ValidationError as error:
                first = error.errors()[0]
            place = [str(part) for part in first["loc"]]
            cause = f"has a value that llmrack refuses ({explained(first)[0]})"
            if place[0] == "defaults" and len(place) > 1:
                del model["defaults"][place[1]]
                self._notes.lost(fields.at(place[1]), cause, "correct it")
            else:
                self._notes.lost(fields.at(place[0]), cause, "correct it")
                limits.pop(place[0], None)
                model.pop(place[0], None)

    def _gives(self, fields: Fields, provider: dict[str, Any], model: dict[str, Any]) -> bool:
        """Whether llmrack asks such a provider for this kind of answers."""
        kind = kind_of(Model.model_validate({"provider": "x", **model}))
        declared: Any = KINDS[provider["kind"]].model_validate(provider)
        if declared.gives(kind):
            return True
        cause = f"llmrack has no {kind} of a provider of kind {provider['kind']}"
        self._notes.lost(fields.at("model"), cause, "use the service's own API in OpenAI's form")
        return False


def _why_no_name(name: str) -> tuple[str, str]:
    if name == "*" or (is_wildcard(name) and not name[0].isalnum()):
        return (
            "stands for every model of every provider, and llmrack serves what is declared",
            "declare PROVIDER/* for each provider",
        )
    return (
        "is no name that llmrack can serve: letters, digits and . _ : / - are allowed",
        "choose another name, and tell the clients",
    )
