"""Core, roles and database in one network, and the simulator that scenarios use."""

import json
import pathlib
import shlex
import subprocess
import time

import capture
import core
import report
import roles

MME = core.MME
UE = ["--mme", MME, "--plmn", "999-70", "--tac", "1"]
PROVISIONING = ["--apn", "provisioning"]
#: A network that is the UE's alone; ue.conf of srsUE has the same name.
UE_NETWORK = "ue"


class Lab:
    here = pathlib.Path(__file__).resolve().parent

    def __init__(self, options):
        self.options, self.out = options, pathlib.Path(options.out)
        own_hss = options.mongod is not None
        self.report = report.Report(pathlib.Path(options.report))
        self.core = core.Core(pathlib.Path(options.open5gs), self.out, own_hss, options.sctp_stand_in)
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

    def ue_network(self):
        """Makes the UE's own network, in which programs have no way out but its bearer."""
        names = pathlib.Path("/run/netns")
        if (names / UE_NETWORK).exists() and names.is_mount():
            return
        # Names of networks are files of the machine: not here, where the network is nobody else's either.
        names.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", names], check=True)
        subprocess.run(["ip", "netns", "add", UE_NETWORK], check=True)
        subprocess.run(["ip", "-n", UE_NETWORK, "link", "set", "lo", "up"], check=True)

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

    def restore(self):
        """Makes the core what it was at the beginning, if a scenario has left it otherwise."""
        if self.core.is_fresh():
            return
        self.core.connect = self.core.authority = self.core.fragments = None
        if self.core.own_hss and "hss" in self.core.daemons and self.core.daemons["hss"].poll() is not None:
            self.core.stop("hss")
        self.core.renew()

    def captured(self, name, expression=""):
        """Keeps what passes, or what of it a filter of tcpdump's lets through."""
        return capture.Capture(self.out / f"{name}.pcap", expression)

    def restart_icf(self, kill=False):
        """Ends the ICF, or kills it; comes back when the MME is connected to the new one."""
        known = self.core.log("mme").count("CONNECTED TO 'icf")
        self.roles.stop_one("icf", kill)
        self.roles.start_one("icf")
        roles.listening(8080)
        until = time.monotonic() + 60
        while self.core.log("mme").count("CONNECTED TO 'icf") <= known:
            if time.monotonic() > until:
                raise RuntimeError("the MME does not come back to the ICF")
            time.sleep(0.2)

    def peer_is_open(self, identity, seconds=60):
        """Waits until the ICF is connected to a peer."""
        until = time.monotonic() + seconds
        while True:
            peers = self.roles.rest("GET", "/v1/peers")["items"]
            if any(peer["identity"] == identity and peer["state"] == "open" for peer in peers):
                return
            if time.monotonic() > until:
                raise RuntimeError(f"the ICF is not connected to {identity} after {seconds} s: {peers}")
            time.sleep(0.2)

    def subscriber(self):
        """Takes a device all the way by non-3GPP access; gives the file of the operator's subscriber that it is then."""
        file = self.out / "subscriber.ndjson"
        if not file.exists():
            self.roles.must("lab", "--external", "--once", "--access", "non-3gpp", "--json", *self.roles.options, "--subscriber", file)
        return file

    def ue(self, credentials, *steps, options=(), apn="provisioning"):
        """Runs `callhome ue`: its exit code, and its lines of JSON."""
        code, out, err = self.roles.call("ue", *UE, "--apn", apn, "--credentials", credentials, "--json", *options, *steps)
        lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
        return code, lines, err

    def attach_report(self, lines):
        return next((line for line in lines if line.get("procedure") == "attach"), {})
