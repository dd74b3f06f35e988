"""A device that is not ours: TRE, enrolment, discovery and provisioning by docs/PROVISIONING.md and schemas/cddl alone,
with pycose, cbor2, cryptography and Python's own TLS. It also does what a device must not, if it is asked to.

Reads one JSON object a line, answers one a line: the value of the function `do` names, or {"error": …}.
"""

import base64
import datetime
import hashlib
import http.client
import http.server
import json
import os
import pathlib
import ssl
import sys
import threading
import time
import uuid

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pycose.algorithms import Es256
from pycose.headers import Algorithm, ContentType, X5chain
from pycose.keys import EC2Key
from pycose.keys.curves import P256
from pycose.messages import CoseMessage, EncMessage, Sign1Message

ARC = "2.25.321214972370836323111864714615572151809"
TRIGGER, PAYLOAD = f"{ARC}.1", f"{ARC}.2"
RNCT, RNCP = "application/vnd.callhome.rnct+cbor", "application/vnd.callhome.rncp+cbor"
REPORT, ENROLMENT = "application/vnd.callhome.report+cbor", "application/vnd.callhome.enrolment+cbor"
EVIDENCE = "application/eat+cwt"
FIRMWARE = hashlib.sha256(b"firmware of a device that is not ours, 1.0").digest()

devices = {}
folder = pathlib.Path(sys.argv[1])
pki = pathlib.Path(sys.argv[2])


def unpadded(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def octets_of(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


# HTTPS


def exchange(url, method, path, body=None, headers=None, certificate=None):
    """One request over TLS 1.3. `certificate`: paths of certificate and key."""
    context = ssl.create_default_context(cafile=pki / "root.crt")
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if certificate:
        context.load_cert_chain(*certificate)
    connection = http.client.HTTPSConnection(url.removeprefix("https://"), context=context, timeout=60)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        octets = answer.read()
    except (ssl.SSLError, ConnectionError, http.client.BadStatusLine) as error:
        # With TLS 1.3 a client learns that its certificate is refused when it first reads.
        return {"status": 0, "refused": f"{type(error).__name__}: {error}"}, b""
    finally:
        connection.close()
    shown = {"status": answer.status, "headers": {name.lower(): value for name, value in answer.getheaders()}}
    if "json" in shown["headers"].get("content-type", ""):
        shown["json"] = json.loads(octets)
    return shown, octets


def rest(case):
    """A request to a role's REST API."""
    token = pathlib.Path(case["token"]).read_text().strip()
    headers = {"Authorization": f"Bearer {token}"}
    body = None
    if "body" in case:
        body, headers["Content-Type"] = json.dumps(case["body"]), "application/json"
    return exchange(case["url"], case["method"], case["path"], body, headers)[0]


# COSE


def ec2(private=None, public=None):
    public = (public or private.public_key()).public_numbers()
    key = {"x": public.x.to_bytes(32, "big"), "y": public.y.to_bytes(32, "big")}
    if private:
        key["d"] = private.private_numbers().private_value.to_bytes(32, "big")
    return EC2Key(crv=P256, **key)


def sign(content_type, payload, key, chain):
    header = {Algorithm: Es256, ContentType: content_type, X5chain: chain[0] if len(chain) == 1 else chain}
    message = Sign1Message(phdr=header, payload=payload)
    message.key = ec2(private=key)
    return message.encode()


def verified(octets, content_type, purpose):
    """Payload and signer's name of a COSE_Sign1 whose x5chain leads to the root and has the purpose."""
    message = CoseMessage.decode(octets)
    assert isinstance(message, Sign1Message), type(message)
    assert message.phdr[ContentType] == content_type, message.phdr
    assert message.phdr[Algorithm] == Es256, message.phdr
    chain = message.phdr[X5chain]
    chain = [x509.load_der_x509_certificate(der) for der in (chain if isinstance(chain, list) else [chain])]
    now = datetime.datetime.now(datetime.timezone.utc)
    above = chain[1:] + [x509.load_pem_x509_certificate((pki / "root.crt").read_bytes())]
    for below, issuer in zip(chain, above):
        assert below.not_valid_before_utc <= now <= below.not_valid_after_utc, "a certificate is not in force"
        below.verify_directly_issued_by(issuer)
        assert issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usages = chain[0].extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [usage.dotted_string for usage in usages] == [purpose], f"purposes {list(usages)}"
    message.key = ec2(public=chain[0].public_key())
    assert message.verify_signature(), "the signature is not good"
    name = chain[0].subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    return cbor2.loads(message.payload), name


# The factory


def certificate_of(device_id, tre_id, key, authority, issuer):
    """A platform certificate that the PVA knows nothing of."""
    names = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, tre_id)]), issuer
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(names[0]).issuer_name(names[1]).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
    uri = x509.UniformResourceIdentifier(f"urn:callhome:device:{device_id}")
    builder = builder.not_valid_after(now + datetime.timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([uri]), critical=False)
    client = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    builder = builder.add_extension(client, critical=False)
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())
    builder = builder.add_extension(above, critical=False)
    return builder.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def enrol(case, key):
    """The supplier tells the PVA of the platform."""
    supplier = serialization.load_pem_private_key((pki / "acme.sign.key").read_bytes(), None)
    signer = x509.load_pem_x509_certificate((pki / "acme.sign.crt").read_bytes())
    spki = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    platform = {"device_id": case["device_id"], "tre_id": case["tre_id"], "model": "sensor", "public_key": spki}
    batch = {"version": 1, "id": uuid.uuid4().bytes, "supplier": "acme", "issued": int(time.time()),
             "platforms": [platform]}
    chain = [signer.public_bytes(serialization.Encoding.DER)]
    body = sign(ENROLMENT, cbor2.dumps(batch), supplier, chain)
    token = pathlib.Path(case["token"]).read_text().strip()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/cose"}
    answer, octets = exchange(case["pva"], "POST", "/v1/enrolments", body, headers)
    assert answer["status"] == 200, (answer, octets)
    (certificate,) = json.loads(octets)
    return octets_of(certificate)


