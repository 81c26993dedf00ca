"""Many threads in the binding at once."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import binding_stress
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("scenario", binding_stress.SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_threads_do_not_disturb_each_other(scenario: Callable[[int], None]) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    scenario(seed)
