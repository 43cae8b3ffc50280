#!/bin/sh
# ask-packages INDEX NAME...: prints a new folder, and which packages apt would fetch into it to
# install those of a bundle. The bundle's index comes on standard input; INDEX is its file's name.
#
# apt gets lists, archives and a source of its own, so that nothing of the host's is asked or changed.
set -e
index=$1
shift
place=$(mktemp -d /var/tmp/llmrack-XXXXXXXX)
trap '[ $? = 0 ] || rm -rf "$place"' EXIT
echo "$place"
mkdir -p "$place/lists/partial" "$place/archives/partial"
cat >"$place/$index"
echo "deb [trusted=yes] file:$place ./" >"$place/sources.list"
cat >"$place/apt.conf" <<END
Dir::State::lists "$place/lists";
Dir::Cache "$place";
Dir::Cache::archives "$place/archives";
Dir::Etc::SourceList "$place/sources.list";
Dir::Etc::SourceParts "-";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
DPkg::Lock::Timeout "300";
END
apt-get -c "$place/apt.conf" -q update
apt-get -c "$place/apt.conf" -y -qq --print-uris install "$@"
