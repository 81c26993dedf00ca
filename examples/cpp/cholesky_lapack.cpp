// Blocked Cholesky factorisation of a symmetric positive definite matrix: a task a tile and step.
//
//   cholesky_lapack [SIZE] [--tile ROWS] [--workers N] [--repeats R] [--json]
//
// The matrix is cut into square tiles. Step k factorises the diagonal tile k, solves for the tiles below it,
// and updates every tile to the right. Each task follows the tasks that changed its tiles last. Inside the
// tasks BLAS uses one thread; the result is compared with that of LAPACK, which may use as many as there are
// workers.
#include <polyreme/runtime.hpp>

#include <algorithm>
#include <cblas.h>
#include <charconv>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstdio>
#include <f77blas.h>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

/// A square matrix, column by column. Only the lower triangle is used.
class Matrix {
 public:
  explicit Matrix(int size) : size_(size), values_(static_cast<std::size_t>(size) * static_cast<std::size_t>(size)) {}

  [[nodiscard]] int size() const noexcept { return size_; }
  [[nodiscard]] double* at(int row, int column) noexcept {
    return values_.data() + static_cast<std::size_t>(column) * static_cast<std::size_t>(size_) + row;
  }
  [[nodiscard]] const double* at(int row, int column) const noexcept {
    return values_.data() + static_cast<std::size_t>(column) * static_cast<std::size_t>(size_) + row;
  }

 private:
  int size_;
  std::vector<double> values_;
};

/// A block of a matrix. Its columns are as far apart as those of the matrix.
struct Tile {
  double* data;
  int rows;
  int columns;
  int leading;
};

void potrf(Tile a) {
  char triangle = 'L';
  int info = 0;
  dpotrf_(&triangle, &a.rows, a.data, &a.leading, &info);
  if (info != 0) {
    throw std::runtime_error("the matrix is not positive definite: minor " + std::to_string(info) +
                             " of a diagonal tile");
  }
}

/// a = a * inverse(factor)^T
void trsm(Tile factor, Tile a) {
  cblas_dtrsm(CblasColMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, a.rows, a.columns, 1.0, factor.data,
              factor.leading, a.data, a.leading);
}

/// c -= a * a^T, the lower triangle
void syrk(Tile a, Tile c) {
  cblas_dsyrk(CblasColMajor, CblasLower, CblasNoTrans, a.rows, a.columns, -1.0, a.data, a.leading, 1.0, c.data,
              c.leading);
}

/// c -= a * b^T
void gemm(Tile a, Tile b, Tile c) {
  cblas_dgemm(CblasColMajor, CblasNoTrans, CblasTrans, a.rows, b.rows, a.columns, -1.0, a.data, a.leading, b.data,
              b.leading, 1.0, c.data, c.leading);
}

struct Position {
  int row;
  int column;
};

/// The lower tiles of a matrix, each with the task that changed it last.
class Tiles {
 public:
  Tiles(Matrix& matrix, int rows)
      : matrix_(matrix),
        rows_(rows),
        side_((matrix.size() + rows - 1) / rows),
        writers_(static_cast<std::size_t>(side_) * static_cast<std::size_t>(side_)) {}

  [[nodiscard]] int side() const noexcept { return side_; }

  /// Spawns kernel(tiles that are read..., tile that is changed) after the tasks that changed these tiles
  /// last.
  template <class Kernel, std::same_as<Position>... Read>
  void spawn(polyreme::Runtime& rt, Kernel kernel, Position changed, Read... read) {
    polyreme::SpawnOptions options;
    for (const Position position : {read..., changed}) {
      // Nobody changed a tile before its first step.
      if (writer(position).valid()) options.after.add(writer(position));
    }
    writer(changed) = rt.spawn(options, [=, this] { kernel(tile(read)..., tile(changed)); });
  }

 private:
  [[nodiscard]] Tile tile(Position position) const noexcept {
    const auto extent = [&](int k) { return std::min(rows_, matrix_.size() - k * rows_); };
    return {matrix_.at(position.row * rows_, position.column * rows_), extent(position.row), extent(position.column),
            matrix_.size()};
  }

  [[nodiscard]] polyreme::Task<void>& writer(Position position) noexcept {
    return writers_[static_cast<std::size_t>(position.row) * static_cast<std::size_t>(side_) +
                    static_cast<std::size_t>(position.column)];
  }

  Matrix& matrix_;
  int rows_;
  int side_;
  std::vector<polyreme::Task<void>> writers_;
};

void factorise(Matrix& matrix, int tile_rows, polyreme::Runtime& rt) {
  Tiles tiles(matrix, tile_rows);
  for (int k = 0; k < tiles.side(); ++k) {
    tiles.spawn(rt, potrf, {k, k});
    for (int i = k + 1; i < tiles.side(); ++i) {
      tiles.spawn(rt, trsm, {i, k}, Position{k, k});
    }
    for (int j = k + 1; j < tiles.side(); ++j) {
      tiles.spawn(rt, syrk, {j, j}, Position{j, k});
      for (int i = j + 1; i < tiles.side(); ++i) {
        tiles.spawn(rt, gemm, {i, j}, Position{i, k}, Position{j, k});
      }
    }
  }
  rt.wait();
}

