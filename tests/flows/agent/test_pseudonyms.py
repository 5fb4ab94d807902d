from __future__ import annotations

import re
from time import process_time

import pytest

from flows.agent.brief import brief_of
from flows.agent.pseudonyms import Pseudonyms, pseudonyms_of
from flows.agent.untrusted import Wash
from tests.kit.diagnoses import diagnosis_of

SOME = Pseudonyms(
    {
        "api": "POD-1",
        "api-server": "NAME-1",
        "prod": "NS-1",
        "10.0.0.7": "IP-1",
        "fd00::7": "IP-2",
        "db.corp.example": "HOST-1",
    }
)
CASES = ("api-server-cannot-watch", "checkout-to-bank", "sync-to-partner")


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (
            "prod/api-server-79fd-x2 calls api.prod.svc.cluster.local",
            "NS-1/NAME-1-79fd-x2 calls POD-1.NS-1.svc.cluster.local",
        ),
        ("10.0.0.7:443 and [fd00::7]:443", "IP-1:443 and [IP-2]:443"),
        ("db.corp.example:5432", "HOST-1:5432"),
        ("apiserver and API server", "apiserver and API server"),
        ("at 21:09:53, 0.0.0.0 and 127.0.0.1", "at 21:09:53, 0.0.0.0 and 127.0.0.1"),
        ("k8s.pod says policy.egress_denied", "k8s.pod says policy.egress_denied"),
    ],
)
def test_names_and_addresses_become_pseudonyms_and_come_back(text: str, hidden: str) -> None:
    assert SOME.hide(text) == hidden
    assert SOME.reveal(hidden) == text


@pytest.mark.parametrize(
    ("text", "hidden"), [("10.9.9.9:1", "[address]:1"), ("fe80::1", "[address]"), ("x.other.example", "[host]")]
)
def test_an_address_that_was_not_known_is_hidden_without_a_way_back(text: str, hidden: str) -> None:
    assert SOME.hide(text) == hidden


def test_an_answer_that_names_no_pseudonym_of_ours_stays_as_it_is() -> None:
    assert SOME.reveal("POD-7 and HTTP-200 and POD-1") == "POD-7 and HTTP-200 and api"


@pytest.mark.parametrize("name", CASES)
def test_no_name_and_no_address_of_the_cluster_is_left_in_the_brief(name: str) -> None:
    diagnosis = diagnosis_of(name)
    names = pseudonyms_of(diagnosis)
    text = brief_of(diagnosis, "7f3a91c2", Wash(names)).text

    left = [each for each in names.of if re.search(rf"(?<![\w]){re.escape(each)}(?![\w])", text)]
    assert left == []
    assert re.findall(r"\b\d{1,3}(?:\.\d{1,3}){3}\b", text.replace("0.0.0.0", "")) == []
    assert diagnosis.target.pod not in text


@pytest.mark.parametrize("name", CASES)
def test_every_sentence_of_a_diagnosis_comes_back_as_it_was(name: str) -> None:
    diagnosis = diagnosis_of(name)
    names = pseudonyms_of(diagnosis)

    for each in (diagnosis.root_cause, diagnosis.reasoning, *(one.summary for one in diagnosis.evidence.values())):
        assert names.reveal(names.hide(each)) == each
    assert names == pseudonyms_of(diagnosis)


def test_what_every_cluster_has_keeps_its_name() -> None:
    diagnosis = diagnosis_of("api-server-cannot-watch")

    text = brief_of(diagnosis, "7f3a91c2", Wash(pseudonyms_of(diagnosis))).text

    assert "kube-system/coredns" in text
    assert "Service default/kubernetes" in text


@pytest.mark.parametrize("piece", ["a-", "a.", "1.", ":", "a:", "::", "prod-", "f:", "A-1 ", "x.y"])
def test_a_long_line_takes_no_longer_than_reading_it(piece: str) -> None:
    line = piece * (200_000 // len(piece))
    began = process_time()
    SOME.hide(line)

    assert process_time() - began < 5.0
