"""Few alerts are looked into one by one; a storm by its causes; nothing is left out of a plan."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from bot.alerts.plan import AlertLimits, SpentStarts, by_cause, plan
from bot.triggers.alert import AlertSubject, SubjectKind
from tests.bot.alerts.alerting import alert, received

LIMITS = AlertLimits()


def test_two_alerts_about_one_pod_and_peer_are_one_investigation():
    made = plan(received(alert("A"), alert("B"), alert("A", pod="web-2")), SpentStarts(), LIMITS)

    assert [len(each.members) for each in made.groups] == [2, 1]
    assert (made.rest, {each.is_storm for each in made.groups}) == ((), {False})


def test_six_namespaces_cut_from_one_peer_are_one_cause():
    cut = [alert(namespace=f"ns-{each}", peer=("10.96.0.1", 443)) for each in range(6)]

    made = plan(received(*cut), SpentStarts(), LIMITS)

    assert {each.is_storm for each in made.groups} == {True}
    assert [len(each.members) for each in made.groups] == [6]
    assert made.rest == ()


def test_without_a_peer_the_node_is_the_common_cause():
    def on(node: str, pod: str):
        return alert("X", pod, meant=(AlertSubject(SubjectKind.POD, pod, "shop"), AlertSubject(SubjectKind.NODE, node)))

    made = plan(
        received(*(on("w1", f"a{each}") for each in range(4)), *(on("w2", f"b{each}") for each in range(3))),
        SpentStarts(),
        LIMITS,
    )

    assert [each.cause for each in made.groups] == ["X w1", "X w2"]


def test_alerts_without_a_name_have_a_cause_of_their_own_unless_they_share_a_peer_or_a_node():
    words = (AlertSubject(SubjectKind.WORDS, ""),)
    apart = [*(alert("", f"p{each}") for each in range(3)), *(alert("", key=f"k{each}", meant=words) for each in "ab")]
    one_peer = [alert("", f"q{each}", peer=("10.96.0.1", 443)) for each in range(3)]

    causes = [each.cause for each in by_cause(received(*apart, *one_peer))]

    assert causes == ["pod shop/p0", "pod shop/p1", "pod shop/p2", "ka", "kb", "10.96.0.1:443"]


def test_the_largest_causes_come_first_and_the_rest_is_listed():
    many = [alert(f"Cause{cause}", pod=f"p{cause}-{each}") for cause in range(8) for each in range(cause + 1)]

    made = plan(received(*many), SpentStarts(), LIMITS)

    assert [len(each.members) for each in made.groups] == [8, 7, 6]
    assert len(made.rest) == 1 + 2 + 3 + 4 + 5


def test_the_window_is_shared_by_all_that_comes_in_it():
    spent = SpentStarts(each=4, storm=2, namespaces=Counter(shop=3))

    assert plan(received(alert(namespace="other")), spent, LIMITS).groups[0].lead.alert.name == "PodCannotReachPeer"
    assert plan(received(alert()), spent, LIMITS).groups == ()  # the namespace has had its share
    assert len(plan(received(*(alert(f"C{each}") for each in range(2)), alert("D", "x")), spent, LIMITS).groups) == 1


@given(
    names=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30), st.integers(0, 6)), max_size=60),
    each=st.integers(0, 9),
    storm=st.integers(0, 5),
)
def test_every_alert_is_in_a_group_or_listed_and_no_more_is_started_than_there_is_room(names, each, storm):
    heard = received(*(alert(f"N{a}", f"p{b}", f"ns{c}") for a, b, c in names))

    made = plan(heard, SpentStarts(each, storm), LIMITS)

    grouped = [one.alert.key for group in made.groups for one in group.members]
    assert Counter([*grouped, *(one.alert.key for one in made.rest)]) == Counter(one.alert.key for one in heard)
    assert len(made.groups) <= max(LIMITS.each - each, LIMITS.storm - storm, 0)
