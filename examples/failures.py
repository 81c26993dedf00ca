"""A graph in which some tasks fail: the others run, and one report names every failure.

Prints:

    loaded: 1, 2, 4, 5
    summary of 3: not run, ValueError('sensor 3 is out of order')
    2 tasks failed, 2 not run because of that
      ValueError('sensor 0 is out of order')
      ValueError('sensor 3 is out of order')
"""

import polyreme as pr


def load(sensor: int) -> int:
    """Read a sensor; every third one is broken."""
    if sensor % 3 == 0:
        message = f"sensor {sensor} is out of order"
        raise ValueError(message)
    return sensor


def main() -> None:
    """Load and summarise six sensors."""
    with pr.Runtime(workers=2) as rt:
        loaded = [rt.spawn(load, sensor, name=f"load {sensor}") for sensor in range(6)]
        summaries = [rt.spawn(str, value, name="summary") for value in loaded]
        good = [task.result() for task in summaries if task.exception() is None]
        print("loaded:", ", ".join(good))

        error = summaries[3].exception()
        assert isinstance(error, pr.DependencyFailed)
        print(f"summary of 3: not run, {error.__cause__!r}")

        try:
            rt.wait()
        except* ValueError as group:
            print(group.message)
            for failure in sorted(map(repr, group.exceptions)):
                print(f"  {failure}")


if __name__ == "__main__":
    main()
