"""What `after=` takes, and ids: named before they are spawned, sliced, in several dimensions."""

from __future__ import annotations

import itertools
import random
import threading
from typing import Any

import polyreme as pr
import pytest


class Log:
    """A recorder of the order in which tasks ran."""

    def __init__(self) -> None:
        self.done: list[Any] = []

    def add(self, what: Any) -> Any:
        self.done.append(what)
        return what


# ---- forms of after=


def forms(rt: pr.Runtime, tasks: list[pr.Task[Any]]) -> list[Any]:
    space = rt.space("unused")
    return [
        tasks,
        tuple(tasks),
        set(tasks),
        frozenset(tasks),
        dict.fromkeys(tasks),
        iter(tasks),
        (task for task in tasks),
        [[task] for task in tasks],
        [tasks[:1], (tasks[1:],), [], ()],
        [tasks, tasks],
        [(task for task in part) for part in (tasks[:2], tasks[2:])],
        map(lambda task: task, tasks),
        [tasks, space, space[:0], space[5:]],
        {"deps": 0} and tasks,
    ]


@pytest.mark.parametrize("form", range(14))
def test_forms_of_after(rt: pr.Runtime, form: int) -> None:
    log = Log()
    gate = threading.Event()
    first = rt.spawn(gate.wait)
    tasks = [rt.spawn(log.add, i, after=first) for i in range(5)]
    last = rt.spawn(log.add, "last", after=forms(rt, tasks)[form])
    gate.set()
    last.result()
    assert log.done[-1] == "last"
    assert sorted(log.done[:-1]) == list(range(5))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7, 8, 9, 10, 50, 500])
def test_any_number_of_dependencies(rt: pr.Runtime, count: int) -> None:
    log = Log()
    tasks = [rt.spawn(log.add, i) for i in range(count)]
    rt.spawn(log.add, "last", after=tasks).result()
    assert log.done[-1] == "last"
    assert len(log.done) == count + 1


def test_dependencies_that_are_done(rt: pr.Runtime) -> None:
    log = Log()
    done = rt.spawn(log.add, "first")
    done.result()
    assert rt.spawn(log.add, 1, after=done).result() == 1
    assert rt.spawn(log.add, 2, after=[done, done, rt.spawn(log.add, 3)]).result() == 2


def test_the_same_task_many_times(rt: pr.Runtime) -> None:
    log = Log()
    one = rt.spawn(log.add, 1)
    assert rt.spawn(log.add, one, after=[one] * 100).result() == 1


def test_a_list_that_is_emptied_by_a_generator_in_after(single: pr.Runtime) -> None:
    gate = threading.Event()
    first = single.spawn(gate.wait)
    names = [single.spawn(lambda: 1, after=first) for _ in range(3)]

    def emptying() -> Any:
        names.clear()
        yield single.spawn(lambda: 2, after=first)

    last = single.spawn(lambda: 3, after=[names, emptying()])
    gate.set()
    assert last.result() == 3


def test_a_generator_that_raises(rt: pr.Runtime) -> None:
    def raising() -> Any:
        yield rt.spawn(lambda: 1)
        raise LookupError("from the generator")

    with pytest.raises(LookupError, match="from the generator"):
        rt.spawn(lambda: 2, after=raising())


def test_an_iterable_whose_iter_raises_keeps_its_error(rt: pr.Runtime) -> None:
    class Broken:
        def __iter__(self) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rt.spawn(lambda: 2, after=Broken())


def test_a_generator_may_spawn_tasks(rt: pr.Runtime) -> None:
    log = Log()
    rt.spawn(log.add, "last", after=(rt.spawn(log.add, i) for i in range(10))).result()
    assert log.done[-1] == "last"
    assert len(log.done) == 11


# ---- ids


def test_an_id_is_a_handle_before_its_spawn(rt: pr.Runtime) -> None:
    space = rt.space("T")
    early = space[0]
    assert not early.done()
    task = rt.spawn(lambda: 5, id=early)
    assert early.result() == task.result() == space[0].result() == 5
    assert early == task


def test_tasks_may_depend_on_ids_spawned_later(rt: pr.Runtime) -> None:
    log = Log()
    space = rt.space("T")
    for i in reversed(range(1, 100)):
        rt.spawn(log.add, i, id=space[i], after=space[i - 1])
    rt.spawn(log.add, 0, id=space[0])
    rt.wait()
    assert log.done == list(range(100))


def test_arguments_may_be_ids_spawned_later(rt: pr.Runtime) -> None:
    space = rt.space("T")
    total = rt.spawn(lambda a, b: a + b, space[1], space[2])
    rt.spawn(lambda: 10, id=space[1])
    rt.spawn(lambda a: a + 1, space[1], id=space[2])
    assert total.result() == 21


