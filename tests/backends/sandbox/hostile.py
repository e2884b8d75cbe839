"""A model that tries whatever its process lets it, and tells what it could do.

It is honest about that to the tests: a load that could do something fails and names it.
"""

import json
from pathlib import Path
from typing import Any

from tests.backends.tiny_pyfunc import write_pyfunc

LOADER = """
import ctypes, fcntl, json, os, resource, socket, subprocess, threading
from pathlib import Path

import numpy

TOLD = json.loads((Path(__file__).parent / "told.json").read_text())
SECRETS, CANARY, PARENT = TOLD["secrets"], Path(TOLD["canary"]), TOLD["parent"]
libc = ctypes.CDLL(None, use_errno=True)

def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)

def connect(family, place):
    with socket.socket(family) as line:
        line.settimeout(2)
        line.connect(place)

def listen():
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))

def fork():
    if os.fork() == 0:
        os._exit(0)

def own():
    fcntl.fcntl(1, fcntl.F_SETOWN, PARENT)

def canary():
    # Its folder may be one of the process's own, in memory; whoever asks looks for the file.
    CANARY.write_text("x")
    raise OSError

def fill():
    for number in range(2):
        with open(os.path.join(os.environ["TMPDIR"], str(number)), "wb") as file:
            for _ in range(200):
                file.write(bytes(2**20))

ATTEMPTS = {
    "write a canary": canary,
    "write beside the model": lambda: (Path(__file__).parent / "x").write_text("x"),
    "change a library": lambda: open(numpy.__file__, "a").close(),
    "write to shared memory": lambda: Path("/dev/shm/xray-gate-canary").write_text("x"),
    "change a device": lambda: os.chmod("/dev/null", 0o666),
    "set a parameter of the kernel": lambda: os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY),
    "press a key of the kernel": lambda: os.open("/proc/sysrq-trigger", os.O_WRONLY),
    "offer itself to be killed last": lambda: os.open("/proc/self/oom_score_adj", os.O_WRONLY),
    "change modes": lambda: os.chmod(SECRETS[0], 0o777),
    "change times": lambda: os.utime(SECRETS[0]),
    "set attributes": lambda: os.setxattr(SECRETS[0], "user.x", b"x"),
    "empty a file": lambda: os.truncate(SECRETS[0], 0),
    "empty a file by opening it": lambda: os.open(SECRETS[0], os.O_RDONLY | os.O_TRUNC),
    "link a file": lambda: os.link(SECRETS[0], CANARY),
    "read the first secret": lambda: Path(SECRETS[0]).read_text(),
    "read the second secret": lambda: Path(SECRETS[1]).read_text(),
    "read the third secret": lambda: Path(SECRETS[2]).read_text(),
    "list the home directory": lambda: os.listdir(TOLD["home"])[TOLD["names"]],
    "read users": lambda: Path("/etc/passwd").read_text(),
    "read the parent's environment": lambda: Path(f"/proc/{PARENT}/environ").read_text(),
    "read the parent's memory": lambda: open(f"/proc/{PARENT}/mem", "rb").close(),
    "connect": lambda: connect(socket.AF_INET, ("127.0.0.1", TOLD["port"])),
    "connect to an abstract socket": lambda: connect(socket.AF_UNIX, chr(0) + TOLD["abstract"]),
    "listen": listen,
    "fork": fork,
    "run a shell": lambda: subprocess.run(["/bin/sh", "-c", ":"], check=True),
    "spawn": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "signal the parent": lambda: os.kill(PARENT, 0),
    "signal everybody": lambda: os.kill(-1, 0),
    "signal on behalf of a pipe": own,
    "trace the parent": lambda: call("ptrace", 0x4206, PARENT, None, None),
    "limit the parent": lambda: resource.prlimit(PARENT, resource.RLIMIT_NOFILE),
    "move the parent to another core": lambda: os.sched_setaffinity(PARENT, {0}),
    "raise its limits": lambda: resource.setrlimit(resource.RLIMIT_CPU, (10**6, 10**6)),
    "make namespaces": lambda: call("unshare", 0x10000000),
    "mount": lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
    "use io_uring": lambda: call("syscall", 425, 4, ctypes.create_string_buffer(120)),
    "make a file in memory": lambda: os.memfd_create("x"),
    "fill the disk": fill,
}

def done():
    found = []
    for name in TOLD["attempts"] or ATTEMPTS:
        try:
            ATTEMPTS[name]()
        except (OSError, IndexError, ValueError, subprocess.SubprocessError):
            continue
        found.append(name)
    return found

class Model:
    def predict(self, images):
        return images.mean(axis=(2, 3))

def _load_pyfunc(path):
    found = done()
    thread = threading.Thread(target=lambda: found.extend(done()))
    thread.start()
    thread.join()
    if found:
        raise RuntimeError("could " + ", ".join(sorted(set(found))))
    return Model()
"""


def write_hostile(folder: Path, told: dict[str, Any]) -> Path:
    """A model folder that tries what `told["attempts"]` names, or everything."""
    write_pyfunc(folder, LOADER)
    (folder / "code" / "told.json").write_text(json.dumps(told))
    return folder
