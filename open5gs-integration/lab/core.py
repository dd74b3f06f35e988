"""Open5GS's EPC: a configuration for each daemon, and the daemons.

The visited network is 999-70. IMSIs of 999-71 are provisional and lead to Callhome's ICF; those of 999-01 are the
operator's, and lead to Open5GS's own HSS or to a second ICF.
"""

import os
import subprocess
import time

ICF = ("icf.epc.mnc071.mcc999.3gppnetwork.org", "epc.mnc071.mcc999.3gppnetwork.org", "127.0.0.1", 3868)
#: An HSS that refuses at will, for IMSIs of 999-04 (refusing_hss.py).
REFUSING = ("refusing.epc.mnc004.mcc999.3gppnetwork.org", "epc.mnc004.mcc999.3gppnetwork.org", "127.0.0.10", 3868)
#: Nobody has this realm, to which IMSIs of 999-05 lead.
NOWHERE = "nowhere.example"
SERVING = "epc.mnc070.mcc999.3gppnetwork.org"
HOME = "epc.mnc001.mcc999.3gppnetwork.org"
MME = "127.0.0.2"
#: Port of the operator's own HSS where that is an ICF: the lab's ninth port.
SECOND_ICF = 9448
GATEWAY = "10.45.0.1"
SUBNET = "10.45.0.0/16"
#: What the gateway gives by itself is at the beginning of the subnet; what ICFs assign lies behind it.
POOL, HOME_POOL = "10.45.128.0/17", "10.45.64.0/18"
APNS = ["provisioning", "internet"]
#: Every daemon but the HSS, in the order in which they end.
CORE = ["mme", "sgwc", "smf", "sgwu", "upf", "pcrf"]


