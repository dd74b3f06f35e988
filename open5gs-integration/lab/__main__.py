"""Runs Callhome against a real Open5GS core, and says what it saw.

    OPEN5GS=/usr [SRSRAN=/usr] python3 open5gs-integration/lab [--mongod 'COMMAND'] [--scenario NAME]...

OPEN5GS is the prefix of an installed Open5GS (its programs are in bin/), SRSRAN that of an installed srsRAN 4G. Nothing of
them is built or changed here; the daemons get configurations of their own in the output folder, and an own network: a
namespace where the kernel has SCTP, User Mode Linux where it has none (tests/uml/run). Everything runs on addresses of
that network alone.

The scenario `srsran` computes a radio, for which User Mode Linux is too slow. Where the kernel has no SCTP it needs
--sctp-stand-in: a library that carries libsctp's one-to-one sockets over something else, and is loaded into srsENB and the MME.

With --mongod, a command that serves MongoDB's protocol on 127.0.0.1:27017, the operator's HSS is Open5GS's own; without, the
operator's subscribers are served by a second ICF, and the report says so.

What the guest of User Mode Linux may write is cargo's target folder; an --out elsewhere gets its files when the guest has ended.
It has a /tmp, /run and /dev/shm of its own: programs that it is to start are not there.

Exit codes: 0 everything was as it should be, 1 something was not, 2 wrong usage or something is missing.
"""

import argparse
import os
import pathlib
import shutil
import socket
import subprocess
import sys

import prerequisites
import report
import scenarios
from prerequisites import Missing

HERE = pathlib.Path(__file__).resolve().parent
WORKSPACE = HERE.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", WORKSPACE / "target")).resolve()
#: What says that a folder is this harness's to empty.
MARK = "report.json"


def fail(what):
    print(f"open5gs-integration/lab: {what}", file=sys.stderr)
    sys.exit(2)


def arguments():
    parser = argparse.ArgumentParser(
        prog="python3 open5gs-integration/lab",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--open5gs", default=os.environ.get("OPEN5GS", "/usr"), help="prefix of Open5GS (OPEN5GS)")
    parser.add_argument("--mongod", default=os.environ.get("MONGOD"), help="command that serves MongoDB's protocol")
    parser.add_argument("--srsran", default=os.environ.get("SRSRAN"), help="prefix of srsRAN 4G (SRSRAN), for the scenario `srsran`")
    parser.add_argument("--sctp-stand-in", default=os.environ.get("SCTP_STAND_IN"), metavar="LIBRARY", help="for `srsran` where the kernel has no SCTP (SCTP_STAND_IN)")
    parser.add_argument("--callhome", default=None, help="the program; without, target/release or target/debug")
    venv = TARGET / "third-party/venv/bin/python"
    python = os.environ.get("TESTS_PYTHON", str(venv) if venv.exists() else sys.executable)
    parser.add_argument("--python", default=python, help="a Python with python-diameter, for `answers`; without, that of the tests (TESTS_PYTHON)")
    parser.add_argument("--out", default=TARGET / "open5gs", type=pathlib.Path, help="logs, captures, report")
    parser.add_argument("--scenario", action="append", choices=scenarios.NAMES, help="only these; without, all, and `srsran` where --srsran says where that is")
    parser.add_argument("--ues", type=int, default=1000, help="UEs of the scenario `crowd`")
    parser.add_argument("--rate", type=float, help="attaches a second of the scenario `crowd`; without, what a few UEs show that the processors do")
    parser.add_argument("--limit", type=int, default=1500, help="seconds for all of it")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--report", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.scenario:
        arguments.scenario = [name for name in scenarios.NAMES if name not in scenarios.RADIO or arguments.srsran]
    if arguments.callhome is None:
        found = [TARGET / kind / "callhome" for kind in ("release", "debug")]
        there = [program for program in found if program.exists()]
        if not there:
            fail("there is no callhome: cargo build --release")
        arguments.callhome = str(max(there, key=lambda program: program.stat().st_mtime))
    return arguments


def kernel_has_sctp():
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
        return True
    except OSError:
        return False


def parts(options, out, sctp):
    """In which networks which scenarios run: where, command before ours, output folder, scenarios, stand-in for SCTP."""
    namespace = ["unshare", "--net", "--mount", "--"]
    if sctp:
        yield "a network namespace of this kernel, which has SCTP", namespace, out, options.scenario, None
        return
    on_air, others = scenarios.split(options.scenario)
    if others:
        launcher = [str(WORKSPACE / "tests/uml/run"), "--limit", str(options.limit), "--memory", "4G"]
        yield "User Mode Linux: this kernel has no SCTP", ["bash", *launcher], out, others, None
    if on_air:
        yield "a network namespace, S1AP over a stand-in: this kernel has no SCTP", namespace, out / "radio", on_air, options.sctp_stand_in


def work_folder(out, guest):
    """Where the run writes: `out`, or a folder of cargo's target where only that can be written to and outlives the guest.

    The guest of User Mode Linux has a /tmp, /run and /dev/shm of its own, and everything else is read-only there.
    """
    out = out.resolve()
    if not guest or out.is_relative_to(TARGET):
        return out
    return TARGET / "open5gs-guest"


def emptied(folder):
    """Makes it an empty folder; takes away only what an earlier run of this harness has left."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).exists():
            fail(f"--out {folder}: it is not empty, and has no {MARK} of an earlier run; name a new folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)


def again(options, out, reported, names, stand_in):
    """The command that runs these scenarios inside of their network."""
    command = [sys.executable, "-u", str(HERE), "--inside", "--open5gs", options.open5gs, "--callhome", options.callhome]
    command += ["--python", options.python, "--out", str(out), "--report", str(reported), "--ues", str(options.ues)]
    optional = {"--rate": options.rate, "--mongod": options.mongod, "--srsran": options.srsran, "--sctp-stand-in": stand_in}
    for name, value in optional.items():
        command += [name, str(value)] if value else []
    for name in names:
        command += ["--scenario", name]
    return command


def main():
    options = arguments()
    if options.inside:
        sys.exit(scenarios.run(options))
    sctp = kernel_has_sctp()
    try:
        prerequisites.check(options, sctp, [WORKSPACE, TARGET])
    except Missing as missing:
        fail(missing)
    guest = not sctp and bool(scenarios.split(options.scenario)[1])
    out = work_folder(options.out, guest)
    for folder in {options.out.resolve(), out}:
        emptied(folder)
    worst = 0
    try:
        for where, before, folder, names, stand_in in list(parts(options, out, sctp)):
            folder.mkdir(exist_ok=True)
            print(f"in {where}: {', '.join(names)}", flush=True)
            status = subprocess.call([*before, *again(options, folder, out, names, stand_in)], cwd=WORKSPACE)
            worst = max(worst, status if status in (0, 1) else 1)
    finally:
        if out != options.out.resolve():
            shutil.copytree(out, options.out, dirs_exist_ok=True)
    print(report.written(options.out))
    sys.exit(worst)


if __name__ == "__main__":
    main()
