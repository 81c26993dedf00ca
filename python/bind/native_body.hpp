// A bound call of a C function as the body of a task.
//
// Such a task runs in the native domain: no interpreter from the end of its spawn to its completion. Its result is a
// scalar in the first bytes of the body, as that of a C++ task of the same type would be. Only if one of its arguments
// is the result of a task that may return any object, that has to be converted first; it then begins inside, and leaves
// the interpreter for the call.
//
// Layout of the record's 48 bytes: the words of BoundCall, or a pointer to one.
#pragma once

#include "bound_call.hpp"

namespace polyreme::python {

/// What to give to begin_spawn().
[[nodiscard]] const detail::BodyOps& native_ops(const BoundCall& call) noexcept;
[[nodiscard]] inline detail::Domain native_domain(const BoundCall& call) noexcept {
  return call.runs_outside() ? detail::Domain::kNative : detail::Domain::kInterpreter;
}
/// Moves the call into a record with those. False with an error set; the storage then holds nothing.
[[nodiscard]] bool fill_native_body(Record& record, BoundCall& call) noexcept;

/// The type of the scalar that a done, successful task left in its body; kVoid: there is none.
[[nodiscard]] CType scalar_result(const Record& record) noexcept;

}  // namespace polyreme::python
