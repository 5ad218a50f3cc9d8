#!/usr/bin/env python3
"""Files and texts that are nearly right, for every reader: zip, pickle, safetensors, GGUF, npy, JSON, YAML, TOML, PNG, JPEG, WebP
and other pictures, EXIF, infotext and other programs' metadata, task lists, prompt syntax, name templates, captions
to train with. Each goes through the commands that read such things.

What must hold: no signal, no time-out, no error of unknown kind (exit code 1), a word where it fails, a bound to what is said,
a bound to the memory of what runs without LibTorch, and no file outside the folder that was named.
"""

import json
import resource
import sys

import common
import mutations

DATA = common.ROOT / "tests" / "data"
MEMORY = 700 << 20  # of address space, for what runs without LibTorch
SAID = 32 << 10  # bytes on stderr
CODES = (0, 2, 3, 4, 5)
CI_COUNT = 70
DRAWING = ("--steps", "1", "--W", "64", "--H", "64", "--n_samples", "1", "--n_iter", "1", "--skip_grid", "--device", "cpu",
           "--threads", "1", "-q")

INFOTEXT = ("a red apple, (shiny:1.2), <lora:x:1>\nNegative prompt: blurry, [bad]\nSteps: 20, Sampler: Euler a, CFG scale: 7.5, Seed: 42, "
            "Size: 512x512, Model hash: 6ce0161689, Model: v1-5, Denoising strength: 0.5, Clip skip: 2, Hires upscale: 2, "
            "Lora hashes: \"a: 0123, b: 4567\", Version: v1.9.0")
INFOTEXT_WORDS = mutations.WORDS + ("Steps: ", "Seed: ", "Size: ", "x", "Negative prompt: ", "\nSteps: 1, Sampler: DDIM, Seed: -1", "\"", "\\\"")
SYNTAX = ("(", ")", "[", "]", ":", "|", "\\", "BREAK", "AND", "<lora:a:1>", "{", "}", "a", "cat", ",", "1.5", "-3", ":0.5]", "((", "))",
          "[a:b:", "[a|b]", "(x:1e9)", "\u96ea", "\U0001f431", "\0"[:0], " ", " " * 300, "AND :", "{a|b|c}", "{{{", "\\{", "\\|")
FIELDS = ("{number}", "{index:3}", "{seed:010}", "{prompt}", "{prompt:40}", "{model}", "{sampler}", "{scale}", "{date}", "{time}", "{iteration}",
          "{source}", "{target}", "{nothing}", "{seed:99999999999}", "{prompt:0}", "{", "}", "{}", "{{", "/", "//", "..", ".", "../", "\\", "~",
          "a" * 300, "-", " ", "CON", "\n", "\u0301", "%d")
TOML = """# always
outdir = "pictures"
steps = 20
scale = 7.5
quiet = true

[txt2img]
sampler = "plms"
seed = 7
reweight = ["red=2", "blue=0.5"]

[attn]
words = "cat"
"""
TOML_WORDS = mutations.WORDS + ("[", "[[", "]]", "=", "'''", '"""', "1979-05-27T07:32:00Z", "0x", "{a=1}", "[txt2img]", "ckpt", "[swap.x]")
RECIPES = {
    "prompt": '{"3":{"class_type":"KSampler","inputs":{"seed":7,"steps":20,"cfg":7.5,"sampler_name":"euler","scheduler":"karras",'
              '"denoise":1,"model":["4",0],"positive":["6",0],"negative":["7",0],"latent_image":["5",0]}},"4":{"class_type":'
              '"CheckpointLoaderSimple","inputs":{"ckpt_name":"a.ckpt"}},"5":{"class_type":"EmptyLatentImage","inputs":{"width":512,'
              '"height":512,"batch_size":1}},"6":{"class_type":"CLIPTextEncode","inputs":{"text":"a cat","clip":["4",1]}},"7":'
              '{"class_type":"CLIPTextEncode","inputs":{"text":"bad","clip":["4",1]}}}',
    "invokeai_metadata": '{"positive_prompt":"a cat","negative_prompt":"bad","seed":1,"steps":20,"cfg_scale":7.5,"scheduler":"euler",'
                         '"width":512,"height":512,"model":{"name":"a","hash":"b"}}',
    "sd": '{"command":"txt2img","prompt":"a cat","seed":1,"steps":20,"width":64,"height":64,"args":["txt2img","--prompt","a cat"]}',
    "Comment": '{"prompt":"a cat","uc":"bad","steps":28,"scale":11,"seed":1,"sampler":"k_euler","width":512,"height":512}',
}


