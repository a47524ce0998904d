// Exceptions through several frames, iostream, containers, virtual calls, RTTI, thread-local and static objects.
#include <algorithm>
#include <functional>
#include <iomanip>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

struct Tracked {
    std::string name;
    explicit Tracked(std::string n) : name(std::move(n)) {}
    ~Tracked() { std::cout << "destroy " << name << '\n'; }
};

static Tracked global("global");
static thread_local int per_thread = 41;

struct Custom : std::runtime_error {
    int code;
    explicit Custom(int c) : std::runtime_error("custom"), code(c) {}
};

[[gnu::noinline]] static int descend(int depth)
{
    Tracked tracked("level " + std::to_string(depth));
    if (depth == 0)
        throw Custom(17);
    return descend(depth - 1) + 1;
}

struct Shape {
    virtual ~Shape() = default;
    virtual double area() const = 0;
};

struct Square : Shape {
    double side;
    explicit Square(double s) : side(s) {}
    double area() const override { return side * side; }
};

struct Circle : Shape {
    double radius;
    explicit Circle(double r) : radius(r) {}
    double area() const override { return 3.14159265358979 * radius * radius; }
};

int main()
{
    std::map<std::string, int> counts;
    std::istringstream words("the quick brown fox jumps over the lazy dog the end");
    for (std::string word; words >> word;)
        counts[word]++;
    for (const auto &[word, count] : counts)
        std::cout << std::setw(8) << word << ' ' << count << '\n';

    try {
        descend(3);
    } catch (const Custom &error) {
        std::cout << "caught " << error.what() << ' ' << error.code << '\n';
    }
    try {
        try {
            std::vector<int>(3).at(10);
        } catch (const std::out_of_range &) {
            std::throw_with_nested(std::logic_error("outer"));
        }
    } catch (const std::exception &error) {
        std::cout << "outer: " << error.what() << '\n';
        try {
            std::rethrow_if_nested(error);
        } catch (const std::out_of_range &) {
            std::cout << "nested out_of_range\n";
        }
    }
    int thrown = 0;
    for (int i = 0; i < 300; i++) {
        try {
            if (i % 3)
                throw i;
        } catch (int value) {
            thrown += value;
        }
    }
    std::cout << "thrown " << thrown << '\n';

    std::vector<std::unique_ptr<Shape>> shapes;
    for (int i = 1; i < 5; i++) {
        if (i % 2)
            shapes.push_back(std::make_unique<Square>(i * 1.5));
        else
            shapes.push_back(std::make_unique<Circle>(i));
    }
    double total = 0;
    for (const auto &shape : shapes) {
        total += shape->area();
        std::cout << (dynamic_cast<Square *>(shape.get()) ? "square " : "circle ") << std::setprecision(17) << total
                  << '\n';
    }
    std::vector<std::string> sorted;
    for (const auto &entry : counts)
        sorted.push_back(entry.first);
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    std::function<int(int)> fibonacci = [&](int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); };
    std::cout << sorted.front() << ' ' << fibonacci(15) << ' ' << ++per_thread << ' ' << std::hex << 0xbeef << '\n';
    std::ostringstream text;
    text << std::fixed << std::setprecision(3) << 2.0 / 3 << ' ' << std::scientific << 1e-10;
    std::cout << text.str() << std::endl;
    return 3;
}
