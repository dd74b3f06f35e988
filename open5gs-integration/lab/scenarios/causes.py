"""Every refusal of the ICF as the UE sees it."""

import os


#: What the ICF is configured to answer, and the EMM cause that docs/CAUSES.md promises of it at Open5GS's MME.
CAUSES = {
    "unknown": ("user-unknown", 8),
    "expired": ("unknown-eps-subscription", 15),
    "exhausted": ("authorization-rejected", 15),
    "blocked": ("authentication-data-unavailable", 17),
    "disabled": ("rat-not-allowed", 13),
    "roaming-not-allowed": ("roaming-not-allowed", 11),
    "no-eps-subscription": ("unable-to-comply", 17),
}


def run(lab):
    config = lab.roles.data / "icf.toml"
    before = config.read_text()
    answers = "\n".join(f'{cause} = "{answer}"' for cause, (answer, _) in CAUSES.items())
    config.write_text(f"{before}\n[causes]\n{answers}\n")
    lab.restart_icf()
    rest = lab.roles.rest
    profile = rest("GET", "/v1/profiles/default")
    for change in ("name", "version", "created_at", "updated_at", "credentials"):
        profile.pop(change, None)
    rest("PUT", "/v1/profiles/elsewhere", {**profile, "allowed_plmns": {"only": ["001-01"]}})
    rest("PUT", "/v1/profiles/no-eps", {**profile, "eps": False})
    patch = lambda imsi, body: rest("PATCH", f"/v1/credentials/{imsi}", body, "application/merge-patch+json")
    for number, (cause, (answer, expected)) in enumerate(CAUSES.items(), 1):
        imsi = f"9997100009100{number:02}"
        if cause == "unknown":
            file = lab.roles.file(imsi, os.urandom(16).hex(), os.urandom(16).hex())
        else:
            file = lab.roles.device(imsi)
        match cause:
            case "expired":
                patch(imsi, {"expires_at": "2020-01-01T00:00:00Z"})
            case "exhausted":
                patch(imsi, {"attach_budget": 0})
            case "blocked" | "disabled":
                patch(imsi, {"state": cause})
            case "roaming-not-allowed":
                patch(imsi, {"profile": "elsewhere"})
            case "no-eps-subscription":
                patch(imsi, {"profile": "no-eps"})
        code, lines, err = lab.ue(file, "attach")
        report = lab.attach_report(lines)
        ok = code == 1 and report.get("emm_cause") == expected
        lab.report.row("causes", f"{cause}, answered {answer}, is #{expected} at the UE", ok, report.get("emm_cause", err))
    config.write_text(before)
    lab.restart_icf()
