#include "engine/scheduler.h"

#include <algorithm>
#include <utility>

#include "error.h"

namespace {

std::mutex shared_mutex;
std::weak_ptr<Scheduler> shared_scheduler;

}  // namespace

struct Scheduler::Job {
  const Caller& caller;
  std::function<bool()> stage;
  bool running = false;
  bool done = false;
  std::exception_ptr failure;
};

struct Scheduler::Group::Ticket {
  const Caller& caller;
  Request& request;
  bool running = false;
  bool done = false;
  std::exception_ptr failure;
};

std::shared_ptr<Scheduler> Scheduler::shared() {
  const std::lock_guard lock(shared_mutex);
  auto scheduler = shared_scheduler.lock();
  if (!scheduler) shared_scheduler = scheduler = std::make_shared<Scheduler>();
  return scheduler;
}

void Scheduler::wake() {
  std::shared_ptr<Scheduler> scheduler;
  {
    const std::lock_guard lock(shared_mutex);
    scheduler = shared_scheduler.lock();
  }
  if (!scheduler) return;
  const std::lock_guard lock(scheduler->mutex_);
  scheduler->changed_.notify_all();
}

Scheduler::Scheduler() : thread_([this] { loop(); }) {}

Scheduler::~Scheduler() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    asked_.notify_one();
  }
  thread_.join();
}

Scheduler::Group::Group(std::shared_ptr<Scheduler> scheduler, int slots,
                        std::function<void(const std::vector<Request*>&)> step)
    : scheduler_(std::move(scheduler)), step_(std::move(step)) {
  for (int slot = slots; slot-- > 0;) free_slots_.push_back(slot);
  const std::lock_guard lock(scheduler_->mutex_);
  scheduler_->groups_.push_back(this);
}

Scheduler::Group::~Group() {
  const std::lock_guard lock(scheduler_->mutex_);
  auto& groups = scheduler_->groups_;
  groups.erase(std::find(groups.begin(), groups.end(), this));
}

Place Scheduler::arrive(Priority priority) {
  const std::lock_guard lock(mutex_);
  ++present_;
  return {priority, served_ms_, arrivals_++};
}

void Scheduler::leave() {
  const std::lock_guard lock(mutex_);
  --present_;
}

// Fair queueing: what newcomers start with grows with the share that each of those present has had. So a clip
// goes before a long recording, and an endless stream of clips does not keep the recording waiting for ever.
void Scheduler::serve(int64_t ms) {
  const std::lock_guard lock(mutex_);
  served_ms_ += ms / std::max(present_, 1);
}

int Scheduler::take_slot(Group& group, const Caller& caller) {
  std::unique_lock lock(mutex_);
  const auto mine = group.waiting_.insert(caller.place);
  changed_.wait(lock, [&] {
    return caller.cancelled || (!group.free_slots_.empty() && mine == group.waiting_.begin());
  });
  group.waiting_.erase(mine);
  changed_.notify_all();
  throw_if_cancelled(caller.cancelled);
  const int slot = group.free_slots_.back();
  group.free_slots_.pop_back();
  return slot;
}

void Scheduler::give_slot(Group& group, int slot) {
  const std::lock_guard lock(mutex_);
  group.free_slots_.push_back(slot);
  changed_.notify_all();
}

int Scheduler::free_slots(const Group& group) {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(group.free_slots_.size());
}

bool Scheduler::is_wanted(const Group& group, const Place& place) {
  const std::lock_guard lock(mutex_);
  return group.free_slots_.empty() && !group.waiting_.empty() && *group.waiting_.begin() < place;
}

void Scheduler::work(const Caller& caller, std::function<bool()> stage) {
  Job job{caller, std::move(stage), false, false, nullptr};
  std::unique_lock lock(mutex_);
  jobs_.push_back(&job);
  asked_.notify_one();
  changed_.wait(lock, [&] { return job.done || (caller.cancelled && !job.running); });
  jobs_.erase(std::find(jobs_.begin(), jobs_.end(), &job));
  if (job.failure) std::rethrow_exception(job.failure);
  if (!job.done) throw_if_cancelled(caller.cancelled);
}

void Scheduler::begin_decoding(Group& group, const Place& place) {
  const std::lock_guard lock(mutex_);
  group.decoding_.insert(place);
}

void Scheduler::end_decoding(Group& group, const Place& place) {
  const std::lock_guard lock(mutex_);
  group.decoding_.erase(group.decoding_.find(place));
  asked_.notify_one();
}

void Scheduler::decode(Group& group, const Caller& caller, Request& request) {
  Group::Ticket ticket{caller, request, false, false, nullptr};
  std::unique_lock lock(mutex_);
  group.asking_.push_back(&ticket);
  asked_.notify_one();
  changed_.wait(lock, [&] { return ticket.done || (caller.cancelled && !ticket.running); });
  group.asking_.erase(std::find(group.asking_.begin(), group.asking_.end(), &ticket));
  if (ticket.failure) std::rethrow_exception(ticket.failure);
  if (!ticket.done) throw_if_cancelled(caller.cancelled);
}

Scheduler::Job* Scheduler::next_job() const {
  Job* best = nullptr;
  for (Job* job : jobs_) {
    if (job->done || job->caller.cancelled) continue;
    if (!best || job->caller.place < best->caller.place) best = job;
  }
  return best;
}

/** The group to take a step now: none if `job` goes first. */
Scheduler::Group* Scheduler::next_group(const Job* job) const {
  Group* best = nullptr;
  for (Group* group : groups_) {
    if (group->decoding_.empty()) continue;
    if (job && !group->decoding_.begin()->outranks(job->caller.place)) continue;
    if (!best || *group->decoding_.begin() < *best->decoding_.begin()) best = group;
  }
  return best;
}

void Scheduler::loop() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    Job* job = next_job();
    Group* group = next_group(job);
    if (group) {
      // short: those who have not asked yet choose their next tokens
      const auto asking = std::count_if(group->asking_.begin(), group->asking_.end(),
                                        [](const Group::Ticket* ticket) { return !ticket->done; });
      if (static_cast<size_t>(asking) == group->decoding_.size()) {
        step(lock, *group);
        continue;
      }
    } else if (job) {
      compute(lock, *job);
      continue;
    }
    asked_.wait(lock);
  }
}

void Scheduler::compute(std::unique_lock<std::mutex>& lock, Job& job) {
  job.running = true;
  lock.unlock();
  bool done = false;
  std::exception_ptr failure;
  try {
    done = job.stage();
  } catch (...) {
    failure = std::current_exception();
  }
  lock.lock();
  job.running = false;
  job.failure = failure;
  job.done = done || failure;
  if (job.done || job.caller.cancelled) changed_.notify_all();
}

void Scheduler::step(std::unique_lock<std::mutex>& lock, Group& group) {
  std::vector<Group::Ticket*> tickets;
  std::vector<Request*> requests;
  for (Group::Ticket* ticket : group.asking_) {
    if (ticket->done) continue;
    ticket->running = true;
    tickets.push_back(ticket);
  }
  std::sort(tickets.begin(), tickets.end(),
            [](const auto* a, const auto* b) { return a->caller.place < b->caller.place; });
  for (Group::Ticket* ticket : tickets) requests.push_back(&ticket->request);
  lock.unlock();
  std::exception_ptr failure;
  try {
    group.step_(requests);
  } catch (...) {
    failure = std::current_exception();
  }
  lock.lock();
  for (Group::Ticket* ticket : tickets) {
    ticket->running = false;
    ticket->failure = failure;
    ticket->done = failure || ticket->request.done == ticket->request.rows.size();
  }
  changed_.notify_all();
}
