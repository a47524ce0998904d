// C++ exceptions thrown many times through many frames, with destructors on the way and rethrows.
// EMU_GUEST_SMALL asks for less of it.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

static uint64_t sum;

struct Noted {
    uint64_t value;
    explicit Noted(uint64_t value) : value(value) {}
    ~Noted() { sum = sum * 31 + value; }
};

struct Base {
    virtual ~Base() = default;
    virtual uint64_t run(int depth, uint64_t value) = 0;
};

[[gnu::noinline]] static uint64_t down(int depth, uint64_t value)
{
    Noted noted(value ^ static_cast<uint64_t>(depth));
    if (depth == 0) {
        if (value % 3 == 0)
            throw value;
        if (value % 3 == 1)
            throw std::runtime_error(std::to_string(value));
        throw static_cast<int>(value);
    }
    try {
        return down(depth - 1, value * 3 + 1) + noted.value;
    } catch (const std::runtime_error &error) {
        if (depth % 4 == 0)
            throw;
        if (depth % 4 == 1)
            throw static_cast<uint64_t>(std::string(error.what()).size() + value);
        throw std::runtime_error(std::string(error.what()).substr(0, 5) + "x");
    }
}

struct Plain : Base {
    uint64_t run(int depth, uint64_t value) override { return down(depth, value); }
};

struct Catching : Base {
    uint64_t run(int depth, uint64_t value) override
    {
        try {
            return down(depth, value);
        } catch (int number) {
            return static_cast<uint64_t>(number) * 5;
        }
    }
};

int main()
{
    const int rounds = std::getenv("EMU_GUEST_SMALL") ? 60 : 10000;
    Plain plain;
    Catching catching;
    Base *objects[] = {&plain, &catching};
    for (int i = 0; i < rounds; i++) {
        try {
            sum += objects[i % 2]->run(i % 12, static_cast<uint64_t>(i));
        } catch (uint64_t number) {
            sum = sum * 7 + number;
        } catch (const std::exception &error) {
            sum = sum * 11 + std::string(error.what()).size();
        } catch (...) {
            sum = sum * 13 + 1;
        }
    }
    std::printf("%016llx\n", static_cast<unsigned long long>(sum));
    // Deep, without handlers on the way.
    struct Deep {
        static uint64_t go(int depth)
        {
            Noted noted(static_cast<uint64_t>(depth));
            if (depth == 0)
                throw std::out_of_range("bottom");
            return go(depth - 1) + noted.value;
        }
    };
    for (int i = 0; i < rounds / 30; i++) {
        try {
            sum += Deep::go(300 + i % 7);
        } catch (const std::out_of_range &error) {
            sum = sum * 17 + static_cast<uint64_t>(error.what()[0]);
        }
    }
    std::printf("%016llx\n", static_cast<unsigned long long>(sum));
    return 0;
}
