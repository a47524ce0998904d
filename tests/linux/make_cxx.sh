# make and g++, arm64 tools: templates, exceptions across objects, threads, iostreams.
# suite: short
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
cat > shapes.h <<'END'
#include <memory>
#include <string>
#include <stdexcept>
struct Shape { virtual ~Shape() = default; virtual double area() const = 0; };
std::unique_ptr<Shape> make(const std::string &name, double size);
END
cat > shapes.cc <<'END'
#include "shapes.h"
#include <map>
#include <functional>
struct Square : Shape { double s; explicit Square(double s) : s(s) {} double area() const override { return s * s; } };
struct Circle : Shape { double r; explicit Circle(double r) : r(r) {} double area() const override { return 3 * r * r; } };
std::unique_ptr<Shape> make(const std::string &name, double size) {
    static const std::map<std::string, std::function<std::unique_ptr<Shape>(double)>> known = {
        {"square", [](double s) { return std::make_unique<Square>(s); }}, {"circle", [](double s) { return std::make_unique<Circle>(s); }}};
    auto found = known.find(name);
    if (found == known.end()) throw std::invalid_argument("no shape " + name);
    return found->second(size);
}
END
cat > main.cc <<'END'
#include "shapes.h"
#include <algorithm>
#include <future>
#include <iostream>
#include <regex>
#include <thread>
#include <vector>
int main() {
    double total = 0;
    for (auto [name, size] : {std::pair{"square", 2.0}, {"circle", 1.0}, {"cube", 1.0}}) {
        try { total += make(name, size)->area(); } catch (const std::exception &error) { std::cout << error.what() << '\n'; }
    }
    std::vector<std::future<long>> parts;
    for (long i = 0; i < 8; i++) parts.push_back(std::async(std::launch::async, [i] { long s = 0; for (long j = 0; j < 1000; j++) s += i * j; return s; }));
    long sum = 0;
    for (auto &part : parts) sum += part.get();
    std::string text = std::regex_replace("2024-05-06", std::regex("(\\d+)-(\\d+)-(\\d+)"), "$3.$2.$1");
    std::cout << total << ' ' << sum << ' ' << text << std::endl;
}
END
printf 'CXXFLAGS = -O1 -std=c++17 -pthread\nprogram: main.o shapes.o ; $(CXX) $(CXXFLAGS) -o $@ $^\nmain.o shapes.o: shapes.h\n' > Makefile
make -s -j2 program; [ "$(./program)" = "$(printf 'no shape cube\n7 13986000 06.05.2024')" ]
echo ok
