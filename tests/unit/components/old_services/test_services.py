"""Services that `replaces` names: how a host shows them, how they are stopped and brought back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from llmrack.components.old_services.services import (
    OldModels,
    OldService,
    holds_port,
    noted_entries,
    notes,
    old_services,
    old_services_part,
    refusals,
)
from llmrack.resources.look import ListenerSeen, Look, Seen, parse
from llmrack.resources.look_script import script
from llmrack.resources.script import script_file
from tests.unit.components.old_services.pretended_services import Pretended
from tests.unit.declare import settings

NAME = "ollama.service"
MODELS = "/home/llm/.ollama/models"


@pytest.fixture
def box(tmp_path: Path) -> Pretended:
    return Pretended(tmp_path)


def look(box: Pretended, *entries: str, models: str = MODELS) -> dict[str, OldService]:
    asked = Look()
    asked.ask(old_services_part(settings(replaces=entries), models))
    printed = box.sh(script(asked, "n")).stdout
    return dict(old_services(parse(printed.splitlines(), asked)))


def replaced(box: Pretended, *entries: str) -> str:
    """What is printed where they are stopped; empty where all went well."""
    done = box.sh(script_file("old_services/replace.sh", *entries))
    assert bool(done.returncode) == bool(done.stdout), done
    assert not done.stderr
    return done.stdout


def given_back(box: Pretended, *entries: str, by: str = "give-back") -> str:
    done = box.sh(script_file(f"old_services/{by}.sh", *entries))
    assert not done.stderr
    return f"{done.returncode} {done.stdout}"


def test_the_look_sees_a_unit_that_runs(box: Pretended) -> None:
    box.unit(NAME)
    assert look(box, NAME) == {NAME: OldService(NAME, runs=True, held=False, noted=False)}


@pytest.mark.parametrize(
    ("active", "runs"),
    [
        ("active", True),
        ("activating", True),
        ("deactivating", True),
        ("inactive", False),
        ("failed", False),
    ],
)
def test_a_unit_that_is_started_again_and_again_runs(
    box: Pretended, active: str, runs: bool
) -> None:
    box.unit(NAME, active)
    assert look(box, NAME)[NAME].runs == runs


def test_a_masked_unit_does_not_start_again(box: Pretended) -> None:
    box.unit(NAME, "inactive", LoadState="masked")
    assert look(box, NAME)[NAME].is_replaced


def test_of_what_the_host_does_not_have_nothing_is_seen(box: Pretended) -> None:
    box.unit("other.service")
    assert look(box, NAME, "docker:ollama", "podman:ollama") == {}


def test_a_unit_is_known_by_another_name_as_well(box: Pretended) -> None:
    box.unit("llm.service", Id=NAME)
    assert look(box, "llm.service")["llm.service"].unit == NAME


def test_a_socket_tells_its_ports(box: Pretended) -> None:
    box.unit("llm.socket", Listen="0.0.0.0:4000 (Stream)\n[::]:4001 (Stream)\n/run/x (Stream)")
    assert look(box, "llm.socket")["llm.socket"].ports == {4000, 4001}


def test_the_look_sees_containers(box: Pretended) -> None:
    ports = '{"4000/tcp":[{"HostIp":"","HostPort":"11434"},{"HostIp":"::1","HostPort":"11435"}]}'
    box.container("docker", "ollama", "unless-stopped", ports=ports)
    box.container("podman", "litellm", "always", removed="true", ports="null")
    box.unit("podman-restart.service", enabled="")
    assert look(box, "docker:ollama", "podman:litellm") == {
        "docker:ollama": OldService("f0e1", True, False, False, frozenset({11434, 11435}), pid="7"),
        "podman:litellm": OldService("f0e1", True, False, False, frozenset(), True, "7"),
    }


def test_nothing_starts_a_container_of_podman_again_without_its_unit(box: Pretended) -> None:
    box.container("podman", "ollama", "always", running="false")
    assert look(box, "podman:ollama")["podman:ollama"].is_replaced


def test_the_models_of_a_unit_are_those_of_its_user(box: Pretended, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / ".ollama" / "models" / "manifests").mkdir(parents=True)
    (home / ".ollama" / "models" / "blob").write_bytes(b"x" * 50_000)
    (box.folder / "bin" / "getent").write_text(
        f"#!/bin/sh\necho 'ollama:x:999:999::{home}:/bin/false'\n"
    )
    (box.folder / "bin" / "getent").chmod(0o755)
    box.unit(NAME, User="ollama", MainPID="0", Environment="PATH=/usr/bin OLLAMA_HOST=0.0.0.0")
    models = look(box, NAME)[NAME].models
    assert models and models.size > 50_000
    assert models == OldModels(f"{home}/.ollama/models", models.size, "ollama", str(home))
    assert look(box, NAME, models=f"{home}/.ollama/models")[NAME].models is None


def test_models_that_are_in_the_new_folder_already_are_not_left_aside(
    box: Pretended, tmp_path: Path
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        (folder / "manifests/registry/library/llama").mkdir(parents=True)
        (folder / "manifests/registry/library/llama/1b").touch()
    box.unit(NAME, MainPID="0", Environment=f"OLLAMA_MODELS={old}")
    assert look(box, NAME, models=str(new))[NAME].models is None
    (old / "manifests/registry/library/llama/3b").touch()
    assert look(box, NAME, models=str(new))[NAME].models


def test_a_unit_s_variable_says_where_its_models_are(box: Pretended, tmp_path: Path) -> None:
    (tmp_path / "big" / "manifests").mkdir(parents=True)
    box.unit(NAME, MainPID="0", Environment=f'A=b "OLLAMA_MODELS={tmp_path}/big"')
    models = look(box, NAME)[NAME].models
    assert models and (models.folder, models.user) == (f"{tmp_path}/big", "root")


@pytest.mark.parametrize(
    ("source", "destination", "folder"),
    [
        ("volume", "/root/.ollama", "volume/models"),
        ("volume/models", "/root/.ollama/models", "volume/models"),
        ("volume", "/root/.ollama-of-others", None),
    ],
)
def test_the_models_of_a_container_are_where_they_lie_on_the_host(
    box: Pretended, tmp_path: Path, source: str, destination: str, folder: str | None
) -> None:
    (tmp_path / "volume" / "models" / "manifests").mkdir(parents=True)
    mounts = [
        '{"Type":"bind","Source":"/etc/x","Destination":"/etc/x","RW":true}',
        f'{{"Type":"bind","Source":"{tmp_path}/{source}","Destination":"{destination}","RW":true}}',
        f'{{"Destination":"{destination}","RW":true,"Source":"{tmp_path}/{source}","Type":"bind"}}',
    ]
    for name, parts in {"podman": mounts[:2], "docker": mounts[::2]}.items():
        box.container(name, "ollama", mounts=f"[{','.join(parts)}]")
        models = look(box, f"{name}:ollama")[f"{name}:ollama"].models
        assert (models and models.folder) == (folder and f"{tmp_path}/{folder}")


def test_a_unit_is_stopped_kept_from_starting_and_noted(box: Pretended) -> None:
    box.unit(NAME)
    assert replaced(box, NAME) == ""
    assert box.notes == [f"replaced {NAME} running"]
    assert look(box, NAME) == {NAME: OldService(NAME, runs=False, held=True, noted=True)}
    assert box.drop_in(NAME).read_text().splitlines()[2:] == [
        "[Unit]",
        "ConditionPathExists=!/etc/systemd/system/%n.d/llmrack-replaces.conf",
    ]
    assert oct(box.drop_in(NAME).stat().st_mode)[-3:] == "644"
    # It stays enabled, and units that require it go on.
    assert not [call for call in box.calls if "disable" in call or "mask" in call]
    assert f"systemctl --job-mode=ignore-dependencies stop -- {NAME}" in box.calls


def test_a_unit_comes_back_as_it_was(box: Pretended) -> None:
    box.unit(NAME)
    box.unit("idle.service", "inactive")
    assert replaced(box, NAME, "idle.service") == ""
    assert given_back(box, NAME, "idle.service") == f"0 {NAME} runs again\n"
    assert (box.state(NAME), box.state("idle.service")) == ("active", "inactive")
    assert box.notes == []
    assert list((box.folder / "etc").iterdir()) == []


def test_a_drop_in_of_somebody_else_stays(box: Pretended) -> None:
    box.unit(NAME)
    box.drop_in(NAME).parent.mkdir(parents=True)
    other = box.drop_in(NAME).with_name("override.conf")
    other.write_text("[Service]\n")
    replaced(box, NAME)
    given_back(box, NAME)
    assert list(box.drop_in(NAME).parent.iterdir()) == [other]


def test_the_first_note_stays_where_it_runs_again(box: Pretended) -> None:
    box.unit(NAME, "inactive")
    replaced(box, NAME)
    (box.folder / "units" / NAME / "ActiveState").write_text("active\n")
    assert look(box, NAME)[NAME].noted
    replaced(box, NAME)
    assert box.notes == [f"replaced {NAME} stopped"]
    assert box.state(NAME) == "inactive"


def test_what_the_host_does_not_have_is_left_alone(box: Pretended) -> None:
    assert replaced(box, NAME, "docker:ollama") == ""
    assert box.notes == []
    assert not (box.folder / "etc").exists()


def test_what_is_gone_by_now_is_forgotten(box: Pretended) -> None:
    (box.folder / "made").write_text(f"replaced {NAME} running\nreplaced docker:a running no\n")
    assert given_back(box, NAME, "docker:a") == "0 "
    assert box.notes == []


@pytest.mark.parametrize("policy", ["no", "always", "unless-stopped", "on-failure:5"])
def test_a_container_loses_its_policy_and_gets_it_back(box: Pretended, policy: str) -> None:
    place = box.container("docker", "ollama", policy)
    assert replaced(box, "docker:ollama") == ""
    assert (place / "running").read_text() == "false\n"
    assert (place / "policy").read_text() == "no\n"
    assert box.notes == [f"replaced docker:ollama running {policy}"]
    assert look(box, "docker:ollama")["docker:ollama"].is_replaced
    assert given_back(box, "docker:ollama") == "0 docker:ollama runs again\n"
    assert (place / "running").read_text() == "true\n"
    assert (place / "policy").read_text() == f"{policy}\n"
    assert box.notes == []


def test_an_older_podman_whose_unit_starts_containers_refuses(box: Pretended) -> None:
    place = box.container("podman", "ollama", "always", old="")
    box.unit("podman-restart.service", enabled="")
    printed = replaced(box, "podman:ollama")
    assert "podman cannot take the restart policy always from ollama" in printed
    assert "podman:ollama cannot be stopped" in printed
    assert box.notes == []
    assert (place / "running").read_text() == "true\n"


def test_where_one_cannot_be_stopped_those_before_it_are_back(box: Pretended) -> None:
    box.unit(NAME)
    box.unit("b.service", stays="")
    printed = replaced(box, NAME, "b.service")
    assert printed.splitlines()[:2] == ["b.service cannot be stopped", f"{NAME} runs again"]
    assert box.state(NAME) == "active"
    assert box.notes == []


def test_one_that_does_not_stay_up_says_why_and_its_note_stays(box: Pretended) -> None:
    unit = box.unit(NAME)
    replaced(box, NAME)
    (unit / "ends").touch()
    assert given_back(box, NAME) == (
        f"1 {NAME} does not stay up; its journal ends with:\naddress in use\n"
    )
    assert box.notes == [f"replaced {NAME} running"]
    assert not box.drop_in(NAME).exists()


def test_one_that_is_no_longer_declared_and_finds_no_port_is_not_tried_for_ever(
    box: Pretended,
) -> None:
    unit = box.unit(NAME)
    replaced(box, NAME)
    (unit / "ends").touch()
    printed = given_back(box, NAME, by="no-longer-replace")
    assert printed.startswith("1 ")
    assert f"{NAME} stays stopped: if llmrack has its port, give one of them another" in printed
    assert box.drop_in(NAME).exists()
    assert box.state(NAME) == "inactive"
    assert box.notes == [f"replaced {NAME} running"]


UNIT = OldService(NAME, runs=True, held=False, noted=False)
CONTAINER = OldService("f0e1d2", True, False, False, frozenset({11434}))


def at(address: str, program: str, unit: str) -> ListenerSeen:
    return ListenerSeen(address, "7", program, unit, "root")


def test_a_unit_holds_what_its_processes_hold() -> None:
    assert UNIT.holds(at("*:11434", "ollama", NAME))
    assert not UNIT.holds(at("*:11434", "ollama", "other.service"))


def test_a_unit_of_a_user_with_the_same_name_is_another_one() -> None:
    stopped = OldService(NAME, runs=False, held=False, noted=False)
    assert not stopped.holds(at("*:11434", "ollama", NAME))


def test_a_container_holds_what_it_publishes_and_what_runs_in_it() -> None:
    assert CONTAINER.holds(at("0.0.0.0:11434", "docker-proxy", "docker.service"))
    assert CONTAINER.holds(at("0.0.0.0:11434", "conmon", "libpod-conmon-f0e1d2.scope"))
    assert CONTAINER.holds(at("*:4000", "ollama", "docker-f0e1d2.scope"))
    in_session = replace(CONTAINER, pid="7")
    assert in_session.holds(at("*:4000", "ollama", "session-4.scope"))
    assert not CONTAINER.holds(at("0.0.0.0:4000", "docker-proxy", "docker.service"))
    assert not CONTAINER.holds(at("0.0.0.0:11434", "ollama", "session-4.scope"))


def test_a_socket_holds_its_port_by_systemd() -> None:
    socket = OldService("llm.socket", True, False, False, frozenset({4000}))
    assert socket.holds(at("0.0.0.0:4000", "systemd", "init.scope"))
    assert not socket.holds(at("0.0.0.0:4001", "systemd", "init.scope"))


def test_the_service_that_has_a_port_is_known() -> None:
    seen = Seen(parts={"old": {NAME: UNIT}}, listeners=[at("[::1]:11434", "ollama", NAME)])
    assert holds_port(seen, NAME, {11434})
    assert not holds_port(seen, NAME, {4000})
    assert not holds_port(seen, "docker:ollama", {11434})


def test_notes_name_what_was_replaced() -> None:
    made = {"user llm", f"replaced {NAME} running", "replaced docker:a running always", "kept /x"}
    assert noted_entries(Seen(made=made)) == ["docker:a", NAME]


def test_the_plan_says_what_the_host_does_not_have() -> None:
    assert notes(settings(replaces=[NAME]), Seen()) == [
        f"replaces names {NAME}, which is not on this host: nothing to do"
    ]


def test_a_container_that_could_not_come_back_is_refused() -> None:
    vanishing = OldService("f0", True, False, False, vanishes=True)
    seen = Seen(parts={"old": {"docker:a": vanishing}})
    (text,) = refusals(settings(replaces=["docker:a"]), seen)
    assert text.startswith("docker:a was started with --rm: once it is stopped it is gone")
    with_unit = Seen(parts={"old": {"docker:a": vanishing, NAME: UNIT}})
    assert refusals(settings(replaces=["docker:a", NAME]), with_unit) == []
    assert refusals(settings(replaces=["docker:a"]), Seen()) == []
