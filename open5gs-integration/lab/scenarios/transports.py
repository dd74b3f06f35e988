"""S6a of Open5GS's MME over SCTP, by two paths, and over TLS."""

import subprocess

import core

ATTACHES = ("attach", "detach")


def run(lab):
    row = lambda what, ok, seen: lab.report.row("transports", what, ok, seen)
    config = lab.roles.data / "icf.toml"
    before = config.read_text()
    ca = Authority(lab.out)
    try:
        # freeDiameter binds every address of the machine, and connects to both of ours.
        config.write_text(before.replace('listen = ["tcp://127.0.0.1:3868"]', 'listen = ["sctp://127.0.0.1:3868,127.0.0.21:3868"]'))
        with lab.captured("sctp") as capture:
            begin_anew(lab, 'ConnectTo = "127.0.0.1"; ConnectTo = "127.0.0.21"; No_TLS;')
            attach(lab, row, "999710000960001", "over SCTP")
        chunks = capture.fields("sctp.data_payload_proto_id == 46 && diameter.cmd.code == 318", "ip.src")
        row("AIR and AIA are in SCTP's DATA chunks, PPID 46", len(chunks) >= 2, chunks)
        told = capture.fields("sctp.chunk_type == 2 && sctp.srcport == 3868", "sctp.parameter_ipv4_address")
        row("the ICF's INIT ACK tells of both of its addresses", any("127.0.0.21" in addresses for (addresses,) in told), told)
        capture.wellformed(row, ["s1ap", "diameter"])

        certificate, key = ca.sign("icf", core.ICF[0])
        tls = f'[diameter.tls]\ncert = "{certificate}"\nkey = "{key}"\nca = "{ca.certificate}"\n'
        config.write_text(before.replace('listen = ["tcp://127.0.0.1:3868"]', 'listen = ["tls://127.0.0.1:5868"]') + tls)
        with lab.captured("tls") as capture:
            begin_anew(lab, 'ConnectTo = "127.0.0.1"; Port = 5868; Prefer_TCP;', ca)
            attach(lab, row, "999710000960002", "over TLS")
        handshakes = capture.fields("tcp.port == 5868 && tls.handshake.type == 2", "ip.src", "tls.handshake.version")
        row("it is TLS", bool(handshakes), handshakes)
        clear = capture.fields("diameter.cmd.code == 318", "diameter.Origin-Host")
        row("no AIR or AIA is in the clear", not clear, clear or "none")
    finally:
        config.write_text(before)
        begin_anew(lab, None)


def begin_anew(lab, connect, ca=None):
    """Starts ICF and core again, the MME with another ConnectPeer for the ICF."""
    lab.core.stop("mme")
    lab.roles.stop_one("icf")
    lab.core.connect, lab.core.authority = connect, ca
    lab.roles.start_one("icf")
    lab.core.renew()


def attach(lab, row, imsi, how):
    code, lines, err = lab.ue(lab.roles.device(imsi), *ATTACHES)
    report = lab.attach_report(lines)
    said = next((line for line in lab.core.log("mme").splitlines() if "CONNECTED TO 'icf" in line), "")
    row(f"a provisional IMSI attaches, S6a {how}", code == 0, f"{report.get('end', err)}; {said.partition('] ')[2] or said}")


class Authority:
    """Signs certificates of Diameter nodes, as one does by openssl."""

    def __init__(self, out):
        self.out, self.certificate = out, out / "lab-ca.crt"
        self._openssl("req", "-x509", *self._new("lab-ca"), "-days", "30", "-subj", "/CN=lab CA", "-out", self.certificate)

    def sign(self, name, identity):
        """A certificate that carries the Identity as CN and as DNS name; gives its file and that of its key."""
        certificate = self.out / f"{name}.signed.crt"
        words = ["-CA", self.certificate, "-CAkey", self.out / "lab-ca.key", "-days", "30", "-addext", f"subjectAltName=DNS:{identity}"]
        self._openssl("req", "-x509", *self._new(f"{name}.signed"), "-subj", f"/CN={identity}", "-addext", "basicConstraints=critical,CA:FALSE", *words, "-out", certificate)
        return certificate, self.out / f"{name}.signed.key"

    def _new(self, name):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.out / f"{name}.key"]

    def _openssl(self, *words):
        subprocess.run(["openssl", *map(str, words)], check=True, stderr=subprocess.DEVNULL)
