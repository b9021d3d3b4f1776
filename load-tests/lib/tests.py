"""Tests of the scripts themselves: `python3 -m unittest discover -s load-tests/lib -p tests.py`."""

import os
import sys
import tomllib
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..")]

import cases  # noqa: E402
import competitors  # noqa: E402
import figures  # noqa: E402
import growth  # noqa: E402
import results  # noqa: E402
import table  # noqa: E402

ROUNDS = {
    "chat32": {
        "direct": [{"cpu_us": 0, "per_second": 100, "p50_us": 10}] * 3,
        "bare": [{"cpu_us": 20, "per_second": 50, "p50_us": 30}, {"cpu_us": 40, "per_second": 25, "p50_us": 50}, None],
        "nginx": [{"cpu_us": 10, "per_second": 60, "p50_us": 20}] * 3,
        "gateway": [{"cpu_us": 10, "per_second": 80, "p50_us": 20}, {"cpu_us": 10, "per_second": 80, "p50_us": 25},
                    {"cpu_us": 99, "per_second": 80, "p50_us": 20}],
    },
}


def kept(**sections):
    about = {"rounds": 7, "cores": 2, "cpu": "Some CPU", "date": "2026-01-02 03:04 UTC", "command": "run.sh"}
    return {"name": "some", "load": {"about": about, "cases": figures.summary(ROUNDS)}, **sections}


class Figures(unittest.TestCase):
    def test_ratios_are_taken_within_a_round_and_a_round_without_a_window_has_none(self):
        row = figures.summary(ROUNDS)["chat32"]["rows"]["gateway"]
        self.assertEqual(row["over"]["bare"]["cpu_us"], [0.375, 0.25, 0.5])
        self.assertEqual(row["figures"]["cpu_us"], [10, 10, 99])

    def test_what_is_added_is_the_difference_to_direct_and_direct_keeps_its_own(self):
        rows = figures.summary(ROUNDS)["chat32"]["rows"]
        self.assertEqual(rows["gateway"]["figures"]["added_p50_us"], [10, 10, 15])
        self.assertEqual(rows["direct"]["figures"]["p50_us"], [10, 10, 10])
        self.assertNotIn("p50_us", rows["gateway"]["figures"])

    def test_a_competitor_with_less_load_is_put_beside_direct_with_the_same(self):
        slow = {"cpu_us": 9, "per_second": 1, "p50_us": 100, "lowered": 8, "direct": {"p50_us": 4}}
        row = figures.summary({"chat32": {**ROUNDS["chat32"], "slow": [slow]}})["chat32"]["rows"]["slow"]
        self.assertEqual(row["figures"]["added_p50_us"], [96, 96, 96])
        self.assertEqual(row["lowered"], 8)


class Manifests(unittest.TestCase):
    def test_every_manifest_is_read_and_four_are_measured_by_default(self):
        found = competitors.manifests()
        self.assertEqual([name for name, row in found.items() if row.default], ["direct", "nginx", "bare", "gateway"])

    def test_a_manifest_like_another_takes_its_members_and_joins_the_environment(self):
        found = competitors.manifests()
        door, gateway = found["gateway-pingora-door"], found["gateway"]
        self.assertEqual(door.command, gateway.command)
        self.assertEqual(set(door.environment), {*gateway.environment, "AISIX_PROXY__LEAN_HTTP1"})
        self.assertFalse(door.default)

    def test_words_are_filled_in_and_unknown_ones_end_the_run(self):
        self.assertEqual(competitors.fill("a@b@c @scope/x", {"b": 1}, "x"), "a1c @scope/x")
        with self.assertRaises(SystemExit):
            competitors.fill("@nothing@", {}, "x")

    def test_cases_are_left_out_by_name_and_by_what_a_competitor_can(self):
        row = competitors.Manifest("x", leave_out=["*flood"], can=["translation"])
        self.assertFalse(row.takes(cases.BY_NAME["messages-flood"]))
        translated = cases.Whole("translated", "", 1, needs="translation")
        self.assertTrue(row.takes(translated) and not competitors.Manifest("y").takes(translated))

    def test_only_who_translates_takes_part_where_caller_and_provider_differ(self):
        found = competitors.manifests()
        natives = {"openai": "chat", "anthropic": "claude"}
        for case in cases.CASES:
            takes = {name for name, row in found.items() if row.takes(case)}
            translated = natives[case.dialect] != case.alias
            self.assertEqual(case.needs, "translation" if translated else None, case.name)
            self.assertIn("gateway", takes)
            self.assertEqual(translated, takes.isdisjoint({"direct", "nginx", "bare"}), case.name)

    def test_bodies_have_about_the_size_they_are_named_for(self):
        for case in cases.CASES:
            if isinstance(case, cases.Whole) and case.kib:
                self.assertAlmostEqual(len(case.body("m")) / 1024, case.kib, delta=0.2)


