"""The ICF is killed, and the MME ends while UEs are attached; everything goes on afterwards, with numbers that go on too."""

import json
import subprocess
import time

from lab import PROVISIONING, UE

#: What a UE is told that an MME does not know any more: its identity cannot be derived, or it is implicitly detached
#: (TS 24.301 sections 5.5.3.2.5 and 5.6.1.5). Then it attaches anew.
FORGOTTEN = {9, 10}


def run(lab):
    row = lambda what, ok, seen: lab.report.row("restarts", what, ok, seen)
    file, state = lab.roles.device("999710000920001"), lab.out / "usim-restarts"
    keep = ["--usim-state", state]
    code, _, err = lab.ue(file, "attach", "detach", options=keep)
    row("before", code == 0, err or "attached and detached")
    lab.restart_icf(kill=True)
    code, lines, err = lab.ue(file, "attach", "detach", options=keep)
    report = lab.attach_report(lines)
    row("after kill -9 of the ICF, without resynchronisation", code == 0 and not report.get("resynchronised"), err or "attached and detached")

    # Each at an eNB of its own: what a UE does first when the MME is back.
    attached = {}
    for number, first in enumerate(("tau", "service", "detach", "attach"), 1):
        imsi = f"99971000092001{number}"
        steps = ["attach", "idle", "wait:30", f"try:{first}"] + ["attach", "detach"] * (first != "attach") + ["detach"] * (first == "attach")
        command = [lab.options.callhome, "ue", *UE, *PROVISIONING, "--credentials", lab.roles.device(imsi), "--json", "--enb-id", str(100 + number), *steps]
        log = open(lab.out / f"restart-{first}.ndjson", "w")
        attached[first] = (subprocess.Popen(list(map(str, command)), stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL), log)
    until = time.monotonic() + 30
    while time.monotonic() < until and not all('"procedure":"attach"' in (lab.out / f"restart-{first}.ndjson").read_text() for first in attached):
        time.sleep(0.2)
    with lab.captured("restart-of-the-mme") as capture:
        lab.core.stop("mme")
        lab.core.start_mme()
        for ue, log in attached.values():
            ue.wait(120)
            log.close()
    for first, (ue, _) in attached.items():
        lines = [json.loads(line) for line in (lab.out / f"restart-{first}.ndjson").read_text().splitlines() if line.startswith("{")]
        reports = [line for line in lines if "procedure" in line]
        lost = any("the association" in line.get("what", "") for line in lines)
        after = [f"{one['procedure']}: {one['end']}" + (f" #{one['emm_cause']}" if one.get("emm_cause") else "") for one in reports[1:]]
        causes = {one["emm_cause"] for one in reports[1:] if one.get("emm_cause")}
        ok = ue.returncode == 0 and lost and (causes <= FORGOTTEN) and (first not in ("tau", "service") or causes)
        row(f"a UE that was attached when the MME ended begins with {first}, and is attached again", ok, after or lines[-3:])
    capture.wellformed(row, ["s1ap", "nas-eps"])
    code, _, err = lab.ue(file, "attach", "detach", options=keep)
    row("after a restart of the MME, the next UE", code == 0, err or "attached and detached")
