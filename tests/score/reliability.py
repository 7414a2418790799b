# SPDX-License-Identifier: GPL-3.0-or-later
"""Reliability: of what was given a confidence, how much was right? Tables in Markdown."""

EDGES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
KINDS = (("stalls", "Stalls (found, and named right)"), ("verdicts", "Verdicts"),
         ("flows", "Flows over several points (`nat.confidence`)"))


def bins(given):
    """[(low, high, [(confidence, right)...])...], without empty ones."""
    edges = list(zip(EDGES, EDGES[1:] + (1.0,)))
    found = [(low, high, [(c, right) for c, right in given
                          if low <= c and (c < high or high == 1.0)]) for low, high in edges]
    return [row for row in found if row[2]]


def shares(rows):
    """(count, right, mean of what was given, share that was right)."""
    right = sum(ok for _, ok in rows)
    return len(rows), right, sum(c for c, _ in rows) / len(rows), right / len(rows)


def calibration_error(given):
    """Expected calibration error: mean distance of given from right over the bins, by count."""
    return sum(count * abs(mean - share) for _, _, rows in bins(given)
               for count, _, mean, share in [shares(rows)]) / len(given)


def table(title, given):
    lines = [f"{title}: {len(given)}, expected calibration error {calibration_error(given):.3f}",
             "", "| confidence | count | right | given, mean | share right |", "|---|---|---|---|---|"]
    for low, high, rows in bins(given):
        count, right, mean, share = shares(rows)
        lines.append(f"| {low:.2f} to {high:.2f} | {count} | {right} | {mean:.3f} | {share:.3f} |")
    return "\n".join(lines) + "\n"


def tables(sets):
    given = {kind: [pair for item in sets for pair in item.given[kind]] for kind, _ in KINDS}
    return "\n".join(table(title, given[kind]) for kind, title in KINDS if given[kind])
