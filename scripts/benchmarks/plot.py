"""Draw a run's figures: `scripts/bench --plot FOLDER RUN.json` makes an SVG file of each picture.

Only this module needs matplotlib. The pictures are for documents: readable in the light and in the dark, the same bytes
for the same figures, and with the machine in them that the figures come from.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .candidates import BARE, PDWRAP, PDWRAP_EXEC
from .parts import INTERPRETER, MODULES, SITE

OURS, OTHERS = "#1f77b4", "#9a9a9a"
STEPS = ("#9a9a9a", "#c7c7c7", "#1f77b4", "#7fb2d9", "#d9a441")
#: The poll of LocalAI's, as the tables call it.
NAMES = {"2 s poll": "LocalAI's poll (2 s)", BARE: "no wrapper"}


class Bar(NamedTuple):
    """One line of a picture."""

    name: str
    value: float | None
    note: str = ""


class Picture(NamedTuple):
    """What a file shows."""

    file: str
    title: str
    unit: str
    bars: list[Bar]
    logarithmic: bool = False


class Unusable(Exception):
    """The file has no figures of such a run."""


def read(path: Path) -> dict[str, Any]:
    """Read what `scripts/bench --json` printed.

    Raises:
        Unusable: that is not what it is.

    """
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
        run["machine"]["kernel"], run["rows"][0]["measure"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise Unusable(f"{path} is not what scripts/bench --json prints ({type(error).__name__}: {error})") from None
    return dict(run)


def figures(run: dict[str, Any], measure: str, metric: str, but: Sequence[str] = ()) -> list[Bar]:
    """Give the medians of a column, in the order of the run."""
    return [
        Bar(NAMES.get(row["candidate"], row["candidate"]), row["median"], row["note"])
        for row in run["rows"]
        if row["measure"] == measure and row["metric"] == metric and row["candidate"] not in but
    ]


def pictures(run: dict[str, Any]) -> list[Picture]:
    """Give the pictures that this run has the figures for."""
    made = [
        Picture(
            "end.svg",
            "From the launcher's SIGKILL to the free port",
            "ms",
            figures(run, "end", "port"),
            logarithmic=True,
        ),
        Picture("start.svg", "Start: PREFIX true, from fork to reaped", "ms", figures(run, "start", "start")),
        Picture("memory.svg", "Memory of the wrapper (PSS)", "MiB", figures(run, "memory", "pss")),
    ]
    return [picture for picture in made if picture.bars]


def parts(run: dict[str, Any]) -> list[Bar]:
    """Give what each step of a start adds, in ms; empty where the run has not measured it."""
    at = {bar.name: bar.value for bar in figures(run, "parts", "start")}
    bare, first, site, modules, whole = (at.get(name) for name in (NAMES[BARE], INTERPRETER, SITE, MODULES, PDWRAP))
    if None in (bare, first, site, modules, whole):
        return []
    assert bare and first and site and modules and whole  # noqa: PT018, S101 - for type checkers
    return [
        Bar("the command itself", bare),
        Bar("the interpreter", first - bare),
        Bar("its module site", site - first),
        Bar("pdwrap's modules", modules - site),
        Bar("what pdwrap does: two forks, exec, the end", whole - modules),
    ]


def about(run: dict[str, Any]) -> str:
    """Name the machine."""
    machine = run["machine"]
    return "Linux {kernel}, {cpus} cores, load {load}, Python {python}; medians".format(**machine)


def draw(run: dict[str, Any], folder: Path) -> list[Path]:
    """Write the files; give their paths.

    Raises:
        Unusable: the run has none of the figures.

    """
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update(
        {"svg.hashsalt": "pdwrap", "svg.fonttype": "none", "font.size": 10, "font.family": "sans-serif"}
    )
    found = pictures(run)
    steps = parts(run)
    if not found and not steps:
        raise Unusable("the run has no figures of a start, an end or the memory")
    folder.mkdir(parents=True, exist_ok=True)
    written = [_bars(picture, about(run), folder) for picture in found]
    if steps:
        written.append(_steps(steps, about(run), folder / "parts.svg"))
    return written


def written(value: float) -> str:
    """Write a figure for a person: three digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _bars(picture: Picture, machine: str, folder: Path) -> Path:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 0.6 + 0.34 * len(picture.bars)))
    names = [bar.name for bar in picture.bars]
    ours = (PDWRAP, PDWRAP_EXEC)
    colours = [OURS if any(name.startswith(own) for own in ours) else OTHERS for name in names]
    drawn = axes.barh(names, [bar.value or 0 for bar in picture.bars], color=colours)
    labels = [
        f" {written(bar.value)} {picture.unit}" if bar.value is not None else f" {bar.note}" for bar in picture.bars
    ]
    if picture.logarithmic:
        axes.set_xscale("log")
        axes.set_xlim(left=0.1)
        axes.xaxis.set_major_formatter("{x:g}")
        labels = [label if bar.value else "" for label, bar in zip(labels, picture.bars, strict=True)]
        for at, bar in enumerate(picture.bars):
            if not bar.value:
                axes.text(0.1, at, f" {bar.note}: the port stays taken", va="center")
    axes.bar_label(drawn, labels)
    axes.margins(x=0.15)
    return _finish(figure, axes, picture.title, machine, folder / picture.file)


def _steps(steps: list[Bar], machine: str, path: Path) -> Path:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 2.2))
    left = 0.0
    for bar, colour in zip(steps, STEPS, strict=True):
        value = max(bar.value or 0.0, 0.0)
        axes.barh([""], [value], left=left, color=colour, label=f"{bar.name}: {value:.1f} ms")
        left += value
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.3), ncols=2, frameon=False)
    axes.set_yticks([])
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter("{x:g} ms")
    return _finish(figure, axes, "Where the start of pdwrap -- true goes", machine, path)


def _finish(figure: Any, axes: Any, title: str, machine: str, path: Path) -> Path:  # noqa: ANN401 - matplotlib's own
    from matplotlib import pyplot as plt

    axes.invert_yaxis()
    axes.set_title(title, loc="left", fontweight="bold")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.text(1, 1.02, machine, ha="right", va="bottom", fontsize=8, color="#666666", transform=axes.transAxes)
    # A ground of its own: a document may be dark.
    figure.savefig(path, format="svg", bbox_inches="tight", facecolor="white", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    text = path.read_text(encoding="utf-8")
    path.write_text("".join(f"{line.rstrip()}\n" for line in text.splitlines()), encoding="utf-8")
    return path
