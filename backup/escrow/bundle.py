"""The file that both sites keep: secrets sealed for the escrow's public key. Nothing in it needs to be kept secret."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from backup.escrow.shares import Set
from backup.manifest import canonical
from netdr.kernel.errors import BackupError

FORMAT = 1
NAME = "escrow.json"


@dataclass(frozen=True, slots=True)
class Box:
    """A sealed secret. ``mark`` tells the machine that sealed it, and only that, whether it is still the one in use."""

    sealed: str
    mark: str
    at: datetime


@dataclass(frozen=True)
class Bundle:
    """The public half of an escrow and the boxes by name: ``<host>/<asset>/standby`` or ``vault``.

    ``count``: how many shares were made of the private half.
    """

    public: str
    shares: Set
    count: int
    made: datetime
    boxes: Mapping[str, Box]

    def adding(self, boxes: Mapping[str, Box]) -> Bundle:
        """Return the bundle with more boxes; of two with one name the later one stays."""
        newer = {name: box for name, box in boxes.items() if name not in self.boxes or box.at >= self.boxes[name].at}
        return replace(self, boxes=dict(sorted({**self.boxes, **newer}.items())))

    def dump(self) -> str:
        """Return it as JSON: equal bundles give equal texts."""
        boxes = {name: {**asdict(box), "at": box.at.isoformat()} for name, box in self.boxes.items()}
        escrow = {"public": self.public, "set": self.shares.number, "threshold": self.shares.threshold}
        value = {**escrow, "format": FORMAT, "count": self.count, "made": self.made.isoformat(), "boxes": boxes}
        return json.dumps(value, sort_keys=True, indent=2) + "\n"

    @property
    def digest(self) -> str:
        """SHA-256 of the file, in hex: the same wherever the same bundle is kept."""
        return hashlib.sha256(canonical(json.loads(self.dump())).encode()).hexdigest()

    @classmethod
    def load(cls, text: str, where: str) -> Bundle:
        """Return what ``dump`` wrote. Raise BackupError, naming ``where``, if the text is not that."""
        try:
            value = json.loads(text)
            if value["format"] != FORMAT:
                raise BackupError(
                    "the escrow's bundle is of another netdr", where=where, why=f"format {value['format']}"
                )
            boxes = {name: _box(one) for name, one in value["boxes"].items()}
            shares = Set(int(value["set"]), int(value["threshold"]))
            made = datetime.fromisoformat(value["made"])
            return cls(str(bytes.fromhex(value["public"]).hex()), shares, int(value["count"]), made, boxes)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            hint = "take the bundle that the other site keeps"
            raise BackupError("the escrow's bundle cannot be read", where=where, why=str(error), hint=hint) from error


def _box(value: Mapping[str, Any]) -> Box:
    return Box(str(value["sealed"]), str(value["mark"]), datetime.fromisoformat(value["at"]))
