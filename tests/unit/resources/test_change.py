"""Resources: from what was seen to what is to be done, and nothing when nothing differs."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace

import pytest

from llmrack.components.gateway.service import GatewayService, service
from llmrack.components.system.account import Linger, User
from llmrack.resources.change import Change, Shell, Upload, plan
from llmrack.resources.files import Directory, EnvironmentFile, File, Line, Link, quote_value
from llmrack.resources.look import Look, PathSeen, Seen, UnitSeen, parse
from llmrack.resources.look_script import script
from llmrack.resources.packages import Packages
from llmrack.resources.releases import Archive, Release, Source, Venv
from llmrack.resources.script import script_file
from llmrack.resources.units import Unit
from llmrack.secrets.value import Secret


def me() -> str:
    return subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()


def seen_of(*resources) -> Seen:
    """What this machine's own shell says, by the script that hosts run."""
    look = Look()
    for resource in resources:
        resource.look(look)
    done = subprocess.run(["sh", "-c", script(look, "n")], capture_output=True, text=True)
    return parse(done.stdout.splitlines(), look)


def carry_out(change) -> subprocess.CompletedProcess[str]:
    for action in change.actions:
        done = subprocess.run(
            ["sh", "-c", action.script], input=action.stdin or "", capture_output=True, text=True
        )
        if done.returncode:
            return done
    return done


def twice(resource) -> None:
    """It is changed once, and then is as declared."""
    change = resource.change(seen_of(resource), ())
    assert change
    done = carry_out(change)
    assert done.returncode == 0, done.stderr
    assert resource.change(seen_of(resource), ()) is None


@pytest.fixture(autouse=True)
def _notes_of_their_own(monkeypatch, tmp_path_factory):
    """What is noted of files is noted in a folder of the test's."""
    written = str(tmp_path_factory.mktemp("notes") / "written")
    monkeypatch.setattr("llmrack.resources.last_written.WRITTEN", written)
    monkeypatch.setattr("llmrack.resources.look_script.WRITTEN", written)


@pytest.fixture
def root(monkeypatch):
    """Let scripts for 'root' run as whoever runs the tests."""
    monkeypatch.setattr("llmrack.resources.files.owned", lambda owner, text: text)
    monkeypatch.setattr("llmrack.resources.releases.owned", lambda owner, text: text)


def test_directory_is_made_once(tmp_path, root):
    twice(Directory(str(tmp_path / "a" / "b"), me(), 0o750))


def test_file_is_written_once(tmp_path, root):
    twice(File(str(tmp_path / "f"), "one\ntwo $HOME `x` 'q'\n", me(), 0o640))


def test_file_edited_by_hand_is_put_back(tmp_path, root):
    file = File(str(tmp_path / "f"), "one\n", me())
    twice(file)
    (tmp_path / "f").write_text("other\n")
    assert file.change(seen_of(file), ()).why == "edited by hand"


def test_file_with_another_mode_is_put_right(tmp_path, root):
    file = File(str(tmp_path / "f"), "one\n", me(), 0o600)
    (tmp_path / "f").write_text("one\n")
    (tmp_path / "f").chmod(0o644)
    twice(file)


def test_path_with_a_space_is_one_path(tmp_path, root):
    twice(File(str(tmp_path / "a b"), "x\n", me()))


def test_link_is_switched_once(tmp_path, root):
    (tmp_path / "l").symlink_to("/old")
    twice(Link(str(tmp_path / "l"), "/new", me()))


def test_line_is_added_once(tmp_path, root):
    (tmp_path / "profile").write_text("first\n")
    twice(Line(str(tmp_path / "profile"), "second  # x", me()))
    assert (tmp_path / "profile").read_text() == "first\nsecond  # x\n"


def environment(tmp_path, **values) -> EnvironmentFile:
    secrets = {name: Secret(value) for name, value in values.items()}
    return EnvironmentFile(str(tmp_path / "env"), secrets, me(), "n")


def test_environment_file_is_closed_and_written_once(tmp_path, root):
    twice(environment(tmp_path, A_KEY="one", B_KEY='a "b" $c \\d'))
    assert (tmp_path / "env").stat().st_mode & 0o777 == 0o600


def test_environment_file_says_which_secrets_it_brings(tmp_path, root):
    (tmp_path / "env").write_text("A_KEY=one\n")
    file = environment(tmp_path, A_KEY="one", B_KEY="two")
    change = file.change(seen_of(file), ())
    assert change and change.secrets == ("B_KEY",)


