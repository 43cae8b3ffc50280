"""Filesystems of a lab host that get full, and deploys that meet them; this machine has no harm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from llmrack_lab.shell import wait_until
from tests.lab.site import Run, Site


class Disk:
    """A filesystem in memory, mounted on a host; it is full as soon as its limit is what is there.

    + mount: where; what was there is copied into it
    """

    def __init__(self, site: Site, host: str, mount: str) -> None:
        self._site, self._host, self.mount = site, host, mount
        self._on(
            f"mkdir -p {mount} /mnt/new && mount -t tmpfs -o mode=755 tmpfs /mnt/new && "
            f"cp -a {mount}/. /mnt/new/ && mount --bind /mnt/new {mount} && umount /mnt/new && "
            "rmdir /mnt/new"
        )
        self.make_room()

    def fill(self, leave: int = 0) -> None:
        """Have it full, but for so many MiB."""
        # It grows meanwhile: then the kernel refuses, and it is tried again.
        self._on(
            "end=$(($(date +%s) + 20)); "
            f"until u=$(df --output=used -B4096 {self.mount} | tail -1); "
            f"mount -o remount,size=$(((u + (u == 0)) * 4096 + {leave} * 1048576)) {self.mount}; "
            "do [ $(date +%s) -lt $end ] || exit 1; done 2>/dev/null"
        )

    def make_room(self) -> None:
        """Have room for everything again."""
        self._on(f"mount -o remount,size=6g {self.mount}")

    def _on(self, command: str) -> None:
        self._site.on(self._host, command)


@contextmanager
def paused(site: Site, host: str, program: str, word: str) -> Iterator[Callable[[], bool]]:
    """Make ``program`` on a host wait for ``/tmp/go``, where ``word`` is among its arguments.

    Yields a function that tells whether it has got there.
    """
    wrapper = f"/usr/local/bin/{program}"
    script = (
        f'#!/bin/sh\ncase " $* " in *" {word} "*) : >/tmp/reached; '
        f'until [ -e /tmp/go ]; do sleep 0.1; done;; esac\nexec /usr/bin/{program} "$@"\n'
    )
    site.lab.host(host).ssh(f"cat >{wrapper} && chmod 755 {wrapper}", input=script)
    try:
        yield lambda: site.on(host, "ls /tmp/reached", check=False) != ""
    finally:
        site.on(host, f"rm -f {wrapper}; touch /tmp/go")
        site.on(host, "rm -f /tmp/reached /tmp/go")


def deploy_with(site: Site, reached: Callable[[], bool], do: Callable[[], object]) -> Run:
    """A deploy in whose course something is done, once a point is reached."""
    limit = ("--limit", site.only) if site.only else ()
    process = site.start("pyinfra", site.inventory, "deploy.py", "-y", *limit)
    try:
        found = wait_until(lambda: reached() or process.poll() is not None, 240)
        do()
        output, _ = process.communicate(timeout=400)
    finally:
        process.kill()
    assert found, output
    return Run(process.returncode, output)
