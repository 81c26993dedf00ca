"""Edit distance of two strings, by tiles: a wavefront of tasks with ids.

A tile of the table needs the tile above and the one to the left. Each task says so with ids of a space, so the loops
stay those of the sequential program. (The bodies are pure Python for brevity and take turns with the interpreter lock;
with a kernel that releases the lock the tiles of a diagonal run at once.)

Prints:

    edit distance: 150 of 350 letters
"""

from collections.abc import MutableSequence

import polyreme as pr

TILE = 64


def fill(table: list[MutableSequence[int]], a: str, b: str, top: int, left: int) -> None:
    """Fill the tile of the table whose first entry is table[top][left]."""
    for i in range(top, min(top + TILE, len(a) + 1)):
        above, row = table[i - 1], table[i]
        for j in range(left, min(left + TILE, len(b) + 1)):
            change = a[i - 1] != b[j - 1]
            row[j] = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + change)


def edit_distance(a: str, b: str) -> int:
    """Return how many letters must be inserted, deleted or changed to make `b` of `a`."""
    table: list[MutableSequence[int]] = [[i] + [0] * len(b) for i in range(len(a) + 1)]
    table[0] = list(range(len(b) + 1))
    with pr.Runtime() as rt:
        tiles = rt.space("tile")
        for i, top in enumerate(range(1, len(a) + 1, TILE)):
            for j, left in enumerate(range(1, len(b) + 1, TILE)):
                before = [tiles[i - 1, j]] * (i > 0) + [tiles[i, j - 1]] * (j > 0)
                rt.spawn(fill, table, a, b, top, left, id=tiles[i, j], after=before)
    return table[-1][-1]


if __name__ == "__main__":
    first, second = "kitten" * 50, "sitting" * 50
    print(f"edit distance: {edit_distance(first, second)} of {len(second)} letters")
