"""The smallest graph: one task, and another one that follows it and receives its result.

Prints:

    1025
"""

import polyreme as pr

with pr.Runtime() as rt:
    a = rt.spawn(pow, 2, 10)
    b = rt.spawn(lambda x: x + 1, a)
    print(b.result())
