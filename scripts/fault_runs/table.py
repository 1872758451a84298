"""The results of a long run: a table of faults and a table of witnesses."""

from collections import Counter
from collections.abc import Mapping, Sequence

from shared.cursor import Cursor
from tests.faults.tape import Verdict
from tests.faults.witnesses import Stream, Witnesses

NAMED_MAX = 10
"""A sentence about stuck clients names at most this many."""
HEAD = ("witness", "deliveries", "missing", "repeated", "out of order", "gaps", "wrong gaps")


def is_kept(witnesses: Mapping[str, Witnesses]) -> bool:
    """Tell whether every stream of every witness is complete."""
    verdicts = [verdict for seen in witnesses.values() for verdict in seen.verdicts()]
    return bool(verdicts) and all(verdict.is_whole for verdict in verdicts)


def reasons(witnesses: Mapping[str, Witnesses]) -> Counter[str]:
    """Count the gaps announced to all witnesses, by reason."""
    verdicts = (verdict for seen in witnesses.values() for verdict in seen.verdicts())
    return Counter(reason for verdict in verdicts for reason in verdict.reasons)


def render(witnesses: Mapping[str, Witnesses], faults: Counter[str]) -> str:
    """Format both tables in Markdown."""
    judged = {name: seen.verdicts() for name, seen in witnesses.items()}
    everything = [verdict for verdicts in judged.values() for verdict in verdicts]
    rows = [_row(name, verdicts) for name, verdicts in judged.items()]
    rows.append(_row("**all**", everything))
    readings = sum(_published(seen) for seen in judged.get("control", ()))
    told = _list(reasons(witnesses))
    return "\n\n".join(
        [
            _lines(("fault", "times"), [(name, str(n)) for name, n in sorted(faults.items())]),
            _lines(HEAD, rows),
            f"{faults.total()} faults, {readings:,} readings, gaps announced: {told}",
        ]
    )


def stuck(behind: Mapping[str, Mapping[Stream, Cursor]], within_s: float) -> str:
    """Say which clients still lack readings, and where each one is."""
    named = [
        f"client {client} of {name!r} is at {end.epoch}-{end.seq} of {bike}"
        for name, streams in behind.items()
        for (client, bike), end in streams.items()
    ]
    more = f", and {len(named) - NAMED_MAX:,} more" if len(named) > NAMED_MAX else ""
    return (
        f"{len(named):,} client{'s' * (len(named) > 1)} lacked readings after {within_s:.0f} s: "
        f"{'; '.join(named[:NAMED_MAX])}{more}"
    )


def sentence(error: Exception) -> str:
    """Say in one line why a run failed: the first line of the error, and the last line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return f"{type(error).__name__} without a text"
    return lines[0] if len(lines) == 1 else f"{lines[0]} … {lines[-1]}"


def _row(name: str, verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    counts = (
        sum(verdict.readings for verdict in verdicts),
        sum(verdict.missing for verdict in verdicts),
        sum(verdict.repeated for verdict in verdicts),
        sum(verdict.out_of_order for verdict in verdicts),
        sum(len(verdict.gaps) for verdict in verdicts),
        sum(len(verdict.misfits) for verdict in verdicts),
    )
    return (name, *(f"{count:,}" for count in counts))


def _published(verdict: Verdict) -> int:
    """Count the published readings of a stream: received ones and those lost in gaps."""
    return verdict.readings + sum(gap.lost or 0 for gap in verdict.gaps)


def _list(reasons: Counter[str]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items())) or "none"


def _lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    table = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in table)
