"""A USIM that is ahead, and one whose K is another."""

import json
import os


def run(lab):
    row = lambda what, ok, seen: lab.report.row("resynchronisation", what, ok, seen)
    imsi = "999710000900001"
    file = lab.roles.device(imsi)
    state = lab.out / "usim-ahead"
    state.write_text(json.dumps({"imsi": imsi, "seq_ms": {str(ind): 1 << 27 for ind in range(32)}}) + "\n")
    code, lines, err = lab.ue(file, "attach", "detach", options=["--usim-state", state])
    report = lab.attach_report(lines)
    row("a USIM that is ahead is synchronised through the MME and attaches", code == 0 and report.get("resynchronised"), report or err)
    k, opc = os.urandom(16).hex(), os.urandom(16).hex()
    lab.roles.rest("POST", "/v1/credentials", {"imsi": "999710000900002", "k": k, "opc": opc, "profile": "default"})
    other = lab.roles.file("999710000900002", os.urandom(16).hex(), opc)
    code, lines, err = lab.ue(other, "attach")
    report = lab.attach_report(lines)
    row("a USIM with another K refuses the network with #20, and is rejected", code == 1 and report.get("network_refused") == 20, report or err)
