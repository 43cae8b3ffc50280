"""Scripts of templates/: how they are put together, and that each of them is used."""

from __future__ import annotations

import ast
import re
import subprocess

import pytest

from llmrack.resources import script
from llmrack.resources.script import TEMPLATES, script_file, script_text

ROOT = TEMPLATES.parent
NAMES = sorted(str(file.relative_to(TEMPLATES)) for file in TEMPLATES.rglob("*.sh"))


@pytest.fixture
def templates(tmp_path, monkeypatch):
    """A folder of templates; what was read of others is forgotten."""
    monkeypatch.setattr(script, "TEMPLATES", tmp_path)
    script_text.cache_clear()
    yield tmp_path
    script_text.cache_clear()


def run(text):
    return subprocess.run(["sh", "-c", text], capture_output=True, text=True)


@pytest.mark.parametrize(
    "value", ["", "a b", "$(id)", "`id`", "'", '"', "a\nb", "\\", "*", "-n", "é"]
)
def test_an_argument_arrives_as_it_is(templates, value):
    (templates / "x.sh").write_text("""#!/bin/sh\nprintf '<%s>' "$@"\n""")
    assert run(script_file("x.sh", value, 7)).stdout == f"<{value}><7>"


def test_what_a_script_includes_comes_along_without_comments(templates):
    (templates / "y.sh").write_text('#!/bin/sh\n# hello TEXT\nhello() { echo "hello $1"; }\n')
    (templates / "x.sh").write_text('#!/bin/sh\n. y.sh\n  # It\'s an apostrophe.\nhello "$1"\n')
    assert run(script_file("x.sh", "you")).stdout == "hello you\n"
    assert "#" not in script_text("x.sh")


def test_a_script_ends_alone_and_leaves_nothing(templates):
    (templates / "x.sh").write_text("#!/bin/sh\ntrap 'echo cleaned' EXIT\nv=1\ncd /\nexit 3\n")
    done = run(f'v=; cd /tmp; {script_file("x.sh")} || echo "$? <$v> $PWD"')
    assert done.stdout == "cleaned\n3 <> /tmp\n"


def used():
    """The names of scripts in llmrack's source, and of those that they include."""
    source = "\n".join(path.read_text() for path in (ROOT / "llmrack").rglob("*.py"))
    names = set(re.findall(r"""["']([\w/-]+\.sh)["']""", source))
    look = re.findall(r'_(?:part|asked)\("([\w-]+)"', source)
    names |= {f"resources/look/{name}.sh" for name in [*look, "user-units"]}
    for name in NAMES:
        names |= set(re.findall(r"^\. (\S+)$", (TEMPLATES / name).read_text(), re.MULTILINE))
    return names


def test_every_script_is_there_and_used():
    assert used() == set(NAMES)


def long_texts(path):
    """Texts in a program that stretch over more than three lines, but for docstrings."""
    tree = ast.parse(path.read_text())
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.JoinedStr | ast.Constant) and id(node) not in alone
        if is_text and node.end_lineno - node.lineno >= 3:
            yield ast.get_source_segment(path.read_text(), node)


def test_no_shell_of_more_than_three_lines_stands_in_a_program():
    programs = [*(ROOT / "llmrack").rglob("*.py")]
    shell = re.compile(r"\$\(|\|\| |&& |; do\b|\b(fi|esac|done)\b")
    assert [text for path in programs for text in long_texts(path) if shell.search(text)] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_script_says_what_it_is_for(name):
    shebang, comment, *_ = (TEMPLATES / name).read_text().splitlines()
    assert shebang in ("#!/bin/sh", "#!/bin/bash")
    assert comment.startswith("# ")
