"""An MME made of pycrate's S1AP and NAS and of python-diameter's S6a, driven by one JSON object a line.

In, on standard input: {"do": "listen", "mme": NAME, "addresses": […], "policy": {…}}, and whatever `Mme` has a method
`do_…` for.
Out, on standard output: one JSON object a line: what was ordered is `done`; `s1ap` and `nas` are messages as pycrate
decodes them, with stream, PPID, and whether the MAC is right; `compared` says whether RES is XRES.

By itself it does what an MME does: it asks the HSS for a vector, authenticates, sets security and bearer up, answers
service requests, updates and detaches. A policy tells it to do otherwise; its names are in `POLICY`. Several MMEs live
in one process, each with a port of its own, because to load pycrate takes a while. pycrate's own core network is not
used: it authenticates by itself, and needs modules that PyPI does not have.
"""

import argparse
import contextlib
import json
import logging
import os
import queue
import selectors
import sys
import traceback

import mme_nas as nas
import mme_s1ap as s1ap
import nas_algorithms as algorithms
import s6a_client
from mme_nas import CIPHERED, INTEGRITY, NEW_CONTEXT
from s6a_client import say

PLMN = bytes.fromhex("99f907")

POLICY = {
    "keep_lost": False,  # a connection whose UE is lost is not released
    "eea": 2,
    "eia": 2,
    "identities": [],  # of these types it asks before it authenticates; negative: and does not wait for the answer
    "vector": None,  # made with this K, OPc, SQN and AMF, not asked for
    "smc": {},  # how SECURITY MODE COMMAND differs: capabilities, hash, imeisv, wrong_mac
    "reuse": True,  # a UE that proves to have the keys is not authenticated anew
    "attach": None,  # an order in place of ATTACH ACCEPT
    "accept": {},  # how ATTACH ACCEPT differs
    "update": {},  # how TRACKING AREA UPDATE ACCEPT differs, or an order in place of it
    "service": None,  # an order in place of the user plane
    "wrong_kenb": False,
    "wrong_xres": False,
    "setups": [],  # S1 SETUP FAILUREs that come first: their TimeToWait, or None
    "gateway": "127.0.0.1",  # S1-U of the serving gateway
    "silent": [],  # NAS messages that it does not answer
}

# EMM causes of what an HSS answers, TS 29.272 annex A.
CAUSES = {5001: 8, 5420: 15, 5421: 13, 5004: 11, 5003: 15, 5012: 17, 4181: 17}


class Ue:
    def __init__(self, imsi):
        self.imsi = imsi
        self.plmn = PLMN
        self.pti, self.apn, self.ksi = 1, None, 0
        self.vector = self.context = self.m_tmsi = self.capabilities = None
        self.initial = b""
        self.connection = None
        self.bearers = {}
        self.last = None
        self.kenb_count = 0
        self.teid = 0x1000

    def new_guti(self):
        self.m_tmsi = os.urandom(4)
        return b"\xf6" + PLMN + b"\x00\x01\x01" + self.m_tmsi

    def name(self):
        return b"\xc3\x37\x1a"  # seven-bit letters


class Connection:
    def __init__(self, association, enb, mme):
        self.association, self.enb, self.mme, self.ue = association, enb, mme, None
        self.request, self.identities = None, []

    def ids(self):
        return {"mme": self.mme, "enb": self.enb}


class S6a(s6a_client.Mme):
    """Its requests for the network's vectors; what the HSS begins goes to the MME's own thread."""

    def __init__(self, args):
        super().__init__(args)
        self.cancelled = queue.SimpleQueue()
        self.told, self.tells = os.pipe()

    def on_request(self, app, message):
        answer = super().on_request(app, message)
        if isinstance(message, s6a_client.CancelLocationRequest):
            flags = getattr(message, "clr_flags", None) or 0
            self.cancelled.put((str(message.user_name), bool(flags & 2)))
            os.write(self.tells, b"!")
        return answer

    def ask(self, order):
        message = getattr(self, order["do"])(order)
        answer = self.app.send_request(message, timeout=15)
        code = getattr(answer, "result_code", None)
        experimental = getattr(answer, "experimental_result", None)
        if code is None and experimental is not None:
            code = experimental.experimental_result_code
        say("s6a", do=order["do"], imsi=order["imsi"], result=code)
        return code, s6a_client.described(answer)

    def vector(self, imsi, resync=None):
        order = {"do": "air", "imsi": imsi, "plmn": PLMN.hex()}
        if resync is not None:
            order["resync"] = resync.hex()
        code, answer = self.ask(order)
        if code != s6a_client.SUCCESS:
            return code, None
        found = {}
        pending = list(answer["avps"])
        while pending:
            avp = pending.pop()
            pending.extend(avp.get("avps", []))
            if avp["code"] in (1447, 1448, 1449, 1450):
                found[avp["code"]] = bytes.fromhex(avp["octets"])
        return code, {"rand": found[1447], "xres": found[1448], "autn": found[1449], "kasme": found[1450]}


