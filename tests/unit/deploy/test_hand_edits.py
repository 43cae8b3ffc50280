"""Edits by hand: told from a changed declaration, undone or kept, shown without secrets."""

from __future__ import annotations

import subprocess
from collections.abc import Collection
from pathlib import Path

import pytest

from llmrack.components.monitor.prometheus import PrometheusConfiguration
from llmrack.deploy.hand_edits import MOST_LINES, Contents, diff
from llmrack.resources.change import Resource
from llmrack.resources.files import EnvironmentFile, File
from llmrack.resources.look import Look, Seen, parse
from llmrack.resources.look_script import script
from llmrack.resources.releases import Release
from llmrack.secrets.value import Secret
from llmrack.stack.settings import Settings

ME = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Scripts run as whoever runs the tests, and make their notes in a folder of the test's."""
    monkeypatch.setattr("llmrack.resources.files.owned", lambda owner, text: text)
    monkeypatch.setattr("llmrack.resources.releases.owned", lambda owner, text: text)
    written = str(tmp_path / "notes" / "written")
    monkeypatch.setattr("llmrack.resources.last_written.WRITTEN", written)
    monkeypatch.setattr("llmrack.resources.look_script.WRITTEN", written)


def seen(resource: Resource, kept: Collection[str] = ()) -> Seen:
    look = Look()
    resource.look(look)
    done = subprocess.run(["sh", "-c", script(look, "n")], capture_output=True, text=True)
    return parse(done.stdout.splitlines(), look, kept)


def make(resource: Resource, kept: Collection[str] = ()) -> None:
    change = resource.change(seen(resource, kept), ())
    assert change
    for action in change.actions:
        subprocess.run(["sh", "-c", action.script], input=action.stdin, text=True, check=True)


def why(resource: Resource) -> str:
    change = resource.change(seen(resource), ())
    return change.why if change else ""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


def file(path: Path, content: str) -> File:
    return File(str(path), content, ME)


def test_a_changed_declaration_is_no_edit(path: Path) -> None:
    make(file(path, "one\n"))
    assert why(file(path, "two\n")) == "content differs"


def test_an_edit_is_one(path: Path) -> None:
    make(file(path, "one\n"))
    path.write_text("mine\n")
    change = file(path, "one\n").change(seen(file(path, "")), ())
    assert change and (change.why, change.edited) == ("edited by hand", (str(path),))


def test_an_edit_is_one_also_when_the_declaration_has_changed(path: Path) -> None:
    make(file(path, "one\n"))
    path.write_text("mine\n")
    assert why(file(path, "two\n")) == "edited by hand"


def test_a_file_that_nobody_noted_is_not_taken_for_edited(path: Path) -> None:
    path.write_text("from before notes were made\n")
    assert why(file(path, "one\n")) == "content differs"


def test_what_a_run_left_that_was_cut_off_after_its_note_is_no_edit(path: Path) -> None:
    make(file(path, "one\n"))
    make(file(path, "two\n"))
    path.write_text("one\n")
    assert why(file(path, "two\n")) == "content differs"


def test_what_was_put_back_after_two_failures_is_no_edit(path: Path) -> None:
    make(file(path, "good\n"))
    for _ in range(2):
        make(file(path, "bad\n"))
        path.write_text("good\n")
    assert why(file(path, "bad\n")) == "content differs"


def test_older_notes_go(path: Path, tmp_path: Path) -> None:
    for content in range(9):
        make(file(path, f"{content}\n"))
    assert len((tmp_path / "notes" / "written").read_text().splitlines()) == 5


def test_notes_are_roots_alone(path: Path, tmp_path: Path) -> None:
    make(file(path, "one\n"))
    assert (tmp_path / "notes" / "written").stat().st_mode & 0o777 == 0o600


def test_an_edit_that_is_kept_stays(path: Path) -> None:
    make(file(path, "one\n"))
    path.write_text("mine\n")
    assert file(path, "one\n").change(seen(file(path, ""), [str(path)]), ()) is None


def test_a_changed_declaration_is_carried_out_where_edits_would_be_kept(path: Path) -> None:
    make(file(path, "one\n"), [str(path)])
    make(file(path, "two\n"), [str(path)])
    assert path.read_text() == "two\n"


