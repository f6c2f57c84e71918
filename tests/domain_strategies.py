"""What Hypothesis draws of search spaces: axes of every kind, some of which depend on others."""

from __future__ import annotations

from hypothesis import strategies as st

from daemon.search.studies.domain import Choice, Domain, Profiles, Real, Whole

tenths = st.integers(-50, 50).map(lambda number: number / 10)
words = st.lists(st.sampled_from(["x", "y", "z", "ü ", '"']), min_size=1, max_size=3, unique=True)
numbers = st.lists(tenths | st.integers(-5, 5), min_size=1, max_size=4, unique_by=float)


@st.composite
def reals(draw, name, when, stepped):
    low = draw(tenths)
    width = draw(st.integers(1, 40)) / 10
    step = draw(st.sampled_from([0.1, 0.3, width])) if stepped else None
    step = None if step is None or step > width else step
    high = low + width
    log = low > 0 and draw(st.booleans())
    if stepped and (step is None or not step <= high - low):
        step = (high - low) / 2
    return Real(name, low, high, step, log=log, when=when)


@st.composite
def wholes(draw, name, when):
    low = draw(st.integers(-3, 5))
    step = draw(st.integers(1, 3))
    high = low + step + draw(st.integers(0, 9))
    return Whole(name, low, high, step, log=low > 0 and draw(st.booleans()), when=when)


@st.composite
def domains(draw, *, discrete=False):
    """Any domain; an axis may depend on one or two of those before it."""
    axes = []
    profiled = False
    for place in range(draw(st.integers(1, 4))):
        name = f"p{place}"
        when = {}
        for other in axes:
            if other.size is not None and not draw(st.integers(0, 3)):
                when[other.name] = other.value(draw(st.integers(0, other.size - 1)))
        kind = draw(st.sampled_from(["real", "whole", "words", "numbers", "profiles"]))
        if kind == "real":
            axes.append(draw(reals(name, when, stepped=discrete or draw(st.booleans()))))
        elif kind == "whole":
            axes.append(draw(wholes(name, when)))
        elif kind == "profiles" and not profiled:
            profiled = True
            sets = {word: {"q": float(n)} for n, word in enumerate(draw(words))}
            axes.append(Profiles(name, sets, when))
        else:
            values = draw(words if kind == "words" else numbers)
            axes.append(Choice(name, tuple(values), when))
    return Domain(tuple(draw(st.permutations(axes))))


@st.composite
def points(draw, domain):
    """Any point of a domain."""
    shares = draw(st.lists(st.floats(0, 1), min_size=len(domain.axes), max_size=len(domain.axes)))
    values = {axis.name: axis.at(share) for axis, share in zip(domain.axes, shares, strict=True)}
    return domain.snap(values)
