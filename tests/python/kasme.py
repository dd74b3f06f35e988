"""KASME by TS 33.401 annex A.2, with the standard library alone: kasme.py CK IK SN-ID SQN-XOR-AK, all hexadecimal."""

import hashlib
import hmac
import sys

ck, ik, plmn, sqn_xor_ak = (bytes.fromhex(argument) for argument in sys.argv[1:5])
assert (len(ck), len(ik), len(plmn), len(sqn_xor_ak)) == (16, 16, 3, 6)
s = b"\x10" + plmn + b"\x00\x03" + sqn_xor_ak + b"\x00\x06"
print(hmac.new(ck + ik, s, hashlib.sha256).hexdigest())
