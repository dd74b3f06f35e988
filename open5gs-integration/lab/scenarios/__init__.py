"""What is shown, a module each: `run(lab)` does it and writes what it saw into the report."""

import os
import subprocess
import time
import traceback

from lab import Lab

from . import answers, causes, config, crowd, provision, resynchronisation, restarts, shared, srsran, subscription, transports, user_plane

SCENARIOS = {
    "provision": provision,
    "config": config,
    "resynchronisation": resynchronisation,
    "causes": causes,
    "answers": answers,
    "restarts": restarts,
    "shared": shared,
    "subscription": subscription,
    "transports": transports,
    "user_plane": user_plane,
    "crowd": crowd,
    "srsran": srsran,
}
NAMES = list(SCENARIOS)
#: Those that compute a radio in real time, for which User Mode Linux is too slow.
RADIO = ["srsran"]


def split(names):
    """Those of the radio, and the others."""
    return [name for name in names if name in RADIO], [name for name in names if name not in RADIO]


def run(options):
    """The scenarios of the options inside of the lab's network; gives the exit code."""
    lab = Lab(options)
    version = subprocess.run([f"{options.open5gs}/bin/open5gs-mmed", "-v"], capture_output=True, text=True).stdout.strip()
    lab.report.fact("Open5GS", version.splitlines()[0] if version else "unknown version")
    lab.report.fact(f"kernel of {', '.join(options.scenario)}", f"{os.uname().release}, {os.cpu_count()} processor(s)")
    lab.report.fact("the operator's HSS", f"Open5GS's, over {options.mongod}" if options.mongod else "a second ICF: there is no MongoDB")
    try:
        lab.start()
        for name in options.scenario:
            begun = time.monotonic()
            try:
                SCENARIOS[name].run(lab)
            except Exception as error:  # a scenario that breaks is a row, and the next one has its turn
                traceback.print_exc()
                lab.report.row(name, "comes to its end", False, repr(error)[:500])
            lab.report.fact(f"{name} took", f"{time.monotonic() - begun:.0f} s")
            # What a scenario has stopped, restarted or written otherwise is not for the next one to find.
            if name != options.scenario[-1]:
                lab.restore()
    except Exception as error:
        traceback.print_exc()
        lab.report.row("lab", f"starts for {', '.join(options.scenario)}", False, repr(error)[:500])
    finally:
        lab.stop()
        lab.report.write()
    return 1 if lab.report.failed() else 0
