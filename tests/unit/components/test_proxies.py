"""What a proxy and a company's authority change on hosts, and where the login is."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from llmrack.components.gateway.gateway import variables
from llmrack.components.plan import by_component, plan_text
from llmrack.components.removal import removals
from llmrack.components.system.authority import INSTALLED, PATH, Authority, AuthorityGone
from llmrack.resources import script
from llmrack.resources.absent import PathsGone
from llmrack.resources.change import Shell
from llmrack.resources.downloads import variable_lines
from llmrack.resources.files import EnvironmentFile, File
from llmrack.resources.look import PathSeen, Seen
from llmrack.resources.packages import Packages
from llmrack.resources.releases import Archive, Release, Source, Venv
from llmrack.resources.units import Unit
from llmrack.secrets.value import Secret
from llmrack.site.site import Site
from llmrack.stack.fleet import Fleet
from llmrack.stack.proxies import with_proxies
from tests.unit.declare import host, site, stack

ADDRESS = "http://proxy.corp:3128"
LOGIN = "llm:p%40ss-canary"
PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
HOME = "/home/llm/.config/llmrack"


def behind(login: str | None = "PROXY_LOGIN", fleet: int = 2) -> Site:
    settings: dict[str, Any] = {
        "proxy": ADDRESS,
        "proxy_login": login,
        "no_proxy": ["corp.example"],
        "ollama_bind": "0.0.0.0",
    }
    boxes = [host(**settings)]
    boxes += [host(f"box{n}", ("gpu",), f"10.0.0.{n}", **settings) for n in range(2, fleet + 1)]
    secrets = {"LITELLM_MASTER_KEY": Secret("sk-1"), "PROXY_LOGIN": Secret(LOGIN)}
    return site(fleet=with_proxies(Fleet(tuple(boxes))), secrets=secrets)


def resources(of: Site, component: str) -> list[Any]:
    return by_component(of, of.fleet.hosts[0], "amd64", "n")[component]


def file(of: Site, path: str) -> str:
    return str(next(r.content for r in resources(of, "ollama") if r.name == f"File {path}"))


def test_ollama_pulls_through_the_proxy_and_never_by_http() -> None:
    lines = file(behind(), f"{HOME}/ollama/main.env").splitlines()
    assert f"HTTPS_PROXY={ADDRESS}" in lines
    assert "NO_PROXY=localhost,127.0.0.1,::1,corp.example" in lines
    assert not any(line.startswith("HTTP_PROXY") for line in lines)


def test_a_new_host_restarts_no_ollama() -> None:
    environment = f"{HOME}/ollama/main.env"
    assert file(behind(fleet=2), environment) == file(behind(fleet=3), environment)


def test_the_unit_of_ollama_starts_with_the_login_and_anew_with_another() -> None:
    text = file(behind(), "/home/llm/.config/systemd/user/llmrack-ollama@.service")
    assert text.index("%i.env\n") < text.index(f"EnvironmentFile={HOME}/proxy.env\n")
    (unit,) = [r for r in resources(behind(), "ollama") if isinstance(r, Unit) and "main" in r.unit]
    assert f"EnvironmentFile {HOME}/proxy.env" in unit.depends
    assert "proxy.env" not in file(
        behind(None), "/home/llm/.config/systemd/user/llmrack-ollama@.service"
    )


def test_the_login_leaves_a_host_without_ollama_although_the_gateway_has_one() -> None:
    declared = behind()
    (one, *_) = declared.fleet.hosts
    gateway_alone = type(one)(**{**vars(one), "groups": frozenset({"gateway"})})
    left = [r for r in resources(site(fleet=Fleet((gateway_alone,))), "ollama")]
    assert any(f"{HOME}/proxy.env" in r.patterns for r in left if isinstance(r, PathsGone))


def test_the_login_is_in_closed_files_alone() -> None:
    declared = behind()
    every = [r for part in by_component(declared, declared.fleet.hosts[0], "amd64").values()
             for r in part]  # fmt: skip
    with_login = {
        r.path
        for r in every
        if isinstance(r, EnvironmentFile)
        and r.mode == 0o600
        and any(LOGIN in value.reveal() for value in r.values.values())
    }
    assert with_login == {f"{HOME}/proxy.env", f"{HOME}/gateway.env"}
    contents = [r.content for r in every if isinstance(r, File)]
    contents += [text for r in every if isinstance(r, Release) for _, text in r.files]
    assert not any("canary" in text for text in [*contents, *map(repr, every)])
    assert "canary" not in plan_text(declared, declared.fleet.hosts[0], True)


def test_everything_that_a_host_downloads_goes_that_way() -> None:
    declared = behind()
    of_host = declared.fleet.hosts[0].downloads
    declared_resources = [
        resource
        for part in ("system", "ollama", "gateway")
        for resource in resources(declared, part)
    ]
    archives = [resource for resource in declared_resources if isinstance(resource, Archive)]
    fetched: list[Source | Packages | Venv] = [
        source for archive in archives for source in archive.sources
    ]
    fetched += [each for each in declared_resources if isinstance(each, Packages | Venv)]
    assert {type(each) for each in fetched} == {Packages, Source, Venv}
    assert all(each.downloads == of_host for each in fetched)
    assert f"https_proxy=http://{LOGIN}@proxy.corp:3128\n" in variable_lines(
        of_host, declared.secrets
    )


def test_the_gateway_asks_outside_through_the_proxy_and_the_lan_directly() -> None:
    declared = behind()
    lines = variables(stack(), declared.fleet.hosts[0]).splitlines()
    assert f"HTTPS_PROXY={ADDRESS}" in lines and "LLMRACK_PROXY_LOGIN=PROXY_LOGIN" in lines
    assert not any(line.startswith("HTTP_PROXY") for line in lines)
    (exempt,) = [line for line in lines if line.startswith("NO_PROXY=")]
    names = exempt.partition("=")[2].split(",")
    assert {"box1", "box2", "10.0.0.1", "10.0.0.2", "vllm", "corp.example"} <= set(names)
    assert "ollama.com" not in names


def test_the_plan_names_the_proxy_and_what_is_asked_without_it() -> None:
    declared = behind()
    text = plan_text(declared, declared.fleet.hosts[0], False)
    assert f"by the proxy {ADDRESS} (login: the secret PROXY_LOGIN)" in text
    assert "asks without it: localhost, 127.0.0.1, ::1, box1, 10.0.0.1, box2" in text


def test_without_the_settings_nothing_names_a_proxy() -> None:
    declared = site()
    for one in declared.fleet.hosts:
        text = plan_text(declared, one, True)
        assert "PROXY" not in text and "REQUESTS_CA_BUNDLE" not in text
    resources_ = [r for part in by_component(declared, declared.fleet.hosts[0], "amd64").values()
                  for r in part]  # fmt: skip
    assert not any(getattr(r, "downloads", None) for r in resources_)


def authority(seen: Seen) -> list[Shell]:
    change = Authority(PEM).change(seen, ())
    return [action for action in change.actions if isinstance(action, Shell)] if change else []


def test_a_company_s_authority_is_installed_once() -> None:
    written = {PATH: PathSeen("f", "root", 0o644, "")}
    digest = {PATH: File(PATH, PEM).digest}
    first = authority(Seen())
    assert "update-ca-certificates" in first[-1].script
    assert any(action.stdin == PEM for action in first)
    # A run that was cut off between the two.
    again = authority(Seen(paths=written, hashes=digest))
    assert "update-ca-certificates" in again[-1].script
    both = written | {INSTALLED: PathSeen("l", "root", 0o777, PATH)}
    assert authority(Seen(paths=both, hashes=digest)) == []


def test_a_renewed_authority_is_installed_although_a_run_was_cut_off(tmp_path: Path) -> None:
    both = {
        PATH: PathSeen("f", "root", 0o644, ""),
        INSTALLED: PathSeen("l", "root", 0o777, PATH),
    }
    older = {PATH: File(PATH, PEM + PEM).digest}
    first, *_ = authority(Seen(paths=both, hashes=older))
    # The link shows the next run that it has nothing to do, so it goes before anything else.
    assert first.script.endswith(f"rm -f {INSTALLED}")


@pytest.mark.parametrize("cut_off", [False, True])
def test_a_withdrawn_authority_leaves_although_a_run_was_cut_off(
    tmp_path: Path, cut_off: bool
) -> None:
    """The list of authorities is made before the file goes, and made again if that failed."""
    (tmp_path / "llmrack.crt").write_text(PEM)
    program = tmp_path / "update-ca-certificates"
    program.write_text(
        f"#!/bin/sh\nls {tmp_path}/*.crt >{tmp_path}/list 2>/dev/null; exit $FAILS\n"
    )
    program.chmod(0o755)

    def run(fails: int) -> bool:
        paths = {
            str(Path(PATH).parent / file.name): PathSeen("f", "root", 0o644, "")
            for file in tmp_path.iterdir()
        }
        change = AuthorityGone().change(Seen(paths=paths), ())
        if change is None:
            return False
        (action,) = change.actions
        assert isinstance(action, Shell)
        script = action.script.replace(str(Path(PATH).parent), str(tmp_path))
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "FAILS": str(fails)}
        done = subprocess.run(["sh", "-c", script], env=environment, check=False)
        return done.returncode == 0

    if cut_off:
        assert not run(fails=1)
    assert run(fails=0)
    assert (tmp_path / "list").read_text() == ""
    assert sorted(file.name for file in tmp_path.iterdir()) == ["list", "update-ca-certificates"]


@pytest.mark.parametrize("path", [f"{HOME}/ollama/main.env"])
def test_another_authority_starts_ollama_anew(path: str) -> None:
    def declared(pem: str) -> Site:
        one = host()
        return site(fleet=Fleet((type(one)(**{**vars(one), "authority": pem}),)))

    assert file(declared(PEM), path) != file(declared(PEM + PEM), path)
    assert file(declared(PEM), path) != file(site(fleet=Fleet((host(),))), path)


def test_routing_of_a_gateway_does_not_depend_on_the_proxy() -> None:
    def routing(of: Site) -> str:
        (release,) = [r for r in resources(of, "gateway") if isinstance(r, Release)]
        return dict(release.files)["routing.json"]

    plain = site(fleet=Fleet(tuple(host(ollama_bind="0.0.0.0") for _ in range(1))))
    assert json.loads(routing(behind(fleet=1))) == json.loads(routing(plain))


def test_a_server_prints_no_login_and_stays_the_main_process(tmp_path: Path) -> None:
    server = tmp_path / "server"
    server.write_text(
        '#!/bin/sh\necho "pid $$"; echo "HTTPS_PROXY:$HTTPS_PROXY NO:x@y" >&2; exit 3\n'
    )
    server.chmod(0o755)
    started = subprocess.Popen(
        ["sh", script.TEMPLATES / "ollama" / "serve-masked.sh", tmp_path / "pipe", server],
        env={"HTTPS_PROXY": f"http://{LOGIN}@proxy.corp:3128", "PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    printed, _ = started.communicate(timeout=20)
    assert started.returncode == 3
    assert printed.splitlines() == [
        f"pid {started.pid}",
        "HTTPS_PROXY:http://***@proxy.corp:3128 NO:x@y",
    ]


def test_only_a_server_with_a_login_is_run_by_another_program() -> None:
    path = "/home/llm/.config/systemd/user/llmrack-ollama@.service"
    masked = f"ExecStart=/bin/sh {HOME}/serve-masked %t/llmrack/%i.out /home/llm/.local"
    assert masked in file(behind(), path)
    assert "ExecStart=/home/llm/.local" in file(behind(None), path)


def test_a_removal_takes_the_authority_and_the_login() -> None:
    by_part = removals(host())
    seen = Seen(paths={PATH: PathSeen("f", "root", 0o644, "")})
    (change,) = [c for r in by_part["system"] if (c := r.change(seen, ())) and PATH in c.why]
    (action,) = change.actions
    assert isinstance(action, Shell) and "update-ca-certificates --fresh" in action.script
    # The folder with the login goes as a whole.
    assert any(HOME in getattr(r, "patterns", ()) for r in by_part["system"])