def manufacture(case):
    """Makes a device. Its certificate is of the PVA; of an authority that nobody knows if it is a `stranger`; of the
    platform CA, which somebody has got at, if it is `unenrolled`."""
    key = ec.generate_private_key(ec.SECP256R1())
    if case.get("stranger"):
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody's platform CA")])
        der = certificate_of(case["device_id"], case["tre_id"], key, ec.generate_private_key(ec.SECP256R1()), issuer)
    elif case.get("unenrolled"):
        authority = serialization.load_pem_private_key((pki / "platform-ca.key").read_bytes(), None)
        issuer = x509.load_pem_x509_certificate((pki / "platform-ca.crt").read_bytes()).subject
        der = certificate_of(case["device_id"], case["tre_id"], key, authority, issuer)
    else:
        der = enrol(case, key)
    certificate = x509.load_der_x509_certificate(der)
    assert certificate.public_key().public_numbers() == key.public_key().public_numbers()
    files = folder / f"{case['device_id']}.crt", folder / f"{case['device_id']}.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    with open(os.open(files[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                     serialization.NoEncryption()))
    devices[case["device_id"]] = {
        **{name: case[name] for name in ("device_id", "tre_id", "pcid", "drf", "dpf")},
        "key": key, "certificate": der, "files": files, "sequence": -1,
    }
    return {"firmware": FIRMWARE.hex(), "certificate": str(files[0]), "key": str(files[1])}


# The device's side


