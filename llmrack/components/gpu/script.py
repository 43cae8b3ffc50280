"""The part of the snapshot that looks at GPUs."""

from __future__ import annotations

# Columns of ``nvidia-smi --query-gpu``, in the order in which ``gpus`` reads them.
COLUMNS = (
    "index",
    "uuid",
    "name",
    "driver_version",
    "compute_cap",
    "memory.total",
    "memory.used",
    "pci.bus_id",
    "persistence_mode",
    "mig.mode.current",
)
# Seconds. Without persistence mode nvidia-smi wakes each card first, which takes seconds a card.
SMI_DEADLINE = 10
# EFI's global variables (UEFI 2.10, 3.3): four bytes of attributes, then 1 where it is on.
SECURE_BOOT = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"


def gpu_script() -> list[str]:
    """Lines of ``sh`` that print what a host knows of its GPUs, each tagged ``gpu``.

    Reading the bus needs no process, so a host without a card answers within milliseconds.
    nvidia-smi is run only when the kernel module is loaded: as root it would load it, and a look
    changes nothing.
    """
    return [
        "g() { printf gpu; printf '\\t%s' \"$@\"; echo; }",
        "v=; for d in /sys/bus/pci/devices/*; do",
        '{ read -r i < "$d/vendor" && read -r c < "$d/class" && read -r m < "$d/device"; } '
        "2>/dev/null || continue",
        # Instinct cards of AMD are no display controllers (0x03) but accelerators (0x12).
        "case $i$c in 0x10de0x03*|0x10020x03*|0x10020x12*) ;; *) continue;; esac",
        'p=$(readlink "$d/driver"); t= u= n=',
        # amdgpu tells here what nvidia-smi tells of NVIDIA's cards.
        '{ read -r t < "$d/mem_info_vram_total"; read -r u < "$d/mem_info_vram_used"; '
        'read -r n < "$d/product_name"; } 2>/dev/null',
        'g pci "${d##*/}" "$i" "$m" "${p##*/}" "$t" "$u" "$n"; v="$v $i"; done',
        'case $v in *0x1002*) test -e /dev/kfd && g kfd "$(stat -c %G /dev/kfd)"',
        "for d in /sys/class/kfd/kfd/topology/nodes/*/properties; do t=0 u=0 n=0",
        "{ while read -r k p; do case $k in domain) t=$p;; location_id) u=$p;; unique_id) n=$p;; "
        'esac; done < "$d"; } 2>/dev/null; g node "$t" "$u" "$n"; done;; esac',
        "case $v in *0x10de*)",
        *_nvidia(),
        ";; esac",
    ]


def _nvidia() -> list[str]:
    query = f"nvidia-smi --query-gpu={','.join(COLUMNS)} --format=csv,noheader,nounits"
    return [
        'k=$(uname -r); g kernel "$k"; test -e "/lib/modules/$k/build" && g headers yes',
        "test -e /dev/nvidia-uvm && g uvm yes; test -e /run/reboot-required && g reboot yes",
        f"if test -r {SECURE_BOOT}; then",
        f'b=$(od -An -tu1 -j4 -N1 {SECURE_BOOT}); g secureboot "$b"',
        # Where DKMS of Debian and of Ubuntu keeps the key that it signs with.
        'test "$b" -eq 1 && for d in /var/lib/dkms/mok.pub /var/lib/shim-signed/mok/MOK.der; do '
        'case $(mokutil --test-key "$d" 2>/dev/null) in *"already enrolled"*) g enrolled yes;; '
        "esac; done; fi",
        "if { read -r l < /proc/driver/nvidia/version; } 2>/dev/null; then",
        'g module "$l"',
        f'o=$(timeout {SMI_DEADLINE} {query} 2>&1); g smi "$?"',
        'printf "%s\\n" "$o" | while read -r l; do g said "$l"; done',
        'case $o in *"abled, Enabled"*) nvidia-smi -L | '
        'while read -r l; do g listed "$l"; done;; esac',
        "else",
        # When the first process began; a container's /proc/stat tells the machine's btime.
        "read -r l c < /proc/uptime; read -r m < /proc/1/stat; set -- ${m##*) }",
        'g booted "$(($(date +%s) - ${l%%.*} + ${20} / 100))"',
        'g signer "$(modinfo -F signer nvidia 2>/dev/null)"',
        # nvidia-current is what Debian calls it.
        "find /lib/modules/ \\( -name 'nvidia.ko*' -o -name 'nvidia-current.ko*' "
        "-o -name 'nvidia-current-open.ko*' \\) -printf 'gpu\\tfile\\t%P\\t%T@\\n' 2>/dev/null",
        "fi",
    ]
