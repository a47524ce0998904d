"""The real programs of the bench: Debian's arm64 packages, and natively the amd64 packages of the same versions.

`bench/programs` fetches both. The native program is started by the C library's loader of its own tree, with the
libraries of that tree: they are the versions that the arm64 program has, whatever the machine itself has installed.
The kernel then loads the loader as the program and the loader maps the program, instead of the other way round; that
is the same work, and start-up times stay comparable. All variants get the same environment, apart from the tree's path
in PYTHONHOME and PERL5LIB, and work on the same files.
"""

import pathlib
import re
import subprocess

import inputs

HERE = pathlib.Path(__file__).resolve().parent
TREES = HERE / ".programs"
SCRIPTS = HERE / "scripts"
TRIPLETS = {"arm64": "aarch64-linux-gnu", "amd64": "x86_64-linux-gnu"}
BUSYBOX, CC1 = "bin/busybox", "cc1"


class Program:
    """`arguments` makes the command line's rest, from the row's amount of work."""

    def __init__(self, name, package, path, full, quick, arguments, static=False):
        self.name, self.package, self.path, self.static = name, package, path, static
        self.full, self.quick, self.arguments = full, quick, arguments

    def line(self, quick):
        return [str(word) for word in self.arguments(self.quick if quick else self.full)]


AWK = """{ count[$1]++; total += $NF; if ($2 ~ /^[bdk]a/) matched++ }
END { for (word in count) { n++; if (count[word] > most) { most = count[word]; best = word } }
print NR, n, total, matched, best, most }"""

# Name, package, path, work, work with --quick: rounds of a script, MiB of text, rows of a table. All single-threaded:
# xz and zstd are told so.
PROGRAMS = [
    Program("busybox gzip", "busybox-static", BUSYBOX, 8, 2, lambda n: ["gzip", "-c", inputs.text(n)], static=True),
    Program("busybox sha256sum", "busybox-static", BUSYBOX, 64, 16, lambda n: ["sha256sum", inputs.text(n)], static=True),
    Program("busybox sort", "busybox-static", BUSYBOX, 16, 2, lambda n: ["sort", inputs.text(n)], static=True),
    Program("busybox awk", "busybox-static", BUSYBOX, 24, 2, lambda n: ["awk", AWK, inputs.text(n)], static=True),
    Program("xz", "xz-utils", "usr/bin/xz", 2, 0.5, lambda n: ["-c", "-3", "-T1", inputs.text(n)]),
    Program("zstd", "zstd", "usr/bin/zstd", 24, 4, lambda n: ["-q", "-c", "-5", "--single-thread", "--no-asyncio", inputs.text(n)]),
    Program("lua5.4", "lua5.4", "usr/bin/lua5.4", 24, 2, lambda n: [SCRIPTS / "mix.lua", n]),
    Program("luajit", "luajit", "usr/bin/luajit", 60, 5, lambda n: [SCRIPTS / "mix.lua", n]),
    Program("sqlite3", "sqlite3", "usr/bin/sqlite3", 40000, 5000, lambda n: ["-batch", ":memory:", f".read {inputs.statements(n)}"]),
    Program("perl", "perl-base", "usr/bin/perl", 3, 0.25, lambda n: [SCRIPTS / "words.pl", inputs.text(n)]),
    Program("python3", "python3-minimal", "usr/bin/python3", 20, 2, lambda n: [SCRIPTS / "mix.py", n]),
]
# Programs in which most code runs once or a few times. The work of cc1 is in groups of functions.
FIRST_RUNS = [
    Program("perl -e 1", "perl-base", "usr/bin/perl", None, None, lambda _: ["-e", "1"]),
    Program("python3 -c pass", "python3-minimal", "usr/bin/python3", None, None, lambda _: ["-c", "pass"]),
    Program("cc1 -O2", "cpp", CC1, 12, 1, lambda n: ["-quiet", "-O2", "-fno-ident", "-fpreprocessed", inputs.c_source(n), "-o", "-"]),
]


class Missing(Exception):
    """The trees are not what the bench needs."""


def fetch():
    """Fetches what is missing, and compiles Python's modules as installing them would."""
    subprocess.run([HERE / "programs", *TRIPLETS], check=True)
    for machine in TRIPLETS:
        done = TREES / machine / "compiled"
        if not done.exists():
            modules = [str(path) for path in (TREES / machine / "usr/lib").glob("python3.*")]
            code = "import compileall, sys; [compileall.compile_dir(path, quiet=2) for path in sys.argv[1:]]"
            line, environment = native("usr/bin/python3", False)
            subprocess.run([*line, "-c", code, *modules], env=environment, check=True)
            done.touch()


def executable(machine, path):
    if path == CC1:
        found = list((TREES / machine).glob(f"usr/lib*/gcc*/{TRIPLETS['arm64']}/*/cc1"))
        if len(found) != 1:
            raise Missing(f"{len(found)} compilers in bench/.programs/{machine}")
        return found[0]
    return TREES / machine / path


def environment(machine):
    usr = TREES / machine / "usr"
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "TZ": "UTC",
        "PERL5LIB": str(usr / "lib" / TRIPLETS[machine] / "perl-base"),
        "PERL_HASH_SEED": "0",
        "PYTHONHOME": str(usr),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def native(path, static):
    """Start of the command line, and the environment."""
    tree = TREES / "amd64"
    libraries = tree / "usr/lib" / TRIPLETS["amd64"]
    loader = [] if static else [libraries / "ld-linux-x86-64.so.2", "--library-path", libraries]
    return [str(word) for word in (*loader, executable("amd64", path))], environment("amd64")


def emulated(emulator, path):
    """The same, under the emulator whose command line begins with `emulator`."""
    line = [*emulator, "-L", TREES / "arm64", executable("arm64", path)]
    return [str(word) for word in line], environment("arm64")


def versions():
    """Package and version of each program; fails when the machines' versions are not the same. The compiler for arm64
    on amd64 is another package of the same version."""
    lists = []
    for machine in TRIPLETS:
        lines = (TREES / f"{machine}.packages").read_text().splitlines()
        lists.append(dict(line.split() for line in lines))
    found = {}
    for program in PROGRAMS + FIRST_RUNS:
        if program.path == CC1:
            package = next(name for name in lists[0] if re.fullmatch(r"cpp-\d+", name))
            pair = lists[0][package], lists[1][f"{package}-{TRIPLETS['arm64']}"]
            alike = [version.split("-")[0] for version in pair]
        else:
            package = program.package
            pair = [packages[package] for packages in lists]
            alike = [re.sub(r"\+b\d+$", "", version) for version in pair]  # +bN: built again from the same source
        if alike[0] != alike[1]:
            raise Missing(f"{package} is {pair[0]} for arm64 and {pair[1]} for amd64: remove bench/.programs")
        found[package] = pair[0]
    return found
