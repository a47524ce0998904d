"""Fetches and unpacks Debian packages of any machine, without root and without touching the machine's own packages:
apt runs with lists and a state of our own. Shared by bench/programs and tests/rootfs; knows no package."""

import getpass
import subprocess
import sys

UNWANTED = ["./usr/share/doc", "./usr/share/man", "./usr/share/locale"]


def apt_options(work, machine):
    """Options for apt-get and apt-cache that keep everything below `work`."""
    for directory in ("state/lists/partial", "cache/archives/partial"):
        (work / directory).mkdir(parents=True)
    (work / "state/status").touch()  # nothing is installed, so every library counts as missing
    settings = {
        "APT::Architecture": machine,
        "APT::Architectures": machine,
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": getpass.getuser(),
        "Acquire::Languages": "none",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",  # lists that only software centres read
        "Dir::State": work / "state",
        "Dir::State::status": work / "state/status",
        "Dir::Cache": work / "cache",
    }
    return ["-qq"] + [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def release_options(work, lines):
    """Options that make apt use the sources in `lines` instead of the machine's."""
    sources = work / "sources.list"
    sources.write_text(lines)
    return ["-o", f"Dir::Etc::SourceList={sources}", "-o", "Dir::Etc::SourceParts=/dev/null"]


def update(options):
    # Sources that lack this architecture give warnings; a package that is missing fails later.
    subprocess.run(["apt-get", *options, "update"], check=True)


def download(work, options, names):
    """The files of these packages and of all that they depend on."""
    subprocess.run(["apt-get", *options, "install", "--yes", "--download-only", *names], check=True)
    return sorted((work / "cache/archives").glob("*.deb"))


def make_merged(tree, names):
    """Makes `tree` with /bin, /lib and the like as links into /usr: where a package has its files depends on the
    release of Debian, and the C library looks in both."""
    for name in names:
        (tree / "usr" / name).mkdir(parents=True)
        (tree / name).symlink_to(f"usr/{name}")


def unpack(file, tree, unwanted=()):
    """Unpacks one package into `tree`; links to directories that are there stay. Gives the names of what it has."""
    archive = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", file], stdout=subprocess.PIPE)
    excluded = [f"--exclude={path}" for path in unwanted]
    command = ["tar", "-xv", "-C", tree, "--keep-directory-symlink", "--no-same-owner", *excluded]
    done = subprocess.run(command, stdin=archive.stdout, stdout=subprocess.PIPE, text=True, check=True)
    if archive.wait() != 0:
        sys.exit(f"dpkg-deb cannot unpack {file}")
    return done.stdout.splitlines()


def versions(files):
    """Package to version."""
    def field(file):
        return subprocess.run(["dpkg-deb", "--show", file], check=True, capture_output=True, text=True).stdout.split()

    return dict(field(file) for file in files)
