// Exceptions are caught, and thread_local objects live on and are destroyed, in threads that were frozen.
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "../check.h"

static std::atomic<int> destroyed;

struct counted {
	std::string text;
	~counted()
	{
		destroyed++;
	}
};
static thread_local counted own;

static std::mutex mutex;
static std::condition_variable arrived, released;
static int waiting;
static bool go;

static int thrown(int depth)
{
	if (depth == 0)
		throw std::runtime_error(own.text);
	return thrown(depth - 1) + 1;
}

static void work(int index)
{
	own.text = "thread " + std::to_string(index);
	try {
		std::unique_lock<std::mutex> lock(mutex);
		waiting++;
		arrived.notify_one();
		released.wait(lock, [] { return go; });
		lock.unlock();
		thrown(20);
		CHECK(!"reached");
	} catch (const std::exception &error) {
		CHECK(error.what() == "thread " + std::to_string(index));
	}
}

int main()
{
	std::vector<std::thread> threads;

	own.text = "main";
	for (int i = 0; i < 8; i++)
		threads.emplace_back(work, i);
	{
		std::unique_lock<std::mutex> lock(mutex);
		arrived.wait(lock, [] { return waiting == 8; });
	}
	try {
		snapshot_point();
		thrown(5);
	} catch (const std::runtime_error &error) {
		CHECK(error.what() == std::string("main"));
	}
	{
		std::lock_guard<std::mutex> lock(mutex);
		go = true;
	}
	released.notify_all();
	for (auto &thread : threads)
		thread.join();
	CHECK(destroyed == 8);
	return 0;
}
