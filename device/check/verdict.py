"""The result of a check, as text for people and as JSON for programs."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from device.check.findings import Finding
from device.check.messages import MessageJudge

RIGHT, WRONG, NOTHING_HEARD = 0, 1, 2
"""The exit codes."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The checked endpoints and the judge; ``replay`` is None when no replay was checked."""

    endpoints: Sequence[str]
    replay: str | None
    judge: MessageJudge

    @property
    def code(self) -> int:
        """The exit code."""
        if not self.judge.messages:
            return NOTHING_HEARD
        return WRONG if self.judge.findings.are_bad else RIGHT

    @property
    def word(self) -> str:
        """The exit code in words."""
        return ("right", "wrong", "nothing heard")[self.code]


def as_text(verdict: Verdict) -> str:
    """Write a verdict for people: the devices, the faults, the advice."""
    judge = verdict.judge
    lines = [
        f"heard   {device_id}: {traffic.readings} readings, {traffic.statuses} statuses"
        for device_id, traffic in judge.devices.items()
    ]
    lines += [_finding_text(finding) for finding in judge.findings]
    replay = "not checked" if verdict.replay is None else f"asked at {verdict.replay}"
    return "\n".join([*lines, f"replay  {replay}", f"verdict {verdict.word}\n"])


def as_json(verdict: Verdict) -> str:
    """Write a verdict for programs: one JSON object."""
    judge = verdict.judge
    devices = {
        device_id: {"readings": traffic.readings, "statuses": traffic.statuses}
        for device_id, traffic in judge.devices.items()
    }
    body = {
        "endpoint": ",".join(verdict.endpoints),
        "replay": verdict.replay or "not checked",
        "verdict": verdict.word,
        "devices": devices,
        "findings": [asdict(finding) for finding in judge.findings],
    }
    return json.dumps(body, indent=2) + "\n"


def _finding_text(finding: Finding) -> str:
    device = finding.device_id or "-"
    times = f" ({finding.count} times)" if finding.count > 1 else ""
    return f"{finding.level:<7} {device}: {finding.message} [{finding.code}]{times}"
