// The smallest graph: one task, and another one that follows it and receives its value.
//
// Prints:
//
//    1025
#include <polyreme/runtime.hpp>

#include <iostream>

int main() {
  polyreme::Runtime rt;
  polyreme::Task<int> a = rt.spawn([] { return 1024; });
  auto b = rt.spawn([](int x) { return x + 1; }, a);
  std::cout << b.get() << '\n';
}
