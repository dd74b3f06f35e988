"""What a run needs from the machine, looked for before anything is started: each with its remedy."""

import os
import pathlib
import shlex
import shutil
import subprocess

import radio
import scenarios

DAEMONS = ["mmed", "hssd", "pcrfd", "sgwcd", "sgwud", "smfd", "upfd"]
EXTENSIONS = ["dict_rfc5777", "dict_mip6i", "dict_nasreq", "dict_nas_mipv6", "dict_dcca", "dict_dcca_3gpp"]
#: Program, and the package of Debian that has it.
PROGRAMS = {"ip": "iproute2", "tcpdump": "tcpdump", "tshark": "tshark", "openssl": "openssl", "mount": "mount"}
#: The same where the network is a namespace of this kernel, and where it is User Mode Linux.
OF_NAMESPACE = {"unshare": "util-linux"}
OF_GUEST = {"linux.uml": "user-mode-linux", "busybox": "busybox", "bash": "bash"}
#: What the guest of User Mode Linux has of its own, empty at its start (tests/uml/init).
GUEST_FOLDERS = ["/tmp", "/run", "/dev/shm"]


class Missing(Exception):
    """Something is not there: what, and what to do."""


def check(options, sctp, shown=()):
    """Looks for everything that the scenarios of the options need; `sctp`: whether this kernel has it.

    `shown`: folders that the guest of User Mode Linux sees wherever they are.

    Raises Missing for the first that is not there.
    """
    prefix = pathlib.Path(options.open5gs)
    daemons(prefix)
    on_air, others = scenarios.split(options.scenario)
    if on_air:
        radio_programs(options, sctp)
    extensions(prefix)
    if options.mongod:
        command = shlex.split(options.mongod)[0]
        if shutil.which(command) is None:
            raise Missing(f"--mongod: there is no {command}")
    if not pathlib.Path(options.callhome).exists():
        raise Missing(f"--callhome: there is no {options.callhome}; cargo build --release")
    if "answers" in options.scenario:
        python_diameter(options.python)
    wanted = dict(PROGRAMS)
    if sctp or on_air:
        wanted |= OF_NAMESPACE
        if os.geteuid() != 0:
            raise Missing("a network of its own needs root: run it by sudo, or with User Mode Linux on a kernel without SCTP")
    if not sctp and others:
        wanted |= OF_GUEST
        seen_by_guest(options, shown)
    for program, package in wanted.items():
        if shutil.which(program) is None:
            raise Missing(f"there is no {program}: apt-get install {package}")
    if sctp and not pathlib.Path("/dev/net/tun").exists():
        raise Missing("there is no /dev/net/tun, which the UPF's packets go through: modprobe tun")


def seen_by_guest(options, shown):
    """The guest sees the machine's files, but in the folders that it has of its own only those below one of `shown`."""
    programs = {"--open5gs": options.open5gs, "--callhome": options.callhome}
    if options.mongod:
        programs["--mongod"] = shutil.which(shlex.split(options.mongod)[0])
    if "answers" in options.scenario:
        programs["--python"] = shutil.which(options.python) or options.python
    for name, program in programs.items():
        path = pathlib.Path(program).absolute()
        own = next((folder for folder in GUEST_FOLDERS if path.is_relative_to(folder)), None)
        if own and not any(path.is_relative_to(folder) for folder in shown):
            raise Missing(f"{name} {path}: User Mode Linux, which this kernel without SCTP needs, has a {own} of its own; put it elsewhere")


def daemons(prefix):
    missing = [name for name in DAEMONS if not (prefix / "bin" / f"open5gs-{name}").exists()]
    if missing:
        raise Missing(f"{prefix}/bin has no {', '.join('open5gs-' + name for name in missing)}; OPEN5GS=… says where Open5GS is installed")


def extensions(prefix):
    for name in EXTENSIONS:
        if not any(prefix.glob(f"lib/**/freeDiameter/{name}.fdx")):
            raise Missing(f"{prefix}/lib has no freeDiameter/{name}.fdx: is this Open5GS installed with all of its parts (ninja install)?")


def radio_programs(options, sctp):
    if options.srsran is None:
        raise Missing("SRSRAN=… says where srsRAN 4G is installed: the scenario needs srsenb and srsue")
    lacks = radio.missing(options.srsran)
    if lacks:
        raise Missing(f"{options.srsran} has no {', no '.join(lacks)}: SRSRAN=… is the prefix of an installed srsRAN 4G")
    if sctp:
        return
    name = scenarios.split(options.scenario)[0][0]
    if options.sctp_stand_in is None:
        raise Missing(f"this kernel has no SCTP: modprobe sctp, or --sctp-stand-in for the scenario {name}")
    if not pathlib.Path(options.sctp_stand_in).exists():
        raise Missing(f"--sctp-stand-in: there is no {options.sctp_stand_in}")


def python_diameter(python):
    """The HSS of `answers` is made of python-diameter."""
    remedy = "bash tests/run --prepare installs it for the tests; or --python names a Python with it (pip install python-diameter), or --scenario leaves `answers` out"
    try:
        found = subprocess.run([python, "-c", "import diameter"], capture_output=True).returncode == 0
    except OSError as error:
        raise Missing(f"--python {python}: {error.strerror}; {remedy}") from None
    if not found:
        raise Missing(f"{python} has no python-diameter, which the scenario `answers` needs: {remedy}")
