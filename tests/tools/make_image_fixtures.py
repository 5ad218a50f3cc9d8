#!/usr/bin/env python3
"""Writes the pictures of tests/data/image and what Pillow decodes them to.

Needs Pillow (written with 13.0) and, for resized maps, PyTorch (2.15). `NAME.expected` holds "width height channels\\n" and the 8-bit
pixels after ImageOps.exif_transpose. Formats that Pillow cannot write (interlaced and 16-bit RGB
PNG, PSD) are put together here.

    python3 tests/tools/make_image_fixtures.py tests/data/image
"""

import pathlib
import random
import struct
import sys
import zlib

from PIL import Image, ImageOps, PngImagePlugin

WIDTH, HEIGHT = 23, 17  # odd, and no multiple of the 8 or 16 pixels of JPEG blocks

INFOTEXT = (
    "a red apple, (ripe:1.2)\n"
    "Negative prompt: blurry\n"
    "Steps: 50, Sampler: PLMS, CFG scale: 7.5, Seed: 42, Size: 23x17, Model hash: 6ce0161689, "
    "Model: v1-5-pruned-emaonly"
)
UNICODE_INFOTEXT = INFOTEXT.replace("a red apple", "ein süßer Apfel 🍎 りんご")


def colour():
    """A smooth picture in which every corner and every channel differs."""
    picture = Image.new("RGB", (WIDTH, HEIGHT))
    for y in range(HEIGHT):
        for x in range(WIDTH):
            picture.putpixel((x, y), (x * 11, y * 15, (x * 5 + (HEIGHT - y) * 7) % 256))
    return picture


