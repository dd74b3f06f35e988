#!/usr/bin/env python3
"""Puts the table of whom we are tested against into README.md, from what `bash tests/run` has written.

    python3 docs/third_party.py [target/third-party.json [README.md]]

Without a test run it changes nothing and fails; with --check it only says whether the table is up to date.
tests/rules.rs holds the table's names against the tests that there are.
"""

import json
import pathlib
import sys

BEGIN, END = "<!-- third-party:begin -->", "<!-- third-party:end -->"


def table(programs):
    lines = ["| program | version | what it does with us | tests passed |", "|---|---|---|---|"]
    for it in programs:
        if it["failed"]:
            sys.exit(f"tests against {it['name']} have failed: {', '.join(it['failed'])}")
        if not it["passed"]:
            sys.exit(f"no test has run against {it['name']}: run `bash tests/run` first")
        lines.append(f"| {it['name']} | {it['version']} | {it['shows']} | {len(it['passed'])} |")
    lines += ["", "<details><summary>The tests by name</summary>", ""]
    for it in programs:
        lines += [f"- {it['name']}: " + ", ".join(f"`{name}`" for name in sorted(it["passed"]))]
    lines += ["", "</details>"]
    return "\n".join(lines)


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--check"]
    root = pathlib.Path(__file__).resolve().parent.parent
    source = pathlib.Path(arguments[0]) if arguments else root / "target/third-party.json"
    readme = pathlib.Path(arguments[1]) if len(arguments) > 1 else root / "README.md"
    if not source.exists():
        sys.exit(f"{source} is not there: run `bash tests/run` first")
    text = readme.read_text(encoding="utf-8")
    before, found, rest = text.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not (found and closed):
        sys.exit(f"{readme} has no {BEGIN} … {END}")
    programs = json.loads(source.read_text(encoding="utf-8"))["third_parties"]
    new = f"{before}{BEGIN}\n{table(programs)}\n{END}{after}"
    if "--check" in sys.argv and new != text:
        sys.exit(f"the table in {readme} is out of date: python3 docs/third_party.py")
    if new != text:
        readme.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
