"""Writes what was tested against whom: third_party.py third-party.toml OUTPUT.json TEST-LOG…, and prints it.

third_party.py third-party.toml --select prints instead the arguments with which `cargo nextest run` runs those tests and
no others, an argument a line (those inside User Mode Linux are not among them).

The logs are those of `cargo nextest run` or of `cargo test`. A program of others that no test has passed against is a
failure, unless no test ran at all (the log is /dev/null).
"""

import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib

NEXTEST = re.compile(r"^\s*(PASS|FAIL|SIGABRT|SIGSEGV|TIMEOUT)\s+\[[^]]*\]\s+(?:\([^)]*\)\s+)?(\S+)\s+(\S+)")
CARGO = re.compile(r"^test (\S+) \.\.\. (ok|FAILED)$")
SYSTEM_TESTS = "callhome-tests::system"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def results(paths):
    """Name → whether it passed. System tests go by their names, others by `crate::binary name`, as nextest has it."""
    found = {}
    for path in paths:
        with open(path, encoding="utf-8", errors="replace") as log:
            lines = log.readlines()
        for line in lines:
            line = COLOUR.sub("", line.rstrip("\n"))
            if match := NEXTEST.match(line):
                name = match[3] if match[2] == SYSTEM_TESTS else f"{match[2]} {match[3]}"
                found[name] = found.get(name, True) and match[1] == "PASS"
            elif match := CARGO.match(line):
                found[match[1]] = match[2] == "ok"
    return found


def selection(programs):
    """Arguments of `cargo nextest run`: the packages whose tests use a program of others, and a filter for these tests."""
    packages, filters = set(), set()
    for prefix in (prefix for program in programs for prefix in program["tests"]):
        binary, _, name = prefix.rpartition(" ")
        binary = binary or SYSTEM_TESTS
        packages.add(binary.split("::")[0])
        filters.add(f"(binary_id(={binary}) & test(/^{name}/))")
    return [*(f"--package={package}" for package in sorted(packages)), "-E", " | ".join(sorted(filters))]


def version(program):
    if "python" in program:
        return importlib.metadata.version(program["python"])
    query = ["dpkg-query", "-W", "-f", "${Version}", program["package"]]
    debian = subprocess.run(query, check=True, capture_output=True, text=True).stdout
    # Without epoch and Debian's revision: the version that its authors gave.
    return re.sub(r"^\d+:", "", debian).rsplit("-", 1)[0].removesuffix("+dfsg")


def main():
    config, output, *logs = sys.argv[1:]
    with open(config, "rb") as file:
        programs = tomllib.load(file)["program"]
    if output == "--select":
        print("\n".join(selection(programs)))
        return
    ran = results(logs)
    rows = []
    for program in programs:
        tests = sorted(name for name in ran if any(name.startswith(prefix) for prefix in program["tests"]))
        rows.append(
            {
                "name": program["name"],
                "version": version(program),
                "shows": program["shows"],
                "passed": [name for name in tests if ran[name]],
                "failed": [name for name in tests if not ran[name]],
            }
        )
    with open(output, "w", encoding="utf-8") as file:
        json.dump({"third_parties": rows}, file, indent=2)
        file.write("\n")
    print(f"{'tested against':<32}{'version':<14}{'passed':>7}{'failed':>7}")
    for row in rows:
        print(f"{row['name']:<32}{row['version']:<14}{len(row['passed']):>7}{len(row['failed']):>7}")
    if ran and any(not row["passed"] or row["failed"] for row in rows):
        sys.exit("a program of others was not tested against, or a test against it has failed")


if __name__ == "__main__":
    main()