/// Symmetric, and positive definite because its diagonal dominates.
Matrix make_matrix(int size) {
  Matrix matrix(size);
  std::mt19937_64 random(0);  // NOLINT(bugprone-random-generator-seed): every run gets the same matrix
  std::uniform_real_distribution<double> entry(0.0, 1.0);
  for (int column = 0; column < size; ++column) {
    *matrix.at(column, column) = 2.0 * size;
    for (int row = column + 1; row < size; ++row)
      *matrix.at(row, column) = entry(random);
  }
  return matrix;
}

/// Of the lower triangles, in the Frobenius norm.
double relative_error(const Matrix& factor, const Matrix& reference) {
  double difference = 0.0;
  double norm = 0.0;
  for (int column = 0; column < factor.size(); ++column) {
    for (int row = column; row < factor.size(); ++row) {
      const double expected = *reference.at(row, column);
      difference += std::pow(*factor.at(row, column) - expected, 2);
      norm += expected * expected;
    }
  }
  return std::sqrt(difference / norm);
}

struct Options {
  int size = 4096;
  int tile = 512;
  int workers = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  int repeats = 3;
  bool json = false;
};

Options parse_options(int argc, char** argv) {
  Options options;
  const auto count = [](std::string_view name, std::string_view text) {
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < 1) {
      throw std::invalid_argument(std::string(name) + " is '" + std::string(text) +
                                  "'; it must be a number of at least 1");
    }
    return value;
  };
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    int* const target = word == "--tile"      ? &options.tile
                        : word == "--workers" ? &options.workers
                        : word == "--repeats" ? &options.repeats
                                              : nullptr;
    if (target != nullptr) {
      if (i + 1 == argc) throw std::invalid_argument("nothing follows " + std::string(word));
      *target = count(word, argv[++i]);
    } else if (word == "--json") {
      options.json = true;
    } else {
      options.size = count("SIZE", word);
    }
  }
  return options;
}

void report(const Options& options, const std::vector<double>& tasks, const std::vector<double>& lapack, double error) {
  const auto line = [&](const char* name, std::vector<double> seconds) {
    std::ranges::sort(seconds);
    const double median = seconds[seconds.size() / 2];
    const double flops = std::pow(options.size, 3) / 3.0;
    std::printf("  %-10s%8.3f s (%.3f-%.3f)%8.1f GFLOP/s\n", name, median, seconds.front(), seconds.back(),
                flops / median / 1e9);
  };
  const auto list = [](const std::vector<double>& seconds) {
    std::string text;
    for (const double value : seconds)
      text += (text.empty() ? "" : ", ") + std::to_string(value);
    return text;
  };
  if (options.json) {
    std::printf(
        "{\"size\": %d, \"tile\": %d, \"workers\": %d, \"seconds\": {\"polyreme\": [%s], \"LAPACK\": "
        "[%s]}, "
        "\"error\": %g}\n",
        options.size, options.tile, options.workers, list(tasks).c_str(), list(lapack).c_str(), error);
    return;
  }
  std::printf("%d x %d, tiles of %d, %d workers; relative to LAPACK's factor: error %.1e\n", options.size, options.size,
              options.tile, options.workers, error);
  line("polyreme", tasks);
  line("LAPACK", lapack);
}

void run(const Options& options) {
  using Clock = std::chrono::steady_clock;
  const Matrix matrix = make_matrix(options.size);
  Matrix factor(options.size);
  Matrix reference(options.size);
  polyreme::Runtime rt({.workers = static_cast<unsigned>(options.workers)});

  std::vector<double> tasks;
  std::vector<double> lapack;
  const auto measure = [&](int blas_threads, std::vector<double>& seconds, auto&& work) {
    openblas_set_num_threads(blas_threads);
    // BLAS threads spin for a while after their last call.
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const auto started = Clock::now();
    work();
    seconds.push_back(std::chrono::duration<double>(Clock::now() - started).count());
  };
  for (int repeat = 0; repeat <= options.repeats; ++repeat) {
    factor = matrix;
    measure(1, tasks, [&] { factorise(factor, options.tile, rt); });
    reference = matrix;
    measure(options.workers, lapack, [&] { potrf({reference.at(0, 0), options.size, options.size, options.size}); });
    if (repeat > 0) continue;
    // The first turn warmed up.
    tasks.clear();
    lapack.clear();
  }

  const double error = relative_error(factor, reference);
  if (!(error < 1e-12)) {
    throw std::runtime_error("the factor differs from LAPACK's: relative error " + std::to_string(error));
  }
  report(options, tasks, lapack, error);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(parse_options(argc, argv));
    return 0;
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "cholesky_lapack: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "cholesky_lapack: %s\n", error.what());
    return 1;
  }
}
