"""Pinning a release: the text of the settings, of which two values change and nothing else."""

from __future__ import annotations

import runpy

import pytest

from llmrack.stack.ollama.pinning import NotPinned, Pin, pin_in, read_checksums
from tests import ROOT

OLD = {"amd64": "a" * 64, "arm64": "b" * 64}
PIN = Pin("0.35.0", {"amd64": "c" * 64, "arm64": "d" * 64})
WITH_ROCM = Pin(PIN.version, {**PIN.digests, "amd64-rocm": "e" * 64})
PLAIN = f"""\
ollama_version = "0.34.4"
ollama_sha256 = {{
    "amd64": "{OLD["amd64"]}",
    "arm64": "{OLD["arm64"]}",
}}
"""


def pinned(text: str | bytes, **others: str) -> bytes:
    """What becomes of ``gpu.py``."""
    content = text.encode() if isinstance(text, str) else text
    files = {f"{name}.py": value.encode() for name, value in others.items()}
    change = pin_in({"gpu.py": content, **files}, PIN)
    assert change.name == "gpu.py" and change.before == content
    return change.after


def refused(text: str | bytes, **others: str) -> str:
    with pytest.raises(NotPinned) as caught:
        pinned(text, **others)
    return str(caught.value)


def expected(text: str | bytes) -> bytes:
    result = text.encode() if isinstance(text, str) else text
    for old, new in (("0.34.4", PIN.version), *((OLD[arch], PIN.digests[arch]) for arch in OLD)):
        result = result.replace(old.encode(), new.encode())
    return result


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace('"', "'"),
        "# Größe, 東京\n" + PLAIN + "# no end of line",
        b"\xef\xbb\xbf" + PLAIN.encode(),
        PLAIN.replace('"0.34.4"', '("0.34.4")  # "0.1.2"'),
        PLAIN.replace("ollama_version =", "ollama_version: str ="),
        'ue = "ü"; ' + PLAIN.replace("\n", "", 1).replace("ollama_sha256", "; ollama_sha256"),
        PLAIN + 'ollama_archive = ollama_version + ollama_sha256["amd64"]\n',
    ],
)
def test_two_values_change_and_nothing_else(text: str | bytes) -> None:
    assert pinned(text) == expected(text)


def test_shipped_settings_can_be_pinned() -> None:
    shipped = (ROOT / "group_data" / "gpu.py").read_bytes()
    change = pin_in({"gpu.py": shipped}, WITH_ROCM)
    new = change.after
    result: dict = {}
    exec(new, result)
    assert result["ollama_version"] == PIN.version
    assert result["ollama_sha256"] == WITH_ROCM.digests
    assert change.left_out == ()
    assert len(new.splitlines()) == len(shipped.splitlines())


def test_a_digest_that_the_file_does_not_have_is_told() -> None:
    change = pin_in({"gpu.py": PLAIN.encode()}, WITH_ROCM)
    assert change.after == expected(PLAIN)
    assert change.left_out == (("amd64-rocm", "e" * 64),)


def test_a_digest_that_the_release_does_not_have_is_not_left_as_it_was() -> None:
    text = PLAIN.replace("}", f'    "amd64-rocm": "{"9" * 64}",\n}}')
    with pytest.raises(NotPinned, match="has a digest for amd64-rocm, and the release's checksums"):
        pin_in({"gpu.py": text.encode()}, PIN)
    assert b"9" * 64 not in pin_in({"gpu.py": text.encode()}, WITH_ROCM).after


def test_a_file_that_names_the_release_already_stays_as_it_is() -> None:
    new = expected(PLAIN)
    assert pinned(new) == new


def test_it_is_told_which_release_was_named_before() -> None:
    assert pin_in({"gpu.py": PLAIN.encode()}, PIN).version == "0.34.4"


def test_the_file_that_names_the_release_is_found_among_others() -> None:
    assert pinned(PLAIN, all="service_user = 'llm'\n", broken="x = (") == expected(PLAIN)


