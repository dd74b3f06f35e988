"""A core whose files have what `callhome open5gs config` wrote, and what `callhome open5gs check` says of it while it runs."""

import json
import shutil

import core


def run(lab):
    row = lambda what, ok, seen: lab.report.row("config", what, ok, seen)
    icf = lab.roles.data / "icf.toml"
    asks = ["--config", icf, "--token-file", lab.roles.data / "token"]
    folder, tls = lab.out / "fragments", lab.out / "tls"
    tls.mkdir()
    for name, to in (("mme.crt", "mme.crt"), ("mme.key", "mme.key"), ("mme.crt", "ca.crt")):
        shutil.copy(lab.out / name, tls / to)
    whole = ["--whole", "--extensions", lab.core.extensions(), "--tls-folder", tls, "--subnet", core.SUBNET]
    mme = ["--mme", f"mme.{core.SERVING}", "--mme-address", core.MME]
    lab.roles.must("open5gs", "config", *asks, *mme, *whole, "--out", folder)
    try:
        begin_anew(lab, folder)
        code, lines, err = lab.ue(lab.roles.device("999710000970001"), "attach", "detach")
        row("a provisional IMSI attaches at a core with the fragments", code == 0, lab.attach_report(lines).get("end", err))
        code, findings, err = check(lab, asks)
        row("check finds nothing wrong", code == 0 and len(findings) > 10, [one for one in findings if one["verdict"] != "good"] or f"{len(findings)} good")
        asked = [one["check"] for one in findings]
        row("it has asked the running ICF and the running MME", {"connected", "metrics"} <= set(asked), asked)

        lab.core.stop("mme")
        file = lab.out / "mme.yaml"
        file.write_text(file.read_text().replace("mnc: 71", "mnc: 72"))
        lab.core.start_mme()
        code, lines, err = lab.ue(lab.roles.device("999710000970002"), "attach")
        row("with another network in hss_map the UE is refused", code == 1, lab.attach_report(lines).get("emm_cause", err))
        code, findings, err = check(lab, asks)
        wrong = [one for one in findings if one["verdict"] == "wrong"]
        row("check says so: file, line and remedy", code == 1 and [one["check"] for one in wrong] == ["hss-map"] and "mme.yaml" in wrong[0]["place"], wrong or err)
    finally:
        begin_anew(lab, None)


def check(lab, asks):
    code, out, err = lab.roles.call("open5gs", "check", *asks, "--folder", lab.out, "--metrics", "--json")
    return code, [json.loads(line) for line in out.splitlines()], err


def begin_anew(lab, fragments):
    lab.core.fragments = fragments
    lab.core.renew()
