"""An MME, or an HSS, made of python-diameter, driven by one JSON object a line.

In, on standard input:   {"do": "air", "imsi": "...", "plmn": "99f917", "vectors": 1, "resync": "<60 hex>"}
                         {"do": "ulr" | "pur" | "nor", "imsi": ...}, {"do": "stop"}
                         as an HSS: {"do": "clr" | "idr" | "dsr", "imsi": ..., "to": "<Destination-Host>"},
                         {"do": "rsr", "user_ids": ["99971"], "reset_ids": ["<hex>"], "to": ...}
Out, on standard output: {"event": "ready"}, {"event": "answer", ...}, {"event": "request", ...}, {"event": "sent", ...}

Every message that crosses the wire is printed as python-diameter itself decodes it: AVPs by the names of its own
dictionary, and the AVPs that its own command definitions miss.
"""

import argparse
import datetime
import json
import logging
import sys
import threading

from diameter.message import Message, constants as c
from diameter.message.avp import AvpGrouped
from diameter.message.avp.grouped import (
    AuthenticationInfo,
    EUtranVector,
    RequestedEutranAuthenticationInfo,
    SubscriptionData,
    TerminalInformation,
    VendorSpecificApplicationId,
)
from diameter.message.commands import (
    AuthenticationInformationRequest,
    CancelLocationRequest,
    DeleteSubscriberDataRequest,
    InsertSubscriberDataRequest,
    NotifyRequest,
    PurgeUeRequest,
    ResetRequest,
    UpdateLocationRequest,
)
from diameter.node import Node
from diameter.node._helpers import validate_message_avps
from diameter.node.application import SimpleThreadingApplication

S6A = 16777251
VENDOR_3GPP = 10415
SUCCESS = 2001
NO_STATE_MAINTAINED = 1

printing = threading.Lock()


def say(event, **fields):
    with printing:
        print(json.dumps({"event": event, **fields}), flush=True)


