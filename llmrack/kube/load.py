"""Reading ``kube.yaml``; every problem names file, line and key path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from llmrack.kube.settings import Kube
from llmrack.problems import DeclarationError, Problem, nearest, unusable
from llmrack.stack.fleet import GATEWAY_GROUP, MONITOR_GROUP
from llmrack.stack.load import explained
from llmrack.stack.yaml_lines import Lines, parse_yaml


def load_kube(path: Path, name: str) -> tuple[Kube, Lines]:
    """Read and validate ``kube.yaml``, with the 1-based line of every key path.

    + name: the file's name in messages

    Raises DeclarationError.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        way_out = "write it, as docs/kubernetes.md shows"
        raise unusable(name, "there is no such file", way_out) from None
    except (OSError, ValueError) as error:
        raise unusable(name, f"cannot be read ({error})", "make it a readable text file") from None
    data, lines, repeated = parse_yaml(name, text)
    if repeated:
        raise DeclarationError(repeated)
    if data is not None and not isinstance(data, dict):
        raise unusable(name, "is not a mapping", "write keys with their values")
    try:
        kube = Kube.model_validate(data or {})
    except ValidationError as error:
        problems = []
        for detail in error.errors():
            where = tuple(str(part) for part in detail["loc"] if part != "[key]")
            cause, way_out = explained(detail)
            if detail["type"] == "extra_forbidden":
                cause, way_out = "is not known", nearest(where[-1], _known(where[:-1]))
            problems.append(Problem(name, ".".join(where), cause, way_out, lines.get(where, 0)))
        raise DeclarationError(problems) from None
    if problems := list(_dangling(kube, name, lines)):
        raise DeclarationError(problems)
    return kube, lines


def _dangling(kube: Kube, name: str, lines: Lines) -> Iterator[Problem]:
    """Names of engines that mean something else, and of GPUs that are not declared."""
    for key, engine in kube.engines.items():
        path: tuple[str, ...] = ("engines", key)
        if key in (GATEWAY_GROUP, MONITOR_GROUP, kube.gateway.name):
            cause, way_out = "means something else here", "call it otherwise"
            yield Problem(name, ".".join(path), cause, way_out, lines.get(path, 0))
        if engine.replicas is not None and engine.most is not None:
            cause = "stands beside replicas, and either llmrack sets the number or somebody else"
            path_of_most = (*path, "most")
            place = lines.get(path_of_most, 0)
            yield Problem(name, ".".join(path_of_most), cause, "take one of them out", place)
        if engine.gpus and engine.gpus.kind not in kube.gpus:
            path = (*path, "gpus", "kind")
            cause = f"there is no kind of GPUs {engine.gpus.kind!r}"
            way_out = nearest(engine.gpus.kind, kube.gpus)
            yield Problem(name, ".".join(path), cause, way_out, lines.get(path, 0))


def _known(path: tuple[str, ...]) -> Iterable[str]:
    """The keys that are known at a place of ``kube.yaml``."""
    model: type[BaseModel] = Kube
    for key in path:
        # Other parts of the path are names of engines and numbers of entries.
        if key in model.model_fields:
            model = next(_models(model.model_fields[key].annotation), model)
    return model.model_fields


def _models(kind: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401  (a type)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for part in get_args(kind):
        yield from _models(part)
