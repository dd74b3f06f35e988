"""Callhome's roles, each a process of its own, and its REST API."""

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request

import core

REST = "http://127.0.0.1:8080"


class Roles:
    def __init__(self, program, out, own_hss):
        self.program, self.out, self.data = program, out, out / "callhome"
        self.options = ["--data", str(self.data), "--device-address", core.GATEWAY]
        self.options += ["--pool", core.POOL, "--home-pool", core.HOME_POOL, "--devices", "2000"]
        self.options += ["--open5gs-hss", "mongodb://127.0.0.1:27017"] if own_hss else []
        self.running = {}

    def write(self):
        """Keys, certificates, tokens and configurations."""
        subprocess.run([self.program, "lab", "--write-only", *self.options], check=True, stdout=subprocess.DEVNULL)

    def start(self):
        for name in ["hss", "icf", "pva", "sho", "dpf", "drf"]:
            self.start_one(name)
        for port in (8080, 3868, 9440, 9442, 9444, 9445):
            listening(port)

    def start_one(self, name):
        role = "icf" if name == "hss" else name
        with open(self.out / f"callhome-{name}.log", "a") as log:
            command = [self.program, role, "--config", str(self.data / f"{name}.toml")]
            self.running[name] = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def stop_one(self, name, kill=False):
        role = self.running.pop(name)
        role.kill() if kill else role.terminate()
        role.wait(30)

    def stop_all(self):
        for name in list(self.running):
            self.stop_one(name)

    def cpu(self):
        return {f"callhome {name}": core.cpu_seconds(role.pid) for name, role in self.running.items()}

    def call(self, *arguments, timeout=300):
        """Runs the program; gives its exit code and what it printed."""
        done = subprocess.run([self.program, *map(str, arguments)], capture_output=True, text=True, timeout=timeout)
        return done.returncode, done.stdout, done.stderr

    def must(self, *arguments):
        """The same, where nothing else than exit code 0 will do; gives what it printed."""
        code, out, err = self.call(*arguments)
        if code:
            raise RuntimeError(f"callhome {' '.join(map(str, arguments))}: exit code {code}: {err.strip()}")
        return out

    def rest(self, method, path, body=None, kind="application/json"):
        """Asks the ICF."""
        token = (self.data / "token").read_text().strip()
        request = urllib.request.Request(f"{REST}{path}", method=method)
        request.add_header("Authorization", f"Bearer {token}")
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            request.add_header("Content-Type", kind)
        try:
            with urllib.request.urlopen(request, data, timeout=30) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}") from None
        return json.loads(text) if text else None

    def device(self, imsi):
        """Makes a credential at the ICF, and gives the file of the device that has it."""
        k, opc = os.urandom(16).hex(), os.urandom(16).hex()
        self.rest("POST", "/v1/credentials", {"imsi": imsi, "k": k, "opc": opc, "profile": "default"})
        return self.file(imsi, k, opc)

    def file(self, imsi, k, opc):
        path = self.out / f"{imsi}.ndjson"
        path.write_text(json.dumps({"imsi": imsi, "k": k, "opc": opc}) + "\n")
        return path


def listening(port, address="127.0.0.1", seconds=60):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex((address, port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"nobody listens at {address}:{port} after {seconds} s")
