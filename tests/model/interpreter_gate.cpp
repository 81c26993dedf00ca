// launch::InterpreterGate as the sessions use it: no interpreter work is stranded.
//
//   - Every interpreter task runs exactly once, alone in the interpreter, and so does every native one beside it.
//   - No interpreter task is left while all threads sleep.
//   - While interpreter work is ready and a slot is free, some thread is in the interpreter or on its way: a native
//   body
//     that needs an interpreter task to run beside it does not wait for ever.
#include "support/crew.hpp"
#include "support/model.hpp"

#include <utility>

namespace {

using polyreme::detail::Domain;
using polyreme::launch::Lane;
using polyreme::model::Crew;
using polyreme::model::Model;
using polyreme::sync::Parker;

/// Thread 0 is foreign and spawns; the others are the workers.
template <unsigned kWorkers>
class GateModel : public Model<1 + kWorkers> {
 public:
  void thread(unsigned index) final {
    if (index != 0) {
      crew_.work(index);
      return;
    }
    produce();
    crew_.wait_all();
    crew_.stop();
  }

 protected:
  virtual void produce() = 0;

  void spawn(Domain domain, Crew::Body body = {}) { crew_.spawn(crew_.foreign_lane(), std::move(body), domain); }
  void spawn_in(Lane& lane, Domain domain, Crew::Body body = {}) { crew_.spawn(lane, std::move(body), domain); }

 private:
  Crew crew_{kWorkers};
};

class OneSlot : public GateModel<1> {
 public:
  void produce() override {
    spawn(Domain::kInterpreter);
    spawn(Domain::kNative);
    spawn(Domain::kInterpreter);
  }
};

class TwoSlots : public GateModel<2> {
 public:
  void produce() override {
    spawn(Domain::kInterpreter, [this](Lane& lane) {
      spawn_in(lane, Domain::kNative);
      spawn_in(lane, Domain::kInterpreter);
    });
    spawn(Domain::kInterpreter);
  }
};

/// A native body needs an interpreter task that was spawned before or after it.
class Beside : public GateModel<2> {
 public:
  void produce() override {
    spawn(Domain::kInterpreter);
    spawn(Domain::kNative, [this](Lane&) { ran_.park(); });
    spawn(Domain::kInterpreter, [this](Lane&) { ran_.unpark(); });
  }

 private:
  Parker ran_;
};

/// The same, both spawned inside the interpreter.
class BesideChildren : public GateModel<2> {
 public:
  void produce() override {
    spawn(Domain::kInterpreter, [this](Lane& lane) {
      spawn_in(lane, Domain::kInterpreter, [this](Lane&) { ran_.unpark(); });
      spawn_in(lane, Domain::kNative, [this](Lane&) { ran_.park(); });
      spawn_in(lane, Domain::kInterpreter);
    });
  }

 private:
  Parker ran_;
};

}  // namespace

int main() {
  using namespace polyreme::model;
  return Exploration()
      .explore<OneSlot>("one slot", Random{20'000})
      .explore<TwoSlots>("two slots", Random{20'000})
      .explore<Beside>("beside a native body", Random{20'000})
      .explore<BesideChildren>("beside a native body, both children", Random{20'000})
      .exit_status();
}
