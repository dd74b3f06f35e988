"""srsRAN 4G's eNB and UE over ZeroMQ, with the files of open5gs-integration/srsran.

Where this kernel has no SCTP, S1AP of srsENB and of the MME goes through a stand-in that is loaded before libsctp
(--sctp-stand-in); the report says so.
"""

import os
import pathlib
import re
import shutil
import subprocess
import time

import core
from lab import UE_NETWORK

FILES = pathlib.Path(__file__).resolve().parent.parent / "srsran"
PROGRAMS = ["srsenb", "srsue"]
TUN = "tun_srsue"
#: Seconds: the two compute every sample of the radio, on whatever the machine has left.
ATTACH = 300


def program(prefix, name):
    """Where it is: installed in bin/, or in the tree that it was built in."""
    prefix = pathlib.Path(prefix)
    return next((path for path in (prefix / "bin" / name, prefix / name / "src" / name) if path.exists()), None)


def sample(prefix, name):
    """One of srsRAN's samples, as it installs them or as they lie in its sources."""
    prefix = pathlib.Path(prefix)
    folders = [prefix / "share/srsran", prefix / "etc/srsran", prefix / "etc", prefix.parent / "srsenb", pathlib.Path("/etc/srsran")]
    for folder in folders:
        for path in (folder / name, folder / f"{name}.example"):
            if path.exists():
                return path
    return None


def missing(prefix):
    """What is not there, for people."""
    lacks = [name for name in PROGRAMS if program(prefix, name) is None]
    return lacks + [f"a sample {name}" for name in ("sib.conf", "rb.conf", "rr.conf") if sample(prefix, name) is None]


class Radio:
    def __init__(self, prefix, out, stand_in):
        self.prefix, self.out, self.stand_in = prefix, out / "srsran", stand_in
        self.running = {}

    def write(self):
        """The eNB's files: ours, and those of srsRAN's samples that ours refer to."""
        self.out.mkdir()
        shutil.copy(FILES / "enb.conf", self.out)
        for name in ("sib.conf", "rb.conf"):
            shutil.copy(sample(self.prefix, name), self.out / name)
        text = sample(self.prefix, "rr.conf").read_text()
        for name, value in re.findall(r"^\s*(\w+) = ([^;(]+);", (FILES / "rr.conf").read_text(), re.MULTILINE):
            text, count = re.subn(rf"(?m)^(\s*){name} = [^;]+;", rf"\g<1>{name} = {value};", text, count=1)
            if not count:
                raise RuntimeError(f"srsRAN's rr.conf has no {name}")
        (self.out / "rr.conf").write_text(text)

    def attach(self, configuration):
        """Starts both; gives the UE's address when it is attached."""
        shutil.copy(configuration, self.out / "ue.conf")
        # GUTI and keys of the last attach, which was another subscriber's.
        (self.out / ".ctxt").unlink(missing_ok=True)
        self._start("srsenb", "enb.conf")
        self._until("srsenb", "==== eNodeB started ===", 60)
        self._start("srsue", "ue.conf")
        said = self._until("srsue", "Network attach successful", ATTACH)
        address = re.search(r"Network attach successful\. IP: (\S+)", said)
        subprocess.run(["ip", "-n", UE_NETWORK, "route", "replace", "default", "dev", TUN], check=True)
        return address.group(1) if address else "none"

    def ping(self, to):
        """What ping says of three echoes through the bearer."""
        done = subprocess.run(["ip", "netns", "exec", UE_NETWORK, "ping", "-c", "3", "-W", "10", to], capture_output=True, text=True)
        return done.returncode == 0, next((line for line in done.stdout.splitlines() if "transmitted" in line), done.stdout + done.stderr)

    def stop(self):
        for name in reversed(PROGRAMS):
            if name in self.running:
                core.end(self.running.pop(name))

    def _start(self, name, configuration):
        environment = dict(os.environ)
        if name == "srsenb" and self.stand_in:
            environment["LD_PRELOAD"] = self.stand_in
        with open(self.out / f"{name}.out", "w") as output:
            command = [str(program(self.prefix, name)), configuration]
            self.running[name] = subprocess.Popen(command, cwd=self.out, env=environment, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def _until(self, name, text, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            said = (self.out / f"{name}.out").read_text(errors="replace")
            if text in said:
                return said
            for other, process in self.running.items():
                if process.poll() is not None:
                    raise RuntimeError(f"{other} has ended:\n{(self.out / f'{other}.out').read_text(errors='replace')[-1500:]}")
            time.sleep(0.2)
        raise RuntimeError(f"{name} has not said {text!r} within {seconds} s:\n{said[-1500:]}")
