#!/usr/bin/env python3
"""Finds statements in PostgreSQL migrations that lock, rewrite, scan or destroy.

Reads SQL from files or standard input; connects to nothing. The rules' ids are the headings of
references/safe-rewrites.md.

Exit code: 0 nothing found, 1 findings, 2 a file could not be read.
"""

import argparse
import json
import re
import sys

NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)(?:\s*\.\s*(?:"(?:[^"]|"")+"|[\w$]+))?'
ALLOW = re.compile(r"migration-guard:\s*allow\s+([\w-]+)\s*(?:\((.*?)\))?\s*$", re.I | re.S)
VOLATILE = re.compile(
    r"\b(?:gen_random_uuid|uuid_generate_v\d\w*|random|clock_timestamp|timeofday|nextval)\s*\(", re.I
)


class Statement:
    """One statement: its text without comments, with string bodies emptied, and where it begins."""

    def __init__(self, text, line, comments):
        self.text = re.sub(r"\s+", " ", text).strip()
        self.line = line
        self.comments = comments


def split(sql):
    """Cuts SQL into statements, knowing strings, dollar quotes and nested comments."""
    out, text, comments = [], [], []
    line, start, at, end = 1, None, 0, len(sql)

    def finish():
        nonlocal text, comments, start
        if start is not None:
            out.append(Statement("".join(text), start, comments))
        text, comments, start = [], [], None

    def begin():
        nonlocal start
        if start is None:
            start = line

    while at < end:
        two = sql[at:at + 2]
        char = sql[at]
        if two == "--":
            stop = sql.find("\n", at)
            stop = end if stop < 0 else stop
            comments.append(sql[at + 2:stop].strip())
            at = stop
        elif two == "/*":
            depth, stop = 1, at + 2
            while stop < end and depth:
                step = sql[stop:stop + 2]
                depth += (step == "/*") - (step == "*/")
                stop += 2 if step in ("/*", "*/") else 1
            comments.append(sql[at + 2:max(stop - 2, at + 2)].strip())
            line += sql.count("\n", at, stop)
            text.append(" ")
            at = stop
        elif char == "'":
            begin()
            before = sql[at - 1:at].lower()
            escapes = before == "e" and not re.match(r"\w", sql[at - 2:at - 1] or " ")
            stop = at + 1
            while stop < end:
                if escapes and sql[stop] == "\\":
                    stop += 2
                elif sql[stop] == "'" and sql[stop + 1:stop + 2] == "'":
                    stop += 2
                elif sql[stop] == "'":
                    break
                else:
                    stop += 1
            line += sql.count("\n", at, stop)
            text.append("''")
            at = stop + 1
        elif char == '"':
            begin()
            stop = sql.find('"', at + 1)
            stop = end - 1 if stop < 0 else stop
            line += sql.count("\n", at, stop)
            text.append(sql[at:stop + 1])
            at = stop + 1
        elif char == "$" and (tag := re.match(r"\$(?:[A-Za-z_]\w*)?\$", sql[at:])):
            begin()
            stop = sql.find(tag.group(), at + tag.end())
            stop = end if stop < 0 else stop + tag.end()
            line += sql.count("\n", at, stop)
            text.append("''")
            at = stop
        elif char == ";":
            finish()
            at += 1
        else:
            if not char.isspace():
                begin()
            line += char == "\n"
            text.append(char)
            at += 1
    finish()
    return out


def bare(name):
    """`public."Orders"` and `orders` in one spelling: without the schema and without quotes."""
    last = re.split(r"\.(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", name)[-1].strip()
    return last[1:-1].replace('""', '"') if last.startswith('"') else last.lower()


def clauses(text):
    """The comma-separated actions of an ALTER TABLE, commas inside brackets left alone."""
    depth, part, out = 0, [], []
    for char in text:
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            out.append("".join(part).strip())
            part = []
        else:
            part.append(char)
    out.append("".join(part).strip())
    return out


