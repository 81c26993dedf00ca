// Every message of the reader, with the line, the column and the token it must name.
#include "gph/reader.hpp"

#include <gtest/gtest.h>

#include <ostream>

namespace polyreme::gph {
namespace {

struct BadFile {
  const char* name;
  std::string text;
  std::uint32_t line;
  std::uint32_t column;
  std::string token;
  std::string reason;  // a part of it

  friend std::ostream& operator<<(std::ostream& out, const BadFile& file) { return out << file.name; }
};

class GphParseError : public testing::TestWithParam<BadFile> {};

TEST_P(GphParseError, NamesPlaceTokenAndRemedy) {
  const BadFile& bad = GetParam();
  try {
    static_cast<void>(read_text(bad.text, "bad.gph"));
    FAIL() << "was read";
  } catch (const ParseError& error) {
    EXPECT_EQ(error.file(), "bad.gph");
    EXPECT_EQ(error.line(), bad.line);
    EXPECT_EQ(error.column(), bad.column);
    EXPECT_EQ(error.token(), bad.token);
    EXPECT_NE(error.reason().find(bad.reason), std::string::npos) << error.reason();
    const std::string place = "bad.gph:" + std::to_string(bad.line) + ":" + std::to_string(bad.column) + ": ";
    EXPECT_EQ(std::string(error.what()).rfind(place, 0), 0U) << error.what();
  }
}

// A file of format 1 or 2 with this as its second line, so that the first column of it is column 1 of line 2.
std::string one(const std::string& line) {
  return "40, 100\n" + line + "\n";
}
std::string two(const std::string& line) {
  return "{40 : -1}, {100 : 0}\n" + line + "\n";
}

INSTANTIATE_TEST_SUITE_P(
    FirstLine, GphParseError,
    testing::Values(
        BadFile{"empty", "", 1, 1, "", "the file is empty"},
        BadFile{"only_comments", "# nothing\n\n", 2, 1, "", "the file is empty"},
        BadFile{"word", "x\n", 1, 1, "x", "expected elements of a data block, a whole number"},
        BadFile{"negative_elements", "40, -1\n", 1, 5, "-1", "elements of a data block must be between 0 and"},
        BadFile{"fraction_of_an_element", "1.5\n", 1, 1, "1.5", "must be a whole number"},
        BadFile{"too_many_elements", "99999999999999999999\n", 1, 1, "99999999999999999999", "must be between"},
        BadFile{"huge_exponent", "1e400\n", 1, 1, "1e400", "must be between"},
        BadFile{"missing_comma", "40 100\n", 1, 4, "100", "expected ',' between the elements"},
        BadFile{"trailing_comma", "40,\n", 1, 4, "", "expected elements of a data block"},
        BadFile{"task_first", "0 | 1, 1, 0, 0, 0\n", 1, 3, "|", "the first line lists the elements"},
        BadFile{"no_home", "{40}\n", 1, 4, "}", "expected ':' and the home"},
        BadFile{"bad_home", "{40 : -2}\n", 1, 7, "-2", "home must be between -1 and 1000000"},
        BadFile{"open_brace", "{40 : -1\n", 1, 9, "", "expected '}' after the home"},
        BadFile{"no_comma_between_blocks", "{40 : -1} {4 : 0}\n", 1, 11, "{", "expected ',' between two data blocks"},
        BadFile{"number_after_brace", "{40 : -1}, 5\n", 1, 12, "5", "expected '{'"}),
    testing::PrintToStringParamName());

INSTANTIATE_TEST_SUITE_P(
    Format1, GphParseError,
    testing::Values(
        BadFile{"word_as_id", one("a | 1, 1, 0, 0, 0"), 2, 1, "a", "expected task id, a whole number"},
        BadFile{"negative_id", one("-3 | 1, 1, 0, 0, 0"), 2, 1, "-3", "task id must be between 0 and"},
        BadFile{"fraction_as_id", one("1.5 | 1, 1, 0, 0, 0"), 2, 1, "1.5", "task id must be a whole number"},
        BadFile{"too_many_indices", one("1, 2, 3, 4, 5, 6, 7, 8, 9"), 2, 25, "9", "a task id has at most 8 numbers"},
        BadFile{"dangling_comma", one("1, | 1, 1, 0, 0, 0"), 2, 2, ",", "expected ',' or '|' after the task id"},
        BadFile{"tuple_id", one("(1, 2) | 1, 1, 0, 0, 0"), 2, 1, "(", "belong to format 2"},
        BadFile{"named_id", one("'G' | 1, 1, 0, 0, 0"), 2, 1, "'G'", "belong to format 2"},
        BadFile{"braces", one("0 | {-1 : 1, 1, 0, 0, 0}"), 2, 5, "{", "alternatives in braces belong to format 2"},
        BadFile{"no_bar", one("0 5"), 2, 3, "5", "expected ',' or '|' after the task id"},
        BadFile{"empty_section", one("0 | | 1"), 2, 5, "|", "expected time_us, a number"},
        BadFile{"negative_time", one("0 | -5, 1, 0, 0, 0"), 2, 5, "-5", "time_us must be between 0 and 1e+15"},
        BadFile{"nan_time", one("0 | nan, 1, 0, 0, 0"), 2, 5, "nan", "time_us must be between"},
        BadFile{"infinite_time", one("0 | inf, 1, 0, 0, 0"), 2, 5, "inf", "time_us must be between"},
        BadFile{"overflowing_time", one("0 | 1e999, 1, 0, 0, 0"), 2, 5, "1e999", "time_us must be between"},
        BadFile{"time_with_tail", one("0 | 5us, 1, 0, 0, 0"), 2, 6, "us", "expected ',' and 1/share"},
        BadFile{"no_share", one("0 | 5"), 2, 6, "", "expected ',' and 1/share after time_us"},
        BadFile{"zero_share", one("0 | 5, 0, 0, 0, 0"), 2, 8, "0", "1/share must be between 1 and 1000000"},
        BadFile{"negative_share", one("0 | 5, -2, 0, 0, 0"), 2, 8, "-2", "1/share must be between 1"},
        BadFile{"fractional_share", one("0 | 5, 0.5, 0, 0, 0"), 2, 8, "0.5", "1/share must be a whole number"},
        BadFile{"no_where", one("0 | 5, 1"), 2, 9, "", "expected ',' and where"},
        BadFile{"bad_where", one("0 | 5, 1, -1, 0, 0"), 2, 11, "-1", "where must be between 0"},
        BadFile{"no_accesses", one("0 | 5, 1, 0"), 2, 12, "", "expected ',' and gil_accesses"},
        BadFile{"negative_accesses", one("0 | 5, 1, 0, -1, 0"), 2, 14, "-1", "gil_accesses must be between 0"},
        BadFile{"no_gil_time", one("0 | 5, 1, 0, 1"), 2, 15, "", "expected ',' and gil_us"},
        BadFile{"negative_gil_time", one("0 | 5, 1, 0, 1, -1"), 2, 17, "-1", "gil_us must be between 0"},
        BadFile{"sixth_field", one("0 | 5, 1, 0, 1, 1, 1"), 2, 18, ",", "expected '|' and the dependencies"}),
    testing::PrintToStringParamName());

INSTANTIATE_TEST_SUITE_P(
    Format2, GphParseError,
    testing::Values(
        BadFile{"bare_name", two("'G', 1 | {-1 : 1, 1, 0, 0, 0}"), 2, 1, "'G'", "a named id stands in parentheses"},
        BadFile{"open_tuple", two("(1, 2 | {-1 : 1, 1, 0, 0, 0}"), 2, 7, "|", "expected ')' after the id"},
        BadFile{"empty_tuple", two("() | {-1 : 1, 1, 0, 0, 0}"), 2, 2, ")", "expected task id, a whole number"},
        BadFile{"name_alone", two("('G') | {-1 : 1, 1, 0, 0, 0}"), 2, 5, ")", "expected ',' and an index"},
        BadFile{"name_with_two_indices", two("('G', 1, 2) | {-1 : 1, 1, 0, 0, 0}"), 2, 11, ")",
                "several indices stand in parentheses"},
        BadFile{"open_inner_tuple", two("('G', (1, 2) | {-1 : 1, 1, 0, 0, 0}"), 2, 14, "|",
                "expected ')' after the id"},
        BadFile{"open_index", two("('G', (1 | 2"), 2, 10, "|", "expected ')' after the index"},
        BadFile{"open_quote", two("('G, 1) | {-1 : 1, 1, 0, 0, 0}"), 2, 2, "'G", "lacks its closing quote"},
        BadFile{"empty_name", two("('', 1) | {-1 : 1, 1, 0, 0, 0}"), 2, 2, "''", "must not be empty"},
        BadFile{"control_in_name", two("('a\x01', 1) | {-1 : 1, 1, 0, 0, 0}"), 2, 4, "\\x01'", "printable ASCII only"},
        BadFile{"long_name", two("('" + std::string(129, 'a') + "', 1)"), 2, 2, "'" + std::string(39, 'a') + "...",
                "is longer than 128 characters"},
        BadFile{"no_braces", two("0 | 1, 1, 0, 0, 0"), 2, 5, "1", "expected '{' and an alternative"},
        BadFile{"bad_target", two("0 | {-3 : 1, 1, 0, 0, 0}"), 2, 6, "-3", "target must be between -2 and 1000000"},
        BadFile{"no_target", two("0 | {: 1, 1, 0, 0, 0}"), 2, 6, ":", "expected target, a whole number"},
        BadFile{"open_gang", two("0 | {(0, 0 : 1, 1, 0, 0, 0}"), 2, 12, ":", "expected ',' or ')' in a gang"},
        BadFile{"cpu_twice", two("0 | {(-1, -1) : 1, 1, 0, 0, 0}"), 2, 6, "(", "names CPU twice"},
        BadFile{"gpu_twice", two("0 | {(3, 0, 3) : 1, 1, 0, 0, 0}"), 2, 6, "(", "names GPU 2 twice"},
        BadFile{"no_time", two("0 | {0}"), 2, 7, "}", "expected ':' and time_us after the targets"},
        BadFile{"negative_time", two("0 | {0 : -1, 1, 0, 0, 0}"), 2, 10, "-1", "time_us must be between"},
        BadFile{"zero_share", two("0 | {0 : 1, 0, 0, 0, 0}"), 2, 13, "0", "share must be between 1e-06 and"},
        BadFile{"gpu_share_over_one", two("0 | {0 : 1, 2, 0, 0, 0}"), 2, 13, "2", "at most 1"},
        BadFile{"gang_share_over_one", two("0 | {(-1, 1) : 1, 1.5, 0, 0, 0}"), 2, 19, "1.5", "at most 1"},
        BadFile{"gil_over_one", two("0 | {0 : 1, 1, 1, 1.1, 0}"), 2, 19, "1.1", "gil_fraction must be between 0 and 1"},
        BadFile{"gil_without_access", two("0 | {0 : 1, 1, 0, 0.1, 0}"), 2, 19, "0.1",
                "gil_fraction must be 0 where gil_accesses is 0"},
        BadFile{"no_memory", two("0 | {0 : 1, 1, 1, 0.1}"), 2, 22, "}", "expected ',' and memory_bytes"},
        BadFile{"negative_memory", two("0 | {0 : 1, 1, 1, 0.1, -1}"), 2, 24, "-1", "memory_bytes must be between"},
        BadFile{"open_alternative", two("0 | {0 : 1, 1, 1, 0.1, 0"), 2, 25, "", "expected '}' after memory_bytes"},
        BadFile{"comma_without_alternative", two("0 | {0 : 1, 1, 1, 0.1, 0}, | 1"), 2, 28, "|",
                "expected '{' and an alternative"},
        BadFile{"big_gang",
                two("0 | {(" +
                    [] {
                      std::string targets = "0";
                      for (int i = 0; i < 1024; ++i)
                        targets += ",0";
                      return targets;
                    }() +
                    ") : 1, 1, 0, 0, 0}"),
                2, 2055, "0", "a gang has at most 1024 devices"}),
    testing::PrintToStringParamName());

const std::string kTask = " | 1, 1, 0, 0, 0";

INSTANTIATE_TEST_SUITE_P(
    Graph, GphParseError,
    testing::Values(
        BadFile{"duplicate_id", one("7" + kTask + "\n# again\n7" + kTask), 4, 1, "7",
                "task T[7] was defined on line 2 already"},
        BadFile{"unknown_dependency", one("7" + kTask + " | 8"), 2, 21, "8",
                "no line defines task T[8]; add its line or remove this dependency"},
        BadFile{"unknown_in_space", two("('G', 1) | {0 : 1, 1, 0, 0, 0} | 2"), 2, 34, "2", "no line defines task G[2]"},
        BadFile{"self_dependency", one("0" + kTask + "\n7" + kTask + " | 0 : 7"), 3, 25, "7",
                "task T[7] depends on itself"},
        BadFile{"cycle", one("0" + kTask + " | 2\n1" + kTask + " | 0\n2" + kTask + " | 1"), 2, 21, "2",
                "these tasks wait for one another: T[0] -> T[2] -> T[1] -> T[0]"},
        BadFile{"cycle_past_other_forward_references",
                one("0" + kTask + " | 3\n1" + kTask + " | 3 : 2\n2" + kTask + " | 1\n3" + kTask), 3, 25, "2",
                "T[1] -> T[2] -> T[1]"},
        BadFile{"long_cycle",
                [] {
                  std::string text = "0\n0" + kTask + " | 99\n";
                  for (int i = 1; i < 100; ++i)
                    text += std::to_string(i) + kTask + " | " + std::to_string(i - 1) + "\n";
                  return text;
                }(),
                2, 21, "99",
                "T[0] -> T[99] -> T[98] -> T[97] -> T[96] -> T[95] -> T[94] -> T[93] -> T[92] -> "
                "... (100 tasks) -> T[1] -> T[0]"},
        BadFile{"bad_dependency", one("7" + kTask + " | x"), 2, 21, "x", "expected task id"},
        BadFile{"empty_dependency", one("0" + kTask + "\n7" + kTask + " | 0 : | 1"), 3, 25, "|", "expected task id"},
        BadFile{"comma_dependencies", one("0" + kTask + "\n7" + kTask + " | 0 0"), 3, 23, "0",
                "expected ':' or '|' after a dependency"},
        BadFile{"unknown_block", one("0" + kTask + " | | 1 : : 2"), 2, 29, "2",
                "there is no data block 2; the first line lists blocks 0 to 1"},
        BadFile{"negative_block", one("0" + kTask + " | | -1"), 2, 23, "-1", "data block must be between 0 and"},
        BadFile{"word_as_block", one("0" + kTask + " | | a"), 2, 23, "a", "expected the end of the line"},
        BadFile{"dangling_block_comma", one("0" + kTask + " | | 1, : 0"), 2, 26, ":", "expected data block"},
        BadFile{"fourth_list", one("0" + kTask + " | | 1 : 1 : 1 : 1"), 2, 33, ":", "expected the end of the line"},
        BadFile{"fifth_section", one("0" + kTask + " | | 1 | 1"), 2, 25, "|", "expected the end of the line"},
        BadFile{"nul_byte", one(std::string("0\0", 2) + kTask), 2, 2, "\\x00", "expected ',' or '|'"}),
    testing::PrintToStringParamName());

}  // namespace
}  // namespace polyreme::gph