class Core:
    def __init__(self, prefix, out, own_hss, stand_in=None):
        self.prefix, self.out, self.own_hss, self.stand_in = prefix, out, own_hss, stand_in
        self.daemons = {}
        #: Another ConnectPeer for the ICF, and who signs certificates for it.
        self.connect = self.authority = None
        #: Folder of what `callhome open5gs config` wrote, to be used in place of what is here.
        self.fragments = None
        self.through_icf = False
        #: Whether the core is as start() leaves it, with the configuration that a lab begins with.
        self.fresh = False

    def _diameter(self, name, identity, realm, listen, peers):
        lines = [f'Identity = "{identity}";', f'Realm = "{realm}";', "Port = 3868;", "SecPort = 0;", "No_IPv6;"]
        lines += [f'ListenOn = "{listen}";', "TcTimer = 6;", "TwTimer = 10;", "NoRelay;"]
        lines += ["No_SCTP;"] * (self.stand_in is not None)
        # freeDiameter wants a certificate of its Identity also where no peer is spoken to over TLS.
        pair = [self.out / f"{name}.crt", self.out / f"{name}.key"]
        if self.authority and name == "mme":
            certificate, key = self.authority.sign(name, identity)
            lines += [f'TLS_Cred = "{certificate}", "{key}";', f'TLS_CA = "{self.authority.certificate}";']
        else:
            lines += self._alone(pair, identity)
        for extension in ["dict_rfc5777", "dict_mip6i", "dict_nasreq", "dict_nas_mipv6", "dict_dcca", "dict_dcca_3gpp"]:
            lines.append(f'LoadExtension = "{self._extension(extension)}";')
        lines += [f'ConnectPeer = "{peer}" {{ {how} }};' for peer, how in peers]
        return self._file(f"{name}.conf", lines)

    def _alone(self, pair, identity):
        """A certificate that nobody else signs."""
        words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
        words += ["-subj", f"/CN={identity}", "-out", str(pair[0]), "-keyout", str(pair[1])]
        subprocess.run(words, check=True, stderr=subprocess.DEVNULL)
        return [f'TLS_Cred = "{pair[0]}", "{pair[1]}";', f'TLS_CA = "{pair[0]}";']

    def _extension(self, name):
        found = sorted(self.prefix.glob(f"lib/**/freeDiameter/{name}.fdx"))
        if not found:
            raise RuntimeError(f"{self.prefix}/lib has no freeDiameter/{name}.fdx")
        return found[0]

    def extensions(self):
        """The folder of freeDiameter's extensions."""
        return self._extension("dict_rfc5777").parent

    def _file(self, name, lines):
        path = self.out / name
        path.write_text("\n".join(lines) + "\n")
        return path

    def _yaml(self, name, body):
        head = ["logger:", "  file:", f"    path: {self.out}/{name}.log", "  level: info"]
        head += ["global:", "  max:", "    ue: 4096", "    peer: 32"]
        return self._file(f"{name}.yaml", head + body)

    def _fragment(self, name, ours):
        """What goes into a daemon's section: the fragment of that name, where there is one."""
        if self.fragments is None:
            return ours
        lines = (self.fragments / f"{name}.yaml").read_text().splitlines()
        return [line for line in lines if line.startswith("  ")]

    def write(self, through_icf=False):
        """All configurations; with `through_icf`, the operator's IMSIs lead to the ICF too, which sends them on."""
        self.fresh = False
        host, realm, address, port = ICF
        home = (f"hss.{HOME}", "ConnectTo = \"127.0.0.8\"; No_TLS;")
        if not self.own_hss:
            home = (f"hss.{HOME}", f'ConnectTo = "127.0.0.1"; Port = {SECOND_ICF}; No_TLS; Prefer_TCP;')
        icf = (host, self.connect or f'ConnectTo = "{address}"; Port = {port}; No_TLS; Prefer_TCP;')
        self.through_icf = through_icf
        refusing = (REFUSING[0], f'ConnectTo = "{REFUSING[2]}"; Port = {REFUSING[3]}; No_TLS; Prefer_TCP;')
        mme = self._diameter("mme", f"mme.{SERVING}", SERVING, MME, [icf, refusing] + [home] * (not through_icf))
        if self.fragments:
            mme = self.fragments / "mme.conf"
        smf = self._diameter("smf", f"smf.{SERVING}", SERVING, "127.0.0.4", [(f"pcrf.{SERVING}", 'ConnectTo = "127.0.0.9"; No_TLS;')])
        pcrf = self._diameter("pcrf", f"pcrf.{SERVING}", SERVING, "127.0.0.9", [(f"smf.{SERVING}", 'ConnectTo = "127.0.0.4"; No_TLS;')])
        self._yaml("mme", [
            "mme:", f"  freeDiameter: {mme}",
            "  s1ap:", "    server:", f"      - address: {MME}",
            "  gtpc:", "    server:", f"      - address: {MME}",
            "    client:", "      sgwc:", "        - address: 127.0.0.3", "      smf:", "        - address: 127.0.0.4",
            "  gummei:", "    - plmn_id: { mcc: 999, mnc: 70 }", "      mme_gid: 2", "      mme_code: 1",
            "  tai:", "    - plmn_id: { mcc: 999, mnc: 70 }", "      tac: 1",
            *self._fragment("mme", [
                "  hss_map:",
                f"    - plmn_id: {{ mcc: 999, mnc: 71, realm: {realm}, host: {host} }}",
                f"    - plmn_id: {{ mcc: 999, mnc: \"01\", realm: {realm}, host: {host} }}" if through_icf
                else f"    - plmn_id: {{ mcc: 999, mnc: \"01\", realm: {HOME}, host: hss.{HOME} }}",
                f"    - plmn_id: {{ mcc: 999, mnc: \"04\", realm: {REFUSING[1]}, host: {REFUSING[0]} }}",
                f"    - plmn_id: {{ mcc: 999, mnc: \"05\", realm: {NOWHERE}, host: hss.{NOWHERE} }}",
            ]),
            "  metrics:", "    server:", f"      - address: {MME}",
            "  security:", "    integrity_order: [ EIA2, EIA1, EIA0 ]", "    ciphering_order: [ EEA0, EEA1, EEA2 ]",
            "  network_name:", "    full: Lab", "    short: Lab", "  mme_name: lab",
            "  time:", "    t3412:", "      value: 540",
        ])
        if self.own_hss:
            client = icf if through_icf else (f"mme.{SERVING}", f'ConnectTo = "{MME}"; No_TLS;')
            hss = self._diameter("hss", f"hss.{HOME}", HOME, "127.0.0.8", [client])
            self._yaml("hss", ["db_uri: mongodb://127.0.0.1:27017/open5gs", "hss:", f"  freeDiameter: {hss}"])
        policy = ["  policy:", "    - supi_range:"]
        policy += [f"        - {first}-{last}" for first, last in (("999710000000000", "999719999999999"), ("999010000000000", "999019999999999"))]
        policy.append("      session:")
        for apn in APNS:
            policy += [f"        - name: {apn}", "          type: 1"]
            policy += ["          ambr: { downlink: { value: 1, unit: 2 }, uplink: { value: 1, unit: 2 } }"]
            policy += ["          qos: { index: 9, arp: { priority_level: 8, pre_emption_vulnerability: 1, pre_emption_capability: 1 } }"]
        self._yaml("pcrf", ["pcrf:", f"  freeDiameter: {pcrf}", *self._fragment("pcrf", policy)])
        session = ["  session:", f"    - subnet: {SUBNET}", f"      gateway: {GATEWAY}"]
        self._yaml("smf", [
            # Without `sbi` it is an SMF of EPC alone, which needs no NRF.
            "smf:", "  pfcp:", "    server:", "      - address: 127.0.0.4", "    client:", "      upf:", "        - address: 127.0.0.7",
            "  gtpc:", "    server:", "      - address: 127.0.0.4", "  gtpu:", "    server:", "      - address: 127.0.0.4",
            *self._fragment("smf", session), "  dns:", f"    - {GATEWAY}", "  mtu: 1400", "  ctf:", "    enabled: no", f"  freeDiameter: {smf}",
        ])
        self._yaml("upf", ["upf:", "  pfcp:", "    server:", "      - address: 127.0.0.7", "  gtpu:", "    server:", "      - address: 127.0.0.7", *self._fragment("upf", [*session, "      dev: ogstun"])])
        self._yaml("sgwc", ["sgwc:", "  gtpc:", "    server:", "      - address: 127.0.0.3", "  pfcp:", "    server:", "      - address: 127.0.0.3", "    client:", "      sgwu:", "        - address: 127.0.0.6"])
        self._yaml("sgwu", ["sgwu:", "  pfcp:", "    server:", "      - address: 127.0.0.6", "  gtpu:", "    server:", "      - address: 127.0.0.6"])

    def renew(self, through_icf=False):
        """Writes all configurations and starts all daemons anew, but for the HSS.

        An MME that is started again counts its GTP-C sequence numbers from the same beginning. An SGW-C or SMF that goes on
        takes its first requests for repetitions of those before, and answers nothing or what it answered then (TS 29.274
        section 7.6). So they are started with it, and who has their sessions too.
        """
        for name in CORE:
            if name in self.daemons:
                self.stop(name)
        self.write(through_icf)
        self.start()

    def start(self):
        """All daemons, those first that others ask; ends when the MME has its peers."""
        order = ["hss"] * (self.own_hss and "hss" not in self.daemons) + ["pcrf", "upf", "sgwu"]
        self._up(order)
        self._up(["smf", "sgwc"])
        self.start_mme()
        self.expect("smf", "CONNECTED TO 'pcrf")
        self.expect("smf", "PFCP associated")
        self.expect("sgwc", "PFCP associated")
        as_written = self.connect is None and self.authority is None and self.fragments is None
        self.fresh = as_written and not self.through_icf

    def start_mme(self):
        self._up(["mme"])
        self.expect("mme", "CONNECTED TO 'icf")
        if not (self.through_icf or self.fragments):
            self.expect("mme", "CONNECTED TO 'hss")

    def start_hss(self):
        self._up(["hss"])

    def _up(self, names):
        for name in names:
            log = self.out / f"{name}.log"
            log.unlink(missing_ok=True)
            command = [f"{self.prefix}/bin/open5gs-{name}d", "-c", str(self.out / f"{name}.yaml")]
            environment = {**os.environ, "LD_PRELOAD": self.stand_in} if self.stand_in and name == "mme" else None
            with open(self.out / f"{name}.out", "w") as output:
                self.daemons[name] = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        for name in names:
            self.expect(name, "initialize...done", seconds=120)

    def expect(self, name, text, seconds=60):
        """Waits for a line of a daemon's log."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            log = self.log(name)
            if text in log:
                return
            if self.daemons[name].poll() is not None:
                raise RuntimeError(f"open5gs-{name}d has ended:\n{log[-2000:]}")
            time.sleep(0.1)
        raise RuntimeError(f"open5gs-{name}d has not said {text!r} within {seconds} s:\n{self.log(name)[-2000:]}")

    def log(self, name):
        path = self.out / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def cpu(self):
        """Seconds of processor time of each daemon until now."""
        return {name: cpu_seconds(daemon.pid) for name, daemon in self.daemons.items() if daemon.poll() is None}

    def stop(self, name):
        self.fresh = False
        end(self.daemons.pop(name))

    def is_fresh(self):
        """Whether the next scenario finds the core as the first one did."""
        return self.fresh and all(daemon.poll() is None for daemon in self.daemons.values())

    def stop_all(self):
        for name in [*CORE, "hss"]:
            if name in self.daemons:
                self.stop(name)


def end(process, seconds=20):
    """Asks a process to end, and ends it if it does not."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def cpu_seconds(pid):
    """User and system time, proc_pid_stat(5), fields 14 and 15."""
    try:
        fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / 100