def test_environment_file_keeps_keys_added_by_hand(tmp_path, root):
    (tmp_path / "env").write_text("# mine\nMINE=1\nA_KEY=old\n")
    (tmp_path / "env").chmod(0o600)
    twice(environment(tmp_path, A_KEY="new", B_KEY="two"))
    assert (tmp_path / "env").read_text() == "# mine\nMINE=1\nA_KEY=new\nB_KEY=two\n"


@pytest.mark.parametrize("value", ["", "<your key>", "changeme"])
def test_placeholder_never_overwrites_a_value(tmp_path, root, value):
    (tmp_path / "env").write_text("A_KEY=real\n")
    (tmp_path / "env").chmod(0o600)
    file = environment(tmp_path, A_KEY=value)
    assert file.change(seen_of(file), ()) is None


def test_environment_file_open_to_others_is_closed(tmp_path, root):
    (tmp_path / "env").write_text("A_KEY=one\n")
    (tmp_path / "env").chmod(0o644)
    twice(environment(tmp_path, A_KEY="one"))


def test_environment_values_travel_on_standard_input_alone(tmp_path):
    change = environment(tmp_path, A_KEY="canary-4711").change(Seen(), ())
    assert "canary" not in repr(change) and "canary" not in change.actions[0].script
    assert "canary-4711" in change.actions[0].stdin


def test_snapshot_shows_no_value_of_an_environment_file(tmp_path):
    (tmp_path / "env").write_text("A_KEY=canary-4711\n")
    file = environment(tmp_path, A_KEY="canary-4711")
    assert "canary" not in repr(seen_of(file))


@pytest.mark.parametrize("value", ["simple", "with space", 'qu"ote', "back\\slash", "d$llar", "'"])
def test_environment_value_is_read_back_by_systemd_rules(value):
    text = quote_value(Secret(value))
    inner = text[1:-1] if text.startswith('"') else text
    unescaped = inner.replace('\\"', '"').replace("\\$", "$").replace("\\`", "`")
    assert unescaped.replace("\\\\", "\\") == value


def test_release_appears_whole_and_once(tmp_path, root):
    files = (("config.yaml", "a: 1\n"), ("serve.py", "print('é')\n"), ("a/b/c.py", "d = 1\n"))
    release = Release(str(tmp_path / "r1"), me(), files, links=(("venv", "/opt/venv"),))
    twice(release)
    assert (tmp_path / "r1" / "serve.py").read_text() == "print('é')\n"
    assert (tmp_path / "r1" / "a" / "b" / "c.py").read_text() == "d = 1\n"
    assert (tmp_path / "r1" / "venv").readlink().as_posix() == "/opt/venv"


def test_release_edited_by_hand_is_put_back(tmp_path, root):
    release = Release(str(tmp_path / "r1"), me(), (("config.yaml", "a: 1\n"),))
    twice(release)
    (tmp_path / "r1" / "config.yaml").write_text("a: 2\n")
    change = release.change(seen_of(release), ())
    assert change.why == "edited by hand: config.yaml"
    carry_out(change)
    assert (tmp_path / "r1" / "config.yaml").read_text() == "a: 1\n"


def archive(tmp_path, sha, **changes):
    fields = {"upload": None, "urls": (f"file://{tmp_path}/a.tar.zst",)} | changes
    return Archive(f"{tmp_path}/release", (Source(sha, **fields),), me(), f"{tmp_path}/cache")


