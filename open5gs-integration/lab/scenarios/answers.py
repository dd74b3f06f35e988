"""Every answer to an AIR that Open5GS's MME knows, and some that it does not: which EMM cause the UE gets.

docs/CAUSES.md rests on this table. The ICF gives some of these answers and never others; those come from an HSS of
python-diameter that refuses at will, from the MME's own freeDiameter where no peer has the realm.
"""

import os
import subprocess
import time

import core

#: Experimental-Result-Code of 3GPP (TS 29.272 section 7.4), and the EMM cause (TS 24.301 section 9.9.3.9).
EXPERIMENTAL = {5001: 8, 5420: 15, 5421: 13, 5004: 11, 4181: 17, 4182: 42, 5012: 42}
#: Result-Code (RFC 6733 section 7.1), and the EMM cause.
BASE = {5003: 15, 3002: 15, 3003: 15, 5012: 17, 5004: 17, 5001: 17, 5005: 17, 5006: 17, 5009: 17, 3004: 42, 5002: 42, 5010: 42}


def run(lab):
    row = lambda what, ok, seen: lab.report.row("answers", what, ok, seen)
    python = lab.options.python
    identity, realm, address, port = core.REFUSING
    command = [python, "-u", str(lab.here / "refusing_hss.py"), identity, realm, address, str(port), f"mme.{core.SERVING}", core.SERVING]
    with open(lab.out / "refusing.log", "w") as log:
        refusing = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        lab.core.expect("mme", f"CONNECTED TO '{identity}", seconds=60)
        with lab.captured("answers") as capture:
            for name, digit, codes in (("Experimental-Result-Code", 1, EXPERIMENTAL), ("Result-Code", 0, BASE)):
                for code, expected in codes.items():
                    refused(lab, row, f"99904{digit:06}{code}", f"{name} {code}", expected)
            refused(lab, row, "999050000000001", "no peer serves the realm (3002 of the MME's freeDiameter)", 15)
        seen = {(codes or experimental) for codes, experimental in capture.fields(
            "diameter.cmd.code == 318 && diameter.flags.request == 0", "diameter.Result-Code", "diameter.Experimental-Result-Code")}
        row("all of these answers are in the capture", {str(code) for code in (*EXPERIMENTAL, *BASE)} <= seen, sorted(seen))
        capture.wellformed(row, ["s1ap", "nas-eps", "diameter"])
    finally:
        core.end(refusing)


def refused(lab, row, imsi, answer, expected):
    file = lab.roles.file(imsi, os.urandom(16).hex(), os.urandom(16).hex())
    begun = time.monotonic()
    code, lines, err = lab.ue(file, "attach")
    report = lab.attach_report(lines)
    seen = f"#{report['emm_cause']} after {time.monotonic() - begun:.1f} s" if report.get("emm_cause") else report or err
    row(f"{answer} is #{expected} at the UE", code == 1 and report.get("emm_cause") == expected, seen)
