from html.parser import HTMLParser
from pathlib import Path

import pytest

from inventory import load
from inventory.network import Network
from lab import pages

LINWU = Path(__file__).parents[1] / "districts" / "linwu"


@pytest.fixture(scope="module")
def network() -> Network:
    return load.network(LINWU)


class Links(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {value for name, value in attrs if tag == "a" and name == "href" and value}


def test_a_site_of_pages_has_five_for_each_unit_and_no_dead_link(network: Network) -> None:
    notices = next(service for service in network.district.services if service.app == "pages")
    tree = pages.tree(network, notices)
    assert len(tree) == 1 + 5 * len(network.units)
    links = set[str]().union(*(Links(text).found for text in tree.values()))
    assert {link.strip("/") + ("/index.html" if link.endswith("/") else "") for link in links} == set(tree) - {
        "index.html"
    }


def test_pages_name_their_unit_and_escape_it(network: Network) -> None:
    service = network.district.services[0].model_copy(update={"app": "pages"})
    unit = next(iter(network.units.values()))
    odd = unit.model_copy(update={"name": unit.name.model_copy(update={"zh": "<局>&"})})
    renamed = network.district.model_copy(update={"units": (odd,)})
    tree = pages.tree(Network(renamed, network.nodes, network.wires, network.nets, network.services), service)
    assert "<title>&lt;局&gt;&amp; 办事指南</title>" in tree[f"{unit.id}/guide.html"]
    assert not any("<局>" in text for text in tree.values())
