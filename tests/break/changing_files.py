"""Cuts files short, or writes over them in place, while `sd` reads, hashes, converts or draws from them.

Right is a result that equals an undisturbed one, or exit code 5 (4 where the file was cut before it was opened) naming the file;
no picture of mixed weights, no wrong hash that is remembered, nothing half-written.

    tests/break/changing_files.py --seed 1 --count 40
"""

import hashlib
import json
import shutil
import struct
import sys
import threading
import time

import common

DRAWING = ["--prompt", "a red apple", "--steps", "6", "--n_samples", "1", "--n_iter", "5", "--H", "128", "--W", "128", "--seed", "1",
           "--device", "cpu", "--dtype", "f32", "--threads", "1", "--skip_grid"]
BIG = 96 * 1024 * 1024  # bytes of a file whose hashing takes a while


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def cut(path, random):
    with open(path, "r+b") as file:
        file.truncate(random.randrange(path.stat().st_size))


def write_over(path, random):
    """Other bytes of the same length, in the file that is there, as `cp` and rsync --inplace write them."""
    size = path.stat().st_size
    with open(path, "r+b") as file:
        file.seek(size // 8)
        file.write(random.randbytes(size // 2))


def move_over(path, random):
    """A new file under the old name, as mv and careful programs write them: whoever reads the old one goes on."""
    other = path.with_name("other")
    other.write_bytes(random.randbytes(path.stat().st_size))
    other.rename(path)


def big_file(path, random):
    header = json.dumps({"a": {"dtype": "U8", "shape": [BIG], "data_offsets": [0, BIG]}}).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        piece = random.randbytes(1 << 20)
        for _ in range(BIG >> 20):
            file.write(piece)


def copy_model(bench, path):
    shutil.copy(bench.options.model, path)
    shutil.copy(bench.options.model.with_suffix(".yaml"), path.with_suffix(".yaml"))


def disturbed(bench, words, path, harm, random, seconds):
    """Runs `sd` and harms `path` at a random moment of it."""
    delay = random.uniform(0, seconds)

    def wait_and_harm():
        time.sleep(delay)
        harm(path, random)

    thread = threading.Thread(target=wait_and_harm)
    thread.start()
    outcome = bench.sd(*words)
    thread.join()
    outcome.words.insert(0, f"[{harm.__name__} after {delay:.2f} s of {seconds:.2f}]")
    return outcome


def expect_named(bench, outcome, path):
    bench.expect_honest(outcome, codes=(0, 4, 5))
    if outcome.code != 0:
        bench.expect(path.name in outcome.stderr.decode("utf-8", "replace"), "the file is named", outcome)
    left = common.temporary_files(bench.folder)
    bench.expect(not left, f"nothing unfinished is left: {left}", outcome)


def hash_trial(bench, harm, random):
    path = bench.folder / "big.safetensors"
    big_file(path, random)
    whole = sha256(path)
    seconds = bench.sd("info", path, env={"XDG_CACHE_HOME": bench.folder / "first"}).seconds
    outcome = disturbed(bench, ["info", "--json", path], path, harm, random, seconds)
    now = sha256(path)
    expect_named(bench, outcome, path)
    if outcome.code == 0:
        found = json.loads(outcome.stdout)["sha256"]
        bench.expect(found in (whole, now), "the hash is that of a whole file", outcome)
    again = bench.sd("info", "--json", path)
    if again.code == 0:
        bench.expect(json.loads(again.stdout)["sha256"] == now, "no other file's hash is remembered", again)


def convert_trial(bench, harm, random):
    source, reference, out = (bench.folder / name for name in ("in.ckpt", "reference.safetensors", "out.safetensors"))
    copy_model(bench, source)
    undisturbed = bench.sd("convert", source, reference, "--dtype", "f16")
    bench.expect(undisturbed.code == 0, "an undisturbed conversion is done", undisturbed)
    outcome = disturbed(bench, ["convert", source, out, "--dtype", "f16"], source, harm, random, undisturbed.seconds)
    expect_named(bench, outcome, source)
    if outcome.code == 0:
        bench.expect(out.read_bytes() == reference.read_bytes(), "what was written is the model", outcome)
    else:
        bench.expect(not out.exists(), "nothing is left of a conversion that failed", outcome)


def pixels(path):
    """The compressed pixels of a PNG. Its texts may lack the hash of a model that is there no longer."""
    data, at, found = path.read_bytes(), 8, hashlib.sha256()
    while at < len(data):
        (size,) = struct.unpack(">I", data[at:at + 4])
        if data[at + 4:at + 8] == b"IDAT":
            found.update(data[at + 8:at + 8 + size])
        at += size + 12
    return found.hexdigest()


def pictures(folder):
    return {path.name: pixels(path) for path in folder.rglob("*.png")}


def draw_trial(bench, harm, random):
    source = bench.folder / "model.safetensors"
    made = bench.sd("convert", bench.options.model, source, "--dtype", "f32")  # used where it lies
    bench.expect(made.code == 0, "the model is copied", made)
    undisturbed = bench.sd("txt2img", "--ckpt", source, "--outdir", bench.folder / "reference", *DRAWING)
    bench.expect(undisturbed.code == 0, "an undisturbed run is done", undisturbed)
    outcome = disturbed(bench, ["txt2img", "--ckpt", source, "--outdir", bench.folder / "out", *DRAWING], source, harm, random,
                        undisturbed.seconds)
    # Written over before it was loaded, the file is a model of no sense, and that is said.
    no_sense = outcome.code == 1 and harm is not cut and b"damaged" in outcome.stderr
    if not no_sense:
        expect_named(bench, outcome, source)
    expected, found = pictures(bench.folder / "reference"), pictures(bench.folder / "out")
    for name, digest in found.items():
        bench.expect(digest == expected.get(name), f"{name} is a picture of the model", outcome)
    if outcome.code == 0:
        bench.expect(found.keys() == expected.keys(), "all pictures are there", outcome)


def trial(bench, number, random):
    kind = random.choice([hash_trial, convert_trial, draw_trial])
    kind(bench, random.choice([cut, write_over, move_over]), random)


if __name__ == "__main__":
    sys.exit(common.main(__doc__, trial, count=12))
