"""The nineteen steps through the core, then the operator's network."""

import json

import core


def run(lab):
    row = lambda what, ok, seen: lab.report.row("provision", what, ok, seen)
    with lab.captured("provision") as capture:
        code, out, err = lab.roles.call("lab", "--external", "--once", "--access", "3gpp", "--json", *lab.roles.options, "--mme", core.MME)
    (lab.out / "provision.ndjson").write_text(out)
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    row("the lab's device goes all the way", code == 0, err.strip().splitlines()[-1:] or "exit code 0")
    attached = [line for line in lines if "attached" in line]
    told = [line["s1"] for line in lines if "s1" in line]
    pcid = attached[0] if attached else {}
    row("attached with its PCID, authenticated by the ICF", pcid.get("authenticated_by") == "the ICF", pcid)
    addresses = [registration for registration in (pcid.get("address"),) if registration]
    row("the bearer has the address that the ICF has assigned", any(address.startswith("10.45.1") for address in addresses), addresses)
    seeds = sorted({line.get("seed") for line in lines if line.get("seed")})
    row("steps 6 to 19 are told", set(range(6, 20)) <= set(seeds), seeds)
    row("detached by the network after the CLR", "detached by the network" in " ".join(told), [line for line in told if "detached" in line])
    home = attached[1] if len(attached) > 1 else {}
    hss = "the SHO's HSS, which is Open5GS's" if lab.options.mongod else "the SHO's HSS"
    row(f"attached with the operator's IMSI, authenticated by {hss}", home.get("authenticated_by") == hss, home)
    imsis = [str(line["attached"]) for line in attached]
    log = lab.core.log("mme")
    row("the MME's log has both IMSIs", all(imsi in log for imsi in imsis) and len(imsis) == 2, imsis)
    answers = capture.fields("diameter.cmd.code == 318 && diameter.flags.request == 0", "diameter.Origin-Host", "diameter.Result-Code")
    for host in (core.ICF[0], f"hss.{core.HOME}"):
        row(f"an AIA of {host} with 2001 is in the capture", any(host in one[0] and "2001" in one[1] for one in answers), answers)
    coap = capture.fields("gtp && coap", "ip.src", "ip.dst", "coap.code")
    row("the RNCT came inside of GTP", bool(coap), coap[:2])
    tls = capture.fields("gtp && tls.handshake.type == 1", "ip.dst")
    row("the DPF was reached over TLS inside of GTP", any(core.GATEWAY in row[0] for row in tls), tls[:1])
    capture.wellformed(row, ["s1ap", "nas-eps", "diameter", "gtp"])
