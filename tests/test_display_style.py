"""What all displays share: colours that are legible, keywords that override single defaults, axes, names and legends."""

import pickle
from itertools import combinations

import matplotlib
import numpy as np
import pytest
from support.drawn import (
    closed,  # noqa: F401 (a fixture)
    plt,
)

from fastsgd.inspection import style

# What those see who lack a cone: linear RGB to linear RGB (Machado, Oliveira and Fernandes 2009).
SEEN = {
    "by most": np.eye(3),
    "without red": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "without green": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "without blue": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour):
    return np.array(
        [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in matplotlib.colors.to_rgb(colour)]
    )


def luminance(colour):
    return linear(colour) @ TO_XYZ[1]


def lab(colour, seen):
    """CIELAB, in which a distance of 10 is plain to see."""
    xyz = TO_XYZ @ np.clip(np.asarray(seen) @ linear(colour), 0.0, 1.0) / TO_XYZ.sum(axis=1)
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("seen", SEEN.values(), ids=SEEN)
def test_the_colour_blind_can_tell_the_first_colours_apart(seen):
    for a, b in combinations(style.COLOURS, 2):
        assert np.linalg.norm(lab(a, seen) - lab(b, seen)) > 14.0, (a, b)


@pytest.mark.parametrize("n", [6, 18, 60])
def test_colours_of_lines_have_contrast_to_white_and_to_black(n):
    looks = style.looks(n)
    assert len({(look["color"], look["linestyle"]) for look in looks}) == n
    for look in looks:
        assert 1.05 / (luminance(look["color"]) + 0.05) >= 3.0
        assert (luminance(look["color"]) + 0.05) / 0.05 >= 3.0


def test_a_keyword_overrides_its_default_alone_under_any_alias():
    found = style.merged("line_kw", {"lw": 3, "c": "red"}, linewidth=1.8, color="blue", marker="o")
    assert found == {"linewidth": 3, "color": "red", "marker": "o"}
    assert style.merged("line_kw", None, linewidth=1.8) == {"linewidth": 1.8}
    assert style.merged("contour_kw", {"levels": 3}, None, colors="k") == {"levels": 3, "colors": "k"}
    each = style.merged_each("line_kw", [{"ls": ":"}, {}], [{"linestyle": "-"}] * 2)
    assert each == [{"linestyle": ":"}, {"linestyle": "-"}]


def test_bad_keywords_are_named():
    for match, call in [
        ("line_kw must be a dict", lambda: style.merged("line_kw", 3)),
        ("line_kw: .*'lw'", lambda: style.merged("line_kw", {"lw": 1, "linewidth": 2})),
        ("line_kw must be one dict, or a list of 2", lambda: style.merged_each("line_kw", [{}], [{}, {}])),
        (r"line_kw\[1\] must be a dict", lambda: style.merged_each("line_kw", [{}, 3], [{}, {}])),
    ]:
        with pytest.raises(ValueError, match=match):
            call()


def test_axes_are_made_or_taken():
    ax = style.one_axes(None, "TraceDisplay", "objective")
    assert style.one_axes(ax, "TraceDisplay", "objective") is ax
    assert style.one_axes(None, "LossSurfaceDisplay", "objective", projection="3d").name == "3d"
    with pytest.raises(ValueError, match=r"ax must be 1 matplotlib Axes \(for objective\)"):
        style.one_axes("here", "TraceDisplay", "objective")


def test_texts_and_grid_follow_the_style():
    for name in ("default", "dark_background"):
        with plt.style.context(name):
            ax = style.one_axes(None, "TraceDisplay", "objective")
            (line,) = ax.plot([1, 2], label="a")
            style.dress(ax, "epochs", "objective")
            legend = style.legend(ax, [line], title="runs")
            expected = matplotlib.colors.to_rgb(plt.rcParams["text.color"])
            texts = [ax.xaxis.label, ax.yaxis.label, *legend.get_texts(), legend.get_title()]
            assert {matplotlib.colors.to_rgb(text.get_color()) for text in texts} == {expected}
            assert style.ink(ax) == plt.rcParams["axes.labelcolor"]
            assert ax.get_xgridlines()[0].get_color() == plt.rcParams["grid.color"]


