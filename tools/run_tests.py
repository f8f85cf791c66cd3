"""Runs every test that this machine can run, two suites at a time plus the window suite, and reports what was skipped and why.

    python3 tools/run_tests.py [SUITE...] [--no-skips]

The suites: tests/engine in .venv/engine, in two halves, networks and engine; tests/parity there; tests/e2e with a real Blender, in two
halves, e2e and window; tests/addon in each Blender of .venv/bpy-*.
Missing environments are made. A suite whose environment can't be made is skipped. The exit status is 1 if a test failed, or, with
--no-skips, was skipped. The output of a suite is kept in out/tests/<suite>.log.
"""

from __future__ import annotations

import argparse
import collections
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import environments

ROOT = environments.ROOT
LOGS = ROOT / "out" / "tests"
TESTS = ROOT / "tests"
NETWORKS = ("test_anidoc*", "test_animate_anyone*", "test_diffusion*", "test_lvcd*", "test_tooncrafter*")  # about half of tests/engine
SUITES = {  # name: (environment, what pytest is to run); the longest first
    "networks": ("engine", [path for pattern in NETWORKS for path in sorted((TESTS / "engine").glob(f"{pattern}.py"))]),
    "engine": ("engine", [TESTS / "engine", *(f"--ignore-glob={TESTS / 'engine' / pattern}" for pattern in NETWORKS)]),
    "e2e": ("engine", [TESTS / "e2e", "-m", "not gui"]),
    "window": ("engine", [TESTS / "e2e", "-m", "gui"]),
    "addon-5.2": ("bpy-5.2", [TESTS / "addon"]),
    "addon-5.0": ("bpy-5.0", [TESTS / "addon"]),
    "addon-4.5": ("bpy-4.5", [TESTS / "addon"]),
    "parity": ("engine", [TESTS / "parity"]),
}
BESIDE = ("window",)  # runs in addition to the others, because it mostly waits


@dataclass
class SuiteOutcome:
    suite: str
    passed: int = 0
    failed: int = 0
    skipped: list[str] = field(default_factory=list)  # the reasons
    seconds: float = 0.0
    output: str = ""
    note: str = ""  # why there are no results


def main() -> int:
    parser = argparse.ArgumentParser(description="Run every test that this machine can run.")
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"which to run: {', '.join(SUITES)} (default: all)")
    parser.add_argument("--no-skips", action="store_true", help="a skipped test counts as a failed one")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.suites if name not in SUITES]
    if unknown:
        parser.error(f"there is no suite {unknown[0]}: choose from {', '.join(SUITES)}")
    LOGS.mkdir(parents=True, exist_ok=True)
    chosen = [name for name in SUITES if not arguments.suites or name in arguments.suites]
    missing = _make_environments(chosen)
    with ThreadPoolExecutor(max_workers=2) as pool, ThreadPoolExecutor(max_workers=1) as beside:
        running = [(beside if name in BESIDE else pool).submit(_run_suite, name, missing.get(name, "")) for name in chosen]
        outcomes = [future.result() for future in running]
    _summarize_outcomes(outcomes)
    bad = any(o.failed for o in outcomes) or (arguments.no_skips and any(o.skipped for o in outcomes))
    if not bad:
        return 0
    print("FAILED" if any(o.failed for o in outcomes) else "FAILED: a test was skipped, which is not allowed here")
    return 1


def _make_environments(suites: list[str]) -> dict[str, str]:
    """Make the environments. Returns {suite: why its environment can't be made}."""
    reasons = {}
    for name in suites:
        try:
            environments.ensure_environment(SUITES[name][0])
        except environments.EnvironmentFailure as error:
            reasons[name] = f".venv/{SUITES[name][0]} can't be made: {error}"
    return reasons


def _run_suite(name: str, missing: str) -> SuiteOutcome:
    environment, tests = SUITES[name]
    if missing:
        return _report_suite(SuiteOutcome(name, skipped=[missing], note="not run"))
    started = time.monotonic()
    xml = LOGS / f"{name}.xml"
    xml.unlink(missing_ok=True)
    python = environments.ENVIRONMENTS[environment].executable
    command = [python, "-m", "pytest", *tests, f"--junit-xml={xml}", "-o", f"cache_dir={LOGS / f'.cache-{name}'}"]
    with open(LOGS / f"{name}.log", "w", encoding="utf-8") as log:
        code = subprocess.run([str(part) for part in command], cwd=ROOT, stdout=log, stderr=subprocess.STDOUT).returncode
    outcome = SuiteOutcome(name, seconds=time.monotonic() - started, output=(LOGS / f"{name}.log").read_text("utf-8", "replace"))
    _count_cases(outcome, code, xml)
    return _report_suite(outcome)


def _count_cases(outcome: SuiteOutcome, code: int, xml) -> None:
    """Count the results in pytest's report. A suite that crashed or ran no test has failed."""
    if xml.is_file():
        for case in ElementTree.parse(xml).iter("testcase"):
            skipped = case.find("skipped")
            if case.find("failure") is not None or case.find("error") is not None:
                outcome.failed += 1
            elif skipped is not None:
                outcome.skipped.append(skipped.get("message") or "no reason given")
            else:
                outcome.passed += 1
    if code and not outcome.failed:
        outcome.failed = 1
        outcome.note = "no tests found" if code == 5 else f"pytest ended with status {code}"


def _report_suite(outcome: SuiteOutcome) -> SuiteOutcome:
    """Print pytest's last line if the suite passed, otherwise all of its output."""
    lines = outcome.output.rstrip().splitlines()
    print(f"--- {outcome.suite} " + "-" * (100 - len(outcome.suite)))
    print("\n".join(lines if outcome.failed else lines[-1:]), flush=True)
    return outcome


def _summarize_outcomes(outcomes: list[SuiteOutcome]) -> None:
    print(f"\n{'suite':<12}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}")
    for o in outcomes:
        print(f"{o.suite:<12}{o.passed:>8}{o.failed:>8}{len(o.skipped):>9}{o.seconds:>9.0f}   {o.note}".rstrip())
        for reason, times in collections.Counter(o.skipped).most_common():
            print(f"{'':<12}skipped {times} x: {reason}")
    print(flush=True)


if __name__ == "__main__":
    sys.exit(main())
