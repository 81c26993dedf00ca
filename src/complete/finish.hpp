// Completion: what happens once a body has returned, thrown, or will never run.
//
// finish() closes the task's successor list and tells every member. Successors that become ready go to the caller's
// sink; it decides which one runs next on this thread. A failed or cancelled task poisons its successors first: the
// first failing predecessor leaves its cause, and the poisoned task, once ready, is finished as cancelled without
// running. So failure flows through the graph by the same counts as success, and every task is completed exactly once.
// A task that was cancelled on request has no cause to leave: what its dependents throw is made when it is asked for.
#pragma once

#include "base/prefetch.hpp"
#include "graph/successors.hpp"
#include "task/record.hpp"

#include <exception>

namespace polyreme::complete {

/// Sets `cause` on a successor of the failed `predecessor`; null: that was cancelled on request. To be called before
/// the count-down.
inline void poison(tasks::Record& successor, const std::exception_ptr& cause, const tasks::Record& predecessor) {
  if (!tasks::set_poisoned(successor) || cause == nullptr) return;
  // The first failing predecessor owns rare->failure until its count-down; see task/record.hpp.
  tasks::Rare& rare = tasks::rare_of(successor);
  rare.failure = cause;
  rare.cancelled_by = predecessor.id;
}

/// Closes `record` and notifies. `cause` points nowhere after success, else to what dependents are cancelled with.
/// `ready(Record&)` takes over each successor that became ready. The caller still holds the engine's reference
/// afterwards.
template <class Ready>
inline void finish(tasks::Record& record, const std::exception_ptr* cause, Ready&& ready) {
  // Without a handle nobody can push any more: what is in the list is all there will be, and nobody will ask for
  // "closed".
  std::uintptr_t member = tasks::only_engine_holds(record) ? record.successors.load(sync::memory_order_acquire)
                                                           : graph::close_list(record.successors);
  while (member != 0) {
    const graph::Member next = graph::next_member(member);
    if (next.successor != nullptr) {
      if (cause != nullptr) [[unlikely]]
        poison(*next.successor, *cause, record);
      if (graph::count_down(next.successor->pending)) {
        base::prefetch_for_write(next.successor->body);  // the other line of a task that is about to run
        ready(*next.successor);
      }
    } else {
      next.listener->notify(*next.listener, record);
    }
  }
}

}  // namespace polyreme::complete