def ask(device, to, method, path, body=None, content_type="application/json", headers=None, how=None):
    """A request of a device, with its certificate, its triple (`how`), or (`how` is False) nothing."""
    headers = dict(headers or {})
    if isinstance(body, dict):
        body = json.dumps(body)
    if body is not None:
        headers["Content-Type"] = content_type
    if how:
        headers["Authorization"] = "Basic " + base64.b64encode(":".join(how).encode()).decode()
    return exchange(device[to], method, path, body, headers, device["files"] if how is None else None)


def hello(case):
    """Step 6 without a 3GPP network, and 8: what the RNCT says, once it is found good."""
    device = devices[case["device"]]
    body = {"pcid": case.get("pcid", device["pcid"]), "device_id": case.get("device_id", device["device_id"])}
    answer, _ = ask(device, "drf", "POST", "/device/v1/hello", body, how=case.get("how"))
    if answer["status"] != 200:
        return answer
    rnct, signer = verified(octets_of(answer["json"]["rnct"]), RNCT, TRIGGER)
    now = int(time.time())
    assert signer and rnct["version"] == 1 and rnct["pcid"] == body["pcid"], rnct
    assert rnct["issued"] <= now + 60 and now < rnct["expires"] and rnct["sequence"] >= device["sequence"], rnct
    device["sequence"] = rnct["sequence"]
    device["rnct"] = {"trigger": str(uuid.UUID(bytes=rnct["id"])), "kind": rnct["kind"], "operator": rnct["operator"]}
    assert rnct["dpf"] == device["dpf"], rnct
    return {**answer, "rnct": device["rnct"]}


def get_rnct(case):
    """Step 8, asked."""
    device = devices[case["device"]]
    return ask(device, "drf", "GET", f"/device/v1/rnct?pcid={case['pcid']}", how=case.get("how"))[0]


def start(case):
    """Step 9: opens a session."""
    device = devices[case["device"]]
    body = {name: device[name] for name in ("pcid", "device_id", "tre_id")} | device["rnct"] | case.get("body", {})
    answer, _ = ask(device, "dpf", "POST", "/device/v1/sessions", body, how=case.get("how"))
    if answer["status"] in (200, 201):
        device["session"] = answer["json"]["id"]
        device["nonce"] = octets_of(answer["json"]["nonce"])
    return answer


def evidence(case):
    """Step 9: sends evidence; `claims` are other than they should be, `signer` is another device, `again`: as before."""
    device = devices[case["device"]]
    claims = {
        2: device["device_id"], 6: int(time.time()) + case.get("later", 0), 10: device["nonce"],
        256: b"\1" + hashlib.sha256(device["device_id"].encode()).digest()[:16], 259: b"sensor", 260: ["1"],
        263: case.get("debugging", 3), 265: f"tag:callhome.example,2026:evidence:{case.get('version', 1)}", 267: 1, 270: "sensor-firmware",
        271: ["1.0"], -70001: device["tre_id"], -70002: device["pcid"], -70003: "acme",
        -70004: bytes.fromhex(case["boot"]) if "boot" in case else FIRMWARE, -70005: case.get("verified", True),
    }
    signer = devices[case.get("signer", case["device"])]["key"]
    if not case.get("again"):
        device["evidence"] = sign(EVIDENCE, cbor2.dumps(claims), signer, [device["certificate"]])
    path = f"/device/v1/sessions/{case.get('session') or device['session']}/evidence"
    return ask(device, "dpf", "PUT", path, device["evidence"], EVIDENCE, how=case.get("how"))[0]


def poll(case):
    """Waits until the operator has decided."""
    device = devices[case["device"]]
    path = f"/device/v1/sessions/{case.get('session') or device['session']}?wait={case.get('wait', 20)}"
    return ask(device, "dpf", "GET", path)[0]