@pytest.mark.parametrize(
    ("text", "others", "cause"),
    [
        ("x = 1\n", {}, "no file of group_data sets ollama_version"),
        (PLAIN + 'ollama_version = "0.34.4"\n', {}, "ollama_version is set more than once (gpu.py"),
        (PLAIN, {"all": PLAIN}, "is set more than once (gpu.py:1, all.py:1)"),
        (PLAIN + 'ollama_sha256["arm64"] = "x"\n', {}, "ollama_sha256 is set more than once"),
        (PLAIN + "ollama_sha256.update({})\n", {}, "ollama_sha256 is set more than once"),
        (PLAIN + 'ollama_version += "-x"\n', {}, "ollama_version is set more than once"),
        (PLAIN.replace('"0.34.4"', "VERSION"), {}, "gpu.py:1 computes ollama_version"),
        (PLAIN.replace('"0.34.4"', 'f"0.34.4"'), {}, "gpu.py:1 computes ollama_version"),
        (PLAIN.replace('"0.34.4"', '"0." "34.4"'), {}, "gpu.py:1 does not say it in one text"),
        (PLAIN.replace('"0.34.4"', 'r"0.34.4"'), {}, "gpu.py:1 does not say it in one text"),
        (PLAIN + "x = (\n", {}, "gpu.py is not Python"),
        ('if True:\n    ollama_version = "1"\n', {}, "gpu.py:2 computes ollama_version"),
        ('ollama_version = x = "0.34.4"\n', {}, "gpu.py:1 computes ollama_version"),
        ('ollama_version = "1"\nollama_sha256 = dict(a="b")\n', {}, "gpu.py:2 computes"),
        (PLAIN.replace('"arm64"', '"riscv"'), {}, "gpu.py:2 has not one digest for each"),
        (PLAIN.replace("\n}", "\n    **MORE,\n}"), {}, "gpu.py:2 has not one digest for each"),
        (PLAIN.replace(f'"{OLD["arm64"]}"', "DIGEST"), {}, "gpu.py:2 has not one digest for each"),
        ('ollama_version = "1"\n', {"all": PLAIN.split("\n", 1)[1]}, "set one of the two each"),
    ],
)
def test_what_a_program_cannot_rewrite_safely_is_left_to_a_hand(
    text: str, others: dict[str, str], cause: str
) -> None:
    reason = refused(text, **others)
    assert cause in reason
    by_hand: dict = {}
    exec(reason.partition("set it by hand:")[2], by_hand)
    assert (by_hand["ollama_version"], by_hand["ollama_sha256"]) == (PIN.version, PIN.digests)


def listed(**digests: str) -> str:
    return "".join(f"{value}  ./ollama-linux-{arch}.tar.zst\n" for arch, value in digests.items())


@pytest.mark.parametrize(
    "text",
    [
        listed(**OLD),
        listed(**OLD).replace("  ./", "  "),
        listed(**OLD).replace("  ./", " *"),
        listed(**OLD).upper().replace("/OLLAMA-LINUX-", "/ollama-linux-").replace(
            "AMD64.TAR.ZST", "amd64.tar.zst").replace("ARM64.TAR.ZST", "arm64.tar.zst"),
        listed(**OLD).replace("\n", "\r\n"),
        listed(**{"amd64-mlx": "e" * 64, "arm64-jetpack6": "f" * 64}) + listed(**OLD) * 2,
    ],
)  # fmt: skip
def test_checksums_are_those_of_the_archives(text: str) -> None:
    assert read_checksums(text, "there") == OLD


def test_checksums_have_the_libraries_of_rocm() -> None:
    rocm = {"amd64-rocm": "e" * 64}
    assert read_checksums(listed(**OLD, **rocm), "there") == OLD | rocm


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is no list of checksums"),
        ("<html>sign in</html>", "there is no list of checksums"),
        ("a" * 63 + "  ./ollama-linux-amd64.tar.zst", "there is no list of checksums"),
        (listed(amd64="a" * 64), "there has no checksum for ollama-linux-arm64.tar.zst"),
        (
            listed(**OLD) + listed(amd64="c" * 64),
            "there has 2 checksums for ollama-linux-amd64.tar.zst",
        ),
    ],
)
def test_a_list_that_says_too_little_or_too_much_is_refused(text: str, message: str) -> None:
    with pytest.raises(NotPinned, match=message):
        read_checksums(text, "there")


def test_the_command_in_the_docs_names_the_release_that_ships() -> None:
    version = runpy.run_path(str(ROOT / "group_data" / "gpu.py"))["ollama_version"]
    for page in ("README.md", "docs/upgrade.md"):
        assert f"\nllmrack pin ollama {version}" in (ROOT / page).read_text()