def plain(value):
    """An AVP's value as JSON can carry it: octets in hexadecimal, groups as lists."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return list(value)
    return value


def tree(avps):
    rows = []
    for avp in avps:
        row = {
            "code": avp.code,
            "vendor": avp.vendor_id,
            "name": avp.name,
            "mandatory": avp.is_mandatory,
        }
        if isinstance(avp, AvpGrouped):
            row["avps"] = tree(avp.value)
        else:
            row["value"] = plain(avp.value)
            row["octets"] = avp.payload.hex()
        rows.append(row)
    return rows


def described(message):
    # Decoded once more as a plain message, so that what is printed is what was on the wire.
    raw = Message.from_bytes(message.as_bytes(), plain_msg=True)
    header = message.header
    return {
        "command": header.command_code,
        "class": type(message).__name__,
        "application": header.application_id,
        "request": header.is_request,
        "error": header.is_error,
        "proxyable": header.is_proxyable,
        "retransmitted": header.is_retransmit,
        "avps": tree(raw.avps),
        "missing": [f"{avp.name} ({avp.code})" for avp in validate_message_avps(message)],
    }


class Mme:
    def __init__(self, args):
        self.args = args
        listen = {"ip_addresses": ["127.0.0.1"], "tcp_port": args.listen} if args.listen else {}
        self.node = Node(args.origin_host, args.origin_realm, vendor_ids=[VENDOR_3GPP], **listen)
        self.node.idle_timeout = args.idle
        self.node.wakeup_interval = 1
        if args.listen:
            peer = self.node.add_peer(f"aaa://{args.via}", args.hss_realm)
        else:
            peer = self.node.add_peer(
                f"aaa://{args.hss}:{args.port};transport=tcp",
                args.hss_realm,
                ip_addresses=["127.0.0.1"],
                is_persistent=True,  # only such peers are connected to at the start
            )
        self.app = SimpleThreadingApplication(S6A, is_auth_application=True, request_handler=self.on_request)
        self.node.add_application(self.app, [peer], realms=sorted({args.hss_realm, args.origin_realm}))

    def start(self):
        self.node.start()
        if self.args.listen:
            say("listening")
        self.app.wait_for_ready(timeout=25)
        say("ready")

    def request(self, kind, imsi, to=None):
        message = kind()
        message.header.application_id = S6A
        message.session_id = self.node.session_generator.next_id()
        message.vendor_specific_application_id = VendorSpecificApplicationId(
            vendor_id=VENDOR_3GPP, auth_application_id=S6A
        )
        message.auth_session_state = NO_STATE_MAINTAINED
        message.origin_host = self.args.origin_host.encode()
        message.origin_realm = self.args.origin_realm.encode()
        message.destination_host = (to or self.args.hss).encode()
        message.destination_realm = self.args.hss_realm.encode()
        if imsi is not None:
            message.user_name = imsi
        return message

    def air(self, order):
        message = self.request(AuthenticationInformationRequest, order["imsi"])
        message.visited_plmn_id = bytes.fromhex(order["plmn"])
        wanted = RequestedEutranAuthenticationInfo(
            number_of_requested_vectors=order.get("vectors", 1), immediate_response_preferred=1
        )
        if "resync" in order:
            wanted.re_synchronization_info = bytes.fromhex(order["resync"])
        message.requested_eutran_authentication_info = wanted
        return message

    def ulr(self, order):
        message = self.request(UpdateLocationRequest, order["imsi"])
        message.visited_plmn_id = bytes.fromhex(order["plmn"])
        message.rat_type = c.E_RAT_TYPE_EUTRAN
        message.ulr_flags = order.get("flags", 0x22)
        message.terminal_information = TerminalInformation(imei="35925406123456", software_version="01")
        message.ue_srvcc_capability = 0
        return message

    def pur(self, order):
        message = self.request(PurgeUeRequest, order["imsi"])
        message.pur_flags = order.get("flags", 0)
        return message

    def nor(self, order):
        message = self.request(NotifyRequest, order["imsi"])
        message.nor_flags = order.get("flags", 1 << 2)
        return message

    def clr(self, order):
        message = self.request(CancelLocationRequest, order["imsi"], order["to"])
        message.cancellation_type = order.get("type", 2)
        return message

    def idr(self, order):
        message = self.request(InsertSubscriberDataRequest, order["imsi"], order["to"])
        message.subscription_data = SubscriptionData()
        return message

    def dsr(self, order):
        message = self.request(DeleteSubscriberDataRequest, order["imsi"], order["to"])
        message.dsr_flags = order.get("flags", 1)
        return message

    def rsr(self, order):
        message = self.request(ResetRequest, None, order["to"])
        message.user_id = order.get("user_ids", [])
        message.reset_id = [bytes.fromhex(one) for one in order.get("reset_ids", [])]
        return message

    def on_request(self, app, message):
        """Does what an MME does with CLR, IDR, DSR and RSR: says yes. And as an HSS that asks no questions."""
        say("request", **described(message))
        answer = app.generate_answer(message, result_code=SUCCESS)
        if isinstance(message, AuthenticationInformationRequest):
            # Octets that can be told apart: nobody authenticates with them.
            vector = EUtranVector(rand=b"R" * 16, xres=b"X" * 8, autn=b"A" * 16, kasme=b"K" * 32)
            answer.authentication_info = AuthenticationInfo(e_utran_vector=[vector])
        answer.auth_session_state = NO_STATE_MAINTAINED
        answer.vendor_specific_application_id = VendorSpecificApplicationId(
            vendor_id=VENDOR_3GPP, auth_application_id=S6A
        )
        say("sent", **described(answer))
        return answer

    def run(self):
        for line in sys.stdin:
            order = json.loads(line)
            if order["do"] == "stop":
                break
            message = getattr(self, order["do"])(order)
            try:
                answer = self.app.send_request(message, timeout=15)
            except Exception as error:  # the driver must see whatever python-diameter says
                say("failed", reason=repr(error))
                continue
            say("answer", session=message.session_id, **described(answer))
        self.node.stop(wait_timeout=10)
        say("stopped", left=len(self.node.connections))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, help="where the HSS listens")
    parser.add_argument("--listen", type=int, help="where to wait for a relay instead")
    parser.add_argument("--via", help="the Origin-Host of that relay")
    parser.add_argument("--hss", required=True, help="the Origin-Host of the HSS")
    parser.add_argument("--hss-realm", required=True)
    parser.add_argument("--origin-host", default="mme.localdomain")
    parser.add_argument("--origin-realm", default="localdomain")
    parser.add_argument("--idle", type=int, default=2, help="seconds of silence before a DWR")
    args = parser.parse_args()
    logging.basicConfig(stream=sys.stderr, level=logging.DEBUG, format="%(asctime)s %(name)s %(message)s")
    mme = Mme(args)
    mme.start()
    mme.run()


if __name__ == "__main__":
    main()