class Targets(unittest.TestCase):
    def test_every_target_is_about_a_case_that_is_measured_in_a_unit_that_can_be_shown(self):
        with open(os.path.join(HERE, "..", "targets.toml"), "rb") as file:
            targets = tomllib.load(file)["target"]
        for target in targets:
            section, case = target.get("section", "load"), target.get("case")
            self.assertIn(target["unit"], table.UNITS)
            self.assertIn(section, results.WRITERS)
            self.assertTrue(section != "load" or case in cases.BY_NAME, target["what"])
            for bound in (target.get("must", {}), target.get("stretch", {})):
                if over := bound.get("over"):
                    self.assertIn(over, [*figures.BASELINES, cases.BY_NAME[case].beside])


class Growth(unittest.TestCase):
    def test_a_size_the_machine_cannot_hold_is_left_out(self):
        last = {"size": 1000, "seconds": 2.0, "peak": 1 << 30}
        self.assertIn("MiB are needed", growth.too_much(10_000_000, last))
        self.assertIn("loading would take", growth.too_much(1_000_000, {**last, "peak": 1}))
        self.assertIsNone(growth.too_much(10_000_000, None))


class Table(unittest.TestCase):
    TARGET = {"what": "x", "case": "chat32", "figure": "cpu_us", "unit": "us",
              "must": {"over": "bare", "most": 0.4}, "stretch": {"over": "nginx", "most": 0.9}}

    def test_a_row_tells_figures_ratio_bound_and_whether_it_is_met(self):
        row = table.line(self.TARGET, kept())
        self.assertEqual(row[1:4], ["10.0 µs", "10.0 µs", "30.0 µs"])
        self.assertEqual(row[4:], ["0.38 × bare Pingora", "≤ 0.40 × bare Pingora", "met"])
        for changed, verdict in (({"must": {"over": "bare", "most": 0.3}}, "missed"),
                                 ({"stretch": {"over": "nginx", "most": 1}}, "stretch met")):
            self.assertEqual(table.line({**self.TARGET, **changed}, kept())[-1], verdict)

    def test_bytes_are_shown_and_bounded_in_mib_and_missing_sections_have_no_row(self):
        target = {"what": "m", "section": "memory", "figure": "idle", "unit": "mib", "must": {"most": 11}}
        self.assertIsNone(table.line(target, kept()))
        row = table.line(target, kept(memory={"rows": {"gateway": {"idle": 12 << 20}}}))
        self.assertEqual(row[1:], ["12.0 MiB", "–", "–", "", "≤ 11 MiB", "missed"])

    def test_growth_is_the_greatest_size_beside_the_smallest(self):
        sizes = {"10": {"over": [1, 1, 1]}, "1000": {"over": [1.02, 1, 1.1]}, "500": {"over": [9, 9, 9]}}
        target = {"what": "g", "section": "growth", "case": "keys", "figure": "cost_over", "unit": "times",
                  "must": {"most": 1.1}}
        told = kept(growth={"parts": {"keys": {"sizes": sizes}}})
        self.assertEqual(table.line(target, told)[1:], ["1.02 ×", "–", "–", "", "≤ 1.1 ×", "met"])

    def test_only_what_stands_between_the_marks_is_replaced(self):
        readme = f"a\n{table.BEGIN}\nold\n{table.END}\nb"
        self.assertEqual(table.replaced(readme, "new"), f"a\n{table.BEGIN}\nnew\n{table.END}\nb")
        with self.assertRaises(SystemExit):
            table.replaced("a", "new")

    def test_seven_rounds_over_the_usual_competitors_are_a_recorded_run(self):
        run = kept()
        self.assertTrue(table.recorded(run))
        run["load"]["about"]["rounds"] = 6
        self.assertFalse(table.recorded(run))

    def test_a_document_has_every_section_it_is_given(self):
        text = results.document(kept(start={"about": {}, "rows": {"bare": {
            "cold_ms": [9, 8, 10], "starts": 5, "size_bytes": 1 << 20}}}))
        self.assertIn("## Load", text)
        self.assertIn("| bare | 9.0 (8.0..10.0) | 5 | 1.0 |", text)


if __name__ == "__main__":
    unittest.main()
