"""Mutations that know a format's structure: lengths and offsets get values at the edge of what fits, elements are left out,
doubled, moved and exchanged, and check sums are made right again afterwards, so that a reader looks further than at the first
of them."""

import io
import json
import pickletools
import struct
import zipfile
import zlib

EDGES = (0, 1, 2, 3, 7, 8, 127, 128, 255, 256, 32767, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53, 2**62,
         2**63 - 1, 2**63, 2**64 - 1)
WORDS = ("", " ", "\0", "\n", "null", "true", "-1", "0", "1e308", "-0.0", "nan", "NaN", "inf", "1e-400", "9" * 400, "..", "/", "../../x",
         "~", "$HOME", "%s%n", "{", "}", "[", "]", "(((((", ")))))", "\\", "\"", "'", "&", "*", "!!", ":", ": ", "#", ",", "\t", "\r",
         "\u202e", "\ufeff", "\U0001f600", "\u0301" * 50, "\x1b[2J", "A" * 5000)


class Layout:
    """A file and where its numbers and elements lie. `fix(data)` makes its check sums right."""

    def __init__(self, data, fields=(), parts=(), fix=None):
        self.data = bytearray(data)
        self.fields = [field for field in fields if field[0] + field[1] <= len(self.data)]
        self.parts = [part for part in parts if part[0] < part[1] <= len(self.data)]
        self.fix = fix

    def mutated(self, random):
        """The file with one to three changes of its structure; in one of five cases any of its bytes, too."""
        data = bytearray(self.data)
        for _ in range(random.randint(1, 3)):
            if self.fields and random.random() < 0.6:
                at, size, order = random.choice(self.fields)
                old = int.from_bytes(data[at:at + size], order)
                new = random.choice((random.choice(EDGES), old + random.choice((-1, 1, 2, 8)), old * 2, old ^ (1 << random.randrange(8 * size))))
                data[at:at + size] = (new % (1 << (8 * size))).to_bytes(size, order)
        if self.parts and random.random() < 0.5:
            data = self._rearranged(data, random)
        if random.random() < 0.2:
            data = any_bytes(random, data)
        if self.fix is not None and random.random() < 0.85:
            data = self.fix(data)
        return bytes(data)

    def _rearranged(self, data, random):
        begin, end = random.choice(self.parts)
        part = data[begin:end]
        kind = random.randrange(5)
        if kind == 0:
            return data[:begin] + data[end:]
        if kind == 1:
            return data[:end] + part * random.choice((1, 2, 50)) + data[end:]
        other = random.choice(self.parts)
        if kind == 2:
            return data[:other[0]] + part + data[other[0]:]
        if kind == 3:
            return data[:begin] + data[other[0]:other[1]] + data[end:]
        return data[:random.randint(begin, end)]


def any_bytes(random, data):
    """Changes that know nothing of a format."""
    data = bytearray(data)
    for _ in range(random.randint(1, 6)):
        at = random.randrange(len(data) + 1)
        kind = random.randrange(5)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << random.randrange(8)
        elif kind == 1 and at < len(data):
            data[at] = random.choice((0, 1, 0x7f, 0x80, 0xff))
        elif kind == 2:
            del data[at:at + random.choice((1, 4, 64))]
        elif kind == 3:
            data[at:at] = random.randbytes(random.choice((1, 4, 64)))
        elif random.random() < 0.3:
            del data[at:]
    return data


def any_text(random, text, words=WORDS):
    """A text with words exchanged, doubled, left out, and words that mean something somewhere put in."""
    pieces = text.split(" ") if " " in text and random.random() < 0.5 else list(text)
    for _ in range(random.randint(1, 5)):
        at = random.randrange(len(pieces) + 1)
        kind = random.randrange(4)
        if kind == 0 and pieces:
            pieces[at % len(pieces)] = random.choice(words)
        elif kind == 1:
            pieces.insert(at, random.choice(words))
        elif kind == 2 and pieces:
            del pieces[at % len(pieces)]
        elif pieces:
            pieces[at:at] = pieces[at:at + random.randint(1, 20)] * random.choice((1, 3))
    return (" " if " " in text and len(pieces) < len(text) / 2 else "").join(pieces)


def any_json(random, value):
    """A JSON value with one to three of its parts of another kind, gone, doubled or deeper. Keys may come twice."""
    for _ in range(random.randint(1, 3)):
        value = _one_json(random, value)
    text = json.dumps(value)
    if random.random() < 0.15:
        text = any_text(random, text)
    if random.random() < 0.03:
        text = "[" * 100000 + text
    return text