def with_alpha():
    picture = colour().convert("RGBA")
    alpha = Image.new("L", (WIDTH, HEIGHT))
    for y in range(HEIGHT):
        for x in range(WIDTH):
            alpha.putpixel((x, y), 255 - (x + y) * 6)
    picture.putalpha(alpha)
    return picture


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(depth, colour_type, interlaced, raw):
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, colour_type, 0, 0, interlaced)
    chunks = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(raw, 9)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def interlaced_png():
    """Adam7: seven passes of every n-th pixel, each row with filter 0."""
    pixels = colour().load()
    raw = b""
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)]
    passes += [(0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    for x0, y0, dx, dy in passes:
        for y in range(y0, HEIGHT, dy):
            raw += b"\0" + b"".join(bytes(pixels[x, y]) for x in range(x0, WIDTH, dx))
    return png(8, 2, 1, raw)


def deep_png():
    """16 bits a channel, the low byte not equal to the high one."""
    pixels = colour().load()
    raw = b""
    for y in range(HEIGHT):
        raw += b"\0" + b"".join(bytes((v, 255 - v)) for x in range(WIDTH) for v in pixels[x, y])
    return png(16, 2, 0, raw)


def psd():
    """RGB, 8 bits, not compressed, without layers."""
    planes = b"".join(band.tobytes() for band in colour().split())
    header = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, HEIGHT, WIDTH, 8, 3)
    return header + bytes(12) + b"\0\0" + planes


def exif_with_comment(code, text):
    """piexif's way, which AUTOMATIC1111's web UI uses: big-endian, in the EXIF directory."""
    value = code + text
    directory = struct.pack(">HHHI", 1, 0x8769, 4, 1) + struct.pack(">II", 26, 0)
    comment = struct.pack(">HHHIII", 1, 0x9286, 7, len(value), 26 + 18, 0)
    return b"MM\0*" + struct.pack(">I", 8) + directory + comment + value


def exif_with_orientation(value):
    exif = Image.Exif()
    exif[0x0112] = value
    return exif.tobytes()


class Writer:
    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def expect(self, name, mode):
        with Image.open(self.folder / name) as picture:
            upright = ImageOps.exif_transpose(picture).convert(mode)
        header = f"{upright.width} {upright.height} {len(upright.getbands())}\n".encode()
        (self.folder / f"{name}.expected").write_bytes(header + upright.tobytes())

    def save(self, name, picture, mode, **options):
        picture.save(self.folder / name, **options)
        self.expect(name, mode)

    def put(self, name, content, mode):
        (self.folder / name).write_bytes(content)
        self.expect(name, mode)


def write_pngs(out):
    grey = colour().convert("L")
    out.save("rgb.png", colour(), "RGB")
    out.save("rgba.png", with_alpha(), "RGBA")
    out.save("grey.png", grey, "L")
    out.save("grey_alpha.png", with_alpha().convert("LA"), "RGBA")
    out.save("one_bit.png", colour().convert("1"), "L")
    out.save("palette.png", colour().quantize(13), "RGB")
    out.save("palette_transparent.png", colour().quantize(13), "RGBA", transparency=4)
    out.save("exif_6.png", colour(), "RGB", exif=exif_with_orientation(6))
    out.save("one_pixel.png", colour().crop((5, 5, 6, 6)), "RGB")
    out.put("interlaced.png", interlaced_png(), "RGB")
    out.put("deep.png", deep_png(), "RGB")


def write_jpegs(out):
    out.save("rgb.jpg", colour(), "RGB", quality=90, subsampling=0)
    out.save("subsampled.jpg", colour(), "RGB", quality=80, subsampling=2)
    out.save("progressive.jpg", colour(), "RGB", quality=80, subsampling=0, progressive=True)
    out.save("grey.jpg", colour().convert("L"), "L", quality=90)
    out.save("cmyk.jpg", colour().convert("CMYK"), "RGB", quality=90, subsampling=0)
    for value in range(1, 9):
        exif = exif_with_orientation(value)
        out.save(f"exif_{value}.jpg", colour(), "RGB", quality=90, subsampling=0, exif=exif)


def write_webps(out):
    out.save("lossless.webp", colour(), "RGB", lossless=True)
    out.save("lossy.webp", colour(), "RGB", quality=80)
    out.save("alpha.webp", with_alpha(), "RGBA", lossless=True, exact=True)
    out.save("exif_8.webp", colour(), "RGB", lossless=True, exif=exif_with_orientation(8))
    frames = [colour().rotate(180)]
    out.save("animated.webp", colour(), "RGBA", save_all=True, append_images=frames, lossless=True)


def write_others(out):
    out.save("rgb.bmp", colour(), "RGB")
    out.save("rgb.gif", colour().quantize(64), "RGBA")
    out.save("rgb.tga", colour(), "RGB")
    out.save("compressed.tga", with_alpha(), "RGBA", compression="tga_rle")
    out.save("rgb.ppm", colour(), "RGB")
    out.save("grey.pgm", colour().convert("L"), "L")
    samples = b"".join(struct.pack(">H", min(v * 4, 1023)) for v in colour().tobytes())
    out.put("deep.ppm", b"P6\n# ten bits\n%d %d\n1023\n" % (WIDTH, HEIGHT) + samples, "RGB")
    out.put("rgb.psd", psd(), "RGB")


def noise(mode, size, seed):
    """A picture of random bytes: every rounding and every overshoot occurs in it."""
    bands = len(Image.new(mode, (1, 1)).getbands())
    return Image.frombytes(mode, size, random.Random(seed).randbytes(size[0] * size[1] * bands))


RESIZES = [
    # from, to: shrink, enlarge, one axis only, odd, extreme
    ((23, 17), (7, 5)),
    ((23, 17), (41, 30)),
    ((23, 17), (9, 31)),
    ((23, 17), (23, 6)),
    ((23, 17), (50, 17)),
    ((34, 26), (17, 13)),
    ((1, 1), (5, 3)),
    ((37, 2), (1, 1)),
    ((1, 200), (3, 11)),
    ((301, 3), (2, 4)),
    # columns before rows since Pillow 13 (the height loses over twice as much), and just not
    ((25, 30), (29, 9)),
    ((30, 40), (21, 15)),
    ((20, 30), (15, 20)),
]


def write_resizes(folder):
    """resize.bin: for each case one line of its numbers, then the bytes before and after."""
    filters = ["BOX", "BILINEAR", "BICUBIC", "LANCZOS"]
    modes = ["L", "RGB", "RGBA"]
    with open(folder / "resize.bin", "wb") as out:
        for number, (before, after) in enumerate(RESIZES):
            for channels, mode in zip((1, 3, 4), modes):
                picture = noise(mode, before, number)
                for index, name in enumerate(filters):
                    resized = picture.resize(after, getattr(Image.Resampling, name))
                    out.write(b"%d %d %d %d %d %d\n" % (index, channels, *before, *after))
                    out.write(picture.tobytes() + resized.tobytes())


MAP_RESIZES = [
    ((3, 5), (8, 7)),
    ((8, 8), (32, 32)),
    ((16, 12), (5, 9)),
    ((1, 1), (3, 2)),
    ((2, 9), (7, 9)),
]


def write_map_resizes(folder):
    """resize_map.bin: the same of float32 maps (rows, columns), resized by PyTorch."""
    import torch  # nothing else here needs it

    generator = torch.Generator().manual_seed(0)
    with open(folder / "resize_map.bin", "wb") as out:
        for before, after in MAP_RESIZES:
            plane = torch.rand((1, 1, *before), generator=generator)
            for index, mode in enumerate(["area", "bilinear", "bicubic"]):
                corners = {} if mode == "area" else {"align_corners": False}
                resized = torch.nn.functional.interpolate(plane, after, mode=mode, **corners)
                out.write(b"%d %d %d %d %d\n" % (index, *before, *after))
                out.write(plane.numpy().tobytes() + resized.numpy().tobytes())


def write_grey(folder):
    """to_grey.bin: 500 RGB pixels, then what convert("L") makes of them."""
    picture = noise("RGB", (500, 1), 7)
    (folder / "to_grey.bin").write_bytes(picture.tobytes() + picture.convert("L").tobytes())


def write_infotexts(folder):
    """Pictures whose pixels do not matter, with an infotext as other programs write it."""
    small = colour().crop((0, 0, 4, 4))
    texts = PngImagePlugin.PngInfo()
    texts.add_text("parameters", INFOTEXT)
    texts.add_text("latin", "süß")
    texts.add_text("compressed", INFOTEXT * 4, zip=True)
    texts.add_itxt("unicode", UNICODE_INFOTEXT, lang="de", tkey="Einstellungen")
    texts.add_itxt("unicode_compressed", UNICODE_INFOTEXT * 4, zip=True)
    small.save(folder / "texts.png", pnginfo=texts)
    comments = {
        "comment_utf16be": (b"UNICODE\0", UNICODE_INFOTEXT.encode("utf-16-be")),
        "comment_utf16le": (b"UNICODE\0", UNICODE_INFOTEXT.encode("utf-16-le")),
        "comment_ascii": (b"ASCII\0\0\0", INFOTEXT.encode() + b"\0"),
    }
    for name, (code, text) in comments.items():
        block = exif_with_comment(code, text)
        small.save(folder / f"{name}.jpg", exif=b"Exif\0\0" + block)
        small.save(folder / f"{name}.webp", exif=block)


def main():
    folder = pathlib.Path(sys.argv[1])
    out = Writer(folder)
    write_pngs(out)
    write_jpegs(out)
    write_webps(out)
    write_others(out)
    write_infotexts(folder)
    write_resizes(folder)
    write_map_resizes(folder)
    write_grey(folder)
    total = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{len(list(folder.iterdir()))} files, {total} bytes in {folder}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} FOLDER")
    main()
