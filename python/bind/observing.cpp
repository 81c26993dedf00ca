// An event happens in the middle of the engine's work, perhaps under its locks, where nobody may wait for the
// interpreter. So it goes into a list, and a thread of the observer's own hands over what is in there.
#include "observing.hpp"

#include <polyreme/errors.hpp>
#include <polyreme/observer.hpp>

#include "errors.hpp"
#include "interpreter.hpp"
#include "references.hpp"
#include "runtime/engine.hpp"
#include "runtime/threads.hpp"
#include "runtime_object.hpp"

#include <unistd.h>

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace polyreme::python {

namespace {

using runtime::Engine;

/// The type of events, made once with the module and never freed.
PyTypeObject* event_type = nullptr;

constexpr std::array<const char*, 8> kKinds{"spawned", "dependency", "started", "finished",
                                            "failed",  "suspended",  "resumed", "cancelled"};
/// The same as Python strings.
std::array<PyObject*, kKinds.size()> kind_names{};

struct Told {
  TaskEvent event;
  std::string name;
};

PyObject* number_or_none(std::uint64_t number, std::uint64_t none) {
  return number == none ? Py_NewRef(Py_None) : PyLong_FromUnsignedLongLong(number);
}

/// New reference, or null with an error set.
PyObject* event_object(const Told& told) {
  const TaskEvent& event = told.event;
  Owned<> object(PyStructSequence_New(event_type));
  if (object == nullptr) return nullptr;
  const auto time = std::chrono::nanoseconds(event.time.time_since_epoch()).count();
  const std::array<PyObject*, 6> fields{
      Py_NewRef(kind_names[static_cast<std::size_t>(event.kind)]),
      PyLong_FromUnsignedLongLong(event.task),
      number_or_none(event.other, 0),
      number_or_none(event.slot, TaskEvent::kNoSlot),
      PyLong_FromLongLong(time),
      told.name.empty() ? Py_NewRef(Py_None)
                        : PyUnicode_DecodeUTF8(told.name.data(), static_cast<Py_ssize_t>(told.name.size()), "replace"),
  };
  bool complete = true;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    complete = complete && fields[i] != nullptr;
    PyStructSequence_SetItem(object.get(), static_cast<Py_ssize_t>(i), fields[i]);
  }
  return complete ? object.release() : nullptr;
}

/// Between the engine's threads, which fill the list, and its own, which empties it. Made and destroyed inside.
class Delivery final : public Observer {
 public:
  explicit Delivery(PyObject* callback) : callback_(Py_NewRef(callback)), thread_([this] { deliver(); }) {}
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;
  /// After finish().
  ~Delivery() override { Py_DECREF(callback_); }

  void on_event(const TaskEvent& event) noexcept override {
    const std::lock_guard lock(mutex_);
    try {
      told_.push_back({event, std::string(event.name)});
    } catch (const std::bad_alloc&) {
      ++lost_;
    }
    if (told_.size() == 1) there_is_some_.notify_one();
  }
  /// Made before a fork that this process comes from: its thread is not here.
  [[nodiscard]] bool is_inherited() const noexcept { return process_ != getpid(); }
  [[nodiscard]] bool delivers_here() const noexcept { return thread_.get_id() == std::this_thread::get_id(); }
  /// Outside. Returns once all that was told is delivered and no call is under way.
  void drain() {
    std::unique_lock lock(mutex_);
    quiet_.wait(lock, [this] { return told_.empty() && !calling_; });
  }
  /// Outside. Returns once all that was told is delivered, and the thread has ended; the answer is how many events
  /// there was no memory for.
  std::uint64_t finish() {
    {
      const std::lock_guard lock(mutex_);
      finishing_ = true;
      there_is_some_.notify_one();
    }
    thread_.join();
    return lost_;
  }

 private:
  void deliver() {
    std::vector<Told> batch;
    std::unique_lock lock(mutex_);
    while (true) {
      there_is_some_.wait(lock, [this] { return finishing_ || !told_.empty(); });
      if (told_.empty()) break;
      batch.swap(told_);
      calling_ = true;
      lock.unlock();
      interpreter().enter();
      for (const Told& told : batch)
        call(told);
      interpreter().leave();
      batch.clear();
      lock.lock();
      calling_ = false;
      if (told_.empty()) quiet_.notify_all();
    }
    lock.unlock();
    interpreter().thread_ends();
  }

  void call(const Told& told) {
    const Owned<> event(event_object(told));
    const Owned<> answer(event == nullptr ? nullptr : PyObject_CallOneArg(callback_, event.get()));
    if (answer == nullptr) PyErr_WriteUnraisable(callback_);
  }

  PyObject* const callback_;
  const pid_t process_ = getpid();
  std::mutex mutex_;  ///< nothing else is locked under it, and nobody enters the interpreter with it
  std::condition_variable there_is_some_;
  std::condition_variable quiet_;
  std::vector<Told> told_;
  std::uint64_t lost_ = 0;
  bool calling_ = false;  ///< the thread has taken some out, and calls
  bool finishing_ = false;
  std::thread thread_;  ///< the last, as it uses the others
};

constexpr const char* kCapsule = "polyreme.Observation";

/// _observe(runtime, callback): what _stop_observing() needs.
PyObject* observe(PyObject* /*module*/, PyObject* arguments) {
  PyObject *runtime, *callback;
  if (PyArg_ParseTuple(arguments, "OO", &runtime, &callback) == 0 || !check_runtime(runtime)) return nullptr;
  if (PyCallable_Check(callback) == 0) {
    return PyErr_Format(PyExc_TypeError, "observe() calls its argument with each event, and %R cannot be called",
                        callback);
  }
  const EngineUse use(runtime);
  Engine* const engine = use.get();
  if (engine == nullptr) return nullptr;
  std::unique_ptr<Delivery> delivery;
  try {
    delivery = std::make_unique<Delivery>(callback);
    const EngineCall call;
    engine->observe(*delivery);
  } catch (...) {
    if (delivery != nullptr) {
      const Outside outside;
      delivery->finish();
    }
    return raise_current();
  }
  // Without a destructor: an observation that nobody ends goes on until the process ends.
  return PyCapsule_New(delivery.release(), kCapsule, nullptr);
}

/// _stop_observing(runtime, observation): waits for all tasks, then until all events are delivered.
PyObject* stop_observing(PyObject* /*module*/, PyObject* arguments) {
  PyObject *runtime, *capsule;
  if (PyArg_ParseTuple(arguments, "OO", &runtime, &capsule) == 0 || !check_runtime(runtime)) return nullptr;
  auto* const delivery = static_cast<Delivery*>(PyCapsule_GetPointer(capsule, kCapsule));
  if (delivery == nullptr) return nullptr;
  if (delivery->is_inherited()) return PyLong_FromLong(0);
  std::uint64_t lost = 0;
  try {
    if (delivery->delivers_here()) {
      throw UsageError("polyreme: a callback of observe() cannot leave the block that it serves");
    }
    const EngineUse use(runtime);
    if (Engine* const engine = use.get(); engine != nullptr) {
      const EngineCall call;
      // A callback may have spawned: nothing must be under way when the observer is taken off.
      do {
        static_cast<void>(engine->wait_quiescent(-1, nullptr));
        const Outside outside;
        delivery->drain();
      } while (!engine->deck().lanes.quiescent());
      engine->stop_observing();
    } else {
      PyErr_Clear();  // closed: nothing happens any more
    }
    const Outside outside;
    lost = delivery->finish();
  } catch (...) {
    return raise_current();
  }
  static_cast<void>(PyCapsule_SetName(capsule, "polyreme.Observation, ended"));
  delete delivery;
  return PyLong_FromUnsignedLongLong(lost);
}

PyMethodDef functions[] = {{"_observe", &observe, METH_VARARGS, nullptr},
                           {"_stop_observing", &stop_observing, METH_VARARGS, nullptr},
                           {nullptr, nullptr, 0, nullptr}};

PyStructSequence_Field fields[] = {
    {"kind",
     "\"spawned\", \"dependency\", \"started\", \"finished\", \"failed\", \"suspended\", \"resumed\" or \"cancelled\""},
    {"task", "a number that is the task's own while the runtime is open"},
    {"other",
     "of a dependency, the task that comes before; of a cancelled task, the one whose failure is why, or None"},
    {"slot", "where the body runs, or None"},
    {"time_ns", "when, as time.monotonic_ns() counts"},
    {"name", "of a spawned task, if it has one, else None"},
    {nullptr, nullptr}};

PyStructSequence_Desc description{"polyreme.TaskEvent", "What has happened to a task, for callbacks of observe().",
                                  fields, 6};

}  // namespace

bool add_observing(PyObject* module) {
  event_type = PyStructSequence_NewType(&description);
  if (event_type == nullptr) return false;
  for (std::size_t i = 0; i < kKinds.size(); ++i) {
    kind_names[i] = PyUnicode_InternFromString(kKinds[i]);
    if (kind_names[i] == nullptr) return false;
  }
  return PyModule_AddObjectRef(module, "TaskEvent", reinterpret_cast<PyObject*>(event_type)) == 0 &&
         PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace polyreme::python