def action_findings(action, server):
    """(rule, message) for one action of ALTER TABLE."""
    has = lambda pattern: re.search(pattern, action, re.I)
    if has(r"^ADD\s+(?:CONSTRAINT\s+" + NAME + r"\s+)?(?:FOREIGN\s+KEY|CHECK)\b"):
        if not has(r"\bNOT\s+VALID\b"):
            yield "constraint-scan", "scans the whole table under the lock; add it NOT VALID, validate later"
    elif has(r"^ADD\s+(?:CONSTRAINT\s+" + NAME + r"\s+)?(?:UNIQUE|PRIMARY\s+KEY|EXCLUDE)\b"):
        if not has(r"\bUSING\s+INDEX\b"):
            yield "unique-blocks-table", "builds its index while reads and writes wait"
    elif has(r"^ADD\b") and not has(r"^ADD\s+CONSTRAINT\b"):
        yield from added_column(action, has, server)
    elif has(r"^ALTER\b.*\bSET\s+NOT\s+NULL\b"):
        yield "not-null-scan", "scans the whole table while reads and writes wait"
    elif has(r"^ALTER\b.*?\b(?:SET\s+DATA\s+)?TYPE\b"):
        yield "type-rewrites-table", "rewrites the table and its indexes unless the types are binary-compatible"
    elif has(r"^DROP\s+(?!CONSTRAINT\b|EXPRESSION\b)"):
        yield "drop-breaks-old-code", "code that is still deployed may name this column, and its data is gone"
    elif has(r"^RENAME\s+(?!CONSTRAINT\b)"):
        yield "rename-breaks-old-code", "old and new code cannot both run against this schema"


def added_column(action, has, server):
    default = re.search(r"\bDEFAULT\s+(.*)", action, re.I)
    identity = has(r"\bGENERATED\b.*\bAS\s+IDENTITY\b") or has(r"\b(?:small|big)?serial\b")
    stored = has(r"\bGENERATED\s+ALWAYS\s+AS\s*\(.*\)\s*STORED\b")
    if identity or stored or (default and (server < 11 or VOLATILE.search(default.group(1)))):
        yield "column-rewrites-table", "computes a value for every row: the table is rewritten under the lock"
    if has(r"\bNOT\s+NULL\b") and not default and not identity and not stored:
        yield "column-not-null-without-default", "fails as soon as the table has a row"
    if has(r"\bREFERENCES\b") and default:
        yield "constraint-scan", "the foreign key is checked for every row under the lock"
    if has(r"\b(?:UNIQUE|PRIMARY\s+KEY)\b"):
        yield "unique-blocks-table", "builds its index while reads and writes wait"


def statement_findings(text, created, in_transaction, server):
    """(rule, message) for one statement. `created` holds this file's own new tables."""
    has = lambda pattern: re.search(pattern, text, re.I)
    if has(r"\bCONCURRENTLY\b") and in_transaction and has(r"^(?:CREATE|DROP|REINDEX)\b"):
        yield "concurrently-in-transaction", "CONCURRENTLY fails inside a transaction"
    if m := has(r"^CREATE\s+(?:UNIQUE\s+)?INDEX\b(?!\s+CONCURRENTLY).*?\bON\s+(?:ONLY\s+)?(" + NAME + ")"):
        if bare(m.group(1)) not in created:
            yield "index-blocks-writes", "writes to the table wait for the whole build"
    elif has(r"^(?:DROP\s+INDEX|REINDEX)\b") and not has(r"\bCONCURRENTLY\b"):
        yield "index-blocks-writes", "waits for, and then blocks, every query on the table"
    elif m := has(r"^ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?(" + NAME + r")\s*\*?\s+(.*)"):
        if bare(m.group(1)) not in created:
            for action in clauses(m.group(2)):
                yield from action_findings(action, server)
    elif m := has(r"^(?:UPDATE\s+(?:ONLY\s+)?|DELETE\s+FROM\s+(?:ONLY\s+)?)(" + NAME + ")"):
        if not has(r"\bWHERE\b") and bare(m.group(1)) not in created:
            yield "update-whole-table", "touches every row in one transaction: locks, bloat, replica lag"
    elif has(r"^(?:VACUUM\s*(?:\([^)]*\bFULL\b[^)]*\)|FULL\b)|CLUSTER\b)"):
        yield "rewrite-maintenance", "copies the table while reads and writes wait"
    elif has(r"^REFRESH\s+MATERIALIZED\s+VIEW\s+(?!CONCURRENTLY\b)"):
        yield "refresh-blocks-readers", "readers of the view wait for the whole query"
    elif m := has(r"^(?:TRUNCATE(?:\s+TABLE)?|DROP\s+TABLE(?:\s+IF\s+EXISTS)?)\s+(?:ONLY\s+)?(.*)"):
        names = re.findall(NAME, re.sub(r"\b(?:CASCADE|RESTRICT)\b.*", "", m.group(1), flags=re.I))
        if any(bare(name) not in created for name in names):
            yield "truncate-or-drop-table", "the data is gone when this commits"