def manifest(case):
    """Step 16: fetches and verifies the manifest."""
    device = devices[case["device"]]
    path = f"/device/v1/sessions/{case.get('session') or device['session']}/manifest"
    answer, octets = ask(device, "dpf", "GET", path)
    if answer["status"] != 200:
        return answer
    rncp, signer = verified(octets, RNCP, PAYLOAD)
    assert signer == rncp["operator"] == device["rnct"]["operator"], (signer, rncp)
    named = [rncp["version"], rncp["device_id"], rncp["tre_id"], rncp["pcid"], rncp["session"], rncp["kind"]]
    session = uuid.UUID(device["session"]).bytes
    wanted = [1, device["device_id"], device["tre_id"], device["pcid"], session, device["rnct"]["kind"]]
    assert named == wanted, (named, wanted)
    assert rncp["issued"] <= time.time() + 60 and time.time() < rncp["expires"], rncp
    device["manifest"] = rncp
    shown = [{**part, "digest": part["digest"].hex()} for part in rncp["parts"]]
    return {**answer, "rncp": str(uuid.UUID(bytes=rncp["rncp"])), "parts": shown}


def agree(case):
    """Step 16: which parts have to travel."""
    device = devices[case["device"]]
    path = f"/device/v1/sessions/{case.get('session') or device['session']}/parts"
    return ask(device, "dpf", "POST", path, {"have": case.get("have", [])})[0]


def part(case):
    """Step 16: one part; asked for in pieces of `piece` octets."""
    device = devices[case["device"]]
    path = f"/device/v1/sessions/{case.get('session') or device['session']}/parts/{case['digest']}"
    piece, whole = case.get("piece"), b""
    while True:
        headers = {"Range": f"bytes={len(whole)}-{len(whole) + piece - 1}"} if piece else {}
        answer, octets = ask(device, "dpf", "GET", path, headers=headers)
        if answer["status"] not in (200, 206):
            return answer
        assert answer["status"] == (206 if piece else 200), answer
        whole += octets
        if not piece or len(whole) == int(answer["headers"]["content-range"].split("/")[1]):
            break
    device.setdefault("parts", {})[hashlib.sha256(whole).hexdigest()] = whole
    return {**answer, "digest": hashlib.sha256(whole).hexdigest(), "size": len(whole)}


def install(case):
    """Step 17: verifies and decrypts the credentials."""
    device = devices[case["device"]]
    (named,) = [part for part in device["manifest"]["parts"] if part["kind"] == "credentials"]
    octets = device["parts"][named["digest"].hex()]
    assert len(octets) == named["size"] and named["sensitive"], named
    message = CoseMessage.decode(octets)
    assert isinstance(message, EncMessage), type(message)
    message.external_aad = device["manifest"]["rncp"] + named["name"].encode()
    (recipient,) = message.recipients
    recipient.key = ec2(private=devices[case.get("opener", case["device"])]["key"])
    credentials = cbor2.loads(message.decrypt(recipient))
    assert credentials["version"] == 1, credentials["version"]
    return {"imsi": credentials["imsi"], "k": credentials["k"].hex(), "opc": credentials["opc"].hex(),
            "amf": bytes(credentials["amf"]).hex(), "apn": credentials["apn"], "home": credentials["home_plmn"]}


def report(case):
    """Step 18: reports; the same as before if `again`."""
    device = devices[case["device"]]
    if not case.get("again"):
        claims = {"version": case.get("version", 1), "session": uuid.UUID(device["session"]).bytes, "rncp": device["manifest"]["rncp"],
                  "device_id": device["device_id"], "tre_id": device["tre_id"],
                  "result": case.get("result", "installed"), "at": int(time.time())}
        if "reason" in case:
            claims["reason"] = case["reason"]
        signer = devices[case.get("signer", case["device"])]["key"]
        device["report"] = sign(REPORT, cbor2.dumps(claims), signer, [device["certificate"]])
    path = f"/device/v1/sessions/{device['session']}/report"
    return ask(device, "dpf", "POST", path, device["report"], REPORT)[0]


