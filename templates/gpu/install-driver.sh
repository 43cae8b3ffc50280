#!/bin/sh
# install-driver NOUVEAU GROUP...: installs NVIDIA's driver, groups of packages (names with blanks
# between) in this order; NOUVEAU is the file that keeps nouveau from being loaded.
. resources/apt.sh
nouveau=$1
shift
# A source that is out of reach is no obstacle as long as another one has the packages.
apt_get update
for group; do
  # shellcheck disable=SC2086
  get -y --no-install-recommends install $group || exit 1
done
kernel=$(uname -r)
if find /lib/modules/ -name 'nouveau.ko*' | grep -q .; then
  printf 'blacklist nouveau\noptions nouveau modeset=0\n' >"$nouveau"
  ! command -v update-initramfs >/dev/null || update-initramfs -u -k all || exit 1
fi
find "/lib/modules/$kernel/" -name 'nvidia*.ko*' | grep -q . || {
  echo "no module was built for the running kernel $kernel: \`dkms status\` and" \
    '/var/lib/dkms/nvidia*/*/build/make.log say why'
  exit 1
}
# It fails as long as the module is not loaded; at the next boot it starts.
systemctl -q enable nvidia-persistenced.service 2>/dev/null
:
