"""The tables and the picture of the comparison page, from the results of a race."""

from io import BytesIO
from math import inf
from pathlib import Path
from statistics import geometric_mean, median

OURS = "fastsgd"
PALETTE = 128  # colours of the picture, which would else be four times as large
WIDEST_RATIO = 30  # at which the colours of the picture end
SHARE = "0.001"  # the share above the least objective that tables and picture are of


def ratio(results: dict, solver: str, share: str = SHARE) -> tuple[float, str]:
    """A peer's time over ours, and its kind: "measured", "at least" (it was not there by then), or "none"."""
    ours, theirs = results[OURS]["seconds"].get(share), results.get(solver)
    if theirs is None or ours is None or theirs["words"] in ("unsuited", "not installed", "crashed"):
        return inf, "none"
    if share in theirs["seconds"]:
        return theirs["seconds"][share] / ours, "measured"
    return theirs["spent"] / ours, "at least" if theirs["words"] == "time-out" else "never"


def solvers(done: dict) -> list[str]:
    """The peers that solved anything, in order."""
    names = dict.fromkeys(solver for results in done.values() for solver in results if solver != OURS)
    return [name for name in names if any(ratio(results, name)[1] != "none" for results in done.values())]


def best(results: dict, share: str = SHARE) -> tuple[str, float] | None:
    """The fastest peer that got there, and its time over ours."""
    found = {s: ratio(results, s, share) for s in results if s != OURS}
    there = {s: value for s, (value, kind) in found.items() if kind == "measured"}
    return min(there.items(), key=lambda item: item[1]) if there else None


def cell(results: dict, solver: str) -> str:
    value, kind = ratio(results, solver)
    number = f"{value:.3g}" if value < 100 else f"{value:,.0f}"
    return {
        "none": "",
        "never": "not reached",
        "at least": f">= {number}",
        "measured": f"**{number}**" if value < 1 else number,
    }[kind]


def write(done: dict, made: str) -> str:
    """The tables, as Markdown."""
    fastest = {name: best(results) for name, results in done.items()}
    ratios = [found[1] for found in fastest.values() if found]
    lost = sum(value < 1 for value in ratios)
    lines = []
    if ratios:
        middle, mean = median(ratios), geometric_mean(ratios)
        lines += [
            "To within 0.1% of the least objective, the fastest peer of each problem took at the median "
            f"{middle:.2g} times as long as fastsgd (geometric mean {mean:.2g}). It was ahead on {lost} of {len(ratios)}.",
            "",
        ]
    lines += [
        "| problem | fastsgd, s | fastest peer | its time over ours | stopped by |",
        "| --- | ---: | --- | ---: | --- |",
    ]
    for name, results in done.items():
        peer, value = fastest[name] or ("none got there", inf)
        ours = results[OURS]["seconds"].get(SHARE, inf)
        shown = "" if value == inf else f"**{value:.2f}**" if value < 1 else f"{value:.2f}"
        lines.append(f"| {name} | {ours:.3g} | {peer} | {shown} | {results[OURS]['words']} |")
    lines += [
        "",
        "Every peer's time over ours. Bold: it was faster. `>=`: it was not there within its budget. Empty: it has no such "
        "loss, penalty or layout.",
        "",
        f"| problem | {' | '.join(solvers(done))} |",
        f"| --- |{' ---: |' * len(solvers(done))}",
    ]
    lines += [f"| {name} | {' | '.join(cell(results, s) for s in solvers(done))} |" for name, results in done.items()]
    return "\n".join([*lines, "", made])


def draw(done: dict, path: Path) -> None:
    """A map of the ratios: warm where the peer is faster, hatched where it was not there in time."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.colors import LogNorm
    from PIL import Image

    names, peers = list(done), solvers(done)
    colours, norm = plt.get_cmap("RdYlBu"), LogNorm(1 / WIDEST_RATIO, WIDEST_RATIO)
    figure, ax = plt.subplots(figsize=(2.6 + 0.62 * len(peers), 1.9 + 0.42 * len(names)), layout="constrained")
    for i, name in enumerate(names):
        for j, peer in enumerate(peers):
            draw_cell(ax, i, j, *ratio(done[name], peer), lambda value: colours(norm(value)))
    ax.set(xlim=(0, len(peers)), ylim=(len(names), 0))
    ax.set_xticks([j + 0.5 for j in range(len(peers))], peers, rotation=40, ha="left", rotation_mode="anchor")
    ax.set_yticks([i + 0.5 for i in range(len(names))], names)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    bar = figure.colorbar(plt.cm.ScalarMappable(norm, colours), ax=ax, shrink=0.6, pad=0.01)
    bar.set_label("time of the peer over ours, to within 0.1%")
    with BytesIO() as raw:
        figure.savefig(raw, dpi=100)
        Image.open(raw).convert("RGB").quantize(PALETTE).save(path, "PNG", optimize=True)
    plt.close(figure)


def draw_cell(ax, i: int, j: int, value: float, kind: str, colour) -> None:
    """The ratio of row i and column j, nothing if there is none."""
    from matplotlib.patches import Rectangle

    if kind == "none":
        return
    late, shade = kind != "measured", min(max(value, 1 / WIDEST_RATIO), WIDEST_RATIO)
    look = {"facecolor": "0.85" if kind == "never" else colour(shade), "edgecolor": "white", "linewidth": 1}
    ax.add_patch(Rectangle((j, i), 1, 1, hatch="///" if late else None, **look))
    words = "never" if kind == "never" else f"{'≥' if late else ''}{value:.{2 if value < 100 else 3}g}"
    dark = kind != "never" and not 1 / 8 < value < 8
    ax.text(j + 0.5, i + 0.5, words, ha="center", va="center", fontsize=8, color="white" if dark else "black")
