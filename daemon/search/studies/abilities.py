"""What each sampler can do, and what can be set: known before any of them is loaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from daemon.search.studies.domain import Domain


@dataclass(frozen=True, slots=True)
class Option:
    """Something about a sampler that can be set."""

    default: int | float | None
    """None: the sampler finds a value by itself."""
    low: float
    high: float
    text: str
    """What it trades, for a person."""
    whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Ability:
    """What a sampler can do."""

    text: str
    """What it is good for, in a sentence."""
    several: bool = False
    """It searches for several objectives at once."""
    endless: bool = True
    """It takes axes without steps."""
    words: bool = True
    """It takes values without an order: words, profiles."""
    conditional: bool = True
    """It takes parameters that depend on others."""
    axes_max: int | None = None
    learns: bool = True
    """What it is told changes what it proposes."""
    extra: str | None = None
    """The optional part that must be installed."""
    options: Mapping[str, Option] = field(default_factory=dict)


_STARTUP = Option(
    None, 0, 100_000, "points drawn evenly before anything is learnt: more see more, and cost more"
)

KINDS: Mapping[str, Ability] = {
    "grid": Ability(
        text="every point of a discrete space once, spread over it from the start",
        several=True,
        endless=False,
        learns=False,
    ),
    "random": Ability(
        text="points drawn evenly: what every other sampler must beat", several=True, learns=False
    ),
    "qmc": Ability(
        text="points spread more evenly than chance would: a good first look",
        several=True,
        axes_max=16,
        learns=False,
    ),
    "tpe": Ability(
        text="for most studies: words, conditions, constraints and several objectives",
        several=True,
        extra="search",
        options={"startup": _STARTUP},
    ),
    "gp": Ability(
        text="for few trials (up to some hundred) on a smooth objective",
        options={
            "startup": _STARTUP,
            "points_max": Option(
                300, 20, 2_000, "trials that are learnt from: time grows with its third power"
            ),
        },
    ),
    "cmaes": Ability(
        text="for many trials on numbers whose optimum is a valley across the axes",
        words=False,
        conditional=False,
        extra="search",
        options={
            "population": Option(
                None, 4, 10_000, "points of a generation: more are surer, and learn later"
            ),
            "sigma": Option(
                0.25, 0.01, 1.0, "how wide it looks at first, as a share of an axis", whole=False
            ),
        },
    ),
    "nsga2": Ability(
        text="for several objectives and many trials: evolves a whole front",
        several=True,
        extra="search",
        options={
            "population": Option(
                None, 4, 10_000, "points of a generation: more are surer, and learn later"
            ),
        },
    ),
}
"""Every sampler by its name."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a sampler cannot search a space, and which can."""

    text: str
    hint: str


def refusals(kind: str, domain: Domain, objectives: int = 1) -> Iterator[Refusal]:
    """Say everything that a sampler cannot do of what is asked."""
    ability = KINDS.get(kind)
    if ability is None:
        yield Refusal(f"there is no sampler {kind!r}", f"known are {', '.join(KINDS)}")
        return
    endless = [axis.name for axis in domain.axes if axis.size is None]
    words = [axis.name for axis in domain.axes if not axis.ordered]
    depending = [axis.name for axis in domain.axes if axis.when]
    if objectives > 1 and not ability.several:
        yield Refusal(
            f"{kind} searches for one objective, and there are {objectives}",
            f"{_others(several=True)} take several",
        )
    if endless and not ability.endless:
        yield Refusal(
            f"{kind} goes through values one by one, and {', '.join(endless)} has no steps",
            "give it a `step`, or take qmc, which spreads points without one",
        )
    if words and not ability.words:
        have = "has" if len(words) == 1 else "have"
        yield Refusal(
            f"{kind} searches numbers, and {', '.join(words)} {have} values without an order",
            f"{_others(words=True)} take them",
        )
    if depending and not ability.conditional:
        depend = "depends" if len(depending) == 1 else "depend"
        yield Refusal(
            f"{kind} moves all parameters at once, and {', '.join(depending)} {depend} on another",
            f"{_others(conditional=True)} take conditions",
        )
    if ability.axes_max is not None and len(domain.axes) > ability.axes_max:
        yield Refusal(
            f"{kind} spreads points over {ability.axes_max} axes at most, and there are"
            f" {len(domain.axes)}",
            "random has no such limit",
        )


def wrong_options(kind: str, options: Mapping[str, Any]) -> Iterator[Refusal]:
    """Say what is wrong with the options of a sampler."""
    known = KINDS[kind].options
    for name, value in options.items():
        option = known.get(name)
        if option is None:
            can = f"it has {', '.join(known)}" if known else "it has none"
            yield Refusal(f"{kind} has no option {name}", can)
            continue
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or (option.whole and value != int(value)):
            what = "a whole number" if option.whole else "a number"
            yield Refusal(f"{name} of {kind} is {value!r}", f"{what} is wanted: {option.text}")
        elif not option.low <= value <= option.high:
            yield Refusal(
                f"{name} of {kind} is {value:g}", f"it can be {option.low:g} to {option.high:g}"
            )


def _others(**wanted: bool) -> str:
    """Name the samplers that learn and can do something."""
    found = [
        kind
        for kind, ability in KINDS.items()
        if ability.learns and all(getattr(ability, name) == have for name, have in wanted.items())
    ]
    return " and ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)
