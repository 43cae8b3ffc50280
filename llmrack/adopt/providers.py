"""Reads the providers of ``litellm_params``: address, key, headers, and what a service needs."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from llmrack.adopt import addresses, services
from llmrack.adopt.environment import referred
from llmrack.adopt.keys import Keys, is_no_key
from llmrack.adopt.notes import Fields, Notes, Path
from llmrack.adopt.services import Asked
from llmrack.adopt.source import Source
from llmrack.adopt.variables import key_variables
from llmrack.stack.litellm_facts import ProviderFacts, litellm_version
from llmrack.stack.litellm_secrets import is_secret
from llmrack.stack.load import explained
from llmrack.stack.providers import KINDS

# Headers whose values are no secrets, by how their names end. Of any other, nobody knows.
_PLAIN_HEADER = re.compile(
    r"(?i)(^|-)(accept|beta|language|organization|project|referer|region|title|user-agent|version)$"
)
# Headers that every request has; RemoteProvider refuses some of them.
_USUAL_HEADERS = ("content-type", "accept", "content-length", "host", "connection")


class Providers:
    """Reads the providers of one configuration."""

    def __init__(self, source: Source, notes: Notes, keys: Keys) -> None:
        self._source = source
        self._notes = notes
        self._keys = keys

    def read(self, fields: Fields) -> Asked | None:
        """How LiteLLM asks for the model; None, with a note, if that is not known."""
        model = self._plain(fields, "model")
        url, label = self._address(fields)
        prefix = self._plain(fields, "custom_llm_provider")
        if model is None or url == "":
            return None
        asked = services.parse_model(model, prefix, url)
        if asked is None:
            cause = "names no provider, and none is known for it"
            self._notes.lost(fields.at("model"), cause, "write PROVIDER/MODEL")
            return None
        if asked.url is None:
            return self._at_default_address(fields, asked)
        return replace(asked, label=label)

    def _at_default_address(self, fields: Fields, asked: Asked) -> Asked | None:
        """The same at the address that LiteLLM takes where the configuration has none."""
        environment = self._source.environment
        variable = next(
            filter(environment.revealed, services.address_variables(asked.prefix)), None
        )
        if variable is None:
            return replace(asked, url=services.usual_address(asked.prefix))
        environment.addresses.add(variable)
        address = environment.revealed(variable) or ""
        url, label = self._reached(address, fields.at("model"), f", the value of {variable}")
        return replace(asked, url=url, label=label) if url else None

    def _plain(self, fields: Fields, name: str) -> str | None:
        """A text that is no secret; the value of a variable if it refers to one."""
        value = fields.pop(name)
        variable = referred(value)
        if variable is None:
            if name == "model" and not isinstance(value, str):
                self._notes.lost(fields.at(name), "is no text", "name the model")
            return value if isinstance(value, str) and value else None
        text = self._source.environment.revealed(variable)
        if not text:
            cause = f"refers to {variable}, which has no value in any file"
            self._notes.lost(fields.at(name), cause, "name the file that has it with --env")
            return "" if name != "model" else None
        return text

    def _address(self, fields: Fields) -> tuple[str | None, str]:
        """The address, and the name of its host.

        The address is None if there is none, and empty if it is not known.
        """
        name = "api_base" if "api_base" in fields.rest() else "base_url"
        variable = referred(fields.rest().get(name))
        address = self._plain(fields, name)
        if not address:
            return address, ""
        if variable:
            self._source.environment.addresses.add(variable)
        return self._reached(address, fields.at(name))

    def _reached(self, address: str, path: Path, source: str = "") -> tuple[str, str]:
        """An address as the gateway reaches it, and the name of its host; see _address.

        + path: the part of the file that gives it
        + source: for the note, what else gives it
        """
        if addresses.has_login(address):
            cause = "the address has a login in it, which llmrack does not send"
            self._notes.lost(path, cause, "leave it out, and let the server ask for a key")
            return "", ""
        url, remark, way_out = addresses.reached(address.rstrip("/"), self._source.compose)
        remark = f", {remark}" if remark else ""
        self._notes.taken(path, f"url {addresses.shown(url)}{source}{remark}")
        if way_out:
            self._notes.lost(path, "nothing outside of the containers reaches it", way_out)
        elif addresses.is_name_of_a_container(url):
            remark = "the name looks like a container's, and the gateway runs in none"
            way_out = "name the compose file with --compose, or make the name known to the host"
            self._notes.taken(path, f"{remark}; {way_out}")
        return url, addresses.label(address)

    def declared(self, fields: Fields, asked: Asked) -> dict[str, Any] | None:
        """The provider in the words of ``stack.yaml``; None, with a note, if there is none."""
        provider = services.kind_of(asked.prefix, asked.url)
        if provider is None:
            reason = f"LiteLLM {litellm_version()} has no answers of {asked.prefix!r}", "correct it"
            if services.has_address(asked.prefix):
                reason = "has no address", "give it an api_base"
            self._notes.lost(fields.at("model"), *reason)
            return None
        text = f"{asked.upstream} at a provider of kind {provider['kind']}"
        self._notes.taken(fields.at("model"), text)
        if key := self._key(fields, asked):
            provider["api_key"] = key
        if facts := services.facts_of(asked.prefix):
            provider |= self._settings(fields, asked, facts)
        provider |= self._headers(fields, asked.prefix)
        if fields.pop("ssl_verify") is False and str(asked.url).startswith("https://"):
            provider["tls_verify"] = False
            self._notes.taken(fields.at("ssl_verify"), "tls_verify: false")
        return provider if self._is_right(provider, fields) else None

    def _is_right(self, provider: dict[str, Any], fields: Fields) -> bool:
        """Whether llmrack takes the provider as it is."""
        try:
            KINDS[provider["kind"]].model_validate(provider)
        except ValidationError as error:
            first = error.errors()[0]
            where = "api_base" if first["loc"][:1] == ("url",) else "model"
            self._notes.lost(fields.at(where), *explained(first))
            return False
        return True

    def _settings(self, fields: Fields, asked: Asked, facts: ProviderFacts) -> dict[str, Any]:
        """What LiteLLM needs of a service beside address and key."""
        plain: dict[str, str] = {}
        secret: dict[str, str] = {}
        variables = services.variables_of(asked.prefix, facts)
        environment = self._source.environment
        needed = [name for name in facts.needs if name in facts.secrets]
        # Without any of its credentials, a service of a cloud takes the role of the machine.
        has_credentials = any(
            name in fields.rest() or any(map(environment.value, variables.get(name, ())))
            for name in needed
        )
        if needed and not has_credentials:
            remark = "without keys, LiteLLM takes the role that the cloud gives the machine"
            self._notes.taken(fields.at("model"), f"{remark}; give it to the gateway's host, too")
        for name in facts.settings:
            if name in fields.rest():
                if name in facts.secrets or self._looks_secret(fields.rest()[name]):
                    if key := self._keys.of(str(fields.pop(name)), name):
                        secret[name] = key
                        self._notes.taken(fields.at(name), f"secret_settings: the secret {key}")
                elif text := self._setting(fields, name):
                    plain[name] = text
                continue
            variable = next(filter(environment.value, variables.get(name, ())), None)
            if variable is None and name in needed and has_credentials:
                variable = facts.needs[name] or None
            if variable and name in facts.secrets:
                secret[name] = self._keys.named(variable)
            elif variable and (value := environment.revealed(variable)):
                plain[name] = value
            elif name in facts.needs and (asked.prefix, name) in services.DEFAULTS:
                plain[name] = services.DEFAULTS[asked.prefix, name]
            else:
                continue
            text = "as LiteLLM takes it where the file does not say it"
            self._notes.taken(fields.at("model"), f"{name}, {text}")
        settings = {"settings": plain, "secret_settings": secret}
        return {name: values for name, values in settings.items() if values}

    def _setting(self, fields: Fields, name: str) -> str | None:
        """A setting that is no secret; None, with a note, if it has no value."""
        value = fields.rest()[name]
        if isinstance(value, dict | list):
            fields.pop(name)
            self._notes.lost(fields.at(name), "is no text", "write one value")
            return None
        text = self._plain(fields, name) if isinstance(value, str) else str(fields.pop(name))
        if text:
            self._notes.taken(fields.at(name), f"settings: {name}")
        return text or None

    def _looks_secret(self, value: object) -> bool:
        """Whether a value, or that of the variable that it refers to, has the form of a secret."""
        variable = referred(value)
        text = self._source.environment.revealed(variable) if variable else value
        return is_secret(("settings", "value"), text)

    def _key(self, fields: Fields, asked: Asked) -> str | None:
        declared = fields.pop("api_key")
        if declared is None or declared == "":
            variable = self._default_key(asked)
            if variable is None:
                return None
            self._notes.taken(fields.at("model"), f"the secret {variable}, which LiteLLM sends")
            return self._keys.named(variable)
        label = asked.label or asked.prefix
        name = self._keys.of(str(declared), f"{label}_API_KEY")
        if name is None:
            cause = "it only fills the place of a key"
            self._notes.left_out(fields.at("api_key"), cause, "")
        else:
            self._notes.taken(fields.at("api_key"), f"the secret {name}")
        return name

    def _default_key(self, asked: Asked) -> str | None:
        """The variable with the key that LiteLLM sends where the configuration names none."""
        environment = self._source.environment
        facts = services.facts_of(asked.prefix)
        named = services.variables_of(asked.prefix, facts).get("api_key", ()) if facts else ()
        for variable in (*named, *key_variables(asked.prefix)):
            value = environment.value(variable)
            if value and not is_no_key(value.reveal()):
                return variable
        if facts is None:
            # Without a value, only a service needs one, and no server of one's own.
            usual = services.usual_address(asked.prefix) or ""
            is_service = usual.startswith("https://") and asked.url == usual
            return key_variables(asked.prefix)[0] if is_service else None
        # A service that needs one, and no other credentials.
        return named[0] if named and "api_key" in facts.needs and not asked.url else None

    def _headers(self, fields: Fields, prefix: str) -> dict[str, Any]:
        plain: dict[str, str] = {}
        secret: dict[str, str] = {}
        is_plain = not self._looks_secret(fields.rest().get("organization"))
        if is_plain and (organization := self._plain(fields, "organization")):
            plain["OpenAI-Organization"] = organization
            self._notes.taken(fields.at("organization"), "headers: OpenAI-Organization")
        for field in ("headers", "extra_headers"):
            declared = fields.pop(field)
            for name, value in declared.items() if isinstance(declared, dict) else ():
                where = (*fields.at(field), str(name))
                if str(name).lower() in _USUAL_HEADERS:
                    self._notes.left_out(where, "every request has it already")
                elif _is_plain(str(name), value):
                    plain[str(name)] = str(value)
                    self._notes.taken(where, f"headers: {name}")
                elif key := self._keys.of(str(value), f"{prefix}_{name}"):
                    secret[str(name)] = key
                    self._notes.taken(where, f"secret_headers: the secret {key}")
                else:
                    self._notes.left_out(where, "it only fills the place of a key")
        headers = {"headers": plain, "secret_headers": secret}
        return {name: values for name, values in headers.items() if values}


def _is_plain(header: str, value: object) -> bool:
    """Whether the value of a header is no secret."""
    is_known = _PLAIN_HEADER.search(header) is not None
    return is_known and referred(value) is None and not is_secret(("headers", "value"), value)


def label_of(asked: Asked, kind: str) -> str:
    """A name for a provider: that of its host, or of its service."""
    by_host = "" if kind == "litellm" else asked.label
    service = asked.prefix.removesuffix("_chat").removeprefix("hosted_")
    return by_host or service.replace("_", "-")
