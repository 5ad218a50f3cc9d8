#!/usr/bin/env python3
"""Pickles made to attack whoever loads them, in the containers of torch.save: nothing may run, and each is refused by name or listed.

A trial makes eight files. Each pickle names something: a known way to a shell, a name of Python's own modules, one that only looks
like a class, or one that is no plain name at all; and it calls it in one of the ways that pickles have. It lies in a zip archive as
torch.save writes it, beside a tensor, in the older row of pickles, in a tar archive, or bare.
"""

import io
import json
import pickle
import struct
import sys
import tarfile
import zipfile

import common

CI_COUNT = 6

FILES = 8  # a trial

COMMANDS = [
    ("os", "system"), ("posix", "system"), ("nt", "system"), ("os", "popen"), ("os", "execl"), ("subprocess", "Popen"),
    ("subprocess", "call"), ("subprocess", "check_output"), ("pty", "spawn"), ("commands", "getoutput"), ("builtins", "eval"),
    ("builtins", "exec"), ("builtins", "__import__"), ("builtins", "getattr"), ("builtins", "open"), ("__builtin__", "eval"),
    ("__builtin__", "execfile"), ("io", "open"), ("runpy", "run_path"), ("runpy", "_run_code"), ("importlib", "import_module"),
    ("imp", "load_source"), ("pickle", "loads"), ("_pickle", "loads"), ("marshal", "loads"), ("dill", "loads"), ("joblib", "load"),
    ("cloudpickle", "loads"), ("types", "FunctionType"), ("types", "CodeType"), ("code", "InteractiveInterpreter"),
    ("timeit", "timeit"), ("cProfile", "run"), ("profile", "run"), ("pdb", "run"), ("doctest", "debug_script"),
    ("pydoc", "pipepager"), ("ensurepip", "_run_pip"), ("venv", "create"), ("ctypes", "CDLL"), ("operator", "attrgetter"),
    ("operator", "methodcaller"), ("functools", "reduce"), ("itertools", "starmap"), ("logging.config", "listen"),
    ("asyncio", "create_subprocess_shell"), ("multiprocessing", "Process"), ("threading", "Thread"), ("socket", "socket"),
    ("urllib.request", "urlretrieve"), ("http.server", "test"), ("webbrowser", "open"), ("shutil", "rmtree"), ("sys", "exit"),
    ("site", "addsitedir"), ("atexit", "register"), ("signal", "signal"), ("pip", "main"), ("torch", "load"),
    ("torch.serialization", "load"), ("torch.storage", "_load_from_bytes"), ("torch.hub", "load"),
    ("torch.hub", "load_state_dict_from_url"), ("torch.jit", "load"), ("torch.utils.cpp_extension", "load_inline"),
    ("torch.utils.collect_env", "run"), ("torch.utils._config_module", "load_config"), ("torch.distributed.rpc", "rpc_sync"),
    ("torch.fx.graph_module", "reduce_graph_module"), ("torch.package", "PackageImporter"), ("torch.jit", "CompilationUnit"),
    ("numpy", "load"), ("numpy", "memmap"), ("numpy.testing._private.utils", "runstring"), ("paramiko", "ProxyCommand"),
    ("sh", "Command"), ("jinja2", "Template"), ("idlelib.pyshell", "ModifiedInterpreter"), ("uuid", "_get_command_stdout"),
]
# What training programs leave in checkpoints, and what looks like it.
CLASSES = [
    ("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint"), ("omegaconf.dictconfig", "DictConfig"),
    ("transformers.training_args", "TrainingArguments"), ("my_project.config", "Config"), ("somebody", "Popen"),
    ("torch.nn.modules.conv", "Conv2d"), ("netutil", "ProxyCommand"),
]
ODD = [
    ("collections", "OrderedDict.fromkeys"), ("torch", "nn.Module"), ("os", "path.os.system"), ("οs", "system"), ("os\n", "system"),
    ("os", "system\n"), ("", "system"), ("os", ""), ("o\x1b[2Js", "system"), ("os\0", "system"), ("os ", "system"), ("..os", "system"),
    ("builtins", "eval.__call__"), ("a" * 300, "B"), ("os", "s" * 300), ("ｏｓ", "system"), ("os;x", "y"),
]


def text(value):
    data = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def shown(name):
    """A name as messages show it."""
    data = name.encode("utf-8", "surrogatepass")
    plain = "".join(chr(byte) if 32 <= byte <= 126 else f"\\x{byte:02x}" for byte in data[:200])
    return plain + "…" if len(data) > 200 else plain


