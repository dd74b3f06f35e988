"""Packets of programs through bearers: by a TUN device, and to a UE that is idle, which is paged."""

import json
import socket
import subprocess
import threading
import time

import core
from lab import PROVISIONING, UE, UE_NETWORK

#: Octets that go through the bearer and come back.
STREAM = 1_000_000


def run(lab):
    row = lambda what, ok, seen: lab.report.row("user_plane", what, ok, seen)
    lab.ue_network()
    with lab.captured("user_plane") as capture:
        by_tun(lab, row)
        paged(lab, row)
    paging = capture.fields("s1ap.procedureCode == 10", "frame.number")
    row("the MME's PAGING is in the capture", bool(paging), f"{len(paging)} of them")
    capture.wellformed(row, ["s1ap", "nas-eps", "gtp"])


def by_tun(lab, row):
    """Programs of the system in a network of their own, whose only way out is the bearer."""
    ue = start(lab, "999710000950001", "--tun", "tun0", "--netns", UE_NETWORK, "attach", "wait:30", "off")
    try:
        address = attached(ue)
        on_device(address)
        inside = ["ip", "netns", "exec", UE_NETWORK]
        done = subprocess.run([*inside, "ping", "-c", "3", "-W", "5", "-I", address, core.GATEWAY], capture_output=True, text=True)
        said = next((line for line in done.stdout.splitlines() if "transmitted" in line), done.stdout + done.stderr)
        row(f"ping(8) through the TUN device of {address}", done.returncode == 0, said)
        with socket.create_server((core.GATEWAY, 7007)) as server:
            threading.Thread(target=mirror, args=[server], daemon=True).start()
            program = (
                "import socket, sys\n"
                f"s = socket.create_connection(('{core.GATEWAY}', 7007), 20, ('{address}', 0))\n"
                "import threading\n"
                f"threading.Thread(target=lambda: (s.sendall(b'x' * {STREAM}), s.shutdown(socket.SHUT_WR)), daemon=True).start()\n"
                "print(sum(len(octets) for octets in iter(lambda: s.recv(65536), b'')))\n"
            )
            done = subprocess.run([*inside, "python3", "-c", program], capture_output=True, text=True, timeout=120)
        row(f"{STREAM} octets of TCP there and back", done.stdout.strip() == str(STREAM), done.stdout.strip() or done.stderr[-300:])
    finally:
        core.end(ue)


def paged(lab, row):
    """The network has packets for a UE that is idle."""
    ue = start(lab, "999710000950002", "attach", "idle", "wait:12", "detach")
    address = attached(ue)
    while "released" not in (line := ue.stdout.readline()) and line:
        pass
    done = subprocess.run(["ping", "-c", "5", "-W", "5", address], capture_output=True, text=True)
    said = next((line for line in done.stdout.splitlines() if "transmitted" in line), done.stdout + done.stderr)
    rest, _ = ue.communicate(timeout=60)
    row("an idle UE that is pinged is paged, and answers", "paged" in rest and done.returncode == 0, said)
    row("and comes to its end", ue.returncode == 0, rest.splitlines()[-1:])


def start(lab, imsi, *words):
    command = [lab.options.callhome, "ue", *UE, *PROVISIONING, "--credentials", str(lab.roles.device(imsi)), "--s1u", "127.0.0.30", "--json"]
    return subprocess.Popen([*command, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True)


def attached(ue):
    """Reads what it says up to its attach; gives its address."""
    said = []
    for line in ue.stdout:
        said.append(line)
        if '"procedure":"attach"' in line:
            report = json.loads(line)
            if "bearer" in report:
                return report["bearer"]["address"]
            break
    raise RuntimeError(f"the UE has not attached: {''.join(said[-5:])}")


def on_device(address, seconds=30):
    """Waits until the UE's network has the address: its attach is told before its TUN device is made."""
    until = time.monotonic() + seconds
    while not subprocess.run(["ip", "-n", UE_NETWORK, "-o", "-4", "address", "show", "to", address], capture_output=True, text=True).stdout.strip():
        if time.monotonic() > until:
            raise RuntimeError(f"the network {UE_NETWORK} has not got {address} after {seconds} s")
        time.sleep(0.1)


def mirror(server):
    connection, _ = server.accept()
    with connection:
        while octets := connection.recv(65536):
            connection.sendall(octets)