def bounded():
    """In the child, before it becomes `sd`."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def read(bench, *words, env=None):
    """A run without LibTorch, within the bounds."""
    return check(bench, bench.sd(*words, before=bounded, env=env))


def draw(bench, *words):
    """A run that may draw."""
    return check(bench, bench.sd(*words, *DRAWING))


def check(bench, outcome):
    bench.expect_honest(outcome, CODES)
    bench.expect(outcome.code == 0 or outcome.stderr.strip(), "it says what failed", outcome)
    bench.expect(len(outcome.stderr) <= SAID, f"it says no more than {SAID} bytes, not {len(outcome.stderr)}", outcome)
    return outcome


def file(bench, name, data):
    path = bench.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass"))
    return path


def seeds(*patterns):
    found = sorted(path for pattern in patterns for path in common.ROOT.glob(pattern))
    if not found:
        raise FileNotFoundError(patterns)
    return found


def checkpoint(bench, name, data):
    path = file(bench, name, data)
    read(bench, "info", path)
    read(bench, "convert", path, bench.folder / "converted.safetensors", "--no-config")


def try_zip(bench, random):
    data = random.choice(seeds("tests/fuzz/corpus/fuzz_zip/*.ckpt")).read_bytes()
    checkpoint(bench, "a.ckpt", mutations.archive(data).mutated(random))


def try_pickle(bench, random):
    data = mutations.any_pickle(random, random.choice(seeds("tests/fuzz/corpus/fuzz_pickle/*.pkl")).read_bytes())
    checkpoint(bench, "a.ckpt", mutations.zip_of([("a/data.pkl", data), ("a/data/0", b"x" * 12), ("a/data/1", b"x" * 4), ("a/version", b"3\n")],
                                                 random.random() < 0.3))


def try_legacy(bench, random):
    checkpoint(bench, "a.ckpt", bytes(mutations.any_bytes(random, (DATA / "formats" / "legacy.ckpt").read_bytes())))


def try_safetensors(bench, random):
    checkpoint(bench, "a.safetensors", mutations.any_safetensors(random, random.choice(seeds("tests/data/formats/*.safetensors")).read_bytes()))


def try_embedding(bench, random):
    """An embedding in any of its containers."""
    path = random.choice(seeds("tests/fuzz/corpus/fuzz_embedding/*.*"))
    changed = file(bench, "ink" + path.suffix, bytes(mutations.any_bytes(random, path.read_bytes())))
    read(bench, "info", changed)
    draw(bench, "txt2img", "--ckpt", bench.options.model, "--embedding", changed, "--prompt", "ink", "--outdir", bench.folder / "out",
         "--no-config")


def try_ip_adapter(bench, random):
    path = random.choice(seeds("tests/fuzz/corpus/fuzz_ip_adapter/*.*"))
    data = path.read_bytes()
    changed = mutations.any_safetensors(random, data) if path.suffix == ".safetensors" else bytes(mutations.any_bytes(random, data))
    read(bench, "info", file(bench, "adapter" + path.suffix, changed))
    picture = random.choice(seeds("tests/data/image/*.png"))
    draw(bench, "txt2img", "--ckpt", bench.options.model, "--ip-adapter", f"{bench.folder / ('adapter' + path.suffix)}:{picture}",
         "--prompt", "a cat", "--outdir", bench.folder / "out", "--no-config")


def try_inversion(bench, random):
    path = random.choice(seeds("tests/fuzz/corpus/fuzz_inversion/*.*"))
    changed = file(bench, "a.inv.safetensors", mutations.any_inversion(random, path.read_bytes()))
    read(bench, "info", changed)
    draw(bench, "swap", "--ckpt", bench.options.model, "--inversion", changed, "--prompt", "a dog", "--outdir", bench.folder / "out",
         "--no-config")


def try_index(bench, random):
    """The index of a checkpoint in several files, one of which is there."""
    data = (DATA / "formats" / "types.safetensors").read_bytes()
    names = [name for name in json.loads(data[8:8 + int.from_bytes(data[:8], "little")]) if name != "__metadata__"]
    shards = ("a-00001-of-00002.safetensors", "a-00002-of-00002.safetensors")
    file(bench, shards[0], data)
    index = {"metadata": {"total_size": len(data)}, "weight_map": {name: random.choice(shards) for name in names}}
    read(bench, "info", file(bench, "a.safetensors.index.json", mutations.any_json(random, index)))
    read(bench, "info", bench.folder / shards[0])


def try_gguf(bench, random):
    checkpoint(bench, "a.gguf", mutations.gguf((DATA / "formats" / "types.gguf").read_bytes()).mutated(random))


def try_folder(bench, random):
    """A diffusers folder with one of its settings changed; the weights are links."""
    original, folder = bench.options.data / "tiny-v1-diffusers", bench.folder / "model"
    for path in sorted(original.rglob("*")):
        if path.is_dir():
            continue
        copy = folder / path.relative_to(original)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.symlink_to(path)
    settings = random.choice([path for path in sorted(folder.rglob("*.json")) if path.stat().st_size < 1 << 16])
    changed = mutations.any_json(random, json.loads(settings.read_text()))
    settings.unlink()
    file(bench, settings.relative_to(bench.folder), changed)
    read(bench, "info", "--no-hash", folder)
    read(bench, "convert", folder, bench.folder / "converted.safetensors", "--no-config")


def try_yaml(bench, random):
    words = mutations.WORDS + ("&a ", "*a", "<<: *a", "- ", "  ", "|", ">", "? ", "---", "!!binary ", "target: x", "params:", "[1, 2]")
    path = file(bench, "a.yaml", mutations.any_text(random, (DATA / "tiny-v1.yaml").read_text(), words))
    read(bench, "convert", bench.options.model, bench.folder / "converted.safetensors", "--config", path, "--no-config")


def try_settings(bench, random):
    file(bench, ".config/sd/config.toml", mutations.any_text(random, TOML, TOML_WORDS))
    read(bench, "swap")  # which lacks its prompts
    outcome = bench.sd("doctor", before=bounded)
    bench.expect_honest(outcome, CODES)
    bench.expect(outcome.code == 0 or b"config.toml" in outcome.stdout, "doctor says what is wrong with the settings", outcome)


def picture(bench, path):
    read(bench, "info", path)
    read(bench, "info", "--json", path)
    read(bench, "info", "--as-args", path)


def try_png(bench, random):
    data = random.choice(seeds("tests/data/image/*.png")).read_bytes()
    picture(bench, file(bench, "a.png", mutations.png(data).mutated(random)))


def try_jpeg(bench, random):
    data = random.choice(seeds("tests/data/image/*.jpg")).read_bytes()
    picture(bench, file(bench, "a.jpg", mutations.jpeg(data).mutated(random)))


def try_webp(bench, random):
    data = random.choice(seeds("tests/data/image/*.webp")).read_bytes()
    picture(bench, file(bench, "a.webp", mutations.webp(data).mutated(random)))


def try_infotext(bench, random):
    text = mutations.any_text(random, INFOTEXT, INFOTEXT_WORDS)
    picture(bench, file(bench, "a.png", mutations.png_with_texts([(random.choice(("parameters", "Parameters", "usercomment")), text)])))


def try_recipe(bench, random):
    keyword = random.choice(list(RECIPES))
    text = mutations.any_json(random, json.loads(RECIPES[keyword]))
    picture(bench, file(bench, "a.png", mutations.png_with_texts([("Software", random.choice(("NovelAI", "x"))), (keyword, text)])))


def try_start_picture(bench, random):
    """Decoding, to the last pixel."""
    path = random.choice(seeds("tests/data/image/*.png", "tests/data/image/*.jpg", "tests/data/image/*.webp", "tests/data/image/rgb.*[a-z]"))
    if path.suffix == ".expected":
        path = path.with_suffix("")
    layout = {".png": mutations.png, ".jpg": mutations.jpeg, ".webp": mutations.webp}.get(path.suffix)
    data = path.read_bytes()
    data = layout(data).mutated(random) if layout else bytes(mutations.any_bytes(random, data))
    start = file(bench, "start" + path.suffix, data)
    words = ("img2img", "--ckpt", bench.options.model, "--init-img", start, "--prompt", "a cat", "--strength", "0.5", "--no-config")
    check(bench, bench.sd(*words, "--outdir", bench.folder / "out", "--steps", "2", "--n_samples", "1", "--n_iter", "1", "--W", "64", "--H", "64",
                          "--skip_grid", "--device", "cpu", "--threads", "1", "-q"))


def try_npy(bench, random):
    path = file(bench, "start.npy", mutations.any_npy(random, mutations.npy((1, 4, 8, 8))))
    draw(bench, "txt2img", "--ckpt", bench.options.model, "--prompt", "a cat", "--init-latents", path, "--outdir", bench.folder / "out", "--no-config")


def try_prompts(bench, random):
    lines = ["".join(random.choice(SYNTAX) for _ in range(random.randint(1, 25))).replace("\n", " ") for _ in range(6)]
    text = random.choice(("\n", "\r\n", "\r", "\u2028")).join(lines) + "\n"
    data = text.encode(random.choice(("utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-8")), "surrogatepass")
    if random.random() < 0.2:
        data = bytes(mutations.any_bytes(random, data))
    path = file(bench, "prompts.txt", data)
    more = ("--combinations",) if random.random() < 0.3 else ()
    draw(bench, "txt2img", "--ckpt", bench.options.model, "--from-file", path, "--prompt-syntax", "a1111", "--outdir", bench.folder / "out",
         "--no-config", *more)


def try_tasks(bench, random):
    task = {"prompt": "a red cat", "seed": 1, "steps": 1, "negative_prompt": "bad", "reweight": ["red=2"], "format": "jpeg", "skip_grid": True,
            "sampler": "ddim", "scale": 2}
    lines = [mutations.any_json(random, task) for _ in range(4)]
    path = file(bench, "tasks.jsonl", "".join(line + "\n" for line in lines))
    # Steps stay few, whatever a line says: what is tried is the reading.
    if any(word in path.read_text(errors="replace") for word in ("65535", "65536", "32767")):
        path.write_text(path.read_text(errors="replace").replace("65535", "9").replace("65536", "9").replace("32767", "9"))
    draw(bench, "txt2img", "--ckpt", bench.options.model, "--from-file", path, "--outdir", bench.folder / "out", "--no-config")


def try_captions(bench, random):
    """A folder of pictures with captions, as `sd-train` reads it: a list of them, or a text beside each."""
    original = random.choice(seeds("tests/data/image/*.png")).read_bytes()
    for name in ("a", "b"):
        file(bench, f"data/{name}.png", original)
    if random.random() < 0.7:
        lines = [mutations.any_json(random, {"file_name": name, "text": "a cat", "more": 1}) for name in ("a.png", "b.png", "../c.png")]
        text = random.choice(("\n", "\r\n", "\n\n", "\u2028")).join(lines[:random.randint(1, 3)])
        data = text.encode("utf-8", "surrogatepass")
        file(bench, "data/metadata.jsonl", bytes(mutations.any_bytes(random, data)) if random.random() < 0.3 else data)
    else:
        file(bench, "data/a.txt", "a cat\nof two lines")
        file(bench, "data/b.txt", bytes(mutations.any_bytes(random, "a dog, \u96ea".encode())))
    out = bench.folder / "out" / "new.safetensors"
    before = common.tree(bench.folder)
    check(bench, bench.run([bench.options.sd.parent / "sd-train", "lora", "--model", bench.options.model, "--data", bench.folder / "data", "--out", out,
                            "--steps", "1", "--batch", "1", "--rank", "1", "--resolution", "64", "--threads", "1", "--dtype", "f32"]))
    strange = [name for name in common.tree(bench.folder) if name not in before and not name.startswith(("out/", ".cache/"))]
    bench.expect(not strange, f"nothing is written but below --out: {strange}")


def try_names(bench, random):
    template = "".join(random.choice(FIELDS) for _ in range(random.randint(1, 6)))
    out = bench.folder / "inner" / "out"
    before = common.tree(bench.folder)
    draw(bench, "txt2img", "--ckpt", bench.options.model, "--prompt", "../../a\u0301/cat", f"--name={template}", "--outdir", out, "--no-config")
    escaped = [name for name in common.tree(bench.folder) if name not in before and not name.startswith(("inner/out/", ".cache/"))]
    bench.expect(not escaped, f"pictures lie below the folder that was named: {escaped}, by the template {template!r}")


# What runs without LibTorch takes a tenth of the time of what draws, so it has more turns.
READERS = [try_zip, try_pickle, try_legacy, try_safetensors, try_embedding, try_ip_adapter, try_inversion, try_index, try_gguf, try_folder, try_yaml, try_settings, try_png, try_jpeg, try_webp,
           try_infotext, try_recipe]
DRAWERS = [try_start_picture, try_npy, try_prompts, try_tasks, try_names, try_captions]


def trial(bench, number, random):
    turn, place = divmod(number, len(READERS) + 1)
    kind = READERS[place] if place < len(READERS) else DRAWERS[turn % len(DRAWERS)]
    try:
        kind(bench, random)
    except common.Failure as failure:
        raise common.Failure(f"{kind.__name__}: {failure}") from failure


if __name__ == "__main__":
    sys.exit(common.main(__doc__, trial, count=140))
