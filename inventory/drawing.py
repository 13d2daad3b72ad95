"""The network as a picture: Graphviz, Mermaid, or plain text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from inventory.network import LinkKind, Network, Node, Wire

_DOT_STYLES: Mapping[LinkKind, str] = {
    "backbone": "penwidth=3",
    "uplink": "color=gray40",
    "host": "style=dashed",
    "city": "penwidth=2, color=red3",
}
_MERMAID_LINES: Mapping[LinkKind, str] = {"backbone": "===", "uplink": "---", "host": "-.-", "city": "==="}
_SHAPES = {"device": "box", "host": "cylinder", "external": "doubleoctagon"}


def dot(network: Network, language: str) -> str:
    """Return the network in Graphviz's language, one cluster per site."""
    lines = [f"graph {_quoted(network.district.settings.name.of(language))} {{", '  node [fontname="sans-serif"];']
    for site in network.district.sites:
        lines.append(f"  subgraph {_quoted(f'cluster_{site.id}')} {{")
        lines.append(f"    label={_quoted(site.name.of(language))};")
        lines.extend(f"    {_dot_node(network, node, language)}" for node in network.at_site(site.id))
        lines.append("  }")
    lines.extend(f"  {_dot_node(network, node, language)}" for node in _apart(network))
    for wire in network.wires:
        one, other = (_quoted(end.node) for end in wire.ends)
        lines.append(f"  {one} -- {other} [{_DOT_STYLES[wire.kind]}];")
    return "\n".join((*lines, "}", ""))


def mermaid(network: Network, language: str) -> str:
    """Return the network in Mermaid's flowchart language, one subgraph per site."""
    lines = ["graph TD"]
    for site in network.district.sites:
        lines.append(f"  subgraph site_{_word(site.id)}[{_quoted(site.name.of(language))}]")
        lines.extend(f"    {_word(node.id)}[{_quoted(node.id)}]" for node in network.at_site(site.id))
        lines.append("  end")
    lines.extend(f"  {_word(node.id)}[{_quoted(_label(network, node, language))}]" for node in _apart(network))
    for wire in network.wires:
        one, other = (_word(end.node) for end in wire.ends)
        lines.append(f"  {one} {_MERMAID_LINES[wire.kind]} {other}")
    return "\n".join((*lines, ""))


def text(network: Network, language: str) -> str:
    """Return the backbone site by site, each node with its neighbours and the ports that lead to them."""
    lines = []
    for site in network.district.sites:
        lines.append(f"{site.name.of(language)} ({site.id})")
        for node in network.at_site(site.id):
            lines.append(f"  {node.id}  {node.loopback}")
            lines.extend(f"    {line}" for line in _neighbours(network, node, language))
    return "\n".join((*lines, ""))


FORMATS: Mapping[str, Callable[[Network, str], str]] = {"dot": dot, "mermaid": mermaid, "text": text}


def _apart(network: Network) -> Iterator[Node]:
    """Yield the nodes that stand at no site: access switches and the city."""
    sites = {site.id for site in network.district.sites}
    return (node for node in network.nodes.values() if node.site not in sites)


def _label(network: Network, node: Node, language: str) -> str:
    if node.unit:
        return network.units[node.unit].name.of(language)
    return network.district.uplink.name.of(language) if node.kind == "external" else node.id


def _dot_node(network: Network, node: Node, language: str) -> str:
    label = _label(network, node, language)
    return f"{_quoted(node.id)} [label={_quoted(label)}, shape={_SHAPES[node.kind]}];"


def _neighbours(network: Network, node: Node, language: str) -> Iterator[str]:
    def line(wire: Wire) -> str:
        far = wire.far(node.id)
        name = _label(network, network.nodes[far.node], language)
        shown = far.node if name == far.node else f"{far.node} {name}"
        return f"{wire.end(node.id).port} -- {shown}"

    return (line(wire) for wire in network.wires_of(node.id))


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _word(name: str) -> str:
    """Return an id as a Mermaid identifier; ids have no underscores, so no two become one."""
    return name.replace("-", "_")
