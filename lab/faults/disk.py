"""Disks that are full."""

from __future__ import annotations

from dataclasses import dataclass

from lab.faults.fault import PLACE, Fault

# The folders move to one small file system; what is below them stays in reach, to be brought up to date afterwards.
_PREPARE = f"""
mkdir -p {PLACE}/disk {PLACE}/under
size=$(du -skc "$@" | tail -n 1 | cut -f 1)
mount -t tmpfs -o mode=755,size=$((2 * size + 4096))k tmpfs {PLACE}/disk
mount --bind / {PLACE}/under
for folder; do
    mkdir -p "{PLACE}/disk$folder"
    cp -a "$folder/." "{PLACE}/disk$folder/"
    mount --bind "{PLACE}/disk$folder" "$folder"
done
"""
# Nothing is left for as much as one byte, or it is no full disk.
_STRIKE = f"""
dd if=/dev/zero of={PLACE}/disk/full bs=64k 2>/dev/null || true
! echo x 2>/dev/null >{PLACE}/disk/probe
rm -f {PLACE}/disk/probe
"""
_CLEAR = f"""
for folder; do
    (cd "{PLACE}/under$folder" && find . ! -type d) | while IFS= read -r file; do
        [ -e "$folder/$file" ] || [ -L "$folder/$file" ] || rm "{PLACE}/under$folder/$file"
    done
    cp -au "$folder/." "{PLACE}/under$folder/"
    umount --lazy "$folder"
done
umount {PLACE}/under
umount --lazy {PLACE}/disk
"""


@dataclass(frozen=True)
class DiskFull(Fault):
    """Not a byte can be written below some folders any more (ENOSPC), until it is healed."""

    folders: tuple[str, ...]

    def prepare(self) -> None:
        """See Fault."""
        self.shell(_PREPARE, *self.folders)

    def strike(self) -> None:
        """See Fault."""
        self.shell(_STRIKE)

    def heal(self) -> None:
        """See Fault."""
        self.shell(f"rm -f {PLACE}/disk/full")

    def clear(self) -> None:
        """See Fault. What was written meanwhile is kept."""
        self.shell(_CLEAR, *self.folders)
