"""Runs Callhome against a real Open5GS core, and says what it saw.

    OPEN5GS=/usr python3 open5gs-integration/lab [--mongod 'COMMAND'] [--scenario NAME]...

OPEN5GS is the prefix of an installed Open5GS (its programs are in bin/). Nothing of it is built or changed here; its
daemons get configurations of their own in the output folder, and an own network: a namespace where the kernel has SCTP,
User Mode Linux where it has none (tests/uml/run). Everything runs on addresses of that network alone.

With --mongod, a command that serves MongoDB's protocol on 127.0.0.1:27017, the operator's HSS is Open5GS's own; without, the
operator's subscribers are served by a second ICF, and the report says so.

Exit codes: 0 everything was as it should be, 1 something was not, 2 wrong usage or something is missing.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys

import report
import scenarios

HERE = pathlib.Path(__file__).resolve().parent
WORKSPACE = HERE.parent.parent
PROGRAMS = ["mmed", "hssd", "pcrfd", "sgwcd", "sgwud", "smfd", "upfd"]


def fail(what):
    print(f"open5gs-integration/lab: {what}", file=sys.stderr)
    sys.exit(2)


def arguments():
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", WORKSPACE / "target"))
    parser = argparse.ArgumentParser(
        prog="python3 open5gs-integration/lab",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--open5gs", default=os.environ.get("OPEN5GS", "/usr"), help="prefix of Open5GS (OPEN5GS)")
    parser.add_argument("--mongod", default=os.environ.get("MONGOD"), help="command that serves MongoDB's protocol")
    parser.add_argument("--callhome", default=None, help="the program; without, target/release or target/debug")
    parser.add_argument("--out", default=target / "open5gs", type=pathlib.Path, help="logs, captures, report")
    parser.add_argument("--scenario", action="append", choices=scenarios.NAMES, help="only these; without, all")
    parser.add_argument("--ues", type=int, default=1000, help="UEs of the scenario `crowd`")
    parser.add_argument("--rate", type=float, default=20.0, help="attaches a second of the scenario `crowd`")
    parser.add_argument("--limit", type=int, default=1500, help="seconds for all of it")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.callhome is None:
        found = [target / kind / "callhome" for kind in ("release", "debug")]
        there = [program for program in found if program.exists()]
        if not there:
            fail("there is no callhome: cargo build --release")
        arguments.callhome = str(max(there, key=lambda program: program.stat().st_mtime))
    return arguments


def check(arguments):
    prefix = pathlib.Path(arguments.open5gs)
    missing = [name for name in PROGRAMS if not (prefix / "bin" / f"open5gs-{name}").exists()]
    if missing:
        fail(f"{prefix}/bin has no {', '.join('open5gs-' + name for name in missing)}; OPEN5GS=… says where Open5GS is installed")
    for program, package in {"ip": "iproute2", "tcpdump": "tcpdump", "tshark": "tshark"}.items():
        if shutil.which(program) is None:
            fail(f"there is no {program}: apt-get install {package}")


def kernel_has_sctp():
    import socket

    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
        return True
    except OSError:
        return False


def main():
    options = arguments()
    check(options)
    if options.inside:
        sys.exit(scenarios.run(options))
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    again = [sys.executable, "-u", str(HERE), "--inside", "--open5gs", options.open5gs, "--callhome", options.callhome]
    again += ["--out", str(options.out), "--ues", str(options.ues), "--rate", str(options.rate)]
    again += ["--mongod", options.mongod] if options.mongod else []
    for name in options.scenario or []:
        again += ["--scenario", name]
    if kernel_has_sctp():
        where = "a network namespace of this kernel, which has SCTP"
        command = ["unshare", "--net", "--mount", "--", *again]
    else:
        where = "User Mode Linux: this kernel has no SCTP"
        launcher = [str(WORKSPACE / "tests/uml/run"), "--limit", str(options.limit), "--memory", "4G"]
        command = ["bash", *launcher, *again]
    print(f"in {where}")
    status = subprocess.call(command, cwd=WORKSPACE)
    print(report.written(options.out))
    sys.exit(status if status in (0, 1) else 1)


main()
