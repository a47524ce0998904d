"""Draws grouped bars on a logarithmic scale as SVG, for bench/run. Knows nothing of what is measured."""

import math
from xml.sax.saxutils import escape

COLOURS = ["#9aa5b1", "#5b7c99", "#d9822b"]
BAR, GAP, HEADING, LEFT, WIDTH, TOP = 9, 10, 22, 135, 495, 58


def bars(sections, variants, title):
    """`sections`: section title to group name to {variant: value above zero}."""
    values = [value for groups in sections.values() for group in groups.values() for value in group.values()]
    lowest = min(0.5, min(values)) if values else 0.5
    highest = max(values + [10]) * 1.1
    low, high = math.log10(lowest), math.log10(highest)
    group_height = BAR * len(variants) + GAP
    height = TOP + sum(HEADING + group_height * len(groups) for groups in sections.values()) + 30

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
    y = TOP
    for heading, groups in sections.items():
        out.append(f'<text x="8" y="{y + 12}" font-weight="bold">{escape(heading)}</text>')
        y += HEADING
        for name, group in groups.items():
            out.append(f'<text x="{LEFT - 8}" y="{y + group_height / 2}" text-anchor="end">{escape(name)}</text>')
            for index, variant in enumerate(variants):
                if variant in group:
                    out.append(bar(x(1), x(group[variant]), y + index * BAR, group[variant], COLOURS[index % 3]))
            y += group_height
    return "\n".join(out + ["</svg>"]) + "\n"


def bar(one, end, top, value, colour):
    """From the line of 1 to `end`, its value behind it."""
    left, right = sorted((one, end))
    return (f'<rect x="{left:.1f}" y="{top}" width="{max(right - left, 1):.1f}" height="{BAR - 1}" fill="{colour}"/>'
            f'<text x="{right + 3:.1f}" y="{top + BAR - 1}" font-size="8">{value:.1f}</text>')