@pytest.fixture
def packed(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ollama").write_text("#!/bin/sh\n")
    (tmp_path / "bin" / "ollama").chmod(0o755)
    subprocess.run(["tar", "--zstd", "-cf", "a.tar.zst", "bin"], cwd=tmp_path, check=True)
    out = subprocess.run(["sha256sum", "a.tar.zst"], cwd=tmp_path, capture_output=True, text=True)
    return out.stdout[:64]


def test_archive_is_fetched_checked_and_unpacked_once(tmp_path, root, packed):
    twice(archive(tmp_path, packed))
    assert (tmp_path / "release" / "bin" / "ollama").exists()


def test_archive_with_another_digest_is_refused_and_leaves_nothing(tmp_path, root, packed):
    done = carry_out(archive(tmp_path, "0" * 64).change(Seen(), ()))
    assert done.returncode and "SHA-256 differs from ollama_sha256" in done.stdout
    assert not (tmp_path / "release").exists()


def test_archive_falls_back_to_the_next_source(tmp_path, root, packed):
    urls = (f"file://{tmp_path}/none.tar.zst", f"file://{tmp_path}/a.tar.zst")
    twice(archive(tmp_path, packed, urls=urls))


def test_local_archive_is_uploaded_instead_of_fetched():
    change = Archive("/r", (Source("a" * 64, "x.tar.zst", ()),), "llm", "/c").change(Seen(), ())
    assert isinstance(change.actions[0], Upload)


# Makes an environment whose programs note what they are asked.
PYTHON3 = """#!/bin/sh
mkdir -p "$3/bin"
for name in pip uv; do
  printf '#!/bin/sh\\necho "%s $*" >>%s\\n' "$name" "{log}" >"$3/bin/$name"
  chmod +x "$3/bin/$name"
done
"""


@pytest.mark.parametrize("bundle", [None, "bundle"])
def test_venv_is_installed_from_hashes_only_and_out_of_a_bundle_alone(
    tmp_path, root, monkeypatch, bundle
):
    (tmp_path / "python3").write_text(PYTHON3.format(log=tmp_path / "log"))
    (tmp_path / "python3").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    path = f"{tmp_path}/v"
    (tmp_path / "v.wheels").mkdir()
    venv = Venv(path, "a==1\n", "uv==1\n", me(), tmp_path / bundle if bundle else None)
    change = venv.change(Seen(), ())
    done = carry_out(replace(change, actions=change.actions[-1:]))
    assert done.returncode == 0, done.stderr
    pip, make, uv = (tmp_path / "log").read_text().splitlines()
    assert "--require-hashes" in pip and "--require-hashes" in uv and make.startswith("uv venv")
    for line in (pip, uv):
        assert (f"--no-index --find-links {path}.wheels" in line) == bool(bundle)
    assert ("--offline" in uv) == bool(bundle)
    # Both lock files came in one, and what was only needed on the way is gone.
    assert (tmp_path / "v" / "RELEASE").read_text().split() == ["a==1"]
    assert {file.name for file in tmp_path.iterdir()} == {"log", "python3", "v"}


def running(fresh=True, enabled="enabled", active="active") -> Seen:
    return Seen(units={"x.service": UnitSeen(active, enabled, fresh)})


def test_running_fresh_unit_is_left_alone():
    assert Unit("x.service", "llm", ()).change(running(), ()) is None


@pytest.mark.parametrize(
    ("seen", "changed", "why"),
    [
        (Seen(), (), "not running"),
        (running(active="failed"), (), "failed"),
        (running(enabled="disabled"), (), "not enabled"),
        (running(fresh=False), (), "started with other files than are there now"),
        (running(), ("File /x",), "after File /x"),
    ],
)
def test_unit_is_restarted_when_due(seen, changed, why):
    assert Unit("x.service", "llm", ("File /x",)).change(seen, changed).why == why


def gateway_seen(active, links, fresh=True) -> Seen:
    return Seen(
        units={service(c): UnitSeen("active", "enabled", fresh) for c in active},
        paths={f"/g/{name}": PathSeen("l", "llm", 0o777, link) for name, link in links.items()},
    )


GATEWAY = GatewayService(
    "llm",
    "/g",
    "/g/releases/2",
    "LoadCredential=k:/env",
    "/env",
    ("KEY",),
    "/unit",
    300,
    ("EnvironmentFile /env",),
)


def test_gateway_that_serves_its_release_is_left_alone():
    seen = gateway_seen(["blue"], {"blue": "/g/releases/2", "current": "/g/releases/2"})
    assert GATEWAY.change(seen, ()) is None


@pytest.mark.parametrize(
    ("seen", "changed", "why"),
    [
        (Seen(), (), "not running"),
        (gateway_seen(["blue", "green"], {"green": "/g/releases/2", "current": "/g/releases/2"}),
         (), "two releases run"),
        (gateway_seen(["blue"], {"blue": "/g/releases/1"}), (), "another release runs"),
        (gateway_seen(["blue"], {"blue": "/g/releases/2", "current": "/g/releases/2"}, False), (),
         "started with other files than are there now"),
        (gateway_seen(["blue"], {"blue": "/g/releases/2", "current": "/g/releases/2"}),
         ("EnvironmentFile /env",), "after EnvironmentFile /env"),
    ],
)  # fmt: skip
def test_gateway_is_swapped_when_due(seen, changed, why):
    assert GATEWAY.change(seen, changed).why == why


def test_gateway_swaps_to_the_idle_colour_and_gates_it_first():
    seen = gateway_seen(["green"], {"green": "/g/releases/1"})
    gate, swap = GATEWAY.change(seen, ()).actions
    assert "green blue /g/releases/2 LoadCredential=k:/env anew\n" in gate.script
    assert "green blue /g/releases/2 3 4\n" in swap.script


def test_only_missing_packages_are_installed():
    change = Packages(("curl", "zstd")).change(Seen(packages={"curl"}), ())
    assert change.actions[0].script == script_file("resources/install-packages.sh", "zstd")
    assert Packages(("curl",)).change(Seen(packages={"curl"}), ()) is None


def test_user_joins_only_groups_the_host_has():
    seen = Seen(users={"llm": []}, groups={"llm": {"llm"}}, facts={"known_groups": "video "})
    assert User("llm", "/home/llm", ("render", "video")).change(seen, ()).why == "not in video"
    seen.groups["llm"].add("video")
    assert User("llm", "/home/llm", ("render", "video")).change(seen, ()) is None


def test_linger_is_enabled_once():
    assert Linger("llm").change(Seen(linger={"llm"}), ()) is None
    assert isinstance(Linger("llm").change(Seen(), ()).actions[0], Shell)


def test_plan_knows_what_this_run_changes():
    file = File("/x", "a\n")
    changes = plan([file, Unit("x.service", None, (file.name,))], running())
    assert [change.why for change in changes] == ["missing", "after File /x"]


def test_answer_that_was_cut_short_is_refused():
    with pytest.raises(ValueError, match="cut short"):
        parse(["fact\tarch\tx86_64"], Look())


def test_archives_are_unpacked_one_over_the_other(tmp_path, root, packed):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "more.so").write_text("more")
    subprocess.run(["tar", "--zstd", "-cf", "b.tar.zst", "lib"], cwd=tmp_path, check=True)
    out = subprocess.run(["sha256sum", "b.tar.zst"], cwd=tmp_path, capture_output=True, text=True)
    more = out.stdout[:64]
    sources = (
        Source(packed, None, (f"file://{tmp_path}/a.tar.zst",)),
        Source(more, None, (f"file://{tmp_path}/b.tar.zst",)),
    )
    twice(Archive(f"{tmp_path}/release", sources, me(), f"{tmp_path}/cache"))
    assert (tmp_path / "release" / "bin" / "ollama").exists()
    assert (tmp_path / "release" / "lib" / "more.so").exists()
    assert (tmp_path / "release" / "RELEASE").read_text().split() == [packed, more]
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_release_of_one_archive_has_the_stamp_that_it_always_had(tmp_path, root, packed):
    twice(archive(tmp_path, packed))
    assert (tmp_path / "release" / "RELEASE").read_text() == f"{packed}\n"


