#!/bin/sh
# look COLUMNS SECONDS: prints what a host knows of its GPUs, lines of "gpu" and fields.
# COLUMNS: those that nvidia-smi is asked for. SECONDS: how long it may take.
#
# Reading the bus needs no process, so a host without a card answers within milliseconds. nvidia-smi
# is run only when the kernel module is loaded: as root it would load it, and a look changes nothing.
columns=$1 seconds=$2
tell() {
  printf gpu
  printf '\t%s' "$@"
  echo
}

vendors=
for device in /sys/bus/pci/devices/*; do
  { read -r vendor <"$device/vendor" && read -r class <"$device/class" &&
    read -r number <"$device/device"; } 2>/dev/null || continue
  # Instinct cards of AMD are no display controllers (0x03) but accelerators (0x12).
  case $vendor$class in 0x10de0x03* | 0x10020x03* | 0x10020x12* | 0x80860x03*) ;; *) continue ;; esac
  driver=$(readlink "$device/driver")
  total='' used='' product=''
  # amdgpu tells here what nvidia-smi tells of NVIDIA's cards.
  {
    read -r total <"$device/mem_info_vram_total"
    read -r used <"$device/mem_info_vram_used"
    read -r product <"$device/product_name"
  } 2>/dev/null
  tell pci "${device##*/}" "$vendor" "$number" "${driver##*/}" "$total" "$used" "$product"
  vendors="$vendors $vendor"
  # Memory of the host that a card of AMD's may use. A card with memory of its own says whose that
  # is, or what board it is (discover/amd.go of Ollama, readROCmDRMDevice).
  if { read -r shared <"$device/mem_info_gtt_total"; } 2>/dev/null; then
    memory=
    [ ! -e "$device/mem_info_vram_vendor" ] && [ ! -e "$device/board_info" ] || memory=yes
    tell shared "${device##*/}" "$shared" "$memory"
  fi
done

# Vulkan: its loader, and who has a driver for it; the group of the device files that it opens.
case $vendors in *0x1002* | *0x8086*)
  for file in /usr/lib/*/libvulkan.so.1 /usr/lib/libvulkan.so.1 /usr/lib64/libvulkan.so.1; do
    [ ! -e "$file" ] || tell vulkan loader
  done
  for file in /usr/share/vulkan/icd.d/*.json /etc/vulkan/icd.d/*.json; do
    [ ! -e "$file" ] || tell vulkan "${file##*/}"
  done
  for file in /dev/dri/renderD*; do
    [ ! -e "$file" ] || tell render "$(stat -c %G "$file")"
  done
  ;;
esac

case $vendors in *0x1002*)
  [ ! -e /dev/kfd ] || tell kfd "$(stat -c %G /dev/kfd)"
  for file in /sys/class/kfd/kfd/topology/nodes/*/properties; do
    domain=0 location=0 unique=0 target=0
    while read -r key value; do
      case $key in
        domain) domain=$value ;;
        location_id) location=$value ;;
        unique_id) unique=$value ;;
        gfx_target_version) target=$value ;;
      esac
    done 2>/dev/null <"$file"
    tell node "$domain" "$location" "$unique" "$target"
  done
  ;;
esac

case $vendors in *0x10de*) ;; *) exit 0 ;; esac
kernel=$(uname -r)
tell kernel "$kernel"
[ ! -e "/lib/modules/$kernel/build" ] || tell headers yes
[ ! -e /dev/nvidia-uvm ] || tell uvm yes
[ ! -e /run/reboot-required ] || tell reboot yes
# EFI's global variables (UEFI 2.10, 3.3): four bytes of attributes, then 1 where it is on.
secure_boot=/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c
if [ -r $secure_boot ]; then
  on=$(od -An -tu1 -j4 -N1 $secure_boot)
  tell secureboot "$on"
  # Where DKMS of Debian and of Ubuntu keeps the key that it signs with.
  [ "$on" -eq 1 ] && for key in /var/lib/dkms/mok.pub /var/lib/shim-signed/mok/MOK.der; do
    case $(mokutil --test-key "$key" 2>/dev/null) in *"already enrolled"*) tell enrolled yes ;; esac
  done
fi
if { read -r version </proc/driver/nvidia/version; } 2>/dev/null; then
  tell module "$version"
  answer=$(timeout "$seconds" nvidia-smi --query-gpu="$columns" --format=csv,noheader,nounits 2>&1)
  tell smi "$?"
  printf '%s\n' "$answer" | while read -r line; do tell said "$line"; done
  case $answer in *"abled, Enabled"*)
    nvidia-smi -L | while read -r line; do tell listed "$line"; done
    ;;
  esac
else
  # When the first process began; a container's /proc/stat tells the machine's btime.
  read -r up _ </proc/uptime
  read -r first </proc/1/stat
  # Words of a file of the kernel's.
  # shellcheck disable=SC2086
  set -- ${first##*) }
  tell booted "$(($(date +%s) - ${up%%.*} + ${20} / 100))"
  tell signer "$(modinfo -F signer nvidia 2>/dev/null)"
  # nvidia-current is what Debian calls it.
  find /lib/modules/ \( -name 'nvidia.ko*' -o -name 'nvidia-current.ko*' \
    -o -name 'nvidia-current-open.ko*' \) -printf 'gpu\tfile\t%P\t%T@\n' 2>/dev/null
fi
