// Captured graphs under many threads: runs beside each other, in bodies, cancelled, failing, dropped.
#include <polyreme/graph.hpp>

#include "stress.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <thread>
#include <vector>

namespace polyreme {
namespace {

constexpr int kNodes = 60;

/// A graph of layers, each node after up to three of earlier ones. Values are plain: the runtime orders them.
struct Layers {
  Layers(Runtime& rt, std::uint64_t seed) : graph(rt), fails(graph.argument<int>(-1)) {
    std::mt19937_64 random(seed);
    for (int i = 0; i < kNodes; ++i) {
      const auto pick = [&] { return nodes[random() % nodes.size()]; };
      const auto value = [i](int failing, int sum) {
        if (i == failing) throw std::runtime_error("broken");
        return sum + 1;
      };
      if (i < 4) {
        nodes.push_back(graph.spawn([value](int failing) { return value(failing, 0); }, fails));
      } else {
        nodes.push_back(
            graph.spawn([value](int failing, int a, int b, int c) { return value(failing, a + b % 7 + c % 5); }, fails,
                        pick(), pick(), pick()));
      }
    }
  }
  Graph graph;
  Argument<int> fails;
  std::vector<Node<int>> nodes;
};

TEST(CapturedGraphStress, RunsBesideEachOther) {
  const std::uint64_t seed = stress::seed();
  Runtime rt({.workers = 3});
  Layers layers(rt, seed);
  const int expected = layers.graph.run().get(layers.nodes.back());
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (unsigned t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(seed + t);
      std::vector<GraphRun> kept;
      for (int k = 0; k < stress::scaled(300); ++k) {
        switch (random() % 6) {
          case 0:
            kept.push_back(layers.graph.run_async());
            break;
          case 1: {
            const GraphRun run = layers.graph.run_async(layers.fails.bind(static_cast<int>(random() % kNodes)));
            try {
              run.get();
              ++wrong;
            } catch (const TaskErrors&) {
            }
            break;
          }
          case 2: {
            const GraphRun run = layers.graph.run_async();
            run.cancel();
            try {
              run.get();
            } catch (const TaskCancelled&) {
            }
            break;
          }
          case 3:
            static_cast<void>(layers.graph.run_async());
            break;
          case 4: {
            const auto task = rt.spawn([&] { return layers.graph.run().get(layers.nodes.back()); });
            wrong += task.get() != expected ? 1 : 0;
            break;
          }
          default:
            wrong += layers.graph.run().get(layers.nodes.back()) != expected ? 1 : 0;
        }
        if (kept.size() > 5) {
          for (const GraphRun& run : kept)
            wrong += run.get(layers.nodes.back()) != expected ? 1 : 0;
          kept.clear();
        }
      }
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  try {
    rt.wait();
  } catch (const TaskErrors&) {
    // Of the runs that were waited for by their handles.
  }
  EXPECT_EQ(wrong, 0) << "seed " << seed;
}

TEST(CapturedGraphStress, WideAndNarrow) {
  Runtime rt({.workers = 4});
  Graph g(rt);
  std::vector<int> cells(2000);
  std::vector<Node<>> row;
  const auto first = g.spawn([&] { cells[0] += 1; });
  for (std::size_t i = 1; i < cells.size(); ++i)
    row.push_back(g.spawn({.after = {first}}, [&cells, i] { cells[i] += cells[0]; }));
  const auto middle = g.spawn({.after = row}, [&] { cells[0] += cells[1999]; });
  for (std::size_t i = 1; i < cells.size(); ++i)
    g.spawn({.after = {middle}}, [&cells, i] { cells[i] = 0; });
  for (int k = 0; k < stress::scaled(100); ++k) {
    cells[0] = 0;
    g.run();
    EXPECT_EQ(cells[0], 2);
  }
}

TEST(CapturedGraphStress, NestedAndWaiting) {
  Runtime rt({.workers = 2});
  Graph inner(rt);
  std::atomic<int> ran{0};
  for (int i = 0; i < 20; ++i)
    inner.spawn([&] { rt.spawn([&] { ++ran; }).wait(); });
  Graph outer(rt);
  for (int i = 0; i < 5; ++i)
    outer.spawn({.after = {outer.spawn(inner)}}, [&] { inner.run(); });
  const int rounds = stress::scaled(20);
  for (int k = 0; k < rounds; ++k)
    outer.run();
  EXPECT_EQ(ran, rounds * 200);
}

}  // namespace
}  // namespace polyreme