def _one_json(random, value):
    if isinstance(value, dict) and value and random.random() < 0.9:
        value = dict(value)
        key = random.choice(list(value))
        if random.random() < 0.15:
            value[random.choice(WORDS)] = value.pop(key)
        else:
            value[key] = _one_json(random, value[key])
        return value
    if isinstance(value, list) and value and random.random() < 0.9:
        value = list(value)
        at = random.randrange(len(value))
        kind = random.randrange(3)
        if kind == 0:
            value[at] = _one_json(random, value[at])
        elif kind == 1:
            del value[at]
        else:
            value[at:at] = [value[at]] * random.choice((1, 100))
        return value
    if isinstance(value, int) and not isinstance(value, bool) and random.random() < 0.5:
        return random.choice((value + 1, value - 1, -value, value * 2, random.choice(EDGES), -random.choice(EDGES), value + 0.5))
    return random.choice((None, True, [], {}, [[]], 1.5, 1e308, random.choice(EDGES), random.choice(WORDS), [value], {"a": value}))


# --- Formats -----------------------------------------------------------------------------------------------------------


def png(data):
    fields, parts, at = [(16, 4, "big"), (20, 4, "big"), (24, 1, "big"), (25, 1, "big"), (28, 1, "big")], [], 8
    while at + 12 <= len(data):
        size = struct.unpack_from(">I", data, at)[0]
        fields.append((at, 4, "big"))
        parts.append((at, min(at + 12 + size, len(data))))
        at += 12 + size
    return Layout(data, fields, parts, png_check_sums)


def png_check_sums(data):
    data, at = bytearray(data), 8
    while at + 12 <= len(data):
        size = struct.unpack_from(">I", data, at)[0]
        if at + 12 + size > len(data):
            break
        struct.pack_into(">I", data, at + 8 + size, zlib.crc32(data[at + 4:at + 8 + size]))
        at += 12 + size
    return data


def png_chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_with_texts(texts):
    """A grey PNG of 8 by 8 pixels with `texts`, pairs of a keyword and a text, each as tEXt, zTXt or iTXt."""
    chunks = [png_chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0))]
    for number, (keyword, text) in enumerate(texts):
        keyword, text = keyword.encode("latin-1", "replace")[:79], text.encode("utf-8", "surrogatepass")
        chunks.append((png_chunk(b"iTXt", keyword + b"\0\0\0\0\0" + text), png_chunk(b"tEXt", keyword + b"\0" + text),
                       png_chunk(b"zTXt", keyword + b"\0\0" + zlib.compress(text)))[number % 3])
    chunks += [png_chunk(b"IDAT", zlib.compress((b"\0" + b"\x80" * 8) * 8)), png_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def jpeg(data):
    fields, parts, at = [], [], 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, size = data[at + 1], struct.unpack_from(">H", data, at + 2)[0]
        fields.append((at + 2, 2, "big"))
        parts.append((at, at + 2 + size))
        if marker in (0xC0, 0xC2):
            fields += [(at + 5, 2, "big"), (at + 7, 2, "big"), (at + 9, 1, "big"), (at + 11, 1, "big")]
        if marker == 0xE1:
            fields += tiff_fields(data, at + 10, at + 2 + size)
        if marker == 0xDA:
            break
        at += 2 + size
    return Layout(data, fields, parts)


def tiff_fields(data, begin, end):
    """Of EXIF: the numbers of its folders and their entries."""
    order = "little" if data[begin:begin + 2] == b"II" else "big"

    def number(at, size):
        return int.from_bytes(data[at:at + size], order)

    fields, todo = [(begin + 4, 4, order)], [begin + number(begin + 4, 4)]
    while todo and len(fields) < 300:
        at = todo.pop()
        if at + 2 > end:
            continue
        fields.append((at, 2, order))
        for entry in range(at + 2, min(at + 2 + 12 * number(at, 2), end - 12), 12):
            fields += [(entry, 2, order), (entry + 2, 2, order), (entry + 4, 4, order), (entry + 8, 4, order)]
            if number(entry, 2) == 0x8769:
                todo.append(begin + number(entry + 8, 4))
    return fields


def webp(data):
    fields, parts, at = [(4, 4, "little")], [], 12
    while at + 8 <= len(data):
        size = struct.unpack_from("<I", data, at + 4)[0]
        end = min(at + 8 + size + size % 2, len(data))
        fields += [(at + 4, 4, "little")] + [(at + 8 + i, 3, "little") for i in (4, 7)]
        if data[at:at + 4] == b"EXIF":
            fields += tiff_fields(data, at + 8 + (6 if data[at + 8:at + 12] == b"Exif" else 0), end)
        parts.append((at, end))
        at = end
    return Layout(data, fields, parts)


def archive(data):
    """A zip: local headers, central ones, and its end."""
    fields, parts, starts = [], [], []
    for signature, sizes in ((b"PK\3\4", (2, 2, 2, 2, 2, 4, 4, 4, 2, 2)), (b"PK\1\2", (2, 2, 2, 2, 2, 2, 4, 4, 4, 2, 2, 2, 2, 2, 4, 4)),
                             (b"PK\5\6", (2, 2, 2, 2, 4, 4, 2)), (b"PK\6\6", (8, 2, 2, 4, 4, 8, 8, 8, 8)), (b"PK\6\7", (4, 8, 4))):
        at = data.find(signature)
        while at >= 0:
            starts.append(at)
            place = at + 4
            for size in sizes:
                fields.append((place, size, "little"))
                place += size
            at = data.find(signature, at + 4)
    starts = sorted(starts) + [len(data)]
    parts = list(zip(starts, starts[1:]))
    return Layout(data, fields, parts)


def zip_of(files, deflated):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED) as out:
        for name, contents in files:
            out.writestr(name, contents)
    return made.getvalue()


