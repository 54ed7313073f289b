"""The picture of the iterations: well-formed whatever it is given, every row in its place; pure."""

from xml.etree import ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st

from app.lifecycle.effects_svg import EffectRow, draw

NAMESPACE = "{http://www.w3.org/2000/svg}"
VALUES = st.none() | st.floats(-1e6, 1e6)
ROWS = st.builds(
    EffectRow,
    iteration=st.integers(1, 99),
    said=st.text(max_size=60),
    measure=st.none() | st.text(max_size=120),
    mean=VALUES,
    low=VALUES,
    high=VALUES,
    mmd=VALUES,
    trusted=st.booleans(),
)


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{NAMESPACE}text")]


def x_of(svg: str, kind: str, name: str) -> list[float]:
    return [
        float(element.attrib[name])
        for element in ET.fromstring(svg).iter()
        if element.attrib.get("class", "").split()[:1] == [kind]
    ]


@settings(max_examples=40)
@given(st.text(max_size=300), st.lists(ROWS, max_size=6))
def test_it_is_always_a_document_and_stays_within_its_frame(title: str, rows: list[EffectRow]) -> None:
    svg = draw(title, rows)
    root = ET.fromstring(svg)
    width = float(root.attrib["width"])
    for element in root.iter():
        for name in ("x", "x1", "x2", "cx"):
            assert 0 <= float(element.attrib.get(name, 0)) <= width
    assert len(x_of(svg, "dot", "cx")) == sum(None not in (r.mean, r.low, r.high) for r in rows)


def test_what_a_reader_compares() -> None:
    rows = [
        EffectRow(1, "grade C, signed refine", "mbi_ee", 0.08, -0.25, 0.41, 0.2),
        EffectRow(2, "grade A, signed scale", "mbi_ee", 0.57, 0.22, 0.91, 0.2, trusted=False),
        EffectRow(3, "grade A, recommended refine", "saq_teamwork", 0.1, -0.1, 0.3, 0.3),
        EffectRow(4, "open"),
    ]
    svg = draw("Huddles <on> Ward & 4", rows)
    found = texts(svg)
    assert found[0] == "Huddles <on> Ward & 4"
    for said in ("iteration 1", "grade C, signed refine", "0.08 [−0.25, 0.41]", "a gate failed", "no effect to show"):
        assert said in found
    # The measure stands where it changes, the threshold where it changes, and each lies where its value is.
    assert [t for t in found if t.startswith("on ")] == ["on mbi_ee", "on saq_teamwork"]
    assert [t for t in found if t.startswith("meaningful")] == ["meaningful 0.20", "meaningful 0.30"]
    (zero,) = x_of(svg, "zero", "x1")
    first, second, third = x_of(svg, "dot", "cx")
    assert zero < first < third < x_of(svg, "mmd", "x1")[0] < second
    assert "prefers-color-scheme: dark" in svg
