"""What was seen, for people (Markdown) and for programs (JSON)."""

import json


class Report:
    def __init__(self, out):
        self.out, self.rows, self.facts = out, [], {}
        if (out / "report.json").exists():
            # Another part of the same run, in another network.
            before = json.loads((out / "report.json").read_text())
            self.rows, self.facts = before["rows"], before["facts"]

    def fact(self, name, value):
        self.facts[name] = str(value)
        print(f"      {name}: {value}", flush=True)

    def row(self, scenario, what, ok, seen):
        """One thing that had to be so."""
        self.rows.append({"scenario": scenario, "what": what, "ok": bool(ok), "seen": str(seen)})
        print(f"{'ok    ' if ok else 'FAILED'}{scenario}: {what}: {seen}", flush=True)

    def failed(self):
        return [row for row in self.rows if not row["ok"]]

    def write(self):
        (self.out / "report.json").write_text(json.dumps({"facts": self.facts, "rows": self.rows}, indent=1))
        lines = ["# Callhome and Open5GS", ""]
        lines += [f"- {name}: {value}" for name, value in self.facts.items()]
        lines += ["", "| | scenario | what | seen |", "|---|---|---|---|"]
        for row in self.rows:
            seen = row["seen"].replace("|", "\\|")
            lines.append(f"| {'ok' if row['ok'] else '**failed**'} | {row['scenario']} | {row['what']} | {seen} |")
        (self.out / "report.md").write_text("\n".join(lines) + "\n")
        passed, failed = len(self.rows) - len(self.failed()), len(self.failed())
        print(f"{passed} passed, {failed} failed", flush=True)


def written(out):
    report = out / "report.md"
    return f"report: {report}" if report.exists() else f"no report was written; the logs are in {out}"