def milenage(policy):
    """A vector of the MME's own, TS 35.206 and TS 33.401 annex A.2: for AMFs that no AuC gives."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms as ciphers, modes

    k, opc, sqn, amf = (bytes.fromhex(policy[name]) for name in ("k", "opc", "sqn", "amf"))
    rand = os.urandom(16)

    def encrypted(octets):
        encryptor = Cipher(ciphers.AES(k), modes.ECB()).encryptor()
        return encryptor.update(octets) + encryptor.finalize()

    temp = encrypted(algorithms.xor(rand, opc))

    def out(rotation, constant):
        rotated = algorithms.xor(temp, opc)
        rotated = rotated[rotation:] + rotated[:rotation]
        return algorithms.xor(encrypted(algorithms.xor(rotated, bytes(15) + bytes([constant]))), opc)

    mixed = algorithms.xor((sqn + amf) * 2, opc)
    mixed = mixed[8:] + mixed[:8]
    mac = algorithms.xor(encrypted(algorithms.xor(temp, mixed)), opc)[:8]
    second, ck, ik = out(0, 1), out(4, 2), out(8, 4)
    concealed = algorithms.xor(sqn, second[:6])
    kasme = algorithms.kdf(ck + ik, 0x10, PLMN, concealed)
    return {"rand": rand, "xres": second[8:], "autn": concealed + amf + mac, "kasme": kasme}


class Mme:
    def __init__(self, name, core, addresses, policy):
        self.name, self.core = name, core
        self.policy = {**POLICY, **policy}
        self.associations, self.connections, self.ues = [], {}, {}
        self.setups = list(self.policy["setups"])
        self.listening = s1ap.listener(addresses)
        self.port = self.listening.getsockname()[1]
        core.selector.register(self.listening, selectors.EVENT_READ, self.accept)

    def say(self, event, **fields):
        say(event, mme=self.name, **fields)

    # Associations.

    def accept(self):
        connection, _ = self.listening.accept()
        association = s1ap.Association(connection)
        self.associations.append(association)
        self.core.selector.register(connection, selectors.EVENT_READ, lambda: self.receive(association))
        self.say("association", there=True)

    def receive(self, association):
        try:
            received = association.receive()
        except OSError:
            received = None
        if received is None:
            self.drop(association)
            association.socket.close()
            return
        octets, stream, ppid = received
        try:
            kind, name, ies = s1ap.read(octets)
        except Exception as error:
            self.say("fault", what=f"S1AP of the eNB: {error!r}", octets=octets.hex())
            return
        self.say("s1ap", way="up", kind=kind, name=name, stream=stream, ppid=ppid, ies=s1ap.plain(ies))
        handler = getattr(self, "on_" + name.lower().replace("-", ""), None)
        if handler:
            try:
                handler(association, ies)
            except Exception:
                self.say("fault", what=traceback.format_exc())

    def drop(self, association):
        if association in self.associations:
            self.core.selector.unregister(association.socket)
            self.associations.remove(association)
            self.say("association", there=False)
        for mme, connection in list(self.connections.items()):
            if connection.association is association:
                self.forget_connection(connection)

    def send(self, association, message, stream=0, **ies):
        octets = s1ap.write(message, **ies)
        self.say("s1ap", way="down", name=message, octets=octets.hex())
        # The eNB may be gone by now; that is read from the association itself.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            association.send(octets, stream)

    def send_ue(self, connection, message, **ies):
        self.send(connection.association, message, 1, **connection.ids(), **ies)

    def forget_connection(self, connection):
        self.connections.pop(connection.mme, None)
        if connection.ue and connection.ue.connection is connection:
            connection.ue.connection = None

    # S1AP.

    def on_s1setuprequest(self, association, ies):
        if self.setups:
            wait = self.setups.pop(0)
            ies = {"cause": ("misc", "unspecified")}
            if wait:
                ies["wait"] = wait
            self.send(association, "setup_failure", **ies)
            return
        gummeis = [{"servedPLMNs": [PLMN], "servedGroupIDs": [b"\x00\x01"], "servedMMECs": [b"\x01"]}]
        self.send(association, "setup_response", name="pycrate", gummeis=gummeis, capacity=255)

    def on_initialuemessage(self, association, ies):
        self.core.last_id += 1
        connection = Connection(association, ies["ENB-UE-S1AP-ID"], self.core.last_id)
        self.connections[connection.mme] = connection
        self.nas_up(connection, ies["NAS-PDU"])

    def on_uplinknastransport(self, association, ies):
        connection = self.connections.get(ies["MME-UE-S1AP-ID"])
        if connection:
            self.nas_up(connection, ies["NAS-PDU"])

    def on_uecontextreleaserequest(self, association, ies):
        connection = self.connections.get(ies["MME-UE-S1AP-ID"])
        if connection and not self.policy["keep_lost"]:
            self.release(connection, ("radioNetwork", "user-inactivity"))

    def on_uecontextreleasecomplete(self, association, ies):
        connection = self.connections.get(ies["MME-UE-S1AP-ID"])
        if connection:
            self.forget_connection(connection)

    def on_reset(self, association, ies):
        kind, part = ies["ResetType"]
        if kind == "s1-Interface":
            for connection in list(self.connections.values()):
                self.forget_connection(connection)
        self.send(association, "reset_acknowledge")

    def release(self, connection, cause=("nas", "normal-release")):
        ids = ("uE-S1AP-ID-pair", {"mME-UE-S1AP-ID": connection.mme, "eNB-UE-S1AP-ID": connection.enb})
        self.send(connection.association, "context_release", 1, ids=ids, cause=cause)

    def context_setup(self, connection, order, containers=()):
        """Containers: NAS for the bearers, by EPS bearer identity."""
        ue = connection.ue
        erabs = []
        for ebi, qci in ue.bearers.items():
            ue.teid += 1
            erabs.append(s1ap.erab(52, "E-RABToBeSetupItemCtxtSUReq", ebi, qci, dict(containers).get(ebi), ue.teid, self.policy["gateway"]))
        key = ue.context.kenb(ue.kenb_count)
        if self.policy["wrong_kenb"]:
            key = bytes(32)
        eea, eia = ue.capabilities[0], ue.capabilities[1]
        # Bit 1 is algorithm 1: the null algorithms are not named (TS 36.413 §9.2.1.40).
        access = {
            "encryptionAlgorithms": (eea << 9 & 0xFFFF, 16),
            "integrityProtectionAlgorithms": (eia << 9 & 0xFFFF, 16),
        }
        ambr = {"uEaggregateMaximumBitRateDL": 2048000, "uEaggregateMaximumBitRateUL": 1024000}
        self.send_ue(
            connection,
            "context_setup",
            ambr=ambr,
            context_erabs=erabs,
            algorithms=access,
            key=(int.from_bytes(key, "big"), 256),
        )

    # NAS.

    def nas_up(self, connection, octets):
        header = octets[0] >> 4
        ue = connection.ue
        told = {"header": header, "imsi": ue.imsi if ue else None}
        if header == 12:
            return self.service_request(connection, octets)
        plain = octets
        if header:
            candidate = ue or self.known_by(octets)
            context = candidate.context if candidate else None
            if context is None:
                told["mac"] = None
                plain = octets[6:]
            else:
                count, right, plain = context.unprotect(octets)
                told.update(mac=right, count=count)
                if ue is None:  # what began the connection; SECURITY MODE COMPLETE does it for itself
                    candidate.kenb_count = count
        try:
            message = nas.parse(plain)
        except Exception as error:
            self.say("fault", what=f"NAS of the UE: {error}")
            return
        name = message._name
        told.update(name=name, octets=plain.hex())
        if name in ("EMMAuthenticationFailure", "EMMSecurityModeReject", "EMMStatus"):
            told["cause"] = nas.raw(message, "EMMCause")[0]
        if name.startswith("ESM") and name.endswith(("Status", "Reject")):
            told["cause"] = nas.raw(message, "ESMCause")[0]
        self.say("nas", way="up", **told)
        if name in self.policy["silent"]:
            return
        handler = getattr(self, "on_" + name.lower(), None)
        if handler:
            handler(connection, message, plain, told)

    def known_by(self, octets):
        """The UE of the GUTI in a message that is protected and not ciphered."""
        with contextlib.suppress(Exception):
            message = nas.parse(octets[6:])
            for name in ("EPSID", "OldGUTI"):
                with contextlib.suppress(Exception):
                    return self.by_tmsi(nas.raw(message, name)[-4:])
        return None

    def by_tmsi(self, m_tmsi):
        return next((ue for ue in self.ues.values() if ue.m_tmsi == m_tmsi), None)

    def nas_down(self, connection, octets, protect=CIPHERED, **how):
        ue = connection.ue
        if protect:
            octets = ue.context.protect(protect, octets, **how)
        if ue:
            ue.last = octets
        self.say("nas", way="down", imsi=ue.imsi if ue else None, octets=octets.hex())
        self.send_ue(connection, "downlink_nas", nas=octets)

    def plain_or_protected(self, ue):
        return CIPHERED if ue.context and ue.secured else 0

    def adopt(self, connection, imsi):
        ue = self.ues.setdefault(imsi, Ue(imsi))
        ue.connection, connection.ue = connection, ue
        return ue

    def on_emmattachrequest(self, connection, message, octets, told):
        connection.request = (message, octets)
        identity = nas.raw(message, "EPSID")
        ue = connection.ue
        if identity[0] & 7 == 6:  # GUTI
            ue = self.by_tmsi(identity[-4:])
            if ue is None:
                placeholder = Ue(None)
                connection.ue = placeholder
                placeholder.secured = False
                return self.nas_down(connection, nas.MESSAGES["identity_request"](placeholder, {"type": 1}), 0)
            self.adopt(connection, ue.imsi)
        else:
            ue = self.adopt(connection, nas.digits(message["EPSID"]))
        self.begin(connection, bool(told.get("mac")))

    def begin(self, connection, proven):
        """The UE is known by its IMSI; is it the one?"""
        ue = connection.ue
        message, octets = connection.request
        ue.initial, ue.secured = octets, False
        ue.capabilities = nas.raw(message, "UENetCap")[:2]
        request = message["ESMContainer"][-1]
        ue.pti = request["ESMHeader"]["PTI"].get_val()
        ue.wants_information = nas.value(request, "ESMInfoTransferFlag") is not None
        ue.bearers = {}
        connection.identities = list(self.policy["identities"])
        if self.policy["attach"] and self.policy["attach"].get("at") == "request":
            return self.ordered(connection, self.policy["attach"])
        if proven and self.policy["reuse"]:
            ue.secured = True
            return self.secured(connection)
        if not proven:
            ue.context = None
        self.identify(connection)

    def identify(self, connection):
        ue = connection.ue
        if connection.identities:
            kind = connection.identities.pop(0)
            self.nas_down(connection, nas.MESSAGES["identity_request"](ue, {"type": abs(kind)}), 0)
            return self.identify(connection) if kind < 0 else None
        self.authenticate(connection)

    def on_emmidentityresponse(self, connection, message, octets, told):
        self.say("identity", digits=nas.digits(message["ID"]), type=nas.raw(message, "ID")[0] & 7)
        if connection.ue.imsi is None:
            self.adopt(connection, nas.digits(message["ID"]))
            return self.begin(connection, False)
        if not connection.ue.secured and not connection.identities:
            self.authenticate(connection)
        elif not connection.ue.secured:
            self.identify(connection)

    def authenticate(self, connection, resync=None):
        ue = connection.ue
        if self.policy["vector"] and resync is None:
            ue.vector = milenage(self.policy["vector"])
        else:
            code, ue.vector = self.core.s6a.vector(ue.imsi, resync)
            if ue.vector is None:
                reject = nas.MESSAGES["attach_reject"](ue, {"cause": CAUSES.get(code, 17)})
                self.nas_down(connection, reject, 0)
                return self.release(connection)
        if self.policy["wrong_xres"]:
            ue.vector["xres"] = bytes(8)
        ue.ksi = (ue.ksi + 1) % 7
        request = nas.MESSAGES["authentication_request"](ue, {})
        self.nas_down(connection, request, self.plain_or_protected(ue))

    def on_emmauthenticationresponse(self, connection, message, octets, told):
        ue = connection.ue
        right = nas.raw(message, "RES") == ue.vector["xres"]
        self.say("compared", imsi=ue.imsi, res=right)
        if not right:
            self.nas_down(connection, nas.MESSAGES["authentication_reject"](ue, {}), 0)
            return self.release(connection)
        self.security_mode(connection, self.policy["smc"])

    def on_emmauthenticationfailure(self, connection, message, octets, told):
        ue = connection.ue
        if told["cause"] == 21:
            auts = nas.raw(message, "AUTS")
            return self.authenticate(connection, ue.vector["rand"] + auts)
        self.nas_down(connection, nas.MESSAGES["authentication_reject"](ue, {}), 0)
        self.release(connection)

    def security_mode(self, connection, order):
        """With the new context itself (§4.4.4.1); the old one is kept until the UE has the new one too."""
        ue = connection.ue
        eea, eia = order.get("eea", self.policy["eea"]), order.get("eia", self.policy["eia"])
        ue.pending = nas.Security(ue.ksi, ue.vector["kasme"], eea, eia)
        command = nas.security_mode_command(ue, eea, eia, order)
        octets = ue.pending.protect(NEW_CONTEXT, command, wrong_mac=order.get("wrong_mac", False))
        ue.before, ue.context = ue.context, ue.pending
        self.say("nas", way="down", imsi=ue.imsi, octets=octets.hex())
        self.send_ue(connection, "downlink_nas", nas=octets)

    def on_emmsecuritymodecomplete(self, connection, message, octets, told):
        ue = connection.ue
        if not told.get("mac"):
            return
        ue.secured, ue.kenb_count = True, told["count"]
        replayed = nas.raw(message, "NASMessage")
        imeisv = message["IMEISV"]
        self.say(
            "secured",
            imsi=ue.imsi,
            replayed=None if replayed is None else replayed == ue.initial,
            imeisv=None if imeisv.get_trans() else nas.digits(imeisv),
        )
        if not ue.bearers:
            self.secured(connection)

    def on_emmsecuritymodereject(self, connection, message, octets, told):
        ue = connection.ue
        ue.context = ue.before
        self.release(connection)

    def secured(self, connection):
        ue = connection.ue
        if ue.wants_information:
            return self.nas_down(connection, nas.MESSAGES["esm_information_request"](ue, {}))
        self.accept_attach(connection)

    def on_esmactdefaultepsbearerctxtreject(self, connection, message, octets, told):
        self.release(connection)

    def on_esmstatus(self, connection, message, octets, told):
        """In place of ATTACH COMPLETE, where the ESM message in the ATTACH ACCEPT was another."""
        if "container" in self.policy["accept"]:
            self.release(connection)

    def on_esminformationresponse(self, connection, message, octets, told):
        apn = nas.raw(message, "APN")
        ue = connection.ue
        if apn:
            ue.apn = ".".join(nas_labels(apn))
        self.say("information", imsi=ue.imsi, apn=ue.apn)
        self.accept_attach(connection)

    def accept_attach(self, connection):
        ue = connection.ue
        if self.policy["attach"]:
            return self.ordered(connection, self.policy["attach"])
        if not self.policy["vector"]:
            code, _ = self.core.s6a.ask({"do": "ulr", "imsi": ue.imsi, "plmn": PLMN.hex()})
            if code != s6a_client.SUCCESS:
                reject = nas.MESSAGES["attach_reject"](ue, {"cause": CAUSES.get(code, 17)})
                self.nas_down(connection, reject)
                return self.release(connection)
        accept = nas.MESSAGES["attach_accept"](ue, self.policy["accept"])
        ue.bearers = {5: 9}
        octets = ue.context.protect(CIPHERED, accept)
        ue.last = octets
        self.say("nas", way="down", imsi=ue.imsi, octets=octets.hex())
        self.context_setup(connection, {}, {5: octets})

    def ordered(self, connection, order):
        """A message of a policy, and the end of the connection."""
        ue = connection.ue
        protect = self.plain_or_protected(ue) if "protect" not in order else order["protect"]
        self.nas_down(connection, nas.MESSAGES[order["message"]](ue, order), protect)
        if order.get("release", True):
            self.release(connection)

    def service_request(self, connection, octets):
        told = self.policy["service"]
        candidates = [ue for ue in self.ues.values() if ue.context and ue.context.ksi == octets[1] >> 5]
        for ue in candidates:
            count, right = ue.context.service_request(octets)
            if right:
                self.say("nas", way="up", name="EMMServiceRequest", header=12, mac=True, count=count, imsi=ue.imsi)
                self.adopt(connection, ue.imsi)
                ue.secured, ue.kenb_count = True, count
                if told:
                    return self.ordered(connection, told)
                return self.context_setup(connection, {})
        self.say("nas", way="up", name="EMMServiceRequest", header=12, mac=False, imsi=None)
        connection.ue = Ue(None)
        self.nas_down(connection, nas.MESSAGES["service_reject"](connection.ue, {"cause": 9}), 0)
        self.release(connection)

    def on_emmtrackingareaupdaterequest(self, connection, message, octets, told):
        ue = connection.ue or self.by_tmsi(nas.raw(message, "OldGUTI")[-4:])
        if ue is None or not told.get("mac"):
            connection.ue = ue or Ue(None)
            self.nas_down(connection, nas.MESSAGES["update_reject"](connection.ue, {"cause": 9}), 0)
            return self.release(connection)
        fresh = connection.ue is None
        self.adopt(connection, ue.imsi)
        ue.secured = True
        order = self.policy["update"]
        if "message" in order:
            return self.ordered(connection, order)
        accept = nas.MESSAGES["update_accept"](ue, order)
        active = octets[2] & 8
        self.nas_down(connection, accept)
        if active:
            self.context_setup(connection, {})
        elif fresh and not order.get("guti"):
            self.release(connection)

    def on_emmtrackingareaupdatecomplete(self, connection, message, octets, told):
        self.release(connection)

    def on_emmdetachrequestmo(self, connection, message, octets, told):
        ue = connection.ue
        if ue is None:
            ue = self.by_tmsi(nas.raw(message, "EPSID")[-4:])
            if ue is None:
                return self.release(connection)
            self.adopt(connection, ue.imsi)
            ue.secured = True
        ue.bearers = {}
        if not octets[2] & 8:
            self.nas_down(connection, nas.MESSAGES["detach_accept"](ue, {}), self.plain_or_protected(ue))
        self.release(connection, ("nas", "detach"))

    def on_emmdetachaccept(self, connection, message, octets, told):
        self.release(connection, ("nas", "detach"))

    # Orders.

    def connection_of(self, order):
        ue = self.ues[order["imsi"]]
        if ue.connection is None:
            raise ValueError(f"{ue.imsi} has no connection")
        return ue.connection

    def do_policy(self, order):
        self.policy.update(order["policy"])

    def do_nas(self, order):
        connection = self.connection_of(order)
        ue = connection.ue
        how = order.get("protect", "ciphered")
        if how == "replay":
            self.send_ue(connection, "downlink_nas", nas=ue.last)
            return
        octets = nas.MESSAGES[order["message"]](ue, order)
        if how == "wrong mac":
            self.nas_down(connection, octets, CIPHERED, wrong_mac=True)
        else:
            header = {"plain": 0, "integrity": INTEGRITY, "ciphered": CIPHERED}[how]
            self.nas_down(connection, octets, header)

    def do_authenticate(self, order):
        self.authenticate(self.connection_of(order))

    def do_release(self, order):
        self.release(self.connection_of(order))

    def do_page(self, order):
        ue = self.ues[order["imsi"]]
        paged = ("s-TMSI", {"mMEC": b"\x01", "m-TMSI": ue.m_tmsi})
        if order["by"] == "imsi":
            text = ue.imsi + "f" * (len(ue.imsi) % 2)
            paged = ("iMSI", bytes(int(text[i + 1] + text[i], 16) for i in range(0, len(text), 2)))
        area = s1ap.item(47, "TAIItem", {"tAI": {"pLMNidentity": PLMN, "tAC": b"\x00\x01"}}, "ignore")
        index = (int(ue.imsi) % 1024, 10)
        for association in self.associations:
            self.send(association, "paging", index=index, paged=paged, domain="ps", areas=[area])

    def protected(self, ue, message, order):
        return ue.context.protect(CIPHERED, nas.MESSAGES[message](ue, order))

    def do_erab_setup(self, order):
        connection = self.connection_of(order)
        ue, ebi = connection.ue, order.get("ebi", 6)
        ue.teid += 1
        octets = self.protected(ue, "dedicated_bearer", order)
        erab = s1ap.erab(17, "E-RABToBeSetupItemBearerSUReq", ebi, order.get("qci", 1), octets, ue.teid, self.policy["gateway"])
        self.send_ue(connection, "erab_setup", setup_erabs=[erab])
        ue.bearers[ebi] = order.get("qci", 1)

    def do_erab_modify(self, order):
        connection = self.connection_of(order)
        octets = self.protected(connection.ue, "modify_bearer", order)
        value = {
            "e-RAB-ID": order.get("ebi", 6),
            "e-RABLevelQoSParameters": s1ap.QOS(order.get("qci", 2)),
            "nAS-PDU": octets,
        }
        erab = s1ap.item(36, "E-RABToBeModifiedItemBearerModReq", value)
        self.send_ue(connection, "erab_modify", modify_erabs=[erab])

    def do_erab_release(self, order):
        connection = self.connection_of(order)
        ebi = order.get("ebi", 6)
        octets = self.protected(connection.ue, "deactivate_bearer", order)
        erab = s1ap.item(35, "E-RABItem", {"e-RAB-ID": ebi, "cause": ("nas", "normal-release")}, "ignore")
        self.send_ue(connection, "erab_release", release_erabs=[erab], nas=octets)
        connection.ue.bearers.pop(ebi, None)

    def do_context_modification(self, order):
        ambr = {"uEaggregateMaximumBitRateDL": 4096000, "uEaggregateMaximumBitRateUL": 2048000}
        self.send_ue(self.connection_of(order), "context_modification", ambr=ambr)

    def do_reset(self, order):
        kind = ("s1-Interface", "reset-all")
        gone = list(self.connections.values())
        if "imsi" in order:
            gone = [self.connection_of(order)]
            ids = {"mME-UE-S1AP-ID": gone[0].mme, "eNB-UE-S1AP-ID": gone[0].enb}
            kind = ("partOfS1-Interface", [s1ap.item(91, "UE-associatedLogicalS1-ConnectionItem", ids)])
        for connection in gone:
            self.forget_connection(connection)
        for association in self.associations:
            self.send(association, "reset", cause=("misc", "om-intervention"), reset=kind)

    def do_error_indication(self, order):
        cause = ("protocol", "semantic-error")
        if "imsi" in order:
            connection = self.connection_of(order)
            self.send_ue(connection, "error_indication", cause=cause)
            return self.forget_connection(connection)
        for association in self.associations:
            self.send(association, "error_indication", cause=cause)

    def do_overload(self, order):
        for association in self.associations:
            if order["start"]:
                action = ("overloadAction", "reject-non-emergency-mo-dt")
                self.send(association, "overload_start", overload=action)
            else:
                self.send(association, "overload_stop")

    def do_configuration_update(self, order):
        for association in self.associations:
            self.send(association, "configuration_update", name="pycrate again", capacity=1)

    def do_raw(self, order):
        """Octets as they are, as S1AP."""
        for association in self.associations:
            association.send(bytes.fromhex(order["hex"]), order.get("stream", 0))

    def do_raw_many(self, order):
        for octets in order["hex"]:
            for association in self.associations:
                association.send(bytes.fromhex(octets), 1)

    def do_sample(self, order):
        """A message as it is sent, for a UE that there is not."""
        ids = {"mme": 999, "enb": 99999}
        ambr = {"uEaggregateMaximumBitRateDL": 2048000, "uEaggregateMaximumBitRateUL": 1024000}
        erab = lambda number, kind: [s1ap.erab(number, kind, 6, 1, b"\x07\x60", 0x1000, self.policy["gateway"])]
        qos = {"e-RAB-ID": 6, "e-RABLevelQoSParameters": s1ap.QOS(2), "nAS-PDU": b"\x07\x60"}
        gone = {"e-RAB-ID": 6, "cause": ("nas", "normal-release")}
        area = s1ap.item(47, "TAIItem", {"tAI": {"pLMNidentity": PLMN, "tAC": b"\x00\x01"}}, "ignore")
        gummeis = [{"servedPLMNs": [PLMN], "servedGroupIDs": [b"\x00\x01"], "servedMMECs": [b"\x01"]}]
        ies = {
            "setup_response": {"name": "pycrate", "gummeis": gummeis, "capacity": 255},
            "setup_failure": {"cause": ("misc", "unspecified"), "wait": "v1s"},
            "downlink_nas": {**ids, "nas": b"\x07\x60"},
            "context_setup": {
                **ids,
                "ambr": ambr,
                "context_erabs": erab(52, "E-RABToBeSetupItemCtxtSUReq"),
                "algorithms": {"encryptionAlgorithms": (0, 16), "integrityProtectionAlgorithms": (0, 16)},
                "key": (1, 256),
            },
            "context_modification": {**ids, "ambr": ambr},
            "erab_setup": {**ids, "setup_erabs": erab(17, "E-RABToBeSetupItemBearerSUReq")},
            "erab_modify": {**ids, "modify_erabs": [s1ap.item(36, "E-RABToBeModifiedItemBearerModReq", qos)]},
            "erab_release": {**ids, "release_erabs": [s1ap.item(35, "E-RABItem", gone, "ignore")]},
            "paging": {
                "index": (1, 10),
                "paged": ("s-TMSI", {"mMEC": b"\x01", "m-TMSI": bytes(4)}),
                "domain": "ps",
                "areas": [area],
            },
            "overload_stop": {},
            "configuration_update": {"name": "pycrate", "capacity": 1},
            "error_indication": {**ids, "cause": ("protocol", "semantic-error")},
        }
        return {"octets": s1ap.write(order["message"], **ies[order["message"]]).hex()}

    def do_kill(self, order):
        """KILL REQUEST: a procedure of warnings."""
        for association in self.associations:
            self.send(association, "kill", warning=(1, 16), serial=(1, 16))

    def do_incomplete(self, order):
        """A message that has nothing but its identifiers."""
        self.send_ue(self.connection_of(order), order["message"])

    def do_unknown_element(self, order):
        """A message with an information element that there is not; IDENTITY REQUEST, or what else is ordered."""
        unknown = (60000, order["criticality"], b"\x01\x02")
        if order.get("message") == "configuration_update":
            for association in self.associations:
                self.send(association, "configuration_update", capacity=1, unknown=unknown)
            return
        connection = self.connection_of(order)
        if order.get("message") == "context_modification":
            ambr = {"uEaggregateMaximumBitRateDL": 4096000, "uEaggregateMaximumBitRateUL": 2048000}
            self.send_ue(connection, "context_modification", ambr=ambr, unknown=unknown)
            return
        octets = connection.ue.context.protect(CIPHERED, nas.MESSAGES["identity_request"](connection.ue, {"type": 1}))
        self.send_ue(connection, "downlink_nas", nas=octets, unknown=unknown)

    def do_stranger(self, order):
        """A message for a UE that there is not."""
        for association in self.associations:
            octets = bytes.fromhex("0760")
            self.send(association, "downlink_nas", 1, mme=order["ids"][0], enb=order["ids"][1], nas=octets)

    def do_forget(self, order):
        """The UE was never here."""
        self.ues.pop(order["imsi"])

    def do_restart(self, order):
        """All associations break off, and nobody is known any more if `forget`."""
        for association in list(self.associations):
            self.drop(association)
            association.abort()
        if order.get("forget"):
            self.ues = {}

    def do_known(self, order):
        ue = self.ues[order["imsi"]]
        return {"connected": ue.connection is not None, "guti": ue.m_tmsi and ue.m_tmsi.hex()}


def nas_labels(octets):
    at = 0
    while at < len(octets):
        yield octets[at + 1 : at + 1 + octets[at]].decode()
        at += 1 + octets[at]


class Core:
    """All MMEs of this process, and their way to the HSS."""

    def __init__(self, s6a):
        self.s6a = s6a
        self.selector = selectors.DefaultSelector()
        self.mmes, self.last_id = {}, 0
        self.pending = b""

    def run(self):
        self.selector.register(sys.stdin.buffer.raw, selectors.EVENT_READ, self.orders)
        self.selector.register(self.s6a.told, selectors.EVENT_READ, self.cancelled)
        while True:
            for key, _ in self.selector.select():
                try:
                    key.data()
                except EOFError:
                    return
                except Exception:
                    say("fault", what=traceback.format_exc())

    def cancelled(self):
        """TS 29.272 §5.2.1.2: the HSS wants the UE out, and says whether it shall come again."""
        os.read(self.s6a.told, 1)
        imsi, reattach = self.s6a.cancelled.get()
        for mme in self.mmes.values():
            ue = mme.ues.get(imsi)
            if ue and ue.connection:
                octets = nas.MESSAGES["detach_request"](ue, {"reattach": reattach})
                mme.nas_down(ue.connection, octets)

    def orders(self):
        octets = os.read(0, 1 << 16)
        if not octets:
            raise EOFError
        *lines, self.pending = (self.pending + octets).split(b"\n")
        for line in lines:
            self.order(json.loads(line))

    def order(self, order):
        name = order["mme"]
        try:
            if order["do"] == "listen":
                self.mmes[name] = mme = Mme(name, self, order["addresses"], order.get("policy", {}))
                say("done", mme=name, port=mme.port)
            else:
                mme = self.mmes[name]
                result = getattr(mme, "do_" + order["do"])(order)
                say("done", mme=name, **(result or {}))
        except Exception:
            say("fault", mme=name, what=traceback.format_exc())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="where the HSS listens")
    parser.add_argument("--hss", required=True, help="the Origin-Host of the HSS")
    parser.add_argument("--hss-realm", required=True)
    parser.add_argument("--origin-host", default="mme.localdomain")
    parser.add_argument("--origin-realm", default="localdomain")
    args = parser.parse_args()
    args.listen, args.via, args.idle = None, None, 30
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    algorithms.check()
    s6a = S6a(args)
    s6a.start()
    Core(s6a).run()
    s6a.node.stop(wait_timeout=5)


if __name__ == "__main__":
    main()
