"""NAS of an MME (TS 24.301): pycrate writes and reads the messages, `nas_algorithms` protects them."""

from pycrate_mobile import TS24301_EMM as emm
from pycrate_mobile import TS24301_ESM as esm
from pycrate_mobile.NASLTE import parse_NASLTE_MO

import nas_algorithms as algorithms

UP, DOWN = 0, 1
INTEGRITY, CIPHERED, NEW_CONTEXT, NEW_CIPHERED = 1, 2, 3, 4


class Security:
    """An EPS security context of one UE (TS 24.301 §4.4.2)."""

    def __init__(self, ksi, kasme, eea, eia):
        self.ksi, self.kasme, self.eea, self.eia = ksi, kasme, eea, eia
        self.ciphering = algorithms.nas_key(kasme, 1, eea)
        self.integrity = algorithms.nas_key(kasme, 2, eia)
        self.up = self.down = 0  # the next counts

    def mac(self, count, direction, octets):
        return algorithms.MACS[self.eia](self.integrity, count, 0, direction, octets)

    def cipher(self, count, direction, octets):
        return algorithms.CIPHERS[self.eea](self.ciphering, count, 0, direction, octets)

    def protect(self, header, octets, wrong_mac=False, count=None):
        count = self.down if count is None else count
        if header in (CIPHERED, NEW_CIPHERED):
            octets = self.cipher(count, DOWN, octets)
        sequence = count & 0xFF
        mac = self.mac(count, DOWN, bytes([sequence]) + octets)
        if wrong_mac:
            mac = bytes([mac[0] ^ 1]) + mac[1:]
        self.down = max(self.down, count + 1)
        message = emm.EMMSecProtNASMessage()
        message[0]["SecHdr"].set_val(header)
        message[1].set_val(int.from_bytes(mac, "big") if not isinstance(message[1].get_val(), bytes) else mac)
        message[2].set_val(sequence)
        message[3].set_val(octets)
        return message.to_bytes()

    def count_of(self, sequence, bits):
        """The count whose last bits are these and which is not below what is expected (§4.4.3.1)."""
        count = self.up & ~((1 << bits) - 1) | sequence
        return count if count >= self.up else count + (1 << bits)

    def unprotect(self, octets):
        """Count, whether the MAC is right, and the message in clear."""
        count = self.count_of(octets[5], 8)
        right = self.mac(count, UP, octets[5:]) == octets[1:5]
        plain = octets[6:]
        if octets[0] >> 4 in (CIPHERED, NEW_CIPHERED):
            plain = self.cipher(count, UP, plain)
        if right:
            self.up = count + 1
        return count, right, plain

    def service_request(self, octets):
        """§9.9.3.28: five bits of the count and half of the MAC."""
        count = self.count_of(octets[1] & 0x1F, 5)
        right = self.mac(count, UP, octets[:2])[2:] == octets[2:4]
        if right:
            self.up = count + 1
        return count, right

    def kenb(self, count):
        return algorithms.kenb(self.kasme, count)


def parse(octets):
    message, error = parse_NASLTE_MO(octets, inner=True, sec_hdr=False)
    if message is None or error:
        raise ValueError(f"pycrate refuses {octets.hex()} with cause {error}")
    if message.to_bytes() != octets:
        raise ValueError(f"pycrate writes {message.to_bytes().hex()} for {octets.hex()}")
    return message


def value(message, name):
    """An information element that is there, as pycrate gives it; None: it is not."""
    element = message[name]
    if element.get_trans():
        return None
    return element[-1].get_val()


def digits(identity):
    """IMSI, IMEI or IMEISV of a mobile identity as text."""
    octets = identity[-1].to_bytes()
    text = f"{octets[0] >> 4:x}" + "".join(f"{octet & 15:x}{octet >> 4:x}" for octet in octets[1:])
    return text.rstrip("f")


def raw(message, name):
    """An element's value part as octets."""
    element = message[name]
    return None if element.get_trans() else element[-1].to_bytes()


def labels(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))


def default_bearer(ue, order):
    address = bytes(int(part) for part in order.get("address", "10.45.0.9").split("."))
    bearer = esm.ESMActDefaultEPSBearerCtxtRequest(
        val={
            "ESMHeader": {"EPSBearerId": order.get("ebi", 5), "PTI": ue.pti},
            "EPSQoS": bytes([order.get("qci", 9)]),
            "APN": labels(order.get("apn", ue.apn or "provisioning")),
            "PDNAddr": b"\x01" + address,
            "APN_AMBR": b"\x3f\x40",
            # DNS 10.45.0.1, MTU 1400.
            "ProtConfig": bytes.fromhex("80000d040a2d0001001002" + "0578"),
        }
    )
    return bearer.to_bytes()


def attach_accept(ue, order):
    fields = {
        "EPSAttachResult": 1,
        "T3412": bytes([order.get("t3412", 0x49)]),
        "TAIList": b"\x00" + ue.plmn + b"\x00\x01",
        "ESMContainer": default_bearer(ue, order) if "container" not in order else bytes.fromhex(order["container"]),
    }
    if order.get("guti", True):
        fields["GUTI"] = ue.new_guti()
    return emm.EMMAttachAccept(val=fields).to_bytes()


