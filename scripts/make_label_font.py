#!/usr/bin/env python3
"""Draws the glyphs of assets/font/labels.glyphs from DejaVu Sans (Debian: fonts-dejavu-core 2.37-6).

Needs Pillow (written with 13.0) and fontTools. The file, numbers little endian:

    "SDGLYPH1", u16 height of a line in pixels, u16 number of glyphs
    for each glyph, by code point: u32 code point (0: drawn for missing ones), u8 advance,
        i8 left and u8 top of its bitmap from the pen and the top of the line, u8 width, u8 height
    the bitmaps one after the other, one byte of coverage a pixel

    scripts/make_label_font.py /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf assets/font/labels.glyphs
"""

import pathlib
import struct
import sys

from fontTools.ttLib import TTFont
from PIL import Image, ImageDraw, ImageFont

SIZE = 14  # pixels an em: the smallest at which Cyrillic and accents stay legible

RANGES = [
    (0x20, 0x7E),  # ASCII
    (0xA0, 0x17F),  # Latin-1, Latin Extended-A
    (0x218, 0x21B),  # Romanian
    (0x370, 0x3FF),  # Greek
    (0x400, 0x52F),  # Cyrillic
    (0x1E9E, 0x1E9E),  # capital sharp s
    (0x2010, 0x2027),  # dashes, quotes, the ellipsis
    (0x2030, 0x203A),
    (0x20AC, 0x20AC),  # euro
    (0x2122, 0x2122),  # trade mark
    (0x2190, 0x2195),  # arrows
    (0x2212, 0x2212),  # minus
    (0x221E, 0x221E),  # infinity
    (0x2248, 0x2248),  # almost equal
    (0x2260, 0x2265),  # comparisons
    (0xFFFD, 0xFFFD),  # what is no UTF-8
]


def record(font, code, text):
    canvas = Image.new("L", (4 * SIZE, 3 * SIZE))
    ImageDraw.Draw(canvas).text((SIZE, 0), text, fill=255, font=font, anchor="la")
    left, top, right, bottom = canvas.getbbox() or (SIZE, 0, SIZE, 0)
    bitmap = canvas.crop((left, top, right, bottom)).tobytes()
    advance = round(font.getlength(text))
    header = struct.pack("<IBbBBB", code, advance, left - SIZE, top, right - left, bottom - top)
    return header, bitmap


def main(source, target):
    font = ImageFont.truetype(source, SIZE, layout_engine=ImageFont.Layout.BASIC)
    covered = TTFont(source).getBestCmap()
    codes = [code for first, last in RANGES for code in range(first, last + 1) if code in covered]
    records = [record(font, 0, "\uFFFF")]  # no font has it: the box
    records += [record(font, code, chr(code)) for code in codes]
    head = b"SDGLYPH1" + struct.pack("<HH", sum(font.getmetrics()), len(records))
    content = head + b"".join(h for h, _ in records) + b"".join(b for _, b in records)
    pathlib.Path(target).write_bytes(content)
    print(f"{len(records)} glyphs, lines of {sum(font.getmetrics())} pixels, {len(content)} bytes")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(f"usage: {sys.argv[0]} FONT.ttf OUTPUT")
    main(*sys.argv[1:])
