#include "graphs.hpp"

#include "errors.hpp"
#include "gph/bounds.hpp"
#include "gph/convert.hpp"
#include "gph/data_order.hpp"
#include "gph/generate.hpp"
#include "gph/parse_error.hpp"
#include "gph/reader.hpp"
#include "gph/work.hpp"
#include "gph/writer.hpp"
#include "graphs_shape.hpp"

#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

namespace polyreme::python {
namespace {

namespace nb = nanobind;
using gph::Graph;
using gph::TaskIndex;
using Released = nb::call_guard<nb::gil_scoped_release>;

// Exceptions of the engine and of the system become what the rest of the package raises for them.
void translate(const std::exception_ptr& error, void* /*payload*/) {
  try {
    std::rethrow_exception(error);
  } catch (const Error&) {
    raise(error);
  } catch (const std::system_error&) {
    raise(error);
  }
}

Graph read_graph(const std::filesystem::path& path, bool data_order) {
  Graph graph = gph::read_file(path);
  return data_order ? gph::with_data_order(graph) : graph;
}

Graph generate_graph(const std::string& kind, const gph::Options& options, int format) {
  if (format != 1 && format != 2)
    throw std::invalid_argument("format=" + std::to_string(format) + "; graph files have format 1 or 2");
  Graph graph = gph::generate(kind, options);
  return format == 1 ? gph::as_format1(graph) : graph;
}

gph::Bounds bounds_of(const Graph& graph) {
  gph::Bounds bounds = gph::cpu_bounds(graph);
#ifdef Py_GIL_DISABLED
  bounds.lock_us = 0;  // there is no lock, so time with it is no bound
#endif
  return bounds;
}

// fn(graph, task) for all tasks.
template <typename Fn>
auto for_all(Fn fn) {
  return [fn](const Graph& graph) {
    std::vector<decltype(fn(graph, TaskIndex{0}))> values;
    values.reserve(graph.task_count());
    for (TaskIndex task = 0; task < graph.task_count(); ++task)
      values.push_back(fn(graph, task));
    return values;
  };
}

void add_graph_type(nb::module_& module) {
  nb::class_<Graph>(module, "Graph", "A task graph. Tasks are numbered as in their file, from 0.")
      .def_prop_ro(
          "format", [](const Graph& graph) { return static_cast<int>(graph.format()); }, "Format of the file, 1 or 2.")
      .def_prop_ro("task_count", &Graph::task_count)
      .def_prop_ro("dependency_count", &Graph::dependency_count)
      .def("names", for_all([](const Graph& graph, TaskIndex task) { return graph.name(task); }),
           "Return the name of each task, such as 'T[3]'.")
      .def("spaces", for_all([](const Graph& graph, TaskIndex task) { return std::string(graph.id(task).space); }),
           "Return the name of the space of each task.")
      .def("indices", for_all([](const Graph& graph, TaskIndex task) {
             const auto indices = graph.id(task).indices;
             return std::vector<std::int64_t>(indices.begin(), indices.end());
           }),
           "Return the indices of each task in its space.")
      .def("dependencies", for_all([](const Graph& graph, TaskIndex task) {
             const auto dependencies = graph.dependencies(task);
             return std::vector<TaskIndex>(dependencies.begin(), dependencies.end());
           }),
           "Return for each task the numbers of those that must end before it starts.")
      .def("levels", &levels, Released(), "Return for each task the length in tasks of the longest chain before it.")
      .def("times_us", &times_us, Released(),
           "Return the time of each task on the CPU.\n\nRaises:\n    GraphNotRunnable: a task has none.")
      .def("critical_path", &critical_path, Released(),
           "Return the tasks of a chain that takes longest on the CPU, first to last.\n\n"
           "Raises:\n    GraphNotRunnable: a task has no alternative for the CPU.")
      .def("bounds", &bounds_of, Released(),
           "Return how fast the graph could run on CPU cores.\n\n"
           "Raises:\n    GraphNotRunnable: a task has no alternative for the CPU.")
      .def("to_text", &gph::to_text, Released(),
           "Return the text of the graph as a file of its format.\n\n"
           "Raises:\n    ValueError: the format cannot state some task.")
      .def("write", &gph::write_file, nb::arg("path"), Released(),
           nb::sig("def write(self, path: str | os.PathLike[str]) -> None"),
           "Write the graph as a file of its format.\n\n"
           "Raises:\n    ValueError: the format cannot state some task.\n    OSError: the file cannot be "
           "written.");
}

void add_kind_types(nb::module_& module) {
  nb::class_<gph::OptionInfo>(module, "GraphOption", "An option of a kind of graph.")
      .def_ro("name", &gph::OptionInfo::name)
      .def_ro("help", &gph::OptionInfo::help)
      .def_ro("default", &gph::OptionInfo::default_value)
      .def_ro("low", &gph::OptionInfo::low, "The smallest value allowed.")
      .def_ro("high", &gph::OptionInfo::high, "The largest value allowed.")
      .def_ro("whole", &gph::OptionInfo::whole, "Whether only whole numbers are allowed.");
  nb::class_<gph::KindInfo>(module, "GraphKind", "A shape of graphs that can be generated.")
      .def_ro("name", &gph::KindInfo::name)
      .def_ro("summary", &gph::KindInfo::summary)
      .def_ro("options", &gph::KindInfo::options, "Its own options first, then those of every kind.");
}

}  // namespace

void add_graphs(nb::module_& module) {
  nb::register_exception_translator(&translate);
  const nb::exception<gph::ParseError> file_error(module, "GraphFileError", PyExc_ValueError);
  const nb::exception<gph::NoCpuAlternative> no_cpu(module, "GraphNotRunnable", PyExc_ValueError);

  nb::class_<gph::Bounds>(module, "GraphBounds", "Bounds on the time of a run on CPU cores.")
      .def_ro("critical_path_us", &gph::Bounds::critical_path_us, "The longest chain of dependent tasks.")
      .def_ro("work_us", &gph::Bounds::work_us, "The time of all tasks.")
      .def_ro("core_us", &gph::Bounds::core_us, "The same, each task times the cores it holds.")
      .def_ro("lock_us", &gph::Bounds::lock_us, "The time with the GIL of all tasks.")
      .def("makespan_us", &gph::Bounds::makespan_us, nb::arg("workers"),
           "Return the time below which no run on this many cores can be.");
  add_graph_type(module);
  add_kind_types(module);

  module.def("read_graph", &read_graph, nb::arg("path"), nb::arg("data_order") = false, Released(),
             nb::sig("def read_graph(path: str | os.PathLike[str], data_order: bool = False) -> Graph"),
             "Read a graph file of either format.\n\n"
             "Args:\n    path: the file.\n"
             "    data_order: add the dependencies that follow from the data that tasks touch, in spawn order.\n\n"
             "Raises:\n    GraphFileError: the text is wrong; the message begins with file:line:column.\n"
             "    OSError: the file cannot be read.");
  module.def("generate_graph", &generate_graph, nb::arg("kind"), nb::arg("options") = gph::Options(),
             nb::arg("format") = 2, Released(),
             "Make a graph of a well-known shape. Options are given as text.\n\n"
             "Raises:\n    ValueError: there is no such kind, option or format, or a value is out of range.");
  module.def(
      "graph_kinds",
      [] {
        const auto kinds = gph::kinds();
        return std::vector<gph::KindInfo>(kinds.begin(), kinds.end());
      },
      "Return the kinds of graphs that can be generated.");
}

}  // namespace polyreme::python
