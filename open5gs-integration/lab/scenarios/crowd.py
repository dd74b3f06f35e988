"""A thousand UEs attach at a fixed rate, and each sends an echo through its bearer.

Core, roles and simulator share the machine's processors, which in User Mode Linux is one. Where no rate is asked for, a few
UEs show first what an attach costs all of them together, and the crowd attaches at a rate that leaves some of that free.
"""

import json
import os
import resource
import time

import core
from lab import PROVISIONING, UE

#: UEs that show what an attach costs, and their rate.
SAMPLE, SAMPLE_RATE = 20, 2.0
#: The share of the processors' time that the crowd is to take, and the rate that it does not go beyond.
SHARE, MOST = 0.7, 20.0


def affordable(seconds, count, processors):
    """The attaches a second that `processors` can do, if `count` of them took `seconds` of processor time in all."""
    if seconds <= 0 or count <= 0:
        return MOST
    return round(max(1.0, min(MOST, SHARE * processors * count / seconds)), 1)


def processor_time(lab):
    """Seconds of processor time until now of core and roles, by name, and of the programs that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {**lab.core.cpu(), **lab.roles.cpu(), "the simulator": children.ru_utime + children.ru_stime}


def crowd(lab, devices, count, rate, *more):
    words = ["--credentials", devices, "--rate", rate, "--s1u", "127.0.0.30", "--ping", core.GATEWAY, "--json", "--quiet"]
    return lab.roles.call("crowd", *UE, *PROVISIONING, *words, *more, timeout=300 + 2 * count / rate)


def made(lab, name, first, count):
    """Credentials at the ICF, and the file of the devices that have them."""
    devices = lab.out / name
    with open(devices, "w") as file:
        for number in range(count):
            file.write(json.dumps({"imsi": str(first + number), "k": os.urandom(16).hex(), "opc": os.urandom(16).hex(), "profile": "default"}) + "\n")
    lab.roles.rest("POST", "/v1/credentials/import", devices.read_bytes(), "application/x-ndjson")
    return devices


def measured_rate(lab):
    devices = made(lab, "crowd-sample.ndjson", 999710002000000, SAMPLE)
    before = processor_time(lab)
    crowd(lab, devices, SAMPLE, SAMPLE_RATE, "--hold", "0")
    after = processor_time(lab)
    seconds = sum(after[name] - before.get(name, 0) for name in after)
    rate = affordable(seconds, SAMPLE, os.cpu_count() or 1)
    lab.report.fact("the crowd's rate", f"{rate} a second: {SAMPLE} attaches took {seconds:.1f} s of {os.cpu_count()} processor(s)")
    return rate


def run(lab):
    count = lab.options.ues
    rate = lab.options.rate or measured_rate(lab)
    devices = made(lab, "crowd.ndjson", 999710001000000, count)
    before, begun = {**lab.core.cpu(), **lab.roles.cpu()}, time.monotonic()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    code, out, err = crowd(lab, devices, count, rate, "--hold", "2")
    wall = time.monotonic() - begun
    (lab.out / "crowd.json").write_text(out)
    found = json.loads(out) if out.startswith("{") else {}
    attach = next((one for one in found.get("procedures", []) if one["procedure"] == "attach"), {})
    ours = {why: number for why, number in {**attach.get("otherwise", {}), **found.get("broken", {})}.items()}
    lab.report.row("crowd", f"{count} UEs attach at {rate} a second", code == 0 and attach.get("done") == count, ours or f"{attach.get('done')} attached")
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
