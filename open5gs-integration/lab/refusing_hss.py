"""An HSS that refuses every AIR, of python-diameter: for the answers that no HSS gives at will.

    python3 refusing_hss.py IDENTITY REALM ADDRESS PORT MME MME_REALM

The IMSI says with what: its last four digits are the code, the digit before them is 1 for an Experimental-Result of
3GPP's and 0 for a Result-Code. Answers are whole: Session-Id, Auth-Session-State, origin (TS 29.272 section 7.2.6); codes of 3000
to 3999 have the E bit (RFC 6733 section 7.1.3).
"""

import sys
import threading

from diameter.message.avp.grouped import ExperimentalResult, VendorSpecificApplicationId
from diameter.node import Node
from diameter.node.application import SimpleThreadingApplication

S6A, VENDOR_3GPP, NO_STATE_MAINTAINED = 16777251, 10415, 1


class Refusing(SimpleThreadingApplication):
    def send_answer(self, message):
        try:
            super().send_answer(message)
        except TypeError:
            # It is under way: python-diameter 0.9.0 counts by Result-Code, which an Experimental-Result is not.
            if message.result_code is not None:
                raise


def refuse(application, request):
    code, experimental = int(request.user_name[-4:]), request.user_name[-5] == "1"
    answer = application.generate_answer(request)
    answer.auth_session_state = NO_STATE_MAINTAINED
    answer.vendor_specific_application_id = VendorSpecificApplicationId(vendor_id=VENDOR_3GPP, auth_application_id=S6A)
    if experimental:
        answer.experimental_result = ExperimentalResult(vendor_id=VENDOR_3GPP, experimental_result_code=code)
    else:
        answer.result_code = code
        answer.header.is_error = 3000 <= code < 4000
    print(f"{request.user_name}: {'Experimental-Result-Code' if experimental else 'Result-Code'} {code}", flush=True)
    return answer


def main():
    identity, realm, address, port, mme, mme_realm = sys.argv[1:]
    node = Node(identity, realm, ip_addresses=[address], tcp_port=int(port), vendor_ids=[VENDOR_3GPP])
    peer = node.add_peer(f"aaa://{mme}", mme_realm)
    application = Refusing(S6A, is_auth_application=True, request_handler=refuse)
    node.add_application(application, [peer], realms=[realm, mme_realm])
    node.start()
    print("listening", flush=True)
    threading.Event().wait()


main()
