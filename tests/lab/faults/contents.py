"""What llmrack has on a host's disk, as far as two hosts that are declared alike have the same."""

from __future__ import annotations

from tests.lab.site import Site

OURS = (
    "/home/llm/.config /home/llm/.local/opt /home/llm/.cache/llmrack /etc/llmrack "
    "/etc/systemd/system /usr/local/lib/llmrack /var/lib/llmrack /var/tmp"
)
ENVIRONMENTS = "/home/llm/.local/opt/llmrack-gateway/venvs"
# What tells when and by whom; and Python's, which has times in it.
VARIES = ("/var/lib/llmrack/last-run", "/var/lib/llmrack/written", ".pyc")


def contents(site: Site, host: str, without: str = "/nothing") -> dict[str, str]:
    """For each path its kind, mode, owner and target, and of a file its digest.

    + without: a folder that is left out
    """
    prune = f"\\( -path {without} -o -name 'systemd-private-*' \\) -prune -o"
    listing = f"find {OURS} {prune} -printf '%p|%y %m %u %l\\n'"
    summing = f"find {OURS} {prune} -type f -exec sha256sum {{}} +"
    lines = site.on(host, f"( {listing}; echo; {summing} ) 2>/dev/null; :")
    listed, _, sums = lines.partition("\n\n")
    digests = {path: digest for digest, path in (line.split("  ", 1) for line in sums.splitlines())}
    found = {}
    for line in listed.splitlines():
        path, told = line.split("|", 1)
        found[path] = told if path.endswith(VARIES) else f"{told} {digests.get(path, '')}"
    return found
