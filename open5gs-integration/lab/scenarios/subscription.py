"""A profile with everything that a subscription can say: what Open5GS's MME makes of it."""

import json
import os


def run(lab):
    row = lambda what, ok, seen: lab.report.row("subscription", what, ok, seen)
    # Without gateways: the MME would ask those, which are in no core.
    profile = json.loads((lab.here.parents[1] / "schemas/examples/profile.json").read_text())
    profile.pop("emergency_gateway")
    for apn in profile["apns"]:
        apn.pop("gateway", None)
        apn.pop("specific_apns", None)
    lab.roles.rest("PUT", "/v1/profiles/full", profile)
    imsi = "999710000980001"
    k, opc = os.urandom(16).hex(), os.urandom(16).hex()
    lab.roles.rest("POST", "/v1/credentials", {"imsi": imsi, "k": k, "opc": opc, "profile": "full"})
    with lab.captured("subscription", "port 3868 or sctp") as capture:
        code, lines, err = lab.ue(lab.roles.file(imsi, k, opc), "attach", "detach", apn="internet")
    report = lab.attach_report(lines)
    row(f"attaches with {len(profile['apns'])} APNs and every field of a subscription", code == 0, report or err)
    told = capture.fields("diameter.cmd.code == 316 && diameter.flags.request == 0", "diameter.Network-Access-Mode", "diameter.Service-Selection")
    row("the ULA has Network-Access-Mode 0 and all of its APNs", told and told[0][0] == "0" and all(apn["name"] in told[0][1] for apn in profile["apns"]), told)
    ambr = (report.get("bearer") or {}).get("ambr")
    row("the bearer is that of the profile's APN", (report.get("bearer") or {}).get("apn", "").startswith("internet"), ambr or report)
    log = lab.core.log("mme")
    row("the MME keeps four APNs, and says so", "Ignore max session count overflow [4>=4]" in log, [line for line in log.splitlines() if "overflow" in line][:1])
    capture.wellformed(row, ["s1ap", "nas-eps", "diameter"])
