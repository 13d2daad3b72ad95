"""The pages a service shows in the lab: a site of the district and one for each unit, made from the network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from string import Template

from inventory.asset import Service
from inventory.model import Unit
from inventory.network import Network

_PAGE = Template("""<!DOCTYPE html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>body{font:16px/1.7 sans-serif;max-width:60em;margin:auto}nav ul{columns:3;list-style:none;padding:0}</style>
</head>
<body>
<header><h1>$title</h1><p lang="en">$english</p></header>
<main>
$main
</main>
<nav aria-label="各部门站点">
<ul>
$links
</ul>
</nav>
</body>
</html>
""")

# What a department publishes: file name, heading, and what one paragraph of it says.
_SECTIONS = (
    (
        "about",
        "机构职能",
        "{name}负责本部门职责范围内的行政管理工作，第{n}项职责由{name}内设机构承办，并接受社会监督。",
    ),
    ("guide", "办事指南", "办理第{n}类事项：申请人向{name}提交材料，材料齐全的当场受理，{n}个工作日内办结并送达。"),
    ("notice", "通知公告", "第{n}号公告：{name}就有关事项公开征求意见，意见可以书面或者通过网站向{name}提出。"),
    (
        "report",
        "信息公开年报",
        "第{n}部分：{name}主动公开政府信息，依申请公开的事项均在法定期限内答复，无收费和减免情况。",
    ),
)
_PARAGRAPHS = 48


def tree(network: Network, service: Service) -> Mapping[str, str]:
    """Return the text of every page of ``service`` by its path below the service's folder.

    A service whose app is ``pages`` has whole sites: the index, and for each unit an index and four sections. Others
    have one page for each unit. The same network gives the same pages.
    """
    sections = _SECTIONS if service.app == "pages" else ()
    links = "\n".join(_link(f"/{unit.id}/", unit.name.zh) for unit in network.units.values())
    pages = {"index.html": _page(service.name.zh, service.name.en, _front(network), links)}
    for unit in network.units.values():
        pages |= dict(_site(unit, sections, links))
    return pages


def _front(network: Network) -> str:
    name = escape(network.district.settings.name.zh)
    return f"<p>{name}各部门共{len(network.units)}个站点。</p>"


def _site(unit: Unit, sections: tuple[tuple[str, str, str], ...], links: str) -> Iterator[tuple[str, str]]:
    menu = "\n".join(_link(f"/{unit.id}/{file}.html", heading) for file, heading, _ in sections)
    yield f"{unit.id}/index.html", _page(unit.name.zh, unit.name.en, f"<ul>\n{menu}\n</ul>", links)
    for file, heading, text in sections:
        paragraphs = (text.format(name=escape(unit.name.zh), n=number) for number in range(1, _PARAGRAPHS + 1))
        main = "\n".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
        yield f"{unit.id}/{file}.html", _page(f"{unit.name.zh} {heading}", unit.name.en, main, links)


def _link(target: str, text: str) -> str:
    return f'<li><a href="{escape(target)}">{escape(text)}</a></li>'


def _page(title: str, english: str, main: str, links: str) -> str:
    return _PAGE.substitute(title=escape(title), english=escape(english), main=main, links=links)
