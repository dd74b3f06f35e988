"""The harness that runs Open5GS's core, without Open5GS: what it looks for first, what it leaves behind, where it writes."""

import argparse
import contextlib
import importlib.util
import io
import os
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

LAB = pathlib.Path(__file__).resolve().parents[2] / "open5gs-integration/lab"
sys.path.insert(0, str(LAB))

import core  # noqa: E402
import lab  # noqa: E402
import prerequisites  # noqa: E402
import scenarios  # noqa: E402
from scenarios import crowd, transports, user_plane  # noqa: E402

spec = importlib.util.spec_from_file_location("lab_main", LAB / "__main__.py")
main = importlib.util.module_from_spec(spec)
spec.loader.exec_module(main)

#: A daemon that says at once what is waited for.
DAEMON = """#!/bin/sh
[ "$1" = -v ] && exit
log=$(sed -n 's/^    path: //p' "$2")
echo "initialize...done CONNECTED TO 'icf CONNECTED TO 'hss CONNECTED TO 'pcrf PFCP associated" >"$log"
exec sleep 120
"""


def prefix(folder):
    """What has the names of an installed Open5GS."""
    for name in prerequisites.DAEMONS:
        program = folder / f"bin/open5gs-{name}"
        program.parent.mkdir(exist_ok=True)
        program.write_text(DAEMON)
        program.chmod(0o755)
    extensions = folder / "lib/freeDiameter"
    extensions.mkdir(parents=True)
    for name in prerequisites.EXTENSIONS:
        (extensions / f"{name}.fdx").touch()
    return folder


def options(**more):
    given = {"scenario": ["causes"], "open5gs": "/nowhere", "mongod": None, "srsran": None, "sctp_stand_in": None}
    given |= {"callhome": sys.executable, "python": sys.executable, "ues": 10, "rate": None, "out": None, "report": None}
    return argparse.Namespace(**{**given, **more})


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)


class Prerequisites(Folder):
    def missing(self, sctp=False, **more):
        with self.assertRaises(prerequisites.Missing) as raised:
            prerequisites.check(options(**{"open5gs": str(self.core), **more}), sctp)
        return str(raised.exception)

    def setUp(self):
        super().setUp()
        (self.folder / "open5gs").mkdir()
        self.core = prefix(self.folder / "open5gs")
        everything = mock.patch("prerequisites.shutil.which", lambda program: f"/bin/{program}")
        everything.start()
        self.addCleanup(everything.stop)
        # This core is in a temporary folder, which is below /tmp.
        nothing_of_its_own = mock.patch("prerequisites.GUEST_FOLDERS", [])
        nothing_of_its_own.start()
        self.addCleanup(nothing_of_its_own.stop)

    def test_everything_that_is_there_is_enough(self):
        prerequisites.check(options(open5gs=str(self.core)), False)

    def test_python_diameter_is_missed_before_anything_starts_and_only_where_it_is_needed(self):
        for python in ("/bin/false", "/nowhere/python"):
            said = self.missing(scenario=["causes", "answers"], python=python)
            for word in (python, "tests/run --prepare", "--python", "`answers`"):
                self.assertIn(word, said)
            prerequisites.check(options(open5gs=str(self.core), python=python), False)

    def test_each_other_thing_has_its_remedy(self):
        self.assertIn("cargo build", self.missing(callhome="/nowhere/callhome"))
        with mock.patch("prerequisites.shutil.which", lambda program: None if program == "mongod" else program):
            self.assertIn("--mongod: there is no mongod", self.missing(mongod="mongod --dbpath /data"))
        for program, package, sctp in (("tshark", "tshark", False), ("openssl", "openssl", False), ("linux.uml", "user-mode-linux", False), ("unshare", "util-linux", True)):
            with mock.patch("prerequisites.shutil.which", lambda name, gone=program: None if name == gone else name):
                with mock.patch("prerequisites.os.geteuid", lambda: 0):
                    self.assertIn(f"apt-get install {package}", self.missing(sctp=sctp))
        with mock.patch("prerequisites.os.geteuid", lambda: 1000):
            self.assertIn("root", self.missing(sctp=True))
        (self.core / "lib/freeDiameter/dict_mip6i.fdx").unlink()
        self.assertIn("dict_mip6i.fdx", self.missing())

    def test_what_the_guest_would_not_find_is_said_before_it_starts(self):
        self.folder = self.folder.resolve()
        callhome, python = self.folder / "callhome", self.folder / "python"
        callhome.touch()
        with mock.patch("prerequisites.GUEST_FOLDERS", [str(self.folder)]), mock.patch("prerequisites.python_diameter"):
            elsewhere = {"open5gs": "/opt/open5gs"}
            with mock.patch("prerequisites.daemons"), mock.patch("prerequisites.extensions"):
                for name, more in (
                    ("--open5gs", {"open5gs": str(self.core)}),
                    ("--callhome", {**elsewhere, "callhome": str(callhome)}),
                    ("--mongod", {**elsewhere, "mongod": "stub 127.0.0.1:27017"}),
                    ("--python", {**elsewhere, "scenario": ["answers"], "python": str(python)}),
                ):
                    which = {"stub": str(self.folder / "stub")}
                    with mock.patch("prerequisites.shutil.which", lambda program: which.get(program, program)):
                        said = self.missing(**more)
                    self.assertTrue(said.startswith(f"{name} {self.folder}/"), said)
                    self.assertIn("of its own; put it elsewhere", said)
                # It sees the workspace and cargo's target folder wherever they are; a namespace sees everything.
                there = options(**elsewhere, callhome=str(callhome))
                prerequisites.check(there, False, [self.folder])
                with mock.patch("prerequisites.os.geteuid", lambda: 0), mock.patch("prerequisites.pathlib.Path.exists", lambda path: True):
                    prerequisites.check(there, True)

    def test_a_stand_in_for_sctp_is_looked_for(self):
        with mock.patch("prerequisites.radio.missing", lambda prefix: []):
            self.assertIn("--sctp-stand-in", self.missing(scenario=["srsran"], srsran="/srsran"))
            self.assertIn("there is no /nowhere.so", self.missing(scenario=["srsran"], srsran="/srsran", sctp_stand_in="/nowhere.so"))