def test_a_long_legend_lists_some_beside_the_axes():
    ax = style.one_axes(None, "TraceDisplay", "objective")
    lines = [ax.plot([0, k], label=f"_eta0={k} " + "x" * 60)[0] for k in range(60)]
    legend = style.legend(ax, lines)
    texts = [text.get_text() for text in legend.get_texts()]
    assert len(texts) == style.MAX_LISTED and texts[0].startswith("_eta0=0") and texts[-1].startswith("_eta0=59")
    assert max(map(len, texts)) <= 2 * style.LETTERS and legend.get_title().get_text() == "12 of 60"
    ax.figure.canvas.draw()
    assert legend.get_window_extent().x1 <= ax.figure.bbox.x1 and legend.get_window_extent().x0 >= ax.bbox.x1
    assert style.legend(ax, []) is None


def test_a_logarithmic_axis_needs_a_value_above_zero():
    ax = style.one_axes(None, "TraceDisplay", "objective")
    style.logarithmic(ax, "y", "log_y=True", [[0.0, np.nan], [1.0]])
    assert ax.get_yscale() == "log"
    with pytest.raises(ValueError, match="log_y=True: nothing along the y axis is above 0"):
        style.logarithmic(ax, "y", "log_y=True", [[0.0, np.nan], [-1.0]])


def test_names_can_be_read_and_differ():
    assert style.by_name(3, "runs", "run") == {"": 3}
    assert style.by_name({0.1: 3}, "runs", "run") == {"0.1": 3}
    for match, given in [
        ("runs is an empty dict", {}),
        ("runs must have a different name, .* for each run: '  ' is not", {"  ": 1, "a": 2}),
        ("two of them read the same", {"1": 1, 1: 2}),
    ]:
        with pytest.raises(ValueError, match=match):
            style.by_name(given, "runs", "run")
    with pytest.raises(ValueError, match="name must be a str"):
        style.one_name(3)
    assert style.one_name("a") == "a" and style.one_name(None) is None
    assert style.column_names(None, 2) == ["x0", "x1"] and style.column_names(["a", 2], 2) == ["a", "2"]
    for names in (["a"], "ab"):
        with pytest.raises(ValueError, match="feature_names must have a name for each of the 2 columns"):
            style.column_names(names, 2)


def test_dollars_of_data_are_no_mathematics():
    ax = style.one_axes(None, "CoefficientDisplay", "coefficients")
    name = style.plain("price_$ and tax_$_of\nthe year")
    assert name == r"price_\$ and tax_\$_of the year"
    ax.set_xlabel(name)
    ax.figure.canvas.draw()


def test_a_legend_shows_mathematics_and_dollars():
    ax = style.one_axes(None, "TraceDisplay", "objective")
    names = [r"$\eta_0$ = 1", "costs $a_$ more", "5$"]
    texts = style.legend(ax, [ax.plot([1, 2], label=name)[0] for name in names]).get_texts()
    ax.figure.canvas.draw()
    assert [text.get_text() for text in texts] == [names[0], r"costs \$a_\$ more", "5$"]


def test_names_are_shortened_as_far_as_they_differ():
    assert [len(name) for name in style.shortened(["x" * 100, "b"])] == [style.LETTERS, 1]
    assert style.shortened([r"$\eta_0$" * 30]) == [r"$\eta_0$" * 30]
    alike = [f"{'a' * 40}{k}{'b' * 40}" for k in range(3)]
    assert len(set(style.shortened(alike))) == 3


def test_ticks_of_logarithmic_axes_are_plain_numbers():
    ax = style.one_axes(None, "TraceDisplay", "objective")
    ax.plot([1, 2, 3], [0.2, 0.3, 0.6])
    style.logarithmic(ax, "y", "log_y=True", [[0.2, 0.6]])
    ax.figure.canvas.draw()
    texts = [text for label in ax.get_yticklabels(which="both") if (text := label.get_text())]
    assert {"0.2", "0.6"} <= set(texts) and not any("times" in text for text in texts)
    assert len(pickle.dumps(ax.figure)) > 0
