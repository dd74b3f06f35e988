"""What went over the wires, kept as a capture and read by Wireshark."""

import signal
import subprocess
import time

import core


class Capture:
    def __init__(self, path, expression=""):
        self.path, self.expression = path, expression

    def __enter__(self):
        self.dump = subprocess.Popen(["tcpdump", "-i", "any", "-U", "-B", "65536", "-w", str(self.path), *self.expression.split()], stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
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
        command = ["tshark", "-r", str(self.path), "-d", f"tcp.port=={core.SECOND_ICF},diameter", "-Y", display, "-T", "fields"]
        for field in fields:
            command += ["-e", field]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        return [line.split("\t") for line in done.stdout.splitlines()]

    def wellformed(self, row, kinds):
        """Two things that have to be so: each of these protocols is in the capture, and Wireshark has nothing to remark on them."""
        every = " || ".join(kinds)
        wrong = self.fields(f"_ws.malformed || (_ws.expert.severity == 8388608 && ({every}))", "frame.number", "frame.protocols")
        counts = {name: len(self.fields(name, "frame.number")) for name in kinds}
        row(f"Wireshark finds nothing malformed in {', '.join(kinds)}", not wrong and all(counts.values()), f"{counts}, {len(wrong)} malformed {wrong[:3] or ''}")
