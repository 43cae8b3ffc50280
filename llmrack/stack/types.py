"""Types of the declaration: closed objects, and names that are safe everywhere."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints


def no_reference(value: str) -> str:
    """``value``. Raises ValueError if LiteLLM would replace it by an environment variable.

    Source: ``_check_for_os_environ_vars`` in litellm/proxy/proxy_server.py of 1.106.12.
    """
    if value.startswith("os.environ/"):
        raise ValueError("would be read as a secret by LiteLLM; begin it with something else")
    return value


SECRET_NAME = re.compile(r"^[A-Z][A-Z0-9_]{0,99}$")
SecretName = Annotated[str, StringConstraints(pattern=SECRET_NAME.pattern)]
# A public model name may have a tag ("llama3.1:8b") or a namespace ("org/name"), but no character
# that a shell, YAML, Jinja or systemd would interpret.
ModelName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$", max_length=200),
    AfterValidator(no_reference),
]
# A name that clients ask for; one that ends in * stands for all models that begin like it.
PublicName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]*\*?$", max_length=200),
    AfterValidator(no_reference),
]


def is_wildcard(name: str) -> bool:
    """Whether a public name stands for all models that begin like it."""
    return name.endswith("*")


def _printable(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise ValueError("must be a text that can be printed, without blanks around it")
    return value


# A server's own name of a model: its folder, a file, a text with brackets. It is only used in JSON
# and YAML; names on our own hosts become paths and arguments (ollama_checks.names).
UpstreamName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    AfterValidator(_printable),
    AfterValidator(no_reference),
]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=100)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Closed(BaseModel):
    """A part of the declaration: unknown keys are refused, and values stay out of errors."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
        allow_inf_nan=False,
    )