OPCODES = [opcode.code.encode("latin-1") for opcode in pickletools.opcodes]


def pickle(data):
    """Its opcodes as elements, their arguments as numbers."""
    fields, parts = [], []
    places = [place for _, _, place in pickletools.genops(data)] + [len(data)]
    for begin, end in zip(places, places[1:]):
        parts.append((begin, end))
        fields.append((begin, 1, "little"))
        if end - begin in (2, 3, 5, 9):
            fields.append((begin + 1, end - begin - 1, "little"))
    return Layout(data, fields, parts)


def any_pickle(random, data):
    data = pickle(data).mutated(random)
    if random.random() < 0.4:
        at = random.randrange(len(data) + 1)
        more = b"".join(random.choice(OPCODES) + random.choice((b"", b"\1", b"\0\0\0\0", b"os\nsystem\n", b"\xff\xff\xff\x7f"))
                        for _ in range(random.randint(1, 4)))
        data = data[:at] + more + data[at:]
    return data


def any_safetensors(random, data):
    size = struct.unpack_from("<Q", data)[0]
    header, rest = json.loads(data[8:8 + size]), data[8 + size:]
    text = any_json(random, header).encode("utf-8", "surrogatepass")
    if random.random() < 0.2:
        rest = rest[:random.randrange(len(rest) + 1)]
    length = len(text) if random.random() < 0.85 else random.choice(EDGES)
    return struct.pack("<Q", length) + text + rest


def any_inversion(random, data):
    """The tensors, or the settings that stand in a text of the header."""
    if random.random() < 0.5:
        return any_safetensors(random, data)
    size = struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8:8 + size])
    header["__metadata__"]["inversion"] = any_json(random, json.loads(header["__metadata__"]["inversion"]))
    text = json.dumps(header).encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(text)) + text + data[8 + size:]


def gguf(data):
    """Counts, lengths and types, as far as its entries can be followed."""
    fields, parts = [(4, 4, "little"), (8, 8, "little"), (16, 8, "little")], []
    sizes = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}

    def number(at, size):
        return int.from_bytes(data[at:at + size], "little")

    def text(at):
        fields.append((at, 8, "little"))
        return at + 8 + number(at, 8)

    at = 24
    for _ in range(number(16, 8)):
        begin = at
        at = text(at)
        kind = number(at, 4)
        fields.append((at, 4, "little"))
        at += 4
        if kind == 8:
            at = text(at)
        elif kind in sizes:
            fields.append((at, sizes[kind], "little"))
            at += sizes[kind]
        else:
            break
        parts.append((begin, at))
    for _ in range(number(8, 8)):
        begin = at
        at = text(at)
        dimensions = number(at, 4)
        fields += [(at, 4, "little")] + [(at + 4 + 8 * i, 8, "little") for i in range(dimensions)]
        at += 4 + 8 * dimensions
        fields += [(at, 4, "little"), (at + 4, 8, "little")]
        at += 12
        if at > len(data):
            break
        parts.append((begin, at))
    return Layout(data, fields, parts)


def npy(shape):
    """Zeros of a shape."""
    count = 1
    for size in shape:
        count *= size
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {tuple(shape)}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode() + b"\0" * (4 * count)


def any_npy(random, data):
    size = struct.unpack_from("<H", data, 8)[0]
    header, rest = data[10:10 + size].decode(), data[10 + size:]
    for _ in range(random.randint(1, 2)):
        header = random.choice((
            any_text(random, header), header.replace("<f4", random.choice((">f4", "<f8", "|O", "<f2", "<i8", "<U9", "|V4", "<f99999"))),
            header.replace("False", random.choice(("True", "None", "0"))), header.replace("(", "(" + random.choice(
                ("0, ", "-1, ", "9223372036854775807, ", "18446744073709551616, ", "1, " * 40)))))
    header = header.encode("utf-8", "surrogatepass")[:65535]
    length = len(header) if random.random() < 0.85 else random.randrange(65536)
    return data[:6] + bytes(random.choice(((1, 0), (1, 0), (2, 0), (9, 9)))) + struct.pack("<H", length) + header + rest