def renew(case):
    """A new platform certificate, for the key that was enrolled or for another one (`rekey`)."""
    device = devices[case["device"]]
    key = ec.generate_private_key(ec.SECP256R1()) if case.get("rekey") else device["key"]
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device["tre_id"])])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    body = request.public_bytes(serialization.Encoding.DER)
    answer, octets = ask(device, "dpf", "POST", "/device/v1/platform-certificate", body, "application/pkcs10")
    if answer["status"] != 200:
        return answer
    certificate = x509.load_der_x509_certificate(octets)
    assert certificate.public_key().public_numbers() == key.public_key().public_numbers()
    device["certificate"] = octets
    device["files"][0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return {**answer, "serial": format(certificate.serial_number, "x")}


# An SHO that is out of its mind


def package(request, session, how):
    """An RNCP that has one thing wrong."""
    rncp, octets = uuid.uuid4(), b"not really encrypted"
    named = {"name": "credentials", "kind": "credentials", "digest": hashlib.sha256(octets).digest(),
             "size": len(octets), "sensitive": True, "shared": False}
    manifest = {"version": 1, "rncp": rncp.bytes, "operator": "sho-a", "device_id": request["device_id"],
                "tre_id": request["tre_id"], "pcid": request["pcid"], "session": uuid.UUID(session).bytes,
                "kind": request["kind"], "issued": int(time.time()), "expires": int(time.time()) + 3600,
                "parts": [named]}
    name = "sho-a.sign"
    if how == "wrong-digest":
        octets = bytes([octets[0] ^ 1]) + octets[1:]
    elif how == "other-device":
        manifest["device_id"] = "somebody-else"
    elif how == "other-signer":
        name = "drf.sign"
    key = serialization.load_pem_private_key((pki / f"{name}.key").read_bytes(), None)
    chain = [x509.load_pem_x509_certificate((pki / f"{name}.crt").read_bytes())]
    signed = sign(RNCP, cbor2.dumps(manifest), key, [chain[0].public_bytes(serialization.Encoding.DER)])
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    return {"decision": "authorised", "package": {
        "rncp": str(rncp), "manifest": unpadded(signed), "parts": [unpadded(octets)],
        "validate_before_download": False, "expires_at": until.isoformat().replace("+00:00", "Z")}}


class Nonsense(http.server.BaseHTTPRequestHandler):
    """Answers step 10."""

    how = None
    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        session = self.path.rsplit("/", 1)[1]
        kind, body = "application/json", b"{\"decision\":\"perhaps\"}"
        if self.how == "page":
            kind, body = "text/html", b"<html>It works!</html>"
        elif self.how != "word":
            body = json.dumps(package(request, session, self.how)).encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        """Step 19: whatever it is, it is well. Step 11, if it takes the PVA's place: it has other things to say."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/v1/validations":
            body = b"<html>It works!</html>" if self.how == "page" else b'{"verdict":"Z29vZA"}'
            self.send_response(200)
            self.send_header("Content-Type", "text/html" if self.how == "page" else "application/json")
            self.send_header("Content-Length", str(len(body)))
            # Who comes again asks whoever is there then.
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)
            return
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def stand_in(case):
    """Takes the SHO's, or the PVA's, place at its port."""
    global standing
    Nonsense.how = case["how"]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", case["port"]), Nonsense)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # With that role's own certificate: another role's is refused in the handshake.
    context.load_cert_chain(pki / f"{case['role']}.tls.crt", pki / f"{case['role']}.tls.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    standing = server
    return {}


def stand_down(_case):
    """Leaves that place."""
    standing.shutdown()
    standing.server_close()
    return {}


DEEDS = {deed.__name__: deed for deed in (
    rest, manufacture, hello, get_rnct, start, evidence, poll, manifest, agree, part, install, report, renew, stand_in,
    stand_down)}

for line in sys.stdin:
    case = json.loads(line)
    try:
        answer = DEEDS[case["do"]](case)
    except Exception as error:  # the device's own verdict
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
