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

Exit codes: 0 everything was as it should be, 1 something was not, 2 wrong usage or something is missing.
"""

import argparse
import os
import pathlib
import shutil
import socket
import subprocess
import sys

import radio
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
    parser.add_argument("--srsran", default=os.environ.get("SRSRAN"), help="prefix of srsRAN 4G (SRSRAN), for the scenario `srsran`")
    parser.add_argument("--sctp-stand-in", default=os.environ.get("SCTP_STAND_IN"), metavar="LIBRARY", help="for `srsran` where the kernel has no SCTP (SCTP_STAND_IN)")
    parser.add_argument("--callhome", default=None, help="the program; without, target/release or target/debug")
    venv = target / "third-party/venv/bin/python"
    python = os.environ.get("TESTS_PYTHON", str(venv) if venv.exists() else sys.executable)
    parser.add_argument("--python", default=python, help="a Python with python-diameter, for `answers`; without, that of the tests (TESTS_PYTHON)")
    parser.add_argument("--out", default=target / "open5gs", type=pathlib.Path, help="logs, captures, report")
    parser.add_argument("--scenario", action="append", choices=scenarios.NAMES, help="only these; without, all, and `srsran` where --srsran says where that is")
    parser.add_argument("--ues", type=int, default=1000, help="UEs of the scenario `crowd`")
    parser.add_argument("--rate", type=float, default=20.0, help="attaches a second of the scenario `crowd`")
    parser.add_argument("--limit", type=int, default=1500, help="seconds for all of it")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--report", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.scenario:
        arguments.scenario = [name for name in scenarios.NAMES if name not in scenarios.RADIO or arguments.srsran]
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
    if set(arguments.scenario) & set(scenarios.RADIO):
        if arguments.srsran is None:
            fail("SRSRAN=… says where srsRAN 4G is installed: the scenario needs srsenb and srsue")
        lacks = radio.missing(arguments.srsran)
        if lacks:
            fail(f"{arguments.srsran} has no {', no '.join(lacks)}: SRSRAN=… is the prefix of an installed srsRAN 4G")
    for program, package in {"ip": "iproute2", "tcpdump": "tcpdump", "tshark": "tshark"}.items():
        if shutil.which(program) is None:
            fail(f"there is no {program}: apt-get install {package}")


def kernel_has_sctp():
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
        return True
    except OSError:
        return False


def parts(options):
    """In which networks which scenarios run: where, command before ours, output folder, scenarios, stand-in for SCTP."""
    namespace = ["unshare", "--net", "--mount", "--"]
    if kernel_has_sctp():
        yield "a network namespace of this kernel, which has SCTP", namespace, options.out, options.scenario, None
        return
    on_air = [name for name in options.scenario if name in scenarios.RADIO]
    others = [name for name in options.scenario if name not in on_air]
    if on_air and options.sctp_stand_in is None:
        fail(f"this kernel has no SCTP: modprobe sctp, or --sctp-stand-in for the scenario {on_air[0]}")
    if others:
        launcher = [str(WORKSPACE / "tests/uml/run"), "--limit", str(options.limit), "--memory", "4G"]
        yield "User Mode Linux: this kernel has no SCTP", ["bash", *launcher], options.out, others, None
    if on_air:
        out = options.out / "radio"
        yield "a network namespace, S1AP over a stand-in: this kernel has no SCTP", namespace, out, on_air, options.sctp_stand_in


def main():
    options = arguments()
    if options.inside:
        sys.exit(scenarios.run(options))
    check(options)
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    worst = 0
    for where, before, out, names, stand_in in list(parts(options)):
        out.mkdir(exist_ok=True)
        again = [*before, sys.executable, "-u", str(HERE), "--inside", "--open5gs", options.open5gs, "--callhome", options.callhome]
        again += ["--python", options.python]
        again += ["--out", str(out), "--report", str(options.out), "--ues", str(options.ues), "--rate", str(options.rate)]
        for name, value in {"--mongod": options.mongod, "--srsran": options.srsran, "--sctp-stand-in": stand_in}.items():
            again += [name, value] if value else []
        for name in names:
            again += ["--scenario", name]
        print(f"in {where}: {', '.join(names)}", flush=True)
        status = subprocess.call(again, cwd=WORKSPACE)
        worst = max(worst, status if status in (0, 1) else 1)
    print(report.written(options.out))
    sys.exit(worst)


main()