def attach_reject(ue, order):
    fields = {"EMMCause": order["cause"]}
    if "esm_cause" in order:
        pdn = esm.ESMPDNConnectivityReject(
            val={"ESMHeader": {"EPSBearerId": 0, "PTI": ue.pti}, "ESMCause": order["esm_cause"]}
        )
        fields["ESMContainer"] = pdn.to_bytes()
    if "t3346" in order:
        fields["T3346"] = bytes([order["t3346"]])
    return emm.EMMAttachReject(val=fields).to_bytes()


def reject(kind):
    def build(ue, order):
        fields = {"EMMCause": order["cause"]}
        if "t3346" in order:
            fields["T3346"] = bytes([order["t3346"]])
        return kind(val=fields).to_bytes()

    return build


def update_accept(ue, order):
    fields = {"EPSUpdateResult": 0, "T3412": bytes([order.get("t3412", 0x49)])}
    if order.get("guti"):
        fields["GUTI"] = ue.new_guti()
    if "status" in order:
        fields["EPSBearerCtxtStat"] = bytes.fromhex(order["status"])
    return emm.EMMTrackingAreaUpdateAccept(val=fields).to_bytes()


def guti_command(ue, order):
    return emm.EMMGUTIReallocCommand(val={"GUTI": ue.new_guti()}).to_bytes()


def detach_request(ue, order):
    fields = {"EPSDetachType": (0, 1 if order.get("reattach") else 2)}
    if "cause" in order:
        fields["EMMCause"] = order["cause"]
    return emm.EMMDetachRequestMT(val=fields).to_bytes()


def dedicated_bearer(ue, order):
    return esm.ESMActDediEPSBearerCtxtRequest(
        val={
            "ESMHeader": {"EPSBearerId": order.get("ebi", 6), "PTI": 0},
            "LinkedEPSBearerId": order.get("linked", 5),
            "EPSQoS": bytes([order.get("qci", 1)]),
            "TFT": bytes.fromhex("21310002" + "3011"),  # one filter, up and down: UDP
        }
    ).to_bytes()


def modify_bearer(ue, order):
    return esm.ESMModifyEPSBearerCtxtRequest(
        val={
            "ESMHeader": {"EPSBearerId": order.get("ebi", 6), "PTI": 0},
            "EPSQoS": bytes([order.get("qci", 2)]),
        }
    ).to_bytes()


def deactivate_bearer(ue, order):
    header = {"EPSBearerId": order.get("ebi", 6), "PTI": 0}
    return esm.ESMDeactEPSBearerCtxtRequest(val={"ESMHeader": header, "ESMCause": 36}).to_bytes()


MESSAGES = {
    "attach_accept": attach_accept,
    "attach_reject": attach_reject,
    "update_accept": update_accept,
    "update_reject": reject(emm.EMMTrackingAreaUpdateReject),
    "service_reject": reject(emm.EMMServiceReject),
    "authentication_reject": lambda ue, order: emm.EMMAuthenticationReject().to_bytes(),
    "authentication_request": lambda ue, order: emm.EMMAuthenticationRequest(
        val={"NAS_KSI": (0, ue.ksi), "RAND": ue.vector["rand"], "AUTN": ue.vector["autn"]}
    ).to_bytes(),
    "identity_request": lambda ue, order: emm.EMMIdentityRequest(val={"IDType": order["type"]}).to_bytes(),
    "information": lambda ue, order: emm.EMMInformation(val={"NetFullName": b"\x80" + ue.name()}).to_bytes(),
    "status": lambda ue, order: emm.EMMStatus(val={"EMMCause": order.get("cause", 98)}).to_bytes(),
    "guti_reallocation": guti_command,
    "detach_request": detach_request,
    "detach_accept": lambda ue, order: emm.EMMDetachAccept().to_bytes(),
    "esm_information_request": lambda ue, order: esm.ESMInformationRequest(
        val={"ESMHeader": {"EPSBearerId": 0, "PTI": ue.pti}}
    ).to_bytes(),
    "dedicated_bearer": dedicated_bearer,
    "modify_bearer": modify_bearer,
    "deactivate_bearer": deactivate_bearer,
    "raw": lambda ue, order: bytes.fromhex(order["hex"]),
}


def security_mode_command(ue, eea, eia, order):
    fields = {
        "NASSecAlgo": bytes([eea << 4 | eia]),
        "NAS_KSI": (0, ue.ksi),
        "UESecCap": bytes.fromhex(order["capabilities"]) if "capabilities" in order else ue.capabilities,
    }
    if order.get("imeisv", True):
        fields["IMEISVReq"] = 1
    if "hash" in order:
        right = algorithms.hash_mme(ue.initial)
        fields["HashMME"] = right if order["hash"] == "right" else bytes(8)
    return emm.EMMSecurityModeCommand(val=fields).to_bytes()
