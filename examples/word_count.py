"""Map and reduce: tasks as arguments of tasks, combined in pairs until one is left.

Prints:

    'the' 30000, 'oar' 20000, 'ship' 10000
"""

from collections import Counter

import polyreme as pr

TEXT = "the oar the ship the oar "


def count_words(chunks: list[str]) -> Counter[str]:
    """Return how often each word occurs in all chunks."""
    with pr.Runtime() as rt:
        counts = [rt.spawn(lambda chunk: Counter(chunk.split()), chunk) for chunk in chunks]
        while len(counts) > 1:
            pairs = zip(counts[::2], counts[1::2], strict=False)
            odd = counts[-1:] if len(counts) % 2 else []
            counts = [rt.spawn(Counter.__add__, a, b) for a, b in pairs] + odd
        total: Counter[str] = counts[0].result()
    return total


if __name__ == "__main__":
    words = count_words([TEXT * 1000] * 10)
    print(", ".join(f"{word!r} {count}" for word, count in words.most_common()))
