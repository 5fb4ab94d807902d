from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from sensors.kit.catalog import sensors, walk
from sensors.kit.kinds import KINDS
from sensors.kit.model import Sensor

LAYERS = {"pod_network", "service", "policy", "dns", "conntrack", "nat", "physical", "application"}
FOLDER = Path(__file__).parents[2] / "sensors"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """An empty package that tests fill with modules."""
    (tmp_path / "plugs").mkdir()
    (tmp_path / "plugs" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    import plugs  # type: ignore[import-not-found]

    yield plugs
    for name in [each for each in sys.modules if each.split(".")[0] == "plugs"]:
        del sys.modules[name]


def plug(package: ModuleType, module: str, id_: str) -> None:
    head = "from sensors.kit.model import Sensor\nasync def look(target, cluster): ...\n"
    text = f"{head}SENSOR = Sensor(id={id_!r}, look=look, gives=int, within=1.0, layers=())\n"
    (Path(package.__path__[0]) / f"{module}.py").write_text(text)


def test_a_module_with_the_value_at_its_foot_is_found_and_others_are_not(package: ModuleType) -> None:
    plug(package, "one", "b.one")
    plug(package, "two", "a.two")
    (Path(package.__path__[0]) / "notes.py").write_text("SENSOR = 'a word'\n")
    (Path(package.__path__[0]) / "quiet.py").write_text("")

    assert set(walk(package, "SENSOR", Sensor)) == {"a.two", "b.one"}


def test_two_plug_ins_cannot_share_an_id(package: ModuleType) -> None:
    plug(package, "one", "same.id")
    plug(package, "two", "same.id")

    with pytest.raises(ValueError, match=r"two\.py claims the id 'same\.id'"):
        walk(package, "SENSOR", Sensor)


def test_every_sensor_of_the_house_is_found() -> None:
    mine = {"k8s.pod", "k8s.network_policies", "k8s.services", "k8s.nodes", "cni.health", "kube_proxy.health"}

    assert set(sensors()) >= mine | {"k8s.recent_changes"}


@pytest.mark.parametrize("sensor", sensors().values(), ids=lambda each: each.id)
def test_every_sensor_keeps_the_contract_of_a_plug_in(sensor: Sensor) -> None:
    settings = list(inspect.signature(sensor.look).parameters.values())[2:]

    assert inspect.iscoroutinefunction(sensor.look)
    assert all(each.kind is each.KEYWORD_ONLY and each.default is not each.empty for each in settings)
    assert callable(sensor.gives.summary)  # type: ignore[attr-defined]
    assert sensor.gives.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert set(sensor.layers) <= LAYERS
    assert 0 < sensor.within <= 30


PLUGINS = [each for each in sorted(FOLDER.glob("[a-z]*.py")) if "\nSENSOR = " in each.read_text("utf-8")]


@pytest.mark.parametrize("path", PLUGINS, ids=lambda each: each.stem)
def test_every_sensor_says_what_it_reads_touches_and_when_it_is_blind(path: Path) -> None:
    opening = path.read_text().split('"""')[1]

    assert [word for word in ("\nReads ", "\nTouches ", "\nBlind ") if word not in opening] == []


def test_no_two_kinds_share_a_place_in_a_case_folder() -> None:
    assert len({each.plural for each in KINDS}) == len(KINDS)
    assert len({(each.group, each.name) for each in KINDS}) == len(KINDS)
