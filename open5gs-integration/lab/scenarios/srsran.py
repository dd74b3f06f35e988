"""srsRAN's UE, over its own eNB and a radio of ZeroMQ: with a provisional IMSI, then with the one that the operator gave."""

import ipaddress
import json
import shutil

import core
from radio import Radio


def run(lab):
    row = lambda what, ok, seen: lab.report.row("srsran", what, ok, seen)
    stand_in = lab.options.sctp_stand_in
    lab.report.fact("S1AP of srsENB", f"over TCP by {stand_in}: this kernel has no SCTP" if stand_in else "over the kernel's SCTP")
    radio = Radio(lab.options.srsran, lab.out, stand_in)
    radio.write()
    lab.ue_network()
    # Not the samples of the radio, which are TCP too.
    with lab.captured("srsran", "not port 2000 and not port 2001") as capture:
        imsi = "999710000930001"
        attach(lab, radio, row, lab.roles.device(imsi), imsi, "provisioning", core.POOL, "the provisional IMSI")
        registered = lab.roles.rest("GET", f"/v1/registrations/{imsi}")
        nodes = [one.get("host") for one in registered.get("items", [])]
        row("the ICF has the UE registered at the MME", nodes == [f"mme.{core.SERVING}"], nodes)
        subscriber = lab.subscriber()
        imsi = json.loads(subscriber.read_text())["imsi"]
        hss = "Open5GS's HSS" if lab.options.mongod else "the SHO's HSS"
        # Open5GS's HSS leaves the address to the SMF.
        pool = core.SUBNET if lab.options.mongod else core.HOME_POOL
        attach(lab, radio, row, subscriber, imsi, "internet", pool, f"the SHO's IMSI, authenticated by {hss}")
    answers = capture.fields("diameter.cmd.code == 318 && diameter.flags.request == 0", "diameter.Origin-Host", "diameter.Result-Code")
    for host in (core.ICF[0], f"hss.{core.HOME}"):
        row(f"an AIA of {host} with 2001 is in the capture", any(host in one[0] and "2001" in one[1] for one in answers), answers)
    capture.wellformed(row, ["diameter", "gtp"])


def attach(lab, radio, row, credentials, imsi, apn, pool, who):
    """Attaches, pings, detaches."""
    folder = lab.out / "srsran" / imsi
    data = lab.roles.data
    lab.roles.must("open5gs", "config", "--config", data / "icf.toml", "--token-file", data / "token", "--out", folder, "--ue", credentials)
    configuration = folder / "ue.conf"
    text = configuration.read_text()
    configuration.write_text(text.replace("apn = provisioning\n", f"apn = {apn}\n"))
    try:
        address = radio.attach(configuration)
        ours = address != "none" and ipaddress.ip_address(address) in ipaddress.ip_network(pool)
        row(f"srsUE attaches with {who}", ours, f"{imsi} has {address}, of {pool}")
        row(f"{imsi} is in the MME's log", imsi in lab.core.log("mme"), "it is")
        came, said = radio.ping(core.GATEWAY)
        row(f"pings through the bearer of {imsi}", came, said)
    finally:
        radio.stop()
    shutil.copy(lab.out / "srsran" / "ue.log", folder / "ue.log")
