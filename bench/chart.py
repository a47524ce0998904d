"""Draws grouped bars on a logarithmic scale as SVG, for bench/run. Knows nothing of what is measured."""

import math
from xml.sax.saxutils import escape

COLOURS = ["#9aa5b1", "#5b7c99", "#d9822b"]
BAR, GAP, LEFT, WIDTH, TOP = 9, 10, 110, 520, 58


def bars(series, variants, title):
    """`series`: group name to {variant: value above zero}."""
    values = [value for group in series.values() for value in group.values()]
    lowest = min(0.5, min(values)) if values else 0.5
    highest = max(values + [10]) * 1.1
    low, high = math.log10(lowest), math.log10(highest)
    group_height = BAR * len(variants) + GAP
    height = TOP + group_height * len(series) + 30

    def x(value):
        return LEFT + WIDTH * (math.log10(value) - low) / (high - low)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 60} {height}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="100%" height="100%" fill="white"/><text x="{LEFT}" y="18" font-size="13">{escape(title)}</text>',
    ]
    for index, variant in enumerate(variants):
        at = LEFT + index * 110
        out.append(f'<rect x="{at}" y="28" width="10" height="10" fill="{COLOURS[index % 3]}"/>'
                   f'<text x="{at + 15}" y="37">{escape(variant)}</text>')
    for tick in (0.5, 1, 2, 5, 10, 20, 50, 100):
        if lowest <= tick <= highest:
            shade = "#555" if tick == 1 else "#ddd"
            out.append(f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{TOP - 6}" y2="{height - 24}" stroke="{shade}"/>'
                       f'<text x="{x(tick):.1f}" y="{height - 10}" text-anchor="middle">{tick:g}</text>')
    for row, (name, group) in enumerate(series.items()):
        y = TOP + row * group_height
        out.append(f'<text x="{LEFT - 8}" y="{y + group_height / 2}" text-anchor="end">{escape(name)}</text>')
        for index, variant in enumerate(variants):
            if variant not in group:
                continue
            value, top = group[variant], y + index * BAR
            left, right = sorted((x(1), x(value)))
            out.append(f'<rect x="{left:.1f}" y="{top}" width="{max(right - left, 1):.1f}" height="{BAR - 1}" '
                       f'fill="{COLOURS[index % 3]}"/><text x="{right + 3:.1f}" y="{top + BAR - 1}" font-size="8">{value:.1f}</text>')
    return "\n".join(out + ["</svg>"]) + "\n"
