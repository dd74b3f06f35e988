"""Judges the shared formats with implementations that are not ours: pycose and pycddl.

Reads one JSON object a line, answers one a line:
  {"op": "cddl", "cddl": text, "cbor": hex}           -> {"ok": true} or {"error": …}
  {"op": "verify", "cose": hex, "x": hex, "y": hex}   -> {"payload": hex, "content_type": …}
  {"op": "decrypt", "cose": hex, "d": hex, "aad": hex} -> {"plaintext": hex}
"""

import json
import sys

from pycddl import Schema
from pycose.headers import ContentType
from pycose.keys import EC2Key
from pycose.keys.curves import P256
from pycose.messages import CoseMessage, EncMessage, Sign1Message


def cddl(case):
    Schema(case["cddl"]).validate_cbor(bytes.fromhex(case["cbor"]))
    return {"ok": True}


def verify(case):
    message = CoseMessage.decode(bytes.fromhex(case["cose"]))
    assert isinstance(message, Sign1Message), type(message)
    message.key = EC2Key(crv=P256, x=bytes.fromhex(case["x"]), y=bytes.fromhex(case["y"]))
    if not message.verify_signature():
        return {"error": "the signature is not good"}
    return {"payload": message.payload.hex(), "content_type": message.phdr.get(ContentType)}


def decrypt(case):
    message = CoseMessage.decode(bytes.fromhex(case["cose"]))
    assert isinstance(message, EncMessage), type(message)
    message.external_aad = bytes.fromhex(case["aad"])
    recipient = message.recipients[0]
    recipient.key = EC2Key(crv=P256, d=bytes.fromhex(case["d"]))
    return {"plaintext": message.decrypt(recipient).hex()}


for line in sys.stdin:
    case = json.loads(line)
    try:
        answer = {"cddl": cddl, "verify": verify, "decrypt": decrypt}[case["op"]](case)
    except Exception as error:  # whatever a library raises is its verdict
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
