#!/bin/sh
# build-venv PATH SIZE [WHEELS]: builds a Python environment from two lock files on standard input
# (SIZE bytes): its own, a line "# --- uv ---", and that of uv, which installs it.
# WHEELS: the folder that the packages come from; without it the package index is asked.
#
# An environment cannot be moved (its scripts name their path), so the stamp, written last, is what
# makes it whole.
. resources/receive.sh
path=$1 size=$2 wheels=$3
tool=$path.uv
set -e
umask 022
clean() {
  rm -rf "$path.wheels" "$tool" "$tool.lock"
  [ -e "$path/RELEASE" ] || rm -rf "$path" "$path.lock"
}
trap clean EXIT

# Tells what pip or uv says where that fails, without the dozens of digests that would be right, and
# without pip's traceback of an index that stalls.
install() {
  said=$("$@" 2>&1) && return
  printf '%s\n' "$said" | sed -e '/^ *Expected *or /d' -e '/Expected:/,/Computed:/{/sha256:/d}' \
    -e '/^Traceback/,/^[^ ]/{/^Traceback/d; /^ /d}'
  echo 'the packages cannot be installed as they are pinned; where the package index is why' \
    '(pip.conf and uv.toml name it), have it offer them, or deploy from a bundle (docs/offline.md)'
  exit 1
}

rm -rf "$path" "$tool"
mkdir -p "$path"
receive "$path.lock" "$size" || exit 1
python3 -m venv "$tool"
sed '1,/^# --- uv ---$/d' "$path.lock" >"$tool.lock"
set -- --require-hashes
[ -z "$wheels" ] || set -- --no-index --find-links "$wheels" "$@"
install "$tool/bin/pip" install -q --no-input --disable-pip-version-check "$@" -r "$tool.lock"
export UV_LINK_MODE=copy UV_NO_PROGRESS=1 UV_PYTHON_DOWNLOADS=never
"$tool/bin/uv" venv -q --allow-existing --python python3 "$path"
sed -i '/^# --- uv ---$/,$d' "$path.lock"
[ -z "$wheels" ] || set -- --offline "$@"
install "$tool/bin/uv" pip install -q --python "$path/bin/python" "$@" --no-deps \
  --compile-bytecode -r "$path.lock"
# A clean install has no .pth file; one was how the malicious LiteLLM releases ran
# (BerriAI/litellm#24518). uv's own two are known.
bad=$(find "$path" -name '*.pth' ! -name '_virtualenv.pth' ! -name 'distutils-precedence.pth')
[ -z "$bad" ] || {
  echo "unexpected $bad: code that runs at every start"
  exit 1
}
# uv 0.13.8 copies files with the mode 0666, whatever the umask.
chmod -R go-w "$path"
# Or a power cut could leave the stamp and take what it stands for.
sync -f "$path"
mv "$path.lock" "$path/RELEASE"
