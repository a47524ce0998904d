// Threads as C++ has them: std::thread, async, futures, shared mutexes, exceptions between threads, thread_local objects.
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <future>
#include <mutex>
#include <numeric>
#include <shared_mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static std::atomic<int> made, destroyed;

struct Counted {
    int value = 0;
    Counted() { made++; }
    ~Counted() { destroyed += value; }
};

static thread_local Counted counted;

static long sum_of(const std::vector<long> &numbers, size_t from, size_t to)
{
    if (to - from < 1000)
        return std::accumulate(numbers.begin() + from, numbers.begin() + to, 0L);
    size_t middle = from + (to - from) / 2;
    auto left = std::async(std::launch::async, sum_of, std::cref(numbers), from, middle);
    long right = sum_of(numbers, middle, to);
    return left.get() + right;
}

int main()
{
    std::vector<std::thread> threads;
    for (int i = 1; i <= 5; i++)
        threads.emplace_back([i] { counted.value = i; });
    for (auto &thread : threads)
        thread.join();
    std::printf("thread_local %d %d\n", made.load(), destroyed.load());

    std::vector<long> numbers(20000);
    std::iota(numbers.begin(), numbers.end(), 1);
    std::printf("sum %ld\n", sum_of(numbers, 0, numbers.size()));

    auto thrown = std::async(std::launch::async, []() -> int { throw std::runtime_error("from the thread"); });
    try {
        thrown.get();
    } catch (const std::exception &error) {
        std::printf("caught %s\n", error.what());
    }

    std::shared_mutex mutex;
    std::string text;
    std::atomic<bool> ready{false};
    threads.clear();
    for (int i = 0; i < 3; i++)
        threads.emplace_back([&] {
            while (!ready)
                std::this_thread::yield();
            for (int j = 0; j < 500; j++) {
                if (j % 10 == 0) {
                    std::unique_lock hold(mutex);
                    text += 'x';
                } else {
                    std::shared_lock hold(mutex);
                    if (text.size() > 150)
                        std::puts("too long");
                }
            }
        });
    ready = true;
    for (auto &thread : threads)
        thread.join();
    std::printf("shared %zu\n", text.size());

    std::promise<int> promise;
    auto future = promise.get_future();
    std::thread teller([&promise] { promise.set_value_at_thread_exit(42); });
    std::printf("promise %d\n", future.get());
    teller.join();

    static std::once_flag once;
    int calls = 0;
    std::thread a([&] { std::call_once(once, [&] { calls++; }); }), b([&] { std::call_once(once, [&] { calls++; }); });
    a.join();
    b.join();
    std::printf("once %d\n", calls);
    return 0;
}
