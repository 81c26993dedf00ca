// The public headers declare exactly the intended names. A name that is added or lost must be meant: change it here, in
// the documentation and in the changelog.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace polyreme {
namespace {

namespace fs = std::filesystem;

const fs::path& headers() {
  static const fs::path folder = fs::path(POLYREME_SOURCE_DIR) / "include" / "polyreme";
  return folder;
}

/// What `text` declares at namespace level outside of detail; relies on such declarations to begin their line.
std::set<std::string> names_in(std::istream& text) {
  static const std::regex forward(R"(^(?:class|struct) \w+;)");
  static const std::regex type(R"(^(?:class|struct|enum class|using) (?:\[\[nodiscard\]\] )?(\w+).*)");
  static const std::regex constant(R"(^inline constexpr [^(=]*?(\w+) ?[={].*)");
  static const std::regex function(R"(^(?:\[\[nodiscard\]\] )?(?:inline |constexpr )*[\w:<>&*]+ (\w+)\(.*)");
  std::set<std::string> names;
  std::smatch match;
  bool in_detail = false;
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("namespace detail {")) in_detail = true;
    if (line.starts_with("}  // namespace detail")) in_detail = false;
    if (in_detail || line.starts_with("namespace") || std::regex_match(line, forward)) continue;
    for (const std::regex* pattern : {&type, &constant, &function}) {
      if (std::regex_match(line, match, *pattern)) {
        names.insert(match[1]);
        break;
      }
    }
  }
  return names;
}

std::set<std::string> names_of(const std::string& header) {
  std::ifstream file(headers() / header);
  EXPECT_TRUE(file) << header;
  return names_in(file);
}

using Names = std::set<std::string>;

TEST(ApiExports, TheHeadersAreThese) {
  Names found;
  for (const auto& entry : fs::directory_iterator(headers())) {
    if (entry.is_regular_file()) found.insert(entry.path().filename());
  }
  EXPECT_EQ(found, (Names{"context.hpp", "coro.hpp", "errors.hpp", "graph.hpp", "observer.hpp", "repeatable.hpp",
                          "runtime.hpp", "scope.hpp", "space.hpp", "task.hpp", "testing.hpp"}));
}

TEST(ApiExports, Errors) {
  EXPECT_EQ(names_of("errors.hpp"),
            (Names{"Error", "UsageError", "DuplicateId", "RuntimeClosed", "TypeMismatch", "CycleError", "MissingTask",
                   "DependencyFailed", "TaskCancelled", "SpawnSite", "Failure", "TaskErrors"}));
}

TEST(ApiExports, Context) {
  EXPECT_EQ(names_of("context.hpp"), (Names{"Context"}));
}

TEST(ApiExports, Graphs) {
  EXPECT_EQ(names_of("graph.hpp"),
            (Names{"NodeBase", "Node", "Bound", "Argument", "AfterNodes", "NodeOptions", "GraphRun", "Graph"}));
}

TEST(ApiExports, Runtime) {
  EXPECT_EQ(names_of("runtime.hpp"),
            (Names{"After", "SpawnOptions", "OnFull", "RuntimeOptions", "RuntimeStats", "Runtime"}));
}

TEST(ApiExports, Repeatable) {
  EXPECT_EQ(names_of("repeatable.hpp"), (Names{"Repeatable", "repeatable"}));
}

TEST(ApiExports, Testing) {
  EXPECT_EQ(names_of("testing.hpp"), (Names{"SteppedOptions", "SteppedRuntime"}));
}

TEST(ApiExports, Observers) {
  EXPECT_EQ(names_of("observer.hpp"), (Names{"TaskEventKind", "TaskEvent", "Observer", "Observation"}));
}

TEST(ApiExports, Scopes) {
  EXPECT_EQ(names_of("scope.hpp"), (Names{"ScopeOptions", "Scope"}));
}

TEST(ApiExports, Coroutines) {
  EXPECT_EQ(names_of("coro.hpp"), (Names{"Coro", "all"}));
}

TEST(ApiExports, Spaces) {
  EXPECT_EQ(names_of("space.hpp"),
            (Names{"kMaxIndices", "Range", "range", "upto", "from", "TaskId", "SpaceSlice", "Space"}));
}

TEST(ApiExports, Tasks) {
  EXPECT_EQ(names_of("task.hpp"), (Names{"TaskBase", "Task"}));
}

/// That the search sees what it is meant to see.
TEST(ApiExports, TheSearchFindsDeclarations) {
  std::istringstream text(
      "class Forward;\n"
      "class One : public Base {\n"
      "  int inside();\n"
      "};\n"
      "namespace detail {\n"
      "struct Hidden {};\n"
      "}  // namespace detail\n"
      "inline constexpr std::size_t kTwo = 2;\n"
      "[[nodiscard]] constexpr Range three(int x) noexcept {\n"
      "void four(int x);\n"
      "enum class Five : int { kA };\n"
      "using Six = int;\n");
  EXPECT_EQ(names_in(text), (Names{"One", "kTwo", "three", "four", "Five", "Six"}));
}

}  // namespace
}  // namespace polyreme
