"""The page of causes says what the catalogue says, and the reports lead to it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_kerasload.__main__ import main
from pytest_kerasload.causes import CAUSES
from pytest_kerasload.findings import CheckResult
from pytest_kerasload.reports import failure
from pytest_kerasload.reports.causes_page import page

PAGE = Path(__file__).parent.parent / "docs" / "causes.md"


def test_the_page_is_the_catalogues() -> None:
    """Written anew by: python -m pytest_kerasload causes > docs/causes.md."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_cause_has_one_heading() -> None:
    assert sorted(re.findall(r"^### (.+)$", page(), re.MULTILINE)) == sorted(CAUSES)


@pytest.mark.parametrize("code", sorted(CAUSES))
def test_every_cause_is_explained(code: str) -> None:
    entry = CAUSES[code]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)
    assert entry.title
    assert entry.explanation
    assert entry.seen
    assert all(re.compile(signature) for signature in entry.signatures)


def test_a_failure_leads_to_its_cause() -> None:
    finding = CAUSES["keras2-rnn-time-major"].finding("no")
    lines = failure.lines(CheckResult("load", "failed", (finding,)))
    docs = [line for line in lines if line.strip().startswith("docs")]
    assert [line.endswith("python -m pytest_kerasload causes keras2-rnn-time-major") for line in docs] == [True]


def test_one_cause_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["causes", "keras2-rnn-time-major"]) == 0
    assert "1. drop time_major from the config" in capsys.readouterr().out
    assert main(["causes", "keras2-rnn-time"]) == 2
    assert "did you mean keras2-rnn-time-major" in capsys.readouterr().err
