"""Charts as plain SVG: the same numbers give the same bytes, and nothing is needed to draw them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

INK = "#1f2933"
FAINT = "#d5dbe1"
MUTED = "#6b7785"
COLOURS = ("#0b6e99", "#c4491d", "#5b8c2a", "#8a4fa3", "#b8860b", "#3d5a80", "#a23b52")
"""Told apart by people who see colours differently, and never the only sign: lines are labelled."""

_STYLE = "font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'"


def number(value: float) -> str:
    """Write a coordinate: a tenth of a pixel is enough, and no sign of zero."""
    text = f"{value:.1f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


@dataclass(frozen=True, slots=True)
class Axis:
    """From values to shares of a length, with the places of its labels."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...] = ()
    label: str = ""

    def share(self, value: float) -> float:
        """Say how far along the axis a value lies."""
        return (value - self.low) / (self.high - self.low)


@dataclass(slots=True)
class Picture:
    """A sheet that things are drawn on."""

    title: str
    description: str
    width: int = 760
    height: int = 340
    parts: list[str] = field(default_factory=list)

    def text(
        self, x: float, y: float, words: str, *, size: int = 12, anchor: str = "start", **more: str
    ) -> None:
        """Write words; ``more`` are further attributes."""
        style = {"fill": INK, **more}
        attributes = " ".join(
            f"{name.replace('_', '-')}={quoteattr(value)}" for name, value in style.items()
        )
        self.parts.append(
            f'<text x="{number(x)}" y="{number(y)}" font-size="{size}" text-anchor="{anchor}"'
            f" {attributes}>{escape(words)}</text>"
        )

    def line(
        self,
        points: Iterable[tuple[float, float]],
        colour: str,
        *,
        width: float = 1.5,
        dashes: str = "",
    ) -> None:
        """Draw a line through points."""
        path = " ".join(f"{number(x)},{number(y)}" for x, y in points)
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        self.parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}"'
            f' stroke-width="{number(width)}" stroke-linejoin="round"{dashed}/>'
        )

    def box(
        self, corner: tuple[float, float], size: tuple[float, float], colour: str, opacity: float
    ) -> None:
        """Fill a rectangle."""
        self.parts.append(
            f'<rect x="{number(corner[0])}" y="{number(corner[1])}" width="{number(size[0])}"'
            f' height="{number(size[1])}" fill="{colour}" fill-opacity="{opacity:.2f}"/>'
        )

    def dot(
        self, x: float, y: float, colour: str, *, radius: float = 4, hollow: bool = False
    ) -> None:
        """Draw a point."""
        fill = "#ffffff" if hollow else colour
        self.parts.append(
            f'<circle cx="{number(x)}" cy="{number(y)}" r="{number(radius)}" fill="{fill}"'
            f' stroke="{colour}" stroke-width="1.5"/>'
        )

    def __str__(self) -> str:
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}"'
            f' width="{self.width}" height="{self.height}" role="img" {_STYLE}>'
        )
        return "\n".join(
            [
                head,
                f"<title>{escape(self.title)}</title>",
                f"<desc>{escape(self.description)}</desc>",
                f'<rect width="{self.width}" height="{self.height}" fill="#ffffff"/>',
                *self.parts,
                "</svg>",
                "",
            ]
        )


@dataclass(slots=True)
class Panel:
    """A chart on a sheet: its axes, and what is drawn between them."""

    sheet: Picture
    left: float
    top: float
    right: float
    bottom: float
    across: Axis
    up: Axis

    def x(self, value: float) -> float:
        """Give the pixel of a value on the lower axis."""
        return self.left + (self.right - self.left) * self.across.share(value)

    def y(self, value: float) -> float:
        """Give the pixel of a value on the left axis."""
        return self.bottom - (self.bottom - self.top) * self.up.share(value)

    def frame(self, title: str = "") -> None:
        """Draw grid, labels and title."""
        sheet = self.sheet
        for value, label in self.up.ticks:
            sheet.line([(self.left, self.y(value)), (self.right, self.y(value))], FAINT, width=1)
            sheet.text(self.left - 6, self.y(value) + 4, label, size=11, anchor="end", fill=MUTED)
        for value, label in self.across.ticks:
            x = self.x(value)
            sheet.line([(x, self.bottom), (x, self.bottom + 4)], MUTED, width=1)
            sheet.text(x, self.bottom + 17, label, size=11, anchor="middle", fill=MUTED)
        sheet.line([(self.left, self.bottom), (self.right, self.bottom)], MUTED, width=1)
        if self.across.label:
            middle = (self.left + self.right) / 2
            sheet.text(middle, self.bottom + 34, self.across.label, anchor="middle", fill=MUTED)
        if self.up.label:
            sheet.text(self.left, self.top - 8, self.up.label, size=11, fill=MUTED)
        if title:
            sheet.text(self.left, self.top - 24, title, size=14, font_weight="600")

    def curve(
        self,
        xs: Sequence[float],
        ys: Sequence[float],
        colour: str,
        *,
        width: float = 1.5,
        dashes: str = "",
    ) -> None:
        """Draw values as a line, cut off at the edges of the axis."""
        low, high = sorted((self.up.low, self.up.high))
        points = [(self.x(x), self.y(min(high, max(low, y)))) for x, y in zip(xs, ys, strict=True)]
        self.sheet.line(points, colour, width=width, dashes=dashes)

    def span(self, start: float, stop: float, colour: str, opacity: float = 0.1) -> None:
        """Shade what lies between two values of the lower axis."""
        size = self.x(stop) - self.x(start), self.bottom - self.top
        self.sheet.box((self.x(start), self.top), size, colour, opacity)