def environment(path: Path, **values: str) -> EnvironmentFile:
    return EnvironmentFile(str(path), {k: Secret(v) for k, v in values.items()}, ME, "n")


def test_an_edited_key_is_told_from_one_that_is_declared_anew(path: Path) -> None:
    make(environment(path, A_KEY="first", B_KEY="second"))
    path.write_text(path.read_text().replace("first", "mine"))
    declared = environment(path, A_KEY="first", B_KEY="another")
    assert why(declared) == "keys A_KEY (edited by hand), B_KEY"


def test_an_edited_key_that_is_kept_stays_and_others_are_written(path: Path) -> None:
    make(environment(path, A_KEY="first", B_KEY="second"))
    path.write_text(path.read_text().replace("first", "mine"))
    make(environment(path, A_KEY="first", B_KEY="another"), [str(path)])
    assert path.read_text() == "A_KEY=mine\nB_KEY=another\n"


def test_notes_of_keys_do_not_tell_their_values(path: Path, tmp_path: Path) -> None:
    make(environment(path, A_KEY="first"))
    assert "first" not in (tmp_path / "notes" / "written").read_text()


def test_an_edited_file_of_a_release_is_put_back_or_kept(tmp_path: Path) -> None:
    release = Release(str(tmp_path / "r"), ME, (("a", "one\n"), ("b", "two\n")))
    make(release)
    (tmp_path / "r" / "a").write_text("mine\n")
    assert why(release) == "edited by hand: a"
    assert release.change(seen(release, [f"{tmp_path}/r/a"]), ()) is None


def test_a_kept_file_of_prometheus_differs_no_more(tmp_path: Path) -> None:
    config = PrometheusConfiguration("/p", (("prometheus.yml", "a\n"), ("rules.yml", "b\n")), ())
    its = Seen(hashes={"/p/rules.yml": "x"}, edited={"/p/rules.yml"}, kept={"/p/rules.yml"})
    change = config.change(its, ())
    assert change and change.why == "differs: prometheus.yml"


def test_paths_in_one_text_are_separated_by_commas() -> None:
    assert Settings.model_validate({"keep_edits": "/a,/b@c"}).keep_edits == ("/a", "/b@c")


def test_a_diff_leads_from_the_edit_to_what_is_declared() -> None:
    assert diff("/f", "one\nmine\n", "one\ntwo\n") == [
        "--- /f (as edited)",
        "+++ /f (as declared)",
        "@@ -1,2 +1,2 @@",
        " one",
        "-mine",
        "+two",
    ]


@pytest.mark.parametrize(
    "line",
    [
        'Environment="MY_API_KEY=abcdefgh"',
        "token: abcdefgh",
        "password = 'abcdefgh'",
        "Authorization: Bearer abcdefgh",
        "Environment=HTTPS_PROXY=http://me:abcdefgh@proxy:3128",
        "curl -d sk-abcdefgh",
        '{"client_secret": "abcdefgh"}',
    ],
)
def test_a_secret_that_was_typed_in_is_not_shown(line: str) -> None:
    shown = "\n".join(diff("/f", f"{line}\n", "x\n"))
    assert "abcdefgh" not in shown
    assert "********" in shown


def test_what_is_no_secret_is_shown() -> None:
    assert "-Environment=OLLAMA_KEEP_ALIVE=5m" in diff("/f", "Environment=OLLAMA_KEEP_ALIVE=5m", "")


def test_a_long_diff_is_cut() -> None:
    shown = diff("/f", "".join(f"{n}\n" for n in range(500)), "")
    assert len(shown) == MOST_LINES + 1
    assert shown[-1] == "... and 443 lines more"


def test_contents_come_as_they_are_and_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a b").write_bytes(b"\x00\tone\n\ntwo")
    (tmp_path / "link").symlink_to("/etc/shadow")
    paths = [str(tmp_path / name) for name in ("a b", "link", "none")]
    command = Contents().command(paths).get_raw_value()
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert Contents().process(done.stdout.splitlines()) == {paths[0]: b"\x00\tone\n\ntwo"}
