"""Pictures of a page beside those that were looked at and kept."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from PIL import Image, ImageChops

EXPECTED = Path(__file__).parent / "expected"
# A step of a colour channel, of 255, that a reader would see.
VISIBLE = 48
# The share of pixels that another version of the browser may change.
TOLERATED = 0.002


def difference(name: str, picture: bytes) -> str:
    """How much of a picture looks different, and what to do then; empty where it does not.

    + picture: PNG; where it differs it is left beside the kept one
    """
    now = Image.open(BytesIO(picture)).convert("RGB")
    kept, new = EXPECTED / f"{name}.png", EXPECTED / f"{name}.new.png"
    share = _share(now, Image.open(kept).convert("RGB")) if kept.exists() else 1.0
    if share < TOLERATED:
        return ""
    # 256 colours are enough, and keep the repository small.
    now.quantize(256).save(new, optimize=True)
    return f"{100 * share:.1f} % differs: look at {new}; if it is right: mv {new} {kept}"


def _share(one: Image.Image, other: Image.Image) -> float:
    size = max(one.width, other.width), max(one.height, other.height)
    # What one of them lacks counts as different.
    canvases = [Image.new("RGB", size, colour) for colour in ("black", "white")]
    for canvas, picture in zip(canvases, (one, other), strict=True):
        canvas.paste(picture)
    red, green, blue = ImageChops.difference(*canvases).split()
    most = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    return sum(most.histogram()[VISIBLE:]) / (size[0] * size[1])
