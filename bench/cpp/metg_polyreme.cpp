#include "captured_polyreme.hpp"
#include "metg.hpp"

int main(int argc, char** argv) {
  using namespace polyreme::bench;
  return guarded_main(argc, argv, find_metg<CapturedPolyreme>);
}
