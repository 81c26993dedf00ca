// Coroutines as the bodies of tasks: what happens once the call of a body has returned a coroutine object.
//
// The coroutine takes the place of the callable and its arguments in the record's storage, and is driven as an event
// loop drives one: sent None until it ends. What it yields is what it waits for, and that can only be a task, which
// `await task` yields (await_object.hpp): the engine suspends the body until it is done. Anything else is answered with
// a TypeError at the await. Each coroutine runs in a contextvars context of its own, a copy of the one that spawned it.
#pragma once

#include <polyreme/detail/abi.hpp>

#include <Python.h>

namespace polyreme::python {

using tasks::Record;

/// Begins the coroutine that the body of `self` has returned; takes both references over. Without a context (null) it
/// gets a copy of the current one. As BodyOps::run; the storage holds nothing of the call any more.
[[nodiscard]] Record* begin_coroutine(Record& self, PyObject* coroutine, PyObject* context);

}  // namespace polyreme::python
