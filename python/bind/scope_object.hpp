// polyreme._core.Scope: the base of polyreme.Scope.
//
// A ScopeObject is entered once, by the thread (or the body, if that is a coroutine) that also leaves it. While it is
// entered, the list of that thread holds a reference to it. `state` is set at the entry and cleared when it is left;
// both, and the look at it by other threads, happen in a critical section of the object (or under the interpreter's
// lock). Another thread that spawns in the scope counts itself as a member meanwhile, so it cannot end under it.
#pragma once

#include <Python.h>

namespace polyreme::python {

[[nodiscard]] bool add_scope_type(PyObject* module);

}  // namespace polyreme::python
