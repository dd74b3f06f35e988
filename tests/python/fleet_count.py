"""What the roles' databases have of a fleet: counted by sqlite3, not by the program that is judged.

usage: fleet_count.py DATA-FOLDER PREFIX-OF-THE-DEVICES
Prints JSON: the rows of sessions (DPF), subscriptions and numbers (SHO), subscribers of the SHO's HSS, and
provisional credentials of the devices (ICF).
"""

import json
import pathlib
import sqlite3
import sys

folder, prefix = pathlib.Path(sys.argv[1]), sys.argv[2]


def rows(role, query, *values):
    database = sqlite3.connect(f"file:{folder / role}.db?mode=ro", uri=True, timeout=20)
    with database:
        return [list(row) for row in database.execute(query, values)]


def digits(code):
    """An IMSI of the ICF's database: its digits with a 1 in front."""
    return str(code)[1:]


like = prefix + "%"
print(json.dumps({
    "sessions": rows("dpf", "SELECT pcid, state, result FROM session WHERE device_id LIKE ?", like),
    "subscriptions": rows("sho", "SELECT device_id, imsi, state FROM subscription WHERE device_id LIKE ?", like),
    "hss": [digits(imsi) for (imsi,) in rows("hss", "SELECT imsi FROM credential")],
    "icf": [
        [digits(imsi), state]
        for imsi, state in rows("icf", "SELECT imsi, state FROM credential WHERE batch = ?", prefix.rstrip("-"))
    ],
}))
