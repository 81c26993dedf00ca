#include "captured_onetbb.hpp"
#include "harness.hpp"

int main(int argc, char** argv) {
  using namespace polyreme::bench;
  return guarded_main(argc, argv, replay_all<CapturedFlowGraph>);
}