def test_ids_spawned_in_any_order(rt: pr.Runtime) -> None:
    log = Log()
    seed = random.randrange(1 << 30)
    print("seed", seed)
    shuffled = list(range(200))
    random.Random(seed).shuffle(shuffled)
    space = rt.space("T")
    for i in shuffled:
        rt.spawn(log.add, i, id=space[i], after=[space[i // 2]] if i else None)
    rt.wait()
    place = {i: at for at, i in enumerate(log.done)}
    assert all(place[i // 2] < place[i] for i in range(1, 200))


@pytest.mark.parametrize(
    "index",
    [0, 1, -1, 63, 64, 65, 10**6, 2**40, -(2**40), 2**63 - 2, -(2**63), (0, 0), (1, 2, 3), (-1, 5), (1,) * 6, True],
)
def test_indices(rt: pr.Runtime, index: Any) -> None:
    space = rt.space("T")
    rt.spawn(lambda: "value", id=space[index])
    assert space[index].result() == "value"
    assert (
        space[index].name == f"T[{', '.join(str(int(i)) for i in (index if isinstance(index, tuple) else (index,)))}]"
    )


def test_the_largest_index_is_refused_in_every_form(rt: pr.Runtime) -> None:
    space = rt.space("T")
    for index in (2**63 - 1, (0, 2**63 - 1), 2**63, -(2**63) - 1, 10**30):
        with pytest.raises(OverflowError, match=str(index[1] if isinstance(index, tuple) else index)):
            space[index]


def test_numpy_integers_are_indices(rt: pr.Runtime) -> None:
    np = pytest.importorskip("numpy")
    space = rt.space("T")
    rt.spawn(lambda: 1, id=space[np.int32(3), np.int64(4)])
    assert space[3, 4].result() == 1


def test_ranks_are_apart(rt: pr.Runtime) -> None:
    space = rt.space("T")
    rt.spawn(lambda: 1, id=space[0])
    rt.spawn(lambda: 2, id=space[0, 0])
    rt.spawn(lambda: 3, id=space[0, 0, 0])
    assert [space[0].result(), space[0, 0].result(), space[0, 0, 0].result()] == [1, 2, 3]


def test_spaces_with_one_name_are_apart(rt: pr.Runtime) -> None:
    first, second = rt.space("T"), rt.space("T")
    rt.spawn(lambda: 1, id=first[0])
    rt.spawn(lambda: 2, id=second[0])
    assert (first[0].result(), second[0].result()) == (1, 2)
    assert first[0] != second[0]


def test_wavefront_in_two_dimensions(rt: pr.Runtime) -> None:
    log = Log()
    n = 12
    space = rt.space("W")
    for i, j in itertools.product(reversed(range(n)), range(n)):
        before = [space[i - 1, j]] if i else []
        before += [space[i, j - 1]] if j else []
        rt.spawn(log.add, (i, j), id=space[i, j], after=before)
    rt.wait()
    place = {at: k for k, at in enumerate(log.done)}
    assert len(place) == n * n
    for i, j in place:
        assert i == 0 or place[i - 1, j] < place[i, j]
        assert j == 0 or place[i, j - 1] < place[i, j]


def test_an_id_outlives_its_space(rt: pr.Runtime) -> None:
    entry = rt.space("gone")[3]
    rt.spawn(lambda: 8, id=entry)
    assert entry.result() == 8
    assert entry.name == "gone[3]"


# ---- slices


def select(rt: pr.Runtime, log: Log, pick: Any) -> set[Any]:
    """Which of 4 × 4 and 4 tasks a slice names, seen from the order in which they run."""
    space = rt.space("T")
    gate = threading.Event()
    first = rt.spawn(gate.wait)
    held: dict[Any, pr.Task[Any]] = {}
    for i in range(4):
        held[i] = rt.spawn(log.add, i, id=space[i], after=first)
    for i, j in itertools.product(range(4), range(4)):
        held[i, j] = rt.spawn(log.add, (i, j), id=space[i, j], after=first)
    # Names without a body: they stand for what the slice waits for.
    probe = rt.space("P")
    waiting = rt.spawn(log.add, "last", id=probe[0], after=pick(space))
    gate.set()
    waiting.result()
    return set(log.done[: log.done.index("last")])


@pytest.mark.parametrize(
    ("pick", "expected"),
    [
        (lambda T: T[:4], {0, 1, 2, 3}),
        (lambda T: T[1:3], {1, 2}),
        (lambda T: T[0:4:2], {0, 2}),
        (lambda T: T[1:4:2], {1, 3}),
        (lambda T: T[:], {0, 1, 2, 3}),
        (lambda T: T[2:], {2, 3}),
        (lambda T: T[::2], {0, 2}),
        (lambda T: T[1::2], {1, 3}),
        (lambda T: T[3:1], set()),
        (lambda T: T[0:0], set()),
        (lambda T: T[1, :4], {(1, j) for j in range(4)}),
        (lambda T: T[:4, 1], {(i, 1) for i in range(4)}),
        (lambda T: T[:2, :2], {(i, j) for i in range(2) for j in range(2)}),
        (lambda T: T[:4:3, 1:4:2], {(i, j) for i in (0, 3) for j in (1, 3)}),
        (lambda T: T[1, :], {(1, j) for j in range(4)}),
        (lambda T: T[:, 1], {(i, 1) for i in range(4)}),
        (lambda T: T[2:, :2], {(i, j) for i in (2, 3) for j in (0, 1)}),
        (lambda T: T[:, :], {(i, j) for i in range(4) for j in range(4)}),
        (lambda T: T, {*range(4), *itertools.product(range(4), range(4))}),
    ],
)
def test_a_slice_waits_for_what_it_names(rt: pr.Runtime, pick: Any, expected: set[Any]) -> None:
    log = Log()
    assert expected <= select(rt, log, pick)


def test_a_slice_waits_for_nothing_else() -> None:
    with pr.Runtime(workers=4) as rt:
        space = rt.space("T")
        gate = threading.Event()
        rt.spawn(gate.wait, id=space[5])
        rt.spawn(gate.wait, id=space[1, 5])
        for i in range(5):
            rt.spawn(lambda: None, id=space[i])
            rt.spawn(lambda: None, id=space[1, i])
        rt.spawn(lambda: None, after=[space[:5], space[6:], space[1, :5], space[:, 0], space[0:6:2]]).result()
        gate.set()


def test_a_bounded_slice_names_ids_that_come_later(rt: pr.Runtime) -> None:
    log = Log()
    space = rt.space("T")
    last = rt.spawn(log.add, "last", after=space[:5])
    for i in range(5):
        rt.spawn(log.add, i, id=space[i])
    last.result()
    assert log.done[-1] == "last"
    assert len(log.done) == 6


def test_an_open_slice_names_those_spawned_so_far(rt: pr.Runtime) -> None:
    log = Log()
    space = rt.space("T")
    unspawned = space[7]
    rt.spawn(log.add, "early", after=[space[:], space, space[3:], space[:, 2:]]).result()
    assert log.done == ["early"]
    gate = threading.Event()
    rt.spawn(gate.wait, id=space[0])
    rt.spawn(log.add, "late", id=unspawned, after=rt.spawn(log.add, "middle", after=space))
    gate.set()
    rt.wait()
    assert log.done == ["early", "middle", "late"]


def test_negative_indices_are_indices(rt: pr.Runtime) -> None:
    log = Log()
    space = rt.space("T")
    for i in range(-3, 3):
        rt.spawn(log.add, i, id=space[i])
    rt.spawn(log.add, "last", after=[space[-3:3], space[:]]).result()
    assert len(log.done) == 7


def test_slices_outlive_their_space(rt: pr.Runtime) -> None:
    log = Log()

    def slice_of_a_space() -> pr.Slice:
        space = rt.space("gone")
        rt.spawn(log.add, 0, id=space[0])
        return space[:]

    rt.spawn(log.add, "last", after=slice_of_a_space()).result()
    rt.wait()
    assert set(log.done) == {0, "last"}


def test_slices_say_what_they_are(rt: pr.Runtime) -> None:
    space = rt.space("T")
    assert repr(space) == "<Space 'T'>"
    assert repr(space[:3]) == "<slice T[:3]>"
    assert repr(space[1:3]) == "<slice T[1:3]>"
    assert repr(space[1:9:2, 4]) == "<slice T[1:9:2, 4]>"
    assert repr(space[:, 2:]) == "<slice T[:, 2:]>"
    assert repr(space[-2:]) == "<slice T[-2:]>"
    assert repr(space[::2]) == "<slice T[::2]>"


def test_the_same_id_twice(rt: pr.Runtime) -> None:
    space = rt.space("T")
    rt.spawn(lambda: 1, id=space[3])
    with pytest.raises(pr.DuplicateIdError, match=r"T\[3\] was spawned before"):
        rt.spawn(lambda: 2, id=space[3])
    with pytest.raises(pr.DuplicateIdError, match=r"T\[3\]"):
        rt.task(space[3])(lambda: 2)
    assert space[3].result() == 1
    with pytest.raises(ValueError, match=r"T\[3\]"):
        rt.spawn(lambda: 2, id=space[3])


def test_a_failed_spawn_leaves_its_id_free(rt: pr.Runtime) -> None:
    space = rt.space("T")
    with pytest.raises(pr.CycleError):
        rt.spawn(lambda: 1, id=space[0], after=space[0], name="bad")
    with pytest.raises(TypeError):
        rt.spawn(lambda: 1, id=space[0], after=5)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        rt.spawn(5, id=space[0])  # type: ignore[arg-type]
    task = rt.spawn(lambda: 1, id=space[0], name="good")
    assert task.result() == 1
    assert task.name == "T[0] (good)"


def test_many_threads_fill_one_space(rt: pr.Runtime) -> None:
    space = rt.space("T")
    count, threads = 300, 4
    winners: list[int] = []

    def fill(which: int) -> None:
        for i in range(count):
            try:
                rt.spawn(lambda: None, id=space[i])
            except pr.DuplicateIdError:
                continue
            winners.append(i)

    running = [threading.Thread(target=fill, args=(k,)) for k in range(threads)]
    for thread in running:
        thread.start()
    last = rt.spawn(lambda: "last", after=space[:count])
    for thread in running:
        thread.join()
    assert last.result() == "last"
    assert sorted(winners) == list(range(count))
