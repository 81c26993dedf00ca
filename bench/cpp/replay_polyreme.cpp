#include "captured_polyreme.hpp"
#include "harness.hpp"

int main(int argc, char** argv) {
  using namespace polyreme::bench;
  return guarded_main(argc, argv, replay_all<CapturedPolyreme>);
}