class Restored(Folder):
    """A core of daemons that only say what is waited for."""

    def setUp(self):
        super().setUp()
        (self.folder / "open5gs").mkdir()
        out = self.folder / "out"
        out.mkdir()
        silent = mock.patch("sys.stdout", io.StringIO())
        silent.start()
        self.addCleanup(silent.stop)
        given = options(open5gs=str(prefix(self.folder / "open5gs")), out=out, report=out, mongod="mongod")
        self.lab = lab.Lab(given)
        self.lab.roles = mock.Mock()
        self.addCleanup(self.lab.core.stop_all)
        self.lab.core.write()
        self.lab.core.start()

    def pids(self):
        return {name: daemon.pid for name, daemon in self.lab.core.daemons.items()}

    def test_what_keeps_transactions_of_an_mme_is_started_with_it(self):
        before = self.pids()
        transports.begin_anew(self.lab, 'ConnectTo = "127.0.0.1"; No_TLS;')
        after = self.pids()
        for name in ("mme", "sgwc", "smf"):
            self.assertNotEqual(before[name], after[name], name)
        self.assertEqual(before["hss"], after["hss"])

    def test_a_core_that_was_left_alone_is_not_touched(self):
        before = self.pids()
        self.lab.restore()
        self.assertEqual(before, self.pids())

    def test_whatever_a_scenario_leaves_the_next_one_finds_the_core_as_it_was(self):
        written = (self.lab.out / "mme.conf").read_text().splitlines()[-1]

        def stops(lab):
            lab.core.stop("sgwu")

        def restarts(lab):
            lab.core.stop("mme")
            lab.core.start_mme()

        def connects(lab):
            transports.begin_anew(lab, 'ConnectTo = "127.0.0.99"; No_TLS;')

        def shares(lab):
            lab.core.renew(through_icf=True)

        def breaks(lab):
            lab.core.daemons["smf"].kill()
            lab.core.daemons["smf"].wait()

        for leaves in (stops, restarts, connects, shares, breaks):
            before = self.pids()
            leaves(self.lab)
            self.lab.restore()
            after = self.pids()
            self.assertEqual(set(before), set(after), leaves.__name__)
            self.assertTrue(all(before[name] != after[name] for name in core.CORE), leaves.__name__)
            self.assertTrue(self.lab.core.is_fresh(), leaves.__name__)
            self.assertFalse(self.lab.core.through_icf)
            self.assertEqual((self.lab.out / "mme.conf").read_text().splitlines()[-1], written, leaves.__name__)

    def test_the_core_is_restored_between_scenarios_and_not_after_the_last(self):
        order = []
        fake = lambda name: mock.Mock(run=lambda lab: order.append(name))
        self.lab.start = lambda: None
        self.lab.stop = lambda: None
        self.lab.restore = lambda: order.append("restored")
        self.lab.options.scenario = ["causes", "crowd"]
        with mock.patch.dict(scenarios.SCENARIOS, {"causes": fake("causes"), "crowd": fake("crowd")}):
            with mock.patch("scenarios.Lab", lambda options: self.lab):
                scenarios.run(self.lab.options)
        self.assertEqual(order, ["causes", "restored", "crowd"])
        self.assertRegex(self.lab.report.facts["causes took"], r"^\d+ s$")