def test_half_of_the_archives_is_no_release(tmp_path, root, packed):
    sources = (
        Source(packed, None, (f"file://{tmp_path}/a.tar.zst",)),
        Source("0" * 64, None, (f"file://{tmp_path}/a.tar.zst",)),
    )
    change = Archive(f"{tmp_path}/release", sources, me(), f"{tmp_path}/cache").change(Seen(), ())
    # The second one could not be fetched, and somebody unpacks all the same.
    done = carry_out(replace(change, actions=(change.actions[0], change.actions[-1])))
    assert done.returncode and "is damaged or not the pinned file" in done.stdout
    assert not (tmp_path / "release").exists()


class _Noted:
    """A resource that notes which ones it is told are changed."""

    def __init__(self, name, includes=()):
        self.name, self.includes, self.changed = name, includes, None

    def look(self, look):
        """Nothing."""

    def change(self, seen, changed):
        """Always due."""
        self.changed = list(changed)
        return Change(self.name, "due", (), includes=self.includes)


def test_what_a_change_includes_is_changed_once_and_counts_as_changed():
    first, second, third = _Noted("a", ("b",)), _Noted("b"), _Noted("c")
    assert [change.resource for change in plan([first, second, third], Seen())] == ["a", "c"]
    assert (second.changed, third.changed) == (None, ["a", "b"])
