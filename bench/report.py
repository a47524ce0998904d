"""Tables of times and ratios, for bench/run. A result is variant to seconds, None where the variant fails."""

import math

import chart

# Variant and its name in headings; the first is what ratios are relative to.
VARIANTS = {"native": "native", "qemu": "QEMU", "qemu-a57": "a57", "emu": "emu"}
PAIRS = [("qemu", "native"), ("qemu-a57", "native"), ("emu", "native"), ("qemu", "emu"), ("qemu-a57", "emu")]
HEADINGS = [""] + [f"{name} ms" for name in VARIANTS.values()] + [f"{VARIANTS[a]} / {VARIANTS[b]}" for a, b in PAIRS]


def quotients(result, a, b):
    """The ratio in a list, or none if a variant fails or was left out."""
    return [result[a] / result[b]] if result.get(a) and result.get(b) else []


def ratio_cell(results, a, b):
    values = [value for result in results for value in quotients(result, a, b)]
    return f"{math.exp(sum(map(math.log, values)) / len(values)):.2f}" if values else "-"


def time_cell(result, variant):
    if variant not in result:
        return "-"
    seconds = result[variant]
    if seconds is None:
        return "fails"
    return f"{seconds * 1000:.1f}" if seconds < 0.1 else f"{seconds * 1000:.0f}"


def speed_ups(before, after):
    """How much faster each variant is in the second result, as text."""
    factors = {name: before[variant] / after[variant] for variant, name in VARIANTS.items() if before.get(variant) and after.get(variant)}
    return ", ".join(f"{name} {factor:.2f}" for name, factor in factors.items())


def row(name, result):
    return [name, *(time_cell(result, variant) for variant in VARIANTS), *(ratio_cell([result], a, b) for a, b in PAIRS)]


def mean_row(results):
    """Over the rows where both variants work."""
    return ["geometric mean", *("" for _ in VARIANTS), *(ratio_cell(results.values(), a, b) for a, b in PAIRS)]


def print_row(cells):
    print(f"{cells[0]:18}" + "".join(f"{cell:>15}" for cell in cells[1:]), flush=True)


def markdown(results):
    rows = [row(name, result) for name, result in results.items()] + [mean_row(results)]
    lines = [HEADINGS, ["---"] + ["---:"] * (len(HEADINGS) - 1), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def document(introduction, facts, sections, failures):
    """The text of RESULTS.md. `sections`: title to its own introduction and its results."""
    parts = ["# Results", introduction, "\n".join(f"- {fact}" for fact in facts), "![ratios to native](results.svg)"]
    for title, (text, results) in sections.items():
        parts += [f"## {title}", *([text] if text else []), markdown(results)]
    if failures:
        parts += ["## Failures", "\n".join(f"- {failure}" for failure in failures)]
    return "\n\n".join(parts) + "\n"


def picture(sections):
    """The text of results.svg: ratios to native."""
    others = list(VARIANTS)[1:]

    def ratios(result):
        return {VARIANTS[variant]: value for variant in others for value in quotients(result, variant, "native")}

    groups = {title: {name: ratios(result) for name, result in results.items()} for title, (_, results) in sections.items()}
    return chart.bars(groups, [VARIANTS[variant] for variant in others], "time relative to native (logarithmic, less is better)")
