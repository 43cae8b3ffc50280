"""The scripts of a copy, for ``sh`` as the service user.

``KEY`` and ``NO_KEY`` make and remove the target's key, ``accept_key`` and ``refuse_key`` change
the source's ``authorized_keys``, ``fetch`` copies. The key lies in the user's runtime directory,
which is in memory, and never leaves its host.
"""

from __future__ import annotations

from shlex import quote

# What a script prints when what is to be copied is the trouble, not the way there.
ABOUT_CONTENT = "about content"

NO_KEY = 'rm -rf "$XDG_RUNTIME_DIR/llmrack-copy"'

# Prints the public key and the host's addresses. What a killed copy left goes.
KEY = f"""
command -v ssh-keygen >/dev/null || {{ echo "it has no SSH client (openssh-client)" >&2; exit 1; }}
umask 077
{NO_KEY}
mkdir "$XDG_RUNTIME_DIR/llmrack-copy" && cd "$XDG_RUNTIME_DIR/llmrack-copy" || exit 1
ssh-keygen -q -t ed25519 -N "" -C "" -f key && cat key.pub && hostname -I
"""

# The one program that the key is good for: `<SHA-256 in hex> <bytes to leave out>` is asked for,
# that blob is sent. It has no quotes of its own, as it stands within those of two others.
SEND = r"""
case $SSH_ORIGINAL_COMMAND in *[!0-9a-f\ ]*) exit 65;; esac;
set -f; set -- $SSH_ORIGINAL_COMMAND; [ $# = 2 ] && [ ${{#1}} = 64 ] || exit 65;
case $2 in *[!0-9]*) exit 65;; esac;
exec tail -c +$(($2 + 1)) {models}/blobs/sha256-$1
"""

# Lines of copies stay if they belong to other copies of this run, so what a killed run left goes.
# The home is what is locked: a file for it would stay behind.
_KEYS = """
umask 077
exec 9<"$HOME" && flock 9 || exit 1
mkdir -p "$HOME/.ssh" && file=$(readlink -f "$HOME/.ssh/authorized_keys") || exit 1
new=$(mktemp "$file.XXXXXX") || exit 1
trap 'rm -f "$new"' EXIT
if [ -e "$file" ]; then
    awk '!index($0, " llmrack-copy-") || index($0, " llmrack-copy-{run}") && !index($0, "{own}")
        ' "$file" >"$new" && chmod --reference="$file" "$new" || exit 1
fi
{add}
if [ -s "$new" ]; then mv -fT "$new" "$file"; else
    rm -f "$file" "$new"
    rmdir "$HOME/.ssh" 2>/dev/null || :
fi
"""

# expiry-time is in the host's local time (sshd(8)).
_ADD = """
read -r key
until=$(date -d "6 hours" +%Y%m%d%H%M)
printf '%s %s llmrack-copy-%s\\n' {options},expiry-time='"'$until'"' "$key" {own} >>"$new" || exit 1
"""


def send(models: str) -> str:
    """The program that sends a blob of the folder ``models``, as one line."""
    return " ".join(SEND.format(models=models).split())


def accept_key(run: str, own: str, addresses: str, models: str) -> str:
    """Let in who has the public key on standard input, to get blobs of the folder ``models``.

    + run: what the names of this run's copies begin with
    + own: name of this copy
    + addresses: where it may come from, with commas between
    """
    options = f"""restrict,from="{addresses}",command="sh -c '{send(models)}'\""""
    return _KEYS.format(run=run, own=own, add=_ADD.format(options=quote(options), own=own))


def refuse_key(run: str, own: str) -> str:
    """Undo it."""
    return _KEYS.format(run=run, own=own, add="")


# A dead connection is noticed by ssh itself, a source that sends nothing by `watch`. It also ends
# the copy when this machine has gone, as nobody reads its dots any more; that must not end the
# script before it has cleaned up, so PIPE is ignored. Its sleep outlives it by a moment, so it gets
# no hold on the output.
_FETCH = """
umask 022
keys=$XDG_RUNTIME_DIR/llmrack-copy
trap 'rm -rf "$keys"' EXIT
trap 'exit 1' HUP INT TERM
trap '' PIPE
read -r known && read -r manifest && echo "$known" >"$keys/known_hosts" || exit 1
cd {models} && mkdir -p .llmrack blobs || exit 1

size_of() {{ stat -c %s "$1" 2>/dev/null || echo 0; }}
fail() {{ echo "$1" >&2; exit 1; }}
watch() {{
    before=-1 still=0
    while sleep 1 >/dev/null 2>&1; do
        now=$(size_of "$part")
        if [ "$now" = "$before" ]; then still=$((still + 1)); else before=$now still=0; fi
        if [ $still -ge {stall} ]; then echo "nothing came for {stall} s" >>"$keys/said"
        elif echo . 2>/dev/null; then continue; fi
        kill "$1"
        return
    done
}}
get() {{
    have=$(size_of "$part")
    [ "$have" -lt "$size" ] || return 0
    ssh -T -F none -i "$keys/key" -p {port} -o BatchMode=yes -o IdentitiesOnly=yes \\
        -o StrictHostKeyChecking=yes -o HostKeyAlias=llmrack-source -o UpdateHostKeys=no \\
        -o UserKnownHostsFile="$keys/known_hosts" -o GlobalKnownHostsFile=/dev/null \\
        -o ConnectTimeout=10 -o ServerAliveInterval=15 -o ServerAliveCountMax=2 \\
        {address} "$digits $have" </dev/null >>"$part" 2>"$keys/said" &
    copy=$!
    watch $copy &
    watcher=$!
    wait $copy
    code=$?
    kill $watcher 2>/dev/null
    [ $code != 0 ] || return 0
    # A connection that broke after it brought something is made anew.
    [ "$(size_of "$part")" = "$have" ] || {{ echo . 2>/dev/null && get && return; }}
    # 255 is ssh's own, above 128 it was killed; the rest comes from there.
    [ $code -gt 128 ] || echo {about_content}
    fail "$(tail -n 1 "$keys/said")"
}}
blobs=
while read -r digits size; do
    blob=blobs/sha256-$digits part=.llmrack/sha256-$digits.part blobs="$blobs $blob"
    [ -e "$blob" ] && [ "$(size_of "$blob")" = "$size" ] && continue
    for again in yes no; do
        get
        if echo "$digits  $part" | sha256sum -c --status; then
            sync "$part" && mv -fT "$part" "$blob" || exit 1
            break
        fi
        rm -f "$part"
        [ $again = yes ] || {{ echo {about_content}; fail "its blob $digits is damaged there"; }}
    done
done
if [ "$manifest" ]; then
    stat $blobs >/dev/null || exit 1
    mkdir -p "$(dirname manifests/{manifest})" || exit 1
    echo "$manifest" | base64 -d >.llmrack/manifest || exit 1
    mv -fT .llmrack/manifest manifests/{manifest} || exit 1
fi
rmdir .llmrack 2>/dev/null || :
"""


def fetch(address: str, port: int, models: str, manifest: str, stall: int) -> str:
    """Copy what standard input names into the folder ``models``.

    Standard input: a line for known_hosts, the manifest in base64 or an empty line, and for each
    blob its SHA-256 in hex and its size in bytes.

    + address: of the source, as in ``llm@10.0.0.1``
    + manifest: its path below ``manifests/``, if there is one
    + stall: seconds without a byte after which it is given up
    """
    return _FETCH.format(
        address=quote(address),
        port=port,
        models=models,
        manifest=quote(manifest),
        stall=max(stall, 1),
        about_content=ABOUT_CONTENT,
    )