class Rate(unittest.TestCase):
    def test_a_crowd_comes_as_fast_as_the_processors_can_do_and_no_faster(self):
        # 20 attaches that took 1.6 s of one processor, of two; of a slow one; what takes next to nothing.
        self.assertEqual(crowd.affordable(1.6, 20, 1), 8.8)
        self.assertEqual(crowd.affordable(1.6, 20, 2), 17.5)
        self.assertEqual(crowd.affordable(100.0, 20, 1), 1.0)
        self.assertEqual(crowd.affordable(0.01, 20, 64), crowd.MOST)
        self.assertEqual(crowd.affordable(0.0, 20, 1), crowd.MOST)

    def test_a_rate_is_measured_only_where_none_is_asked_for(self):
        with mock.patch.object(sys, "argv", ["lab", "--callhome", "x"]):
            self.assertIsNone(main.arguments().rate)
        with mock.patch.object(sys, "argv", ["lab", "--callhome", "x", "--rate", "3"]):
            self.assertEqual(main.arguments().rate, 3.0)


class Device(unittest.TestCase):
    def test_programs_are_started_when_the_tun_device_has_the_ues_address(self):
        answers = iter(["", "", "3: tun0    inet 10.45.128.1/32 scope global tun0\n"])
        asked = []

        def ip(words, **_):
            asked.append(words)
            return mock.Mock(stdout=next(answers))

        with mock.patch("scenarios.user_plane.subprocess.run", ip), mock.patch("scenarios.user_plane.time.sleep"):
            user_plane.on_device("10.45.128.1")
        self.assertEqual(len(asked), 3)
        self.assertEqual(asked[0][-2:], ["to", "10.45.128.1"])
        with mock.patch("scenarios.user_plane.subprocess.run", lambda *_, **__: mock.Mock(stdout="")), self.assertRaises(RuntimeError):
            user_plane.on_device("10.45.128.1", 0)


class Output(Folder):
    def test_what_the_guest_cannot_write_or_would_lose_is_written_in_cargos_target(self):
        inside = main.TARGET / "open5gs"
        for out in ("/tmp/report", "/run/report", "/dev/shm/report", "/var/report", str(self.folder)):
            self.assertTrue(main.work_folder(pathlib.Path(out), True).is_relative_to(main.TARGET), out)
            self.assertEqual(main.work_folder(pathlib.Path(out), False), pathlib.Path(out).resolve())
        self.assertEqual(main.work_folder(inside, True), inside)

    def test_only_what_an_earlier_run_has_left_is_emptied(self):
        folder = self.folder / "out"
        main.emptied(folder)
        self.assertTrue(folder.is_dir())
        (folder / "thesis.tex").touch()
        with self.assertRaises(SystemExit), contextlib.redirect_stderr(io.StringIO()) as said:
            main.emptied(folder)
        self.assertIn("not empty", said.getvalue())
        self.assertTrue((folder / "thesis.tex").exists())
        (folder / main.MARK).touch()
        main.emptied(folder)
        self.assertEqual(list(folder.iterdir()), [])

    def run_main(self, out, status, writes):
        """Runs it with a guest that writes a report where it is told to, and ends with this status."""

        def guest(command, cwd):
            report = pathlib.Path(command[command.index("--report") + 1])
            if writes:
                (report / "report.md").write_text("seen")
                (report / "report.json").write_text("{}")
            return status

        words = ["lab", "--callhome", sys.executable, "--scenario", "causes", "--out", str(out)]
        with contextlib.ExitStack() as patched:
            patched.enter_context(mock.patch.object(main, "TARGET", self.folder / "target"))
            patched.enter_context(mock.patch.object(main, "kernel_has_sctp", lambda: False))
            patched.enter_context(mock.patch("prerequisites.check", lambda options, sctp, shown: None))
            patched.enter_context(mock.patch.object(main.subprocess, "call", guest))
            patched.enter_context(mock.patch.object(sys, "argv", words))
            said = patched.enter_context(contextlib.redirect_stdout(io.StringIO()))
            with self.assertRaises(SystemExit) as ended:
                main.main()
        return ended.exception.code, said.getvalue()

    def test_a_report_below_tmp_is_there_when_the_guest_has_ended(self):
        out = self.folder / "elsewhere"
        for status in (0, 1):
            code, said = self.run_main(out, status, True)
            self.assertEqual(code, status)
            self.assertEqual((out / "report.md").read_text(), "seen")
            self.assertIn(f"report: {out}/report.md", said)

    def test_a_guest_that_does_not_come_up_is_no_success(self):
        code, said = self.run_main(self.folder / "elsewhere", 125, False)
        self.assertEqual(code, 1)
        self.assertIn("no report was written", said)


if __name__ == "__main__":
    os.environ.pop("OPEN5GS", None)
    unittest.main()
