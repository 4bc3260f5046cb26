"""Run with: python3 -m unittest discover -s scripts"""

import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import check_migration as guard  # noqa: E402

TIMEOUT = "SET lock_timeout = '2s';\n"


def rules(sql, **options):
    return [finding["rule"] for finding in guard.check(TIMEOUT + sql, **options)]


class Rules(unittest.TestCase):
    def test_each_dangerous_statement_is_found(self):
        for sql, rule in [
            ("CREATE INDEX i ON orders (user_id);", "index-blocks-writes"),
            ("CREATE UNIQUE INDEX i ON public.\"Orders\" (user_id);", "index-blocks-writes"),
            ("DROP INDEX i;", "index-blocks-writes"),
            ("REINDEX TABLE orders;", "index-blocks-writes"),
            ("ALTER TABLE orders ADD COLUMN t uuid DEFAULT gen_random_uuid();", "column-rewrites-table"),
            ("ALTER TABLE orders ADD id2 bigserial;", "column-rewrites-table"),
            ("ALTER TABLE orders ADD v int GENERATED ALWAYS AS (a + b) STORED;", "column-rewrites-table"),
            ("ALTER TABLE orders ADD COLUMN n int NOT NULL;", "column-not-null-without-default"),
            ("ALTER TABLE orders ALTER COLUMN n SET NOT NULL;", "not-null-scan"),
            ("ALTER TABLE orders ALTER n TYPE bigint;", "type-rewrites-table"),
            ("ALTER TABLE orders ALTER COLUMN n SET DATA TYPE bigint USING n::bigint;", "type-rewrites-table"),
            ("ALTER TABLE orders ADD CONSTRAINT c CHECK (n > 0);", "constraint-scan"),
            ("ALTER TABLE orders ADD FOREIGN KEY (u) REFERENCES users (id);", "constraint-scan"),
            ("ALTER TABLE orders ADD CONSTRAINT k UNIQUE (a, b);", "unique-blocks-table"),
            ("ALTER TABLE orders DROP COLUMN n;", "drop-breaks-old-code"),
            ("ALTER TABLE orders RENAME COLUMN n TO m;", "rename-breaks-old-code"),
            ("ALTER TABLE orders RENAME TO purchases;", "rename-breaks-old-code"),
            ("UPDATE orders SET n = 1;", "update-whole-table"),
            ("DELETE FROM orders;", "update-whole-table"),
            ("VACUUM (FULL, ANALYZE) orders;", "rewrite-maintenance"),
            ("REFRESH MATERIALIZED VIEW sums;", "refresh-blocks-readers"),
            ("DROP TABLE IF EXISTS orders CASCADE;", "truncate-or-drop-table"),
            ("TRUNCATE orders, lines;", "truncate-or-drop-table"),
        ]:
            with self.subTest(sql):
                self.assertEqual(rules(sql), [rule])

    def test_the_safe_forms_are_quiet(self):
        for sql in [
            "ALTER TABLE orders ADD COLUMN n int;",
            "ALTER TABLE orders ADD COLUMN n int NOT NULL DEFAULT 0;",
            "ALTER TABLE orders ADD COLUMN at timestamptz NOT NULL DEFAULT now();",
            "ALTER TABLE orders ADD CONSTRAINT c CHECK (n > 0) NOT VALID;",
            "ALTER TABLE orders VALIDATE CONSTRAINT c;",
            "ALTER TABLE users ADD CONSTRAINT k UNIQUE USING INDEX k;",
            "ALTER TABLE orders DROP CONSTRAINT c;",
            "ALTER TABLE orders RENAME CONSTRAINT c TO d;",
            "UPDATE orders SET n = 1 WHERE id < 10;",
            "REFRESH MATERIALIZED VIEW CONCURRENTLY sums;",
            "CREATE TABLE new (id int); CREATE INDEX i ON new (id); ALTER TABLE new ADD UNIQUE (id); DROP TABLE new;",
            "INSERT INTO notes VALUES ('DROP TABLE orders; it''s text');",
            "CREATE FUNCTION f() RETURNS void AS $body$ DELETE FROM orders; $body$ LANGUAGE sql;",
            "/* DROP TABLE a; /* nested */ TRUNCATE b; */ SELECT 1;",
        ]:
            with self.subTest(sql):
                self.assertEqual(rules(sql), [])

    def test_several_actions_of_one_statement_are_judged_one_by_one(self):
        sql = "ALTER TABLE orders ADD COLUMN p numeric(10, 2), DROP COLUMN q, ALTER r SET NOT NULL;"
        self.assertEqual(rules(sql), ["drop-breaks-old-code", "not-null-scan"])

    def test_concurrently_is_refused_only_inside_a_transaction(self):
        sql = "CREATE INDEX CONCURRENTLY i ON orders (n);"
        self.assertEqual(rules(sql), ["concurrently-in-transaction"])
        self.assertEqual(rules(sql, in_transaction=False), [])
        self.assertEqual(rules("BEGIN; " + sql + " COMMIT;", in_transaction=False), ["concurrently-in-transaction"])

    def test_a_missing_lock_timeout_is_said_once(self):
        found = [f["rule"] for f in guard.check("ALTER TABLE a DROP b;\nALTER TABLE a DROP c;")]
        self.assertEqual(found, ["drop-breaks-old-code", "no-lock-timeout", "drop-breaks-old-code"])

    def test_a_table_that_may_exist_already_is_not_taken_for_new(self):
        sql = "CREATE TABLE IF NOT EXISTS orders (id int); CREATE INDEX i ON orders (id);"
        self.assertEqual(rules(sql), ["index-blocks-writes"])

    def test_lines_count_from_the_statements_own_first_line(self):
        sql = "-- one\n/* two\n three */\nSELECT 'a\nb';\n\nDROP TABLE orders;"
        self.assertEqual([f["line"] for f in guard.check(sql) if f["rule"] == "truncate-or-drop-table"], [7])

    def test_silence_needs_a_reason(self):
        allow = "-- migration-guard: allow index-blocks-writes{}\nCREATE INDEX i ON plans (code);"
        self.assertEqual(rules(allow.format(" (200 rows)")), [])
        self.assertEqual(rules(allow.format("")), ["index-blocks-writes", "allow-without-reason"])
        self.assertEqual(rules(allow.format(" ( )")), ["index-blocks-writes", "allow-without-reason"])


class Program(unittest.TestCase):
    def run_it(self, *arguments, text=None):
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "check_migration.py")
        return subprocess.run([sys.executable, script, *arguments], input=text, text=True, capture_output=True)

    def test_exit_codes_tell_clean_from_findings_from_unreadable(self):
        self.assertEqual(self.run_it(text="SELECT 1;").returncode, 0)
        self.assertEqual(self.run_it("-", text="DELETE FROM a;").returncode, 1)
        self.assertEqual(self.run_it(os.path.join(tempfile.gettempdir(), "no-such-file.sql")).returncode, 2)

    def test_every_rule_has_its_rewrite(self):
        here = os.path.dirname(os.path.abspath(__file__))
        with open(os.path.join(here, "check_migration.py"), encoding="utf-8") as file:
            named = set(re.findall(r'(?:yield |\(\(?)"([a-z]+(?:-[a-z]+)+)"', file.read()))
        with open(os.path.join(here, "..", "references", "safe-rewrites.md"), encoding="utf-8") as file:
            headings = set(re.findall(r"^## (\S+)$", file.read(), re.M))
        self.assertEqual(named, headings)


if __name__ == "__main__":
    unittest.main()
