#include <polyreme/runtime.hpp>

int main() {
  polyreme::Runtime rt;
  auto a = rt.spawn([] { return 42; });
  auto b = rt.spawn([](int x) { return x + 1; }, a);
  return b.get() == 43 ? 0 : 1;
}
