"""Media types that schemathesis cannot write by itself: whatever it thinks of is sent as octets or text."""

import json

import schemathesis


@schemathesis.serializer(
    "application/cose", "application/pkcs10", "application/cbor", "application/octet-stream", "application/x-ndjson",
    "application/eat+cwt", "application/vnd.callhome.report+cbor",
)
def octets(_context, value):
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    return json.dumps(value).encode()
