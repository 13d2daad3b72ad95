from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from monitoring.decode import Family, Sample
from monitoring.render import render


def test_the_text_is_what_the_format_says() -> None:
    # https://prometheus.io/docs/instrumenting/exposition_formats/: backslash, quote and line feed are escaped in
    # labels, backslash and line feed in help.
    family = Family("ifHCInOctets", "counter", "one\\two\nthree", [Sample((("a", 'x"y\\z\n'), ("b", "苏仙")), 12)])
    assert render([family]) == (
        "# HELP ifHCInOctets one\\\\two\\nthree\n"
        "# TYPE ifHCInOctets counter\n"
        'ifHCInOctets{a="x\\"y\\\\z\\n",b="苏仙"} 12\n'
    )


def test_no_metrics_are_no_text() -> None:
    assert render([]) == ""


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), min_size=1, max_size=5, unique=True))
def test_the_client_librarys_parser_reads_every_label_back(texts: list[str]) -> None:
    family = Family("m", "gauge", "help", [Sample((("label", text),), number) for number, text in enumerate(texts)])
    (read,) = text_string_to_metric_families(render([family]))
    assert [(sample.labels["label"], sample.value) for sample in read.samples] == [(t, n) for n, t in enumerate(texts)]
