//! The duration of a step: what a rank computes, and the transfers behind it.

use std::collections::VecDeque;

use serde::Serialize;

use super::layer_times::LayerTimes;
use super::link::Topology;
use super::step::{Task, Work};
use super::transfer::CollectiveCall;

/// The machines of a job, which are all alike.
#[derive(Clone, Copy, Debug)]
pub struct Machines<'a> {
    /// The speed of one rank.
    pub layers: &'a LayerTimes,
    /// The network between ranks.
    pub topology: Topology,
    /// The share of its speed that the computation loses while gradients are transferred: 0 if a processor core is free for
    /// communication.
    pub slowdown: f64,
}

/// How long a step takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct StepTime {
    /// The whole step.
    pub step_seconds: f64,
    /// All computation, as if nothing else ran.
    pub compute_seconds: f64,
    /// All transfers, as if nothing else ran.
    pub transfer_seconds: f64,
    /// The part of the transfers that is latency.
    pub latency_seconds: f64,
}

impl StepTime {
    /// The time that transfers add to the step.
    pub fn exposed_seconds(&self) -> f64 {
        (self.step_seconds - self.compute_seconds).max(0.0)
    }
}

impl Machines<'_> {
    /// Simulates the tasks of a step.
    pub fn duration(&self, tasks: &[Task]) -> StepTime {
        let mut clock = Clock { now: 0.0, queue: VecDeque::new(), slowdown: self.slowdown };
        let mut duration =
            StepTime { step_seconds: 0.0, compute_seconds: 0.0, transfer_seconds: 0.0, latency_seconds: 0.0 };
        for task in tasks {
            match task {
                Task::Compute(work) => {
                    let seconds = self.work(work);
                    duration.compute_seconds += seconds;
                    clock.run(seconds, Lane::Compute);
                }
                Task::Exchange(transfer) => clock.run(self.transfer(transfer, &mut duration), Lane::Network),
                Task::Start(transfer) => clock.queue.push_back(self.transfer(transfer, &mut duration)),
                Task::WaitForGradients => clock.wait(),
            }
        }
        clock.wait();
        StepTime { step_seconds: clock.now, ..duration }
    }

    fn work(&self, work: &Work) -> f64 {
        self.layers.seconds(work.layer, work.pass, work.images) * work.share
    }

    /// Seconds of a transfer alone, which are added to the totals.
    fn transfer(&self, transfer: &CollectiveCall, totals: &mut StepTime) -> f64 {
        let (latency, wire) = self.topology.seconds(transfer);
        let seconds = latency + wire + transfer.memory_bytes() / self.layers.memory_bytes_per_second();
        totals.transfer_seconds += seconds;
        totals.latency_seconds += latency;
        seconds
    }
}

/// What the main thread of a rank does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lane {
    Compute,
    Network,
}

/// The time of a rank, and its transfers of gradients that have not ended.
struct Clock {
    now: f64,
    /// Remaining seconds of each, in order.
    queue: VecDeque<f64>,
    slowdown: f64,
}

impl Clock {
    /// Runs the main thread for `seconds`, more if gradients are transferred at the same time: they slow the computation
    /// down, and share the network equally with other transfers.
    fn run(&mut self, mut seconds: f64, lane: Lane) {
        while seconds > 0.0 {
            let Some(transfer) = self.queue.front().copied() else {
                self.now += seconds;
                return;
            };
            let (main, gradients) = match lane {
                Lane::Compute => (1.0 - self.slowdown, 1.0),
                Lane::Network => (0.5, 0.5),
            };
            let elapsed = (seconds / main).min(transfer / gradients);
            self.now += elapsed;
            seconds -= elapsed * main;
            self.advance(elapsed * gradients);
            // Rounding must not leave a rest that never ends.
            seconds = if seconds < 1e-12 { 0.0 } else { seconds };
        }
    }

    /// Waits for all transfers of gradients.
    fn wait(&mut self) {
        self.now += self.queue.drain(..).sum::<f64>();
    }

    fn advance(&mut self, seconds: f64) {
        if let Some(front) = self.queue.front_mut() {
            *front -= seconds;
            if *front < 1e-12 {
                self.queue.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::job::{ExchangePrecision, FcExchange, Scheme};
    use super::super::layer_times::tests::even;
    use super::super::link::Link;
    use super::super::step::Step;
    use super::*;
    use crate::net::{Network, Recipe};

    #[test]
    fn a_step_is_never_faster_than_computing_nor_slower_than_computing_and_communicating() {
        let network = Network::new(&Recipe::load("paper").unwrap(), 1000).unwrap();
        let layers = even(&network, 128, 1e-3);
        let schemes =
            [Scheme::Data, Scheme::Columns { columns: 2 }, Scheme::Hybrid { exchange: FcExchange::Gather }];
        for scheme in schemes {
            for ranks in [2, 6, 64, 1000] {
                let mut before = f64::INFINITY;
                for bytes_per_second in [1e7, 1e8, 1e9, 1e10, 1e12] {
                    let topology = Topology::flat(Link { latency_seconds: 1e-5, bytes_per_second });
                    let precision = ExchangePrecision::F32;
                    let step = Step { network: &network, scheme, ranks, batch: 128 * ranks, precision };
                    let tasks = step.tasks().unwrap();
                    let found = Machines { layers: &layers, topology, slowdown: 0.0 }.duration(&tasks);
                    let StepTime { step_seconds, compute_seconds, transfer_seconds, .. } = found;
                    assert!(
                        step_seconds >= compute_seconds.max(transfer_seconds) * (1.0 - 1e-9),
                        "{found:?}"
                    );
                    assert!(step_seconds <= (compute_seconds + transfer_seconds) * (1.0 + 1e-9), "{found:?}");
                    assert!(step_seconds <= before, "a faster network is no slower: {found:?}");
                    before = step_seconds;
                    let slow = Machines { layers: &layers, topology, slowdown: 0.5 }.duration(&tasks);
                    let bounds = step_seconds * (1.0 - 1e-9)..=2.0 * (compute_seconds + transfer_seconds);
                    assert!(bounds.contains(&slow.step_seconds), "{slow:?}");
                }
            }
        }
    }

    #[test]
    fn transfers_hide_behind_the_computation_that_follows() {
        let mut clock = Clock { now: 0.0, queue: VecDeque::from([1.0, 1.0]), slowdown: 0.0 };
        clock.run(1.5, Lane::Compute);
        assert_eq!((clock.now, clock.queue.len()), (1.5, 1));
        clock.wait();
        assert_eq!(clock.now, 2.0);
        // A transfer that the computation waits for has half of the network.
        let mut clock = Clock { now: 0.0, queue: VecDeque::from([1.0]), slowdown: 0.0 };
        clock.run(2.0, Lane::Network);
        assert_eq!((clock.now, clock.queue.len()), (3.0, 0));
        let mut clock = Clock { now: 0.0, queue: VecDeque::from([1.0]), slowdown: 0.5 };
        clock.run(2.0, Lane::Compute);
        assert_eq!(clock.now, 2.5);
    }
}
