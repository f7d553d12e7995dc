//! Shell. How the processes of a local cluster share the processors of its machine.

#[cfg(target_os = "linux")]
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadPriorityOsValue, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// Has Linux let a process of the cluster finish its turn when another one wakes up: a router that
/// is interrupted by the first server it writes to has less to write to the next. What this thread
/// starts inherits that. Where somebody has chosen a priority, nothing is changed.
///
/// See sched(7), `SCHED_BATCH`.
#[cfg(target_os = "linux")]
pub(super) fn take_turns() {
    if rustix::process::getpriority_process(None) != Ok(0) {
        return;
    }
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);
    let nice_0 = ThreadPriority::Os(ThreadPriorityOsValue::default());
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), nice_0, policy) {
        tracing::debug!(%error, "processes of the cluster will interrupt each other");
    }
}

/// Other systems have no such choice.
#[cfg(not(target_os = "linux"))]
pub(super) const fn take_turns() {}

/// Data threads of the router: half of the processors, for the other half is the servers'. With
/// more threads than that each of them gathers less for one write to a server.
pub(super) fn router_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |processors| processors.get() / 2).max(1)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn whoever_takes_turns_passes_it_on_but_a_niceness_stays() {
        let expected = match rustix::process::getpriority_process(None) {
            Ok(0) => NormalThreadSchedulePolicy::Batch,
            _ => NormalThreadSchedulePolicy::Other,
        };
        let policy = std::thread::spawn(|| {
            take_turns();
            std::thread::spawn(thread_priority::thread_schedule_policy).join()
        });
        let policy = policy.join().expect("a thread").expect("a thread").expect("a policy");
        assert_eq!(policy, ThreadSchedulePolicy::Normal(expected));
    }
}
