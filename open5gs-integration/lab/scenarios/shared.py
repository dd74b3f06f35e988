"""One network for both kinds of IMSI: everything goes to the ICF, which sends the operator's subscribers on to its HSS."""

import json
import os
import signal

import core
import roles


def run(lab):
    row = lambda what, ok, seen: lab.report.row("shared", what, ok, seen)
    subscriber = lab.subscriber()
    imsi = json.loads(subscriber.read_text())["imsi"]
    hss = f"hss.{core.HOME}"
    address, port = ("127.0.0.8", 3868) if lab.core.own_hss else ("127.0.0.1", core.SECOND_ICF)
    config, hss_config = lab.roles.data / "icf.toml", lab.roles.data / "hss.toml"
    before, hss_before = config.read_text(), hss_config.read_text()
    peer = f'{{ identity = "{hss}", connect = "tcp://{address}:{port}" }}'
    relay = f'[relay]\nhss = "{hss}"\nrealm = "{core.HOME}"\nprefixes = ["99901"]\n'
    config.write_text(before.replace("peers = [", f"peers = [{peer}, ") + relay)
    hss_config.write_text(hss_before.replace("peers = [", f'peers = [{{ identity = "{core.ICF[0]}" }}, '))
    try:
        begin_anew(lab, True)
        with lab.captured("shared") as capture:
            code, lines, err = lab.ue(subscriber, "attach", "detach", apn="internet")
            report = lab.attach_report(lines)
            row(f"{imsi}, an ordinary subscriber, attaches through the relay", code == 0, report or err)
            code, lines, err = lab.ue(lab.roles.device("999710000940001"), "attach", "detach")
            row("a provisional IMSI attaches beside it", code == 0, lab.attach_report(lines) or err)
        answers = capture.fields(f"diameter.cmd.code == 316 && diameter.flags.request == 0 && diameter.Origin-Host == {hss}", "ip.src", "diameter.Result-Code")
        hops = {source for source, code in answers if code == "2001"}
        row("the HSS's ULA passes the ICF as it is", len(answers) == 2 and len(hops) >= 1, answers)
        asked = capture.fields("diameter.cmd.code == 318 && diameter.flags.request == 1 && diameter.Route-Record", "diameter.Route-Record", "diameter.Origin-Host")
        row("the HSS sees the MME as the origin, and in Route-Record", [f"mme.{core.SERVING}"] * 2 in asked, asked)
        capture.wellformed(row, ["s1ap", "nas-eps", "diameter"])
        pid = lab.core.daemons["hss"].pid if lab.core.own_hss else lab.roles.running["hss"].pid
        os.kill(pid, signal.SIGSTOP)
        try:
            refused(lab, row, subscriber, "an HSS that says nothing")
        finally:
            os.kill(pid, signal.SIGCONT)
        lab.core.stop("hss") if lab.core.own_hss else lab.roles.stop_one("hss")
        refused(lab, row, subscriber, "an HSS that is away")
    finally:
        config.write_text(before)
        hss_config.write_text(hss_before)
        begin_anew(lab, False)


def begin_anew(lab, through_icf):
    """Starts again what has another configuration, HSS and ICF first."""
    lab.core.stop("mme")
    if lab.core.own_hss:
        if "hss" in lab.core.daemons:
            lab.core.stop("hss")
    elif "hss" in lab.roles.running:
        lab.roles.stop_one("hss")
    lab.roles.stop_one("icf")
    lab.roles.start_one("icf")
    roles.listening(8080)
    if lab.core.own_hss:
        lab.core.write(through_icf)
        lab.core.start_hss()
    else:
        lab.roles.start_one("hss")
        roles.listening(core.SECOND_ICF)
    if through_icf:
        lab.peer_is_open(f"hss.{core.HOME}")
    lab.core.renew(through_icf)


def refused(lab, row, subscriber, why):
    code, lines, err = lab.ue(subscriber, "attach", apn="internet")
    report = lab.attach_report(lines)
    row(f"{why} is #15 at the UE", code == 1 and report.get("emm_cause") == 15, report or err)
