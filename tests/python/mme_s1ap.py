"""S1AP of an MME (TS 36.413): pycrate writes and reads the messages; SCTP of the kernel carries them (TS 36.412)."""

import socket
import struct

from pycrate_asn1dir import S1AP

PDU = S1AP.S1AP_PDU_Descriptions.S1AP_PDU
SCTP = socket.IPPROTO_SCTP
PPID = 18
# Linux' numbers, RFC 6458.
INITMSG, NODELAY, RECVRCVINFO, SNDINFO, RCVINFO = 2, 3, 32, 2, 3
BINDX_ADD = 100


class Association:
    """One eNB's."""

    def __init__(self, connection):
        self.socket = connection
        connection.setsockopt(SCTP, NODELAY, 1)
        connection.setsockopt(SCTP, RECVRCVINFO, 1)

    def send(self, octets, stream=0):
        info = struct.pack("=HHIII", stream, 0, socket.htonl(PPID), 0, 0)
        self.socket.sendmsg([octets], [(SCTP, SNDINFO, info)])

    def receive(self):
        """A message with its stream and PPID; None at the end."""
        octets, ancillary, _, _ = self.socket.recvmsg(1 << 16, 256)
        if not octets:
            return None
        stream = ppid = None
        for level, kind, data in ancillary:
            if (level, kind) == (SCTP, RCVINFO):
                stream, _, _, ppid = struct.unpack_from("=HHHxxI", data)
                ppid = socket.ntohl(ppid)
        return octets, stream, ppid

    def abort(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def listener(addresses):
    """At all of these addresses (RFC 6458 §9.1), with one port that the system chooses."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, SCTP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(SCTP, INITMSG, struct.pack("=HHHH", 16, 16, 0, 0))
    first, *others = addresses
    listening.bind((first, 0))
    port = listening.getsockname()[1]
    for address in others:
        # struct sockaddr_in: the family in the host's order, the port in the network's.
        sockaddr = struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + socket.inet_aton(address) + bytes(8)
        listening.setsockopt(SCTP, BINDX_ADD, sockaddr)
    listening.listen(16)
    return listening


# Information elements: identifier, criticality, type.
IES = {
    "mme": (0, "reject", "MME-UE-S1AP-ID"),
    "enb": (8, "reject", "ENB-UE-S1AP-ID"),
    "nas": (26, "reject", "NAS-PDU"),
    "cause": (2, "ignore", "Cause"),
    "name": (61, "ignore", "MMEname"),
    "gummeis": (105, "reject", "ServedGUMMEIs"),
    "capacity": (87, "ignore", "RelativeMMECapacity"),
    "wait": (65, "ignore", "TimeToWait"),
    "ambr": (66, "reject", "UEAggregateMaximumBitrate"),
    "key": (73, "reject", "SecurityKey"),
    "algorithms": (107, "reject", "UESecurityCapabilities"),
    "context_erabs": (24, "reject", "E-RABToBeSetupListCtxtSUReq"),
    "setup_erabs": (16, "reject", "E-RABToBeSetupListBearerSUReq"),
    "modify_erabs": (30, "reject", "E-RABToBeModifiedListBearerModReq"),
    "release_erabs": (33, "ignore", "E-RABList"),
    "ids": (99, "reject", "UE-S1AP-IDs"),
    "reset": (92, "reject", "ResetType"),
    "overload": (101, "reject", "OverloadResponse"),
    "index": (80, "ignore", "UEIdentityIndexValue"),
    "paged": (43, "ignore", "UEPagingID"),
    "domain": (109, "ignore", "CNDomain"),
    "areas": (46, "ignore", "TAIList"),
    "warning": (111, "reject", "MessageIdentifier"),
    "serial": (112, "reject", "SerialNumber"),
}
# Messages: kind of outcome, procedure code, criticality, type.
INITIATING, SUCCESSFUL, UNSUCCESSFUL = "initiatingMessage", "successfulOutcome", "unsuccessfulOutcome"
MESSAGES = {
    "setup_response": (SUCCESSFUL, 17, "reject", "S1SetupResponse"),
    "setup_failure": (UNSUCCESSFUL, 17, "reject", "S1SetupFailure"),
    "downlink_nas": (INITIATING, 11, "ignore", "DownlinkNASTransport"),
    "context_setup": (INITIATING, 9, "reject", "InitialContextSetupRequest"),
    "context_modification": (INITIATING, 21, "reject", "UEContextModificationRequest"),
    "context_release": (INITIATING, 23, "reject", "UEContextReleaseCommand"),
    "erab_setup": (INITIATING, 5, "reject", "E-RABSetupRequest"),
    "erab_modify": (INITIATING, 6, "reject", "E-RABModifyRequest"),
    "erab_release": (INITIATING, 7, "reject", "E-RABReleaseCommand"),
    "paging": (INITIATING, 10, "ignore", "Paging"),
    "reset": (INITIATING, 14, "reject", "Reset"),
    "reset_acknowledge": (SUCCESSFUL, 14, "reject", "ResetAcknowledge"),
    "error_indication": (INITIATING, 15, "ignore", "ErrorIndication"),
    "overload_start": (INITIATING, 34, "ignore", "OverloadStart"),
    "overload_stop": (INITIATING, 35, "reject", "OverloadStop"),
    "configuration_update": (INITIATING, 30, "reject", "MMEConfigurationUpdate"),
    "kill": (INITIATING, 43, "reject", "KillRequest"),
}


def write(message, **ies):
    kind, code, criticality, name = MESSAGES[message]
    elements = []
    for key, value in ies.items():
        if key == "unknown":  # an information element that there is not: identifier, criticality, octets
            number, how, octets = value
            elements.append({"id": number, "criticality": how, "value": ("_unk_004", octets)})
            continue
        number, how, kind_of = IES[key]
        elements.append({"id": number, "criticality": how, "value": (kind_of, value)})
    body = {"procedureCode": code, "criticality": criticality, "value": (name, {"protocolIEs": elements})}
    PDU.set_val((kind, body))
    return PDU.to_aper()


def read(octets):
    """Kind, name, and the information elements by their types' names."""
    PDU.from_aper(octets)
    kind, body = PDU.get_val()
    name, content = body["value"]
    if PDU.to_aper() != octets:
        raise ValueError(f"pycrate writes {name} otherwise: {PDU.to_aper().hex()}, not {octets.hex()}")
    ies = {ie["value"][0]: ie["value"][1] for ie in content["protocolIEs"]}
    return kind, name, ies


def plain(value):
    """As JSON can carry it."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def item(number, kind, value, criticality="reject"):
    return {"id": number, "criticality": criticality, "value": (kind, value)}


QOS = lambda qci: {
    "qCI": qci,
    "allocationRetentionPriority": {
        "priorityLevel": 8,
        "pre-emptionCapability": "shall-not-trigger-pre-emption",
        "pre-emptionVulnerability": "not-pre-emptable",
    },
}


def transport(address):
    return (int.from_bytes(socket.inet_aton(address), "big"), 32)


def erab(number, kind, ebi, qci, nas, teid, gateway):
    value = {"e-RAB-ID": ebi, "e-RABlevelQoSParameters": QOS(qci)}
    if kind == "E-RABToBeSetupItemBearerSUReq":
        value["e-RABlevelQoSParameters"] = QOS(qci)
    value["transportLayerAddress"] = transport(gateway)
    value["gTP-TEID"] = teid.to_bytes(4, "big")
    if nas is not None:
        value["nAS-PDU"] = nas
    return item(number, kind, value)
