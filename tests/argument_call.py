"""A call of a public function that works, whose arguments tests replace."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Call:
    """A call that works: `function(**right, **free)`, each of `right` to be replaced by what it may not be.

    `valid` names, by argument, the wrong values of the general list that are right there. `runs` is False where the
    call itself is left to other tests: it starts processes, or `right` holds a stand-in for a result.
    """

    function: object
    right: dict
    free: dict = field(default_factory=dict)
    valid: dict = field(default_factory=dict)
    runs: bool = True
