//! Each test runs itself under `mpirun`, once per number of ranks; there, every process is a rank that runs the same test.
//! They fail where `mpirun` is missing.

use std::process::{Command, Output};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::*;
use crate::ranks::Calls;
use crate::transport::PIECE;
use alexnet::Error;
use alexnet::parallel::Collective;
use alexnet::parallel::threads::ThreadTransport;
use alexnet::parallel::traffic::{Payload, Traffic};
use alexnet::parallel::transport::{Lane, Transport};

/// Set in the processes that `mpirun` starts.
const INSIDE: &str = "ALEXNET_MPI_TEST";

/// Runs the test of this name on `size` ranks.
fn mpirun(name: &str, size: usize) -> Output {
    // One job at a time: their ranks share the CPUs.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    Command::new("mpirun")
        .args(["--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", &size.to_string()])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            &format!("tests::{name}"),
            "--include-ignored",
            "--nocapture",
            "--test-threads",
            "1",
        ])
        .env(INSIDE, "1")
        .output()
        .unwrap_or_else(|error| panic!("mpirun: {error}; install openmpi-bin"))
}

fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs `work` on every rank of jobs of these sizes.
#[track_caller]
fn on_ranks(name: &str, sizes: &[usize], work: impl Fn(&Environment)) {
    if is_inside() {
        let environment = Environment::start().unwrap();
        abort_on_panic(&environment);
        work(&environment);
        return;
    }
    for &size in sizes {
        let output = mpirun(name, size);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{size} ranks: {}{}", text(&output.stdout), text(&output.stderr));
        // The lines of ranks are mixed: the exit code says that all have passed, the text that a test of this name exists.
        let out = text(&output.stdout);
        assert!(out.contains("1 passed") && !out.contains("0 passed"), "{size} ranks: {out}");
    }
}

/// A rank that fails ends the job: the others would wait for it.
fn abort_on_panic(environment: &Environment) {
    let (transport, before) = (environment.transport(), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        before(panic);
        transport.abort(&Error::usage("a test failed"));
    }));
}

fn world(transport: &Arc<dyn Transport>) -> Collective {
    Collective::world(transport, Lane::Main, Payload::Gradients, &Arc::new(Traffic::default()))
}

fn group(transport: Arc<MpiTransport>) -> Collective {
    let transport: Arc<dyn Transport> = transport;
    world(&transport)
}

/// What rank `rank` of a job of threads computes.
fn on_threads<R: Send>(size: usize, rank: usize, work: impl Fn(Collective) -> R + Sync) -> R {
    std::thread::scope(|scope| {
        let ranks: Vec<_> = ThreadTransport::job(size)
            .into_iter()
            .map(|transport| {
                let work = &work;
                scope.spawn(move || {
                    let transport: Arc<dyn Transport> = Arc::new(transport);
                    work(world(&transport))
                })
            })
            .collect();
        let results: Vec<R> = ranks.into_iter().map(|rank| rank.join().unwrap()).collect();
        results.into_iter().nth(rank).unwrap()
    })
}

