"""A thousand UEs attach at a fixed rate, and each sends an echo through its bearer."""

import json
import os
import resource
import time

import core
from lab import PROVISIONING, UE


def run(lab):
    devices = lab.out / "crowd.ndjson"
    count = lab.options.ues
    with open(devices, "w") as file:
        for number in range(count):
            file.write(json.dumps({"imsi": str(999710001000000 + number), "k": os.urandom(16).hex(), "opc": os.urandom(16).hex(), "profile": "default"}) + "\n")
    lab.roles.rest("POST", "/v1/credentials/import", devices.read_bytes(), "application/x-ndjson")
    before, begun = {**lab.core.cpu(), **lab.roles.cpu()}, time.monotonic()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    code, out, err = lab.roles.call("crowd", *UE, *PROVISIONING, "--credentials", devices, "--rate", lab.options.rate, "--hold", "2", "--s1u", "127.0.0.30", "--ping", core.GATEWAY, "--json", "--quiet", timeout=900)
    wall = time.monotonic() - begun
    (lab.out / "crowd.json").write_text(out)
    found = json.loads(out) if out.startswith("{") else {}
    attach = next((one for one in found.get("procedures", []) if one["procedure"] == "attach"), {})
    ours = {why: number for why, number in {**attach.get("otherwise", {}), **found.get("broken", {})}.items()}
    lab.report.row("crowd", f"{count} UEs attach at {lab.options.rate} a second", code == 0 and attach.get("done") == count, ours or f"{attach.get('done')} attached")
    traffic = found.get("traffic") or {}
    lab.report.row("crowd", "each has an echo come back through its bearer", traffic.get("done") == count, traffic.get("otherwise") or f"{traffic.get('done')} echoes")
    if attach:
        took = attach["took"]
        lab.report.fact("attach, ms", f"p50 {took['p50']}, p90 {took['p90']}, p99 {took['p99']}, max {took['max']}")
        if traffic:
            lab.report.fact("echo through the bearer, ms", f"p50 {traffic['took']['p50']}, p99 {traffic['took']['p99']}")
        lab.report.fact("attaches a second", round(found["attaches_per_second"], 1))
        lab.report.fact("the simulator was behind its schedule by, ms", f"p99 {found['late']['p99']}")
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    simulator = ended.ru_utime + ended.ru_stime - children.ru_utime - children.ru_stime
    after = {**lab.core.cpu(), **lab.roles.cpu(), "the simulator": simulator}
    used = sorted(((after[name] - before.get(name, 0), name) for name in after), reverse=True)
    lab.report.fact("processor time", ", ".join(f"{name} {seconds:.1f} s" for seconds, name in used if seconds >= 0.1) + f" in {wall:.1f} s")
    sides = {"Open5GS": 0.0, "Callhome's roles": 0.0, "the simulator": simulator}
    for seconds, name in used:
        if name != "the simulator":
            sides["Callhome's roles" if name.startswith("callhome") else "Open5GS"] += seconds
    most = max(sides, key=sides.get)
    shares = ", ".join(f"{side} {seconds:.1f} s" for side, seconds in sides.items())
    lab.report.fact("the bottleneck", f"{most}: processor time of {shares}; the rest of {wall:.1f} s is waiting")