TAKES_STRONG_LOCK = re.compile(
    r"^(?:ALTER\s+TABLE|CREATE\s+(?:UNIQUE\s+)?INDEX\s+(?!CONCURRENTLY)|DROP\s+(?:TABLE|INDEX)|TRUNCATE"
    r"|REINDEX|CLUSTER|VACUUM\s+FULL)", re.I)


def check(sql, in_transaction=True, server=14):
    """The findings of one file: dicts with line, rule and message, in the order of the file."""
    found, created, timeout = [], set(), False
    explicit = in_transaction
    for statement in split(sql):
        text = statement.text
        if re.match(r"(?:BEGIN|START\s+TRANSACTION)\b", text, re.I):
            explicit = True
        elif re.match(r"(?:COMMIT|END|ROLLBACK)\b", text, re.I):
            explicit = in_transaction
        if re.match(r"SET\s+(?:LOCAL\s+|SESSION\s+)?lock_timeout\b", text, re.I):
            timeout = True
        if m := re.match(r"CREATE\s+(?:(?:GLOBAL|LOCAL|TEMP|TEMPORARY|UNLOGGED)\s+)*TABLE\s+"
                         r"(?:IF\s+NOT\s+EXISTS\s+)?(" + NAME + ")", text, re.I):
            # With IF NOT EXISTS the table may be old and full.
            if not re.match(r"CREATE\b.*?\bIF\s+NOT\s+EXISTS\b", text, re.I):
                created.add(bare(m.group(1)))
        rules = list(statement_findings(text, created, explicit, server))
        if rules and not timeout and TAKES_STRONG_LOCK.match(text):
            rules.append(("no-lock-timeout", "waits without limit for its lock, and everybody behind it waits too"))
            timeout = True
        allowed, broken = allowances(statement.comments)
        for rule, message in rules:
            if rule not in allowed:
                found.append({"line": statement.line, "rule": rule, "message": message, "statement": text[:120]})
        for rule in broken:
            found.append({"line": statement.line, "rule": "allow-without-reason",
                          "message": f"'allow {rule}' needs its reason in brackets", "statement": text[:120]})
    return found


def allowances(comments):
    """The rules that the comments before or in a statement silence, and those that give no reason."""
    allowed, broken = set(), []
    for comment in comments:
        if m := ALLOW.search(comment):
            if (m.group(2) or "").strip():
                allowed.add(m.group(1))
            else:
                broken.append(m.group(1))
    return allowed, broken


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", help="SQL files; none, or '-', reads standard input")
    parser.add_argument("--json", action="store_true", help="one JSON object per finding")
    parser.add_argument("--no-transaction", action="store_true",
                        help="the migration tool does not wrap a file in a transaction")
    parser.add_argument("--server", type=int, default=14, help="oldest PostgreSQL major version (default 14)")
    options = parser.parse_args(argv)
    count = 0
    for name in options.files or ["-"]:
        try:
            if name == "-":
                sql = sys.stdin.read()
            else:
                with open(name, encoding="utf-8-sig") as file:
                    sql = file.read()
        except (OSError, UnicodeDecodeError) as error:
            print(f"{name}: cannot be read: {error}", file=sys.stderr)
            return 2
        for finding in check(sql, not options.no_transaction, options.server):
            count += 1
            if options.json:
                print(json.dumps({"file": name, **finding}))
            else:
                print(f"{name}:{finding['line']}  {finding['rule']}  {finding['message']}\n    {finding['statement']}")
    if not options.json:
        print(f"{count} finding{'' if count == 1 else 's'}", file=sys.stderr)
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
