"""Which library of Ollama's uses a card."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llmrack.stack.ollama.backends import CardRules, card_rules, rocm_digest, target_of
from tests.unit.declare import SHA, host, settings


@pytest.mark.parametrize(
    ("version", "target"),
    [(0, ""), (110000, "gfx1100"), (90010, "gfx90a"), (90402, "gfx942"), (110501, "gfx1151")],
)
def test_target_is_named_as_compilers_name_it(version: int, target: str) -> None:
    assert target_of(version) == target


@pytest.mark.parametrize(
    ("override", "target"),
    [("", ""), ("10.3.0", "gfx1030"), ("9.0.10", "gfx90a"), ("gfx1100", "gfx1100"), ("11", ""),
     ("a.b.c", ""), ("10.3.99", "")],
)  # fmt: skip
def test_override_is_read_as_ollama_reads_it(override: str, target: str) -> None:
    environment = {"HSA_OVERRIDE_GFX_VERSION": override}
    assert card_rules(settings(ollama_environment=environment)).target == target


@pytest.mark.parametrize(
    ("rules", "target", "integrated", "serves"),
    [
        (CardRules(), "gfx1100", False, True),
        (CardRules(), "gfx906", False, False),
        (CardRules(), "", False, False),
        (CardRules(), "gfx1150", True, False),
        (CardRules(), "gfx1151", True, True),
        (CardRules(integrated=True), "gfx1150", True, True),
        (CardRules(integrated=False), "gfx1151", True, False),
        (CardRules(target="gfx1030"), "gfx1034", False, True),
        # An override is no card.
        (CardRules(target="gfx1030"), "", False, False),
        (CardRules(rocm=False), "gfx1100", False, False),
    ],
)
def test_rocm_uses_what_it_is_built_for(
    rules: CardRules, target: str, integrated: bool, serves: bool
) -> None:
    assert rules.rocm_serves(target, integrated) is serves


@pytest.mark.parametrize(
    ("rules", "integrated", "serves"),
    [
        (CardRules(), False, True),
        (CardRules(), True, False),
        (CardRules(integrated=True), True, True),
        (CardRules(vulkan=False), False, False),
    ],
)
def test_vulkan_uses_integrated_cards_only_if_it_is_told_to(
    rules: CardRules, integrated: bool, serves: bool
) -> None:
    assert rules.vulkan_serves(integrated) is serves


@pytest.mark.parametrize(
    ("library", "vulkan", "rocm"),
    [("rocm_v7_2", False, True), ("vulkan", True, False), ("cuda_v13", False, False)],
)
def test_a_declared_library_leaves_the_others_out(library: str, vulkan: bool, rocm: bool) -> None:
    rules = card_rules(settings(ollama_environment={"OLLAMA_LLM_LIBRARY": library}))
    assert (rules.vulkan, rules.rocm) == (vulkan, rocm)


def test_libraries_of_rocm_are_for_hosts_whose_card_needs_them() -> None:
    assert rocm_digest(host()) is None
    assert rocm_digest(replace(host(), rocm=True)) == SHA["amd64-rocm"]
    assert rocm_digest(replace(host(ollama_sha256={"amd64": "a" * 64}), rocm=True)) is None