def choose(random):
    kind = random.randrange(10)
    if kind < 5:
        return random.choice(COMMANDS)
    if kind < 7:
        return random.choice(CLASSES)
    if kind < 9:
        return random.choice(ODD)
    modules = sorted(sys.stdlib_module_names)
    names = ["run", "open", "load", "main", "call", "Popen", "Server", "exec_", "_spawn", "listen", "compile"]
    return random.choice(modules), random.choice(names)


def gadget(random, command):
    """The opcodes that name something and call it; its module and name."""
    module, name = choose(random)
    lines = "\n" not in module + name and "\0" not in module + name
    arguments = text(command)
    if random.random() < 0.3:
        arguments = text("sh") + text("-c") + text(command)
    tuple_of = b"(" + arguments + b"t"
    named = text(module) + text(name) + b"\x93"
    if lines and random.random() < 0.5:
        named = b"c" + module.encode() + b"\n" + name.encode() + b"\n"
    if random.random() < 0.2:  # by way of the memo
        named = text(module) + b"q\x01" + text(name) + b"q\x020" + b"0" + b"h\x01h\x02\x93"
    way = random.randrange(9)
    if way == 0 and lines:
        return b"(" + arguments + b"i" + module.encode() + b"\n" + name.encode() + b"\n", module, name
    code = {
        1: b"(" + named + arguments + b"o",
        2: named + tuple_of + b"\x81",
        3: named + tuple_of + b"}\x92",
        4: named + b")R" + tuple_of + b"R",
        5: named + b")\x81}" + text("__setstate__") + named + b"sb",
        6: named,
        7: named + b"}" + text("x") + named + b"sb",
    }.get(way, named + tuple_of + b"R")
    return code, module, name


TENSOR = (b"ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu")
          + b"K\x01tQK\x00K\x01\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR")


def state(code):
    """A checkpoint with a tensor and, beside it, what the opcodes make."""
    return (b"\x80\x04}(" + text("state_dict") + b"}" + text("model.diffusion_model.out.2.bias") + TENSOR + b"s" + text("x") + code
            + b"u.")


def contained(random, data):
    """The bytes of a file, and whether its container is one that is read."""
    kind = random.randrange(8)
    if kind < 4:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if kind == 3 else zipfile.ZIP_STORED) as archive:
            archive.writestr("archive/data.pkl", data)
            archive.writestr("archive/data/0", b"\0\0\0\0")
        return out.getvalue(), True
    if kind < 6:
        begin = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
        pickles = [begin, pickle.dumps(1001, 2), pickle.dumps({"little_endian": True}, 2), data, pickle.dumps(["0"], 2)]
        return b"".join(pickles) + struct.pack("<Q", 1) + b"\0\0\0\0", True
    if kind == 6:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            for name in ("sys_info", "pickle", "storages", "tensors"):
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
        return out.getvalue(), False
    return data, False


def trial(bench, number, random):
    canary = bench.folder / "canary"
    made = []
    for index in range(FILES):
        code, module, name = gadget(random, f"touch {canary}")
        data, is_read = contained(random, state(code))
        path = bench.folder / f"{index}.ckpt"
        path.write_bytes(data)
        made.append((path, module, name, is_read))
    outcome = bench.sd("info", "--no-hash", "--json", *[path for path, *_ in made])
    bench.expect_honest(outcome, (0, 3, 4))
    bench.expect(not canary.exists(), "nothing is run", outcome)
    lines = [json.loads(line) for line in outcome.stdout.decode().splitlines()]
    told = {line["file"]: line for line in lines}
    for path, module, name, is_read in made:
        line = told.get(str(path))
        what = f"{path.name} ({shown(module)}.{shown(name)})"
        bench.expect(line is not None, f"{what} is told of", outcome)
        if line["kind"] == "error":
            said = f"'{shown(module)}.{shown(name)}'" in line["message"] or "no text" in line["message"]
            bench.expect(said or not is_read, f"{what} is refused by name: {line['message']}")
        else:
            listed = (line.get("foreign_names") or {"names": []})["names"]
            bench.expect(f"{module}.{name}" in listed, f"{what} is listed: {listed}")
    if random.random() < 0.1:
        drawn = bench.sd("txt2img", "--ckpt", made[0][0], "--prompt", "a", "--outdir", bench.folder / "out")
        bench.expect_honest(drawn, (4,))
        bench.expect(not canary.exists(), "nothing is run when drawing", drawn)


if __name__ == "__main__":
    sys.exit(common.main(__doc__, trial, count=60))