/// Values whose sum depends on its order.
fn values(rank: usize, len: usize) -> Vec<f32> {
    (0..len).map(|i| 1.0 / (1 + (i * 7 + rank * 13) % 29) as f32).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Every collective operation, with the length of its vectors: the results of this rank.
fn operations(group: &Collective, len: usize) -> Vec<Vec<u32>> {
    let (rank, size) = (group.index(), group.size());
    let mut results = Vec::new();
    if size.is_power_of_two() {
        let mut sums = values(rank, len);
        group.all_reduce(&mut sums).unwrap();
        results.push(bits(&sums));
    }
    let bounds: Vec<usize> = (0..=size).map(|i| i * len / size).collect();
    let parts: Vec<_> = bounds.windows(2).map(|pair| pair[0]..pair[1]).collect();
    let mut gathered = values(rank, len);
    group.all_gather(&mut gathered, &parts).unwrap();
    results.push(bits(&gathered));
    let mut scattered = values(rank, len);
    group.scatter_sums(&mut scattered, &parts).unwrap();
    results.push(bits(&scattered[parts[rank].clone()]));
    let mut broadcast = values(rank, len);
    group.broadcast(&mut broadcast).unwrap();
    results.push(bits(&broadcast));
    let text = |rank: usize| "x".repeat(rank * 100);
    let all = group.all_gather_values(&text(rank)).unwrap();
    assert_eq!(all, (0..size).map(text).collect::<Vec<_>>());
    let own = (rank == 0).then(|| "a command".to_owned());
    assert_eq!(group.broadcast_value(own.as_ref()).unwrap(), "a command");
    results
}

#[test]
fn collective_operations_have_the_bits_of_threads() {
    on_ranks("collective_operations_have_the_bits_of_threads", &[1, 2, 3, 4], |mpi| {
        let group = group(mpi.transport());
        for len in [0, 1, 7, 1001, 300_000] {
            let expected = on_threads(group.size(), group.index(), |group| operations(&group, len));
            assert!(operations(&group, len) == expected, "{len} values");
        }
    });
}

/// Messages longer than MPI can count are cut; here they are cut early.
#[test]
fn long_messages_are_sent_in_pieces() {
    on_ranks("long_messages_are_sent_in_pieces", &[2], |mpi| {
        let transport = mpi.transport_with(Calls::Concurrent, 1000);
        let (rank, peer) = (transport.rank(), 1 - transport.rank());
        // One has an exact number of pieces, the other sends a last short one.
        for (len, peer_len) in [(4000, 12_345), (0, 999), (1000, 0), (1001, 2000)] {
            let (len, peer_len) = if rank == 0 { (len, peer_len) } else { (peer_len, len) };
            let message = |len: usize| (0..len).map(|i| (i * i) as u8).collect::<Vec<u8>>();
            let mut received = vec![0; peer_len];
            transport.transfer(Lane::Main, Some((peer, &message(len))), Some((peer, &mut received))).unwrap();
            assert!(received == message(peer_len));
        }
    });
}

/// Open MPI 4.1 writes past the end of memory that is too short for a long message.
#[test]
fn a_message_of_another_length_is_an_error_on_the_receiver() {
    let name = "a_message_of_another_length_is_an_error_on_the_receiver";
    if !is_inside() {
        assert_eq!(mpirun(name, 2).status.code(), Some(4));
        return;
    }
    on_ranks(name, &[], |mpi| {
        let transport = mpi.transport();
        for (lane, sent, expected) in [(Lane::Main, 4, 8), (Lane::Gradients, 1 << 20, 4)] {
            if transport.rank() == 0 {
                transport.transfer(lane, Some((1, &vec![0; sent])), None).unwrap();
                continue;
            }
            let mut memory = vec![0; expected];
            let error = transport.transfer(lane, None, Some((0, &mut memory))).unwrap_err();
            let text = format!("a message of {sent} bytes from rank 0, expected {expected} bytes");
            assert!(error.message == text && error.help.unwrap().contains("the same options"), "{text}");
        }
        transport.abort(&Error::model("the receiver has seen both errors"));
    });
}

/// The gradient thread and the main thread exchange messages at the same time, in opposite orders on the two ranks.
#[test]
fn lanes_do_not_wait_for_each_other() {
    fn exchange(transport: &MpiTransport, lane: Lane, peer: usize, len: usize) {
        let message = |rank: usize| vec![(rank * 2 + lane as usize) as u8; len];
        let mut received = vec![0; len];
        let outgoing = message(transport.rank());
        transport.transfer(lane, Some((peer, &outgoing)), Some((peer, &mut received))).unwrap();
        assert!(received == message(peer));
    }
    on_ranks("lanes_do_not_wait_for_each_other", &[2], |mpi| {
        for calls in [Calls::Concurrent, Calls::Serialized(Mutex::default())] {
            let transport = mpi.transport_with(calls, PIECE);
            let peer = 1 - transport.rank();
            for round in 0..200 {
                let len = [1, 100_000][round % 2];
                std::thread::scope(|scope| {
                    let gradients = scope.spawn(|| exchange(&transport, Lane::Gradients, peer, len));
                    // Rank 0 waits for its gradients before it answers on the main lane.
                    if transport.rank() == 0 {
                        gradients.join().unwrap();
                    }
                    exchange(&transport, Lane::Main, peer, len);
                });
            }
        }
    });
}

/// The other ranks wait for a message that never comes.
#[test]
fn a_rank_that_fails_ends_the_job_with_its_exit_code() {
    let name = "a_rank_that_fails_ends_the_job_with_its_exit_code";
    if is_inside() {
        let mpi = Environment::start().unwrap();
        let transport = mpi.transport();
        if transport.rank() == 1 {
            transport.abort(&Error::data("no images"));
        }
        let _ = transport.transfer(Lane::Main, None, Some((1, &mut [0])));
        unreachable!("the job has ended");
    }
    assert_eq!(mpirun(name, 3).status.code(), Some(3));
}

/// Prints the time of small and of 4 MiB exchanges: `cargo test --release -p alexnet-mpi -- --ignored --nocapture measure`.
#[test]
#[ignore = "prints measurements"]
fn measure() {
    if !is_inside() {
        print!("{}", String::from_utf8_lossy(&mpirun("measure", 2).stdout));
        return;
    }
    let mpi = Environment::start().unwrap();
    let transport = mpi.transport();
    let peer = 1 - transport.rank();
    for (len, rounds) in [(4, 2000), (4 << 10, 2000), (64 << 10, 1000), (4 << 20, 100)] {
        let (sent, mut received) = (vec![1; len], vec![0; len]);
        let mut times: Vec<Duration> = (0..rounds)
            .map(|_| {
                let start = Instant::now();
                transport.transfer(Lane::Main, Some((peer, &sent)), Some((peer, &mut received))).unwrap();
                start.elapsed()
            })
            .collect();
        times.sort();
        let median = times[rounds / 2];
        if transport.rank() == 0 {
            let rate = len as f64 / median.as_secs_f64() / 1e9;
            println!(
                "{len} bytes both ways: median {median:?}, 99 %: {:?}, {rate:.2} GB/s",
                times[rounds * 99 / 100]
            );
        }
    }
}
