"""What is shown, one function each."""

import json
import os
import pathlib
import resource
import shlex
import signal
import subprocess
import time
import traceback

import core
import roles
from report import Report

MME = core.MME
UE = ["--mme", MME, "--plmn", "999-70", "--tac", "1", "--apn", "provisioning"]


class Lab:
    def __init__(self, options):
        self.options, self.out = options, pathlib.Path(options.out)
        own_hss = options.mongod is not None
        self.report = Report(self.out)
        self.core = core.Core(pathlib.Path(options.open5gs), self.out, own_hss)
        self.roles = roles.Roles(options.callhome, self.out, own_hss)
        self.others = []

    def network(self):
        def ip(*words):
            subprocess.run(["ip", *words], check=True)

        ip("link", "set", "lo", "up")
        ip("tuntap", "add", "name", "ogstun", "mode", "tun")
        ip("addr", "add", f"{core.GATEWAY}/16", "dev", "ogstun")
        ip("link", "set", "ogstun", "up")
        pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1")

    def start(self):
        self.network()
        self.roles.write()
        if self.options.mongod:
            with open(self.out / "mongod.log", "w") as log:
                mongod = subprocess.Popen(shlex.split(self.options.mongod), stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
            self.others.append(mongod)
            roles.listening(27017)
        self.roles.start()
        self.core.write()
        self.core.start()

    def stop(self):
        self.core.stop_all()
        self.roles.stop_all()
        for other in self.others:
            other.terminate()
            other.wait(20)

    def captured(self, name):
        return Capture(self.out / f"{name}.pcap")

    def ue(self, credentials, *steps, options=()):
        """Runs `callhome ue`: its exit code, and its lines of JSON."""
        code, out, err = self.roles.call("ue", *UE, "--credentials", credentials, "--json", *options, *steps)
        lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
        return code, lines, err

    def attach_report(self, lines):
        return next((line for line in lines if line.get("procedure") == "attach"), {})


class Capture:
    def __init__(self, path):
        self.path = path

    def __enter__(self):
        self.dump = subprocess.Popen(["tcpdump", "-i", "any", "-U", "-B", "65536", "-w", str(self.path)], stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        until = time.monotonic() + 10
        while time.monotonic() < until and not (self.path.exists() and self.path.stat().st_size):
            time.sleep(0.1)
        return self

    def __exit__(self, *_):
        time.sleep(2)
        self.dump.send_signal(signal.SIGINT)
        self.dump.wait(10)

    def fields(self, display, *fields):
        """The fields of the packets that a filter of Wireshark's lets through."""
        command = ["tshark", "-r", str(self.path), "-Y", display, "-T", "fields"]
        for field in fields:
            command += ["-e", field]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        return [line.split("\t") for line in done.stdout.splitlines()]


def provision(lab):
    """The nineteen steps through the core, then the operator's network."""
    row = lambda what, ok, seen: lab.report.row("provision", what, ok, seen)
    with lab.captured("provision") as capture:
        code, out, err = lab.roles.call("lab", "--external", "--once", "--access", "3gpp", "--json", *lab.roles.options, "--mme", MME)
    (lab.out / "provision.ndjson").write_text(out)
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    row("the lab's device goes all the way", code == 0, err.strip().splitlines()[-1:] or "exit code 0")
    attached = [line for line in lines if "attached" in line]
    told = [line["s1"] for line in lines if "s1" in line]
    pcid = attached[0] if attached else {}
    row("attached with its PCID, authenticated by the ICF", pcid.get("authenticated_by") == "the ICF", pcid)
    addresses = [registration for registration in (pcid.get("address"),) if registration]
    row("the bearer has the address that the ICF has assigned", any(address.startswith("10.45.1") for address in addresses), addresses)
    seeds = sorted({line.get("seed") for line in lines if line.get("seed")})
    row("steps 6 to 19 are told", set(range(6, 20)) <= set(seeds), seeds)
    row("detached by the network after the CLR", "detached by the network" in " ".join(told), [line for line in told if "detached" in line])
    home = attached[1] if len(attached) > 1 else {}
    hss = "the SHO's HSS, which is Open5GS's" if lab.options.mongod else "the SHO's HSS"
    row(f"attached with the operator's IMSI, authenticated by {hss}", home.get("authenticated_by") == hss, home)
    imsis = [str(line["attached"]) for line in attached]
    log = lab.core.log("mme")
    row("the MME's log has both IMSIs", all(imsi in log for imsi in imsis) and len(imsis) == 2, imsis)
    answers = capture.fields("diameter.cmd.code == 318 && diameter.flags.request == 0", "diameter.Origin-Host", "diameter.Result-Code")
    for host in (core.ICF[0], f"hss.{core.HOME}"):
        row(f"an AIA of {host} with 2001 is in the capture", any(host in one[0] and "2001" in one[1] for one in answers), answers)
    coap = capture.fields("gtp && coap", "ip.src", "ip.dst", "coap.code")
    row("the RNCT came inside of GTP", bool(coap), coap[:2])
    tls = capture.fields("gtp && tls.handshake.type == 1", "ip.dst")
    row("the DPF was reached over TLS inside of GTP", any(core.GATEWAY in row[0] for row in tls), tls[:1])
    wrong = capture.fields("_ws.malformed || (_ws.expert.severity == 8388608 && (s1ap || nas-eps || diameter || gtp))", "frame.number", "frame.protocols")
    kinds = {name: len(capture.fields(name, "frame.number")) for name in ("s1ap", "nas-eps", "diameter", "gtp")}
    row("Wireshark finds nothing malformed in S1AP, NAS, Diameter and GTP", not wrong and all(kinds.values()), f"{kinds}, {len(wrong)} malformed")


def resynchronisation(lab):
    """A USIM that is ahead, and one whose K is another."""
    row = lambda what, ok, seen: lab.report.row("resynchronisation", what, ok, seen)
    imsi = "999710000900001"
    file = lab.roles.device(imsi)
    state = lab.out / "usim-ahead"
    state.write_text(json.dumps({"imsi": imsi, "seq_ms": {str(ind): 100_000 for ind in range(32)}}) + "\n")
    code, lines, err = lab.ue(file, "attach", "detach", options=["--usim-state", state])
    report = lab.attach_report(lines)
    row("a USIM that is ahead is synchronised through the MME and attaches", code == 0 and report.get("resynchronised"), report or err)
    k, opc = os.urandom(16).hex(), os.urandom(16).hex()
    lab.roles.rest("POST", "/v1/credentials", {"imsi": "999710000900002", "k": k, "opc": opc, "profile": "default"})
    other = lab.roles.file("999710000900002", os.urandom(16).hex(), opc)
    code, lines, err = lab.ue(other, "attach")
    report = lab.attach_report(lines)
    row("a USIM with another K refuses the network with #20, and is rejected", code == 1 and report.get("network_refused") == 20, report or err)


#: What the ICF is configured to answer, and the EMM cause that docs/CAUSES.md promises of it at Open5GS's MME.
CAUSES = {
    "unknown": ("user-unknown", 8),
    "expired": ("unknown-eps-subscription", 15),
    "exhausted": ("authorization-rejected", 15),
    "blocked": ("authentication-data-unavailable", 17),
    "disabled": ("rat-not-allowed", 13),
    "roaming-not-allowed": ("roaming-not-allowed", 11),
    "no-eps-subscription": ("unable-to-comply", 17),
}


def causes(lab):
    """Every refusal of the ICF as the UE sees it."""
    config = lab.roles.data / "icf.toml"
    before = config.read_text()
    answers = "\n".join(f'{cause} = "{answer}"' for cause, (answer, _) in CAUSES.items())
    config.write_text(f"{before}\n[causes]\n{answers}\n")
    restart_icf(lab)
    rest = lab.roles.rest
    profile = rest("GET", "/v1/profiles/default")
    for change in ("name", "version", "created_at", "updated_at", "credentials"):
        profile.pop(change, None)
    rest("PUT", "/v1/profiles/elsewhere", {**profile, "allowed_plmns": {"only": ["001-01"]}})
    rest("PUT", "/v1/profiles/no-eps", {**profile, "eps": False})
    patch = lambda imsi, body: rest("PATCH", f"/v1/credentials/{imsi}", body, "application/merge-patch+json")
    for number, (cause, (answer, expected)) in enumerate(CAUSES.items(), 1):
        imsi = f"9997100009100{number:02}"
        if cause == "unknown":
            file = lab.roles.file(imsi, os.urandom(16).hex(), os.urandom(16).hex())
        else:
            file = lab.roles.device(imsi)
        match cause:
            case "expired":
                patch(imsi, {"expires_at": "2020-01-01T00:00:00Z"})
            case "exhausted":
                patch(imsi, {"attach_budget": 0})
            case "blocked" | "disabled":
                patch(imsi, {"state": cause})
            case "roaming-not-allowed":
                patch(imsi, {"profile": "elsewhere"})
            case "no-eps-subscription":
                patch(imsi, {"profile": "no-eps"})
        code, lines, err = lab.ue(file, "attach")
        report = lab.attach_report(lines)
        ok = code == 1 and report.get("emm_cause") == expected
        lab.report.row("causes", f"{cause}, answered {answer}, is #{expected} at the UE", ok, report.get("emm_cause", err))
    config.write_text(before)
    restart_icf(lab)


def restart_icf(lab, kill=False):
    known = lab.core.log("mme").count("CONNECTED TO 'icf")
    lab.roles.stop_one("icf", kill)
    lab.roles.start_one("icf")
    roles.listening(8080)
    until = time.monotonic() + 60
    while lab.core.log("mme").count("CONNECTED TO 'icf") <= known:
        if time.monotonic() > until:
            raise RuntimeError("the MME does not come back to the ICF")
        time.sleep(0.2)


def restarts(lab):
    """The ICF is killed, and the MME is; UEs attach afterwards, with numbers that go on."""
    row = lambda what, ok, seen: lab.report.row("restarts", what, ok, seen)
    file, state = lab.roles.device("999710000920001"), lab.out / "usim-restarts"
    keep = ["--usim-state", state]
    code, _, err = lab.ue(file, "attach", "detach", options=keep)
    row("before", code == 0, err or "attached and detached")
    restart_icf(lab, kill=True)
    code, lines, err = lab.ue(file, "attach", "detach", options=keep)
    report = lab.attach_report(lines)
    row("after kill -9 of the ICF, without resynchronisation", code == 0 and not report.get("resynchronised"), err or "attached and detached")
    ue = subprocess.Popen(
        [lab.options.callhome, "ue", *UE, "--credentials", str(file), *map(str, keep), "attach", "wait:25", "attach", "detach"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    time.sleep(5)
    lab.core.stop("mme")
    lab.core.start_mme()
    ue.kill()
    ue.wait()
    code, _, err = lab.ue(file, "attach", "detach", options=keep)
    row("after a restart of the MME", code == 0, err or "attached and detached")


def crowd(lab):
    """A thousand UEs attach at a fixed rate."""
    devices = lab.out / "crowd.ndjson"
    count = lab.options.ues
    with open(devices, "w") as file:
        for number in range(count):
            file.write(json.dumps({"imsi": str(999710001000000 + number), "k": os.urandom(16).hex(), "opc": os.urandom(16).hex(), "profile": "default"}) + "\n")
    lab.roles.rest("POST", "/v1/credentials/import", devices.read_bytes(), "application/x-ndjson")
    before, begun = {**lab.core.cpu(), **lab.roles.cpu()}, time.monotonic()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    code, out, err = lab.roles.call("crowd", *UE, "--credentials", devices, "--rate", lab.options.rate, "--hold", "2", "--json", "--quiet", timeout=900)
    wall = time.monotonic() - begun
    (lab.out / "crowd.json").write_text(out)
    found = json.loads(out) if out.startswith("{") else {}
    attach = next((one for one in found.get("procedures", []) if one["procedure"] == "attach"), {})
    ours = {why: number for why, number in {**attach.get("otherwise", {}), **found.get("broken", {})}.items()}
    lab.report.row("crowd", f"{count} UEs attach at {lab.options.rate} a second", code == 0 and attach.get("done") == count, ours or f"{attach.get('done')} attached")
    if attach:
        took = attach["took"]
        lab.report.fact("attach, ms", f"p50 {took['p50']}, p90 {took['p90']}, p99 {took['p99']}, max {took['max']}")
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


SCENARIOS = {"provision": provision, "resynchronisation": resynchronisation, "causes": causes, "restarts": restarts, "crowd": crowd}
NAMES = list(SCENARIOS)


def run(options):
    """All scenarios inside of the lab's network; gives the exit code."""
    lab = Lab(options)
    version = subprocess.run([f"{options.open5gs}/bin/open5gs-mmed", "-v"], capture_output=True, text=True).stdout.strip()
    lab.report.fact("Open5GS", version.splitlines()[0] if version else "unknown version")
    kernel = os.uname().release
    lab.report.fact("kernel", f"{kernel}, {os.cpu_count()} processor(s)")
    lab.report.fact("the operator's HSS", f"Open5GS's, over {options.mongod}" if options.mongod else "a second ICF: there is no MongoDB")
    try:
        lab.start()
        for name in options.scenario or NAMES:
            try:
                SCENARIOS[name](lab)
            except Exception as error:  # a scenario that breaks is a row, and the next one has its turn
                traceback.print_exc()
                lab.report.row(name, "comes to its end", False, repr(error)[:500])
    except Exception as error:
        traceback.print_exc()
        lab.report.row("lab", "starts", False, repr(error)[:500])
    finally:
        lab.stop()
        lab.report.write()
    return 1 if lab.report.failed() else 0
