//! Several processes, started by `mpirun`: `cargo test -p alexnet-cli --features mpi --test cluster`.
#![cfg(all(target_os = "linux", feature = "mpi"))]

#[path = "../../alexnet/tests/support/images.rs"]
mod images;
#[path = "support/place.rs"]
mod place;
#[path = "../../alexnet/tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use alexnet::model::Model;
use alexnet_kernels::hash::combine;
use assert_cmd::cargo::cargo_bin;
use place::{Place, finished, wait_for_lines};

/// One job at a time: the ranks share the CPUs.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A command on some of the ranks of a job.
struct Ranks {
    count: usize,
    words: Vec<String>,
}

/// The program with these arguments on `count` ranks.
fn ranks(count: usize, args: &[String]) -> Ranks {
    ranks_under(count, &[], args)
}

/// The same, under another program.
fn ranks_under(count: usize, program: &[&str], args: &[String]) -> Ranks {
    let mut words: Vec<String> = program.iter().map(ToString::to_string).collect();
    words.push(cargo_bin!("alexnet").display().to_string());
    words.extend(args.iter().cloned());
    Ranks { count, words }
}

/// A job of these ranks, numbered in this order.
fn mpirun(parts: &[Ranks]) -> Command {
    let mut command = Command::new("mpirun");
    command.args(["--allow-run-as-root", "--oversubscribe", "--bind-to", "none"]);
    for (i, Ranks { count, words }) in parts.iter().enumerate() {
        command.args((i > 0).then_some(":")).args(["-n", &count.to_string()]).args(words);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(parts: &[Ranks], code: i32) -> (String, String) {
    finished(mpirun(parts).output().unwrap(), code)
}

/// The ranks of a job and their processes, as far as they have started.
fn found_processes(job: &Child) -> Vec<(usize, u32)> {
    let processes = std::fs::read_dir("/proc").unwrap();
    let numbers = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut found: Vec<(usize, u32)> =
        numbers.filter_map(|process| Some((rank_in(job.id(), process)?, process))).collect();
    found.sort_unstable();
    found
}

/// The processes of a job, by rank, once all have started.
fn processes(job: &Child, count: usize) -> Vec<u32> {
    for _ in 0..1000 {
        let found = found_processes(job);
        if found.len() == count {
            return found.into_iter().map(|(_, process)| process).collect();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the ranks did not start");
}

/// The rank of a process, if it is one of the job's.
fn rank_in(job: u32, process: u32) -> Option<usize> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let parent: u32 = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
    let environment = std::fs::read(format!("/proc/{process}/environ")).ok()?;
    let environment = String::from_utf8_lossy(&environment).into_owned();
    let rank = environment.split('\0').find_map(|line| line.strip_prefix("OMPI_COMM_WORLD_RANK="))?;
    (parent == job).then(|| rank.parse().ok())?
}

/// Whether a process runs. One that has ended may wait for the system's first process to take note of it.
fn is_running(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

fn signal(process: u32, name: &str) {
    assert!(kill(process, name), "process {process} has ended");
}

/// Sends a signal; returns whether there is such a process.
fn kill(process: u32, name: &str) -> bool {
    let mut command = Command::new("kill");
    command.args([&format!("-{name}"), &process.to_string()]).stderr(Stdio::null());
    command.status().unwrap().success()
}

/// Waits for the end of a job, which must come without help.
fn end(mut job: Child) -> Output {
    for _ in 0..6000 {
        if job.try_wait().unwrap().is_some() {
            return job.wait_with_output().unwrap();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = job.kill();
    panic!("the job hangs");
}

/// As [`end`]; `None` if `mpirun` itself does not end after all ranks have: about one in a hundred times, Open MPI 4.1.4 waits for a
/// lock forever after a rank is killed.
fn end_of_ranks(mut job: Child, ranks: &[(usize, u32)]) -> Option<Output> {
    let mut alone = 0;
    for _ in 0..6000 {
        if job.try_wait().unwrap().is_some() {
            return Some(job.wait_with_output().unwrap());
        }
        let has_ranks = found_processes(&job).iter().chain(ranks).any(|&(_, process)| is_running(process));
        alone = if has_ranks || ranks.is_empty() { 0 } else { alone + 1 };
        if alone == 300 {
            job.kill().unwrap();
            job.wait().unwrap();
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = job.kill();
    panic!("the job hangs");
}

fn words(args: &[&str]) -> Vec<String> {
    args.iter().map(ToString::to_string).collect()
}

/// Arguments of a training run that does not end before a test ends it.
fn endless(place: &Place, run: &str, more: &[&str]) -> Vec<String> {
    place.train(run, &[&["--set", "schedule.plateau=none"], more].concat())
}

/// The parameters of a run's last model, as bits.
fn parameters(place: &Place, run: &str) -> Vec<(String, Vec<u32>)> {
    let model = Model::load(place.root().join(run).join("last.safetensors")).unwrap();
    let bits = |data: &[f32]| data.iter().map(|value| value.to_bits()).collect();
    model.parameters.iter().map(|tensor| (tensor.name.clone(), bits(&tensor.data))).collect()
}

#[test]
fn two_processes_have_the_bits_of_one_with_two_leaves() {
    let _turn = turn();
    let place = Place::new(2);
    place.run(&place.train("one", &["--leaves", "2"]), 0);
    let (out, err) = run(&[ranks(2, &place.train("two", &[]))], 0);
    assert_eq!(out.matches("use it").count(), 1, "{out}");
    assert_eq!(err.matches("epoch 1:").count(), 1, "{err}");
    assert!(parameters(&place, "two") == parameters(&place, "one"));
    assert_eq!(place.results("two").1, place.results("one").1);
    // A run on two processes that ends on one, and the other way round.
    run(&[ranks(2, &place.train("down", &["--steps", "7"]))], 0);
    place.run_words(&["train", "--resume", &place.path("down"), "--steps", "none"], 0);
    assert!(parameters(&place, "down") == parameters(&place, "one"));
    place.run(&place.train("up", &["--leaves", "2", "--steps", "7"]), 0);
    let resume = words(&["train", "--resume", &place.path("up"), "--steps", "none"]);
    run(&[ranks(2, &resume)], 0);
    assert!(parameters(&place, "up") == parameters(&place, "one"));
    // Evaluation.
    let args = words(&["eval", &place.path("one"), "--data", &place.path("data"), "--json"]);
    let result = |text: &str| {
        let mut value: serde_json::Value = serde_json::from_str(text).unwrap();
        value.as_object_mut().unwrap().remove("seconds");
        value
    };
    let (alone, _) = place.run(&args, 0);
    let (together, _) = run(&[ranks(2, &args)], 0);
    assert_eq!(result(&together), result(&alone));
}

/// The mean loss of the first 20 steps of a run.
fn loss_of_20_steps(place: &Place, run: &str) -> f64 {
    let metrics = std::fs::read_to_string(place.root().join(run).join("metrics.jsonl")).unwrap();
    let first: serde_json::Value = serde_json::from_str(metrics.lines().next().unwrap()).unwrap();
    assert_eq!(first["step"], 20);
    first["train/loss"].as_f64().unwrap()
}

/// CIFAR-10 on one process, and with every scheme on two.
#[test]
fn real_images_train_the_same_with_every_scheme() {
    let Some(shared) = std::env::var_os("ALEXNET_SHARED") else {
        println!("skipped: ALEXNET_SHARED does not name a folder with cifar10.tar");
        return;
    };
    let _turn = turn();
    let place = Place::new(1);
    // Packed once: each training run would decode all images to measure their mean.
    let archive = Path::new(&shared).join("cifar10.tar").display().to_string();
    let images = place.path("packed");
    place.run(&words(&["data", "pack", &archive, &images, "--side", "32"]), 0);
    let train = |run: &str, more: &[&str]| {
        let run = place.path(run);
        let common = ["train", &images, "--recipe", "cifar-18pct", "--steps", "20", "--run", &run];
        words(&[&common[..], &["--threads", "1"], more].concat())
    };
    place.run(&train("one", &["--leaves", "2"]), 0);
    run(&[ranks(2, &train("two", &[]))], 0);
    assert!(parameters(&place, "two") == parameters(&place, "one"));
    let expected = loss_of_20_steps(&place, "one");
    for scheme in ["columns", "hybrid"] {
        run(&[ranks(2, &train(scheme, &["--parallel", scheme]))], 0);
        let found = loss_of_20_steps(&place, scheme);
        assert!((found - expected).abs() <= 1e-5 * expected, "{scheme}: {found}, expected {expected}");
    }
}

#[test]
fn ranks_that_differ_are_named() {
    let _turn = turn();
    let place = Place::new(1);
    let root = place.train("run", &[]);
    let with = |more: &[&str]| place.train("run", more);
    let changed = |from: &str, to: &str| {
        let [from, to] = [from, to].map(|name| place.path(name));
        root.iter().map(|word| if *word == from { to.clone() } else { word.clone() }).collect::<Vec<_>>()
    };
    images::put(place.root(), "other/train/ant/0.png", &place::image(0, 1));
    images::put(place.root(), "other/train/bee/0.png", &place::image(1, 1));
    for (other, code, expected) in [
        (with(&["--seed", "1"]), 2, "rank 1 differs from rank 0 in the seed: 0 -> 1"),
        (with(&["--set", "optimizer.rate=0.5"]), 2, "rank 1 differs from rank 0 in the recipe:"),
        (with(&["--leaves", "4"]), 2, "rank 1 differs from rank 0 in the leaves: 2 -> 4"),
        (changed("data", "other"), 2, "rank 1 differs from rank 0 in the images:"),
        (changed("data", "missing"), 3, "rank 1: error: "),
    ] {
        let (out, err) = run(&[ranks(1, &root), ranks(1, &other)], code);
        assert!(err.contains(expected), "{expected}: {err}");
        assert!(err.contains("help:") && out.is_empty(), "{out}{err}");
        assert!(!place.root().join("run").exists(), "{expected}");
    }
    // Another build of the program.
    let copy = place.path("alexnet");
    std::fs::copy(cargo_bin!("alexnet"), &copy).unwrap();
    std::fs::OpenOptions::new()
        .append(true)
        .open(&copy)
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"x"))
        .unwrap();
    let mut other = ranks(1, &root);
    other.words[0] = copy;
    let (_, err) = run(&[ranks(1, &root), other], 2);
    assert!(err.contains("rank 1 differs from rank 0 in the program: "), "{err}");
}

#[test]
fn numbers_of_processes_that_do_not_fit_are_refused() {
    let _turn = turn();
    let place = Place::new(1);
    for (count, more, expected) in [
        (8, &[][..], "8 processes share a batch of 4 images"),
        (3, &[][..], "3 processes"),
        (4, &["--leaves", "2"][..], "2 leaves for 4 processes"),
        (3, &["--parallel", "columns"][..], "3 processes in groups of 2 columns"),
        (2, &["--columns", "2"][..], "`--columns 2` has no effect without `--parallel columns`"),
        (2, &["--fc-exchange", "turns"][..], "`--fc-exchange` has no effect without `--parallel hybrid`"),
    ] {
        let (_, err) = run(&[ranks(count, &place.train("run", more))], 2);
        assert!(err.contains(&format!("rank 0: error: {expected}")) && err.contains("help:"), "{err}");
        assert_eq!(err.matches(expected).count(), 1, "{err}");
        assert!(!place.root().join("run").exists());
    }
    let (_, err) = place.run(&place.train("run", &["--parallel", "data"]), 2);
    assert!(err.contains("`--parallel` has no effect: there is one process"), "{err}");
    assert!(err.contains("start several: `mpirun -n 2 "), "{err}");
}

#[test]
fn other_commands_run_in_one_process() {
    let _turn = turn();
    let (_, err) = run(&[ranks(2, &words(&["recipe", "list"]))], 2);
    assert!(err.contains("rank 0: error: `alexnet recipe` runs in one process; 2 were started"), "{err}");
    let (out, _) = run(&[ranks(2, &words(&["--version"]))], 0);
    assert_eq!(out.lines().count(), 1, "{out}");
    let (_, err) = run(&[ranks(2, &words(&["train", "--foo"]))], 2);
    assert_eq!(err.matches("unknown option `--foo`").count(), 1, "{err}");
    // A launcher that MPI knows nothing of.
    let slurm = |args: &[&str]| {
        let mut command = Command::new(cargo_bin!("alexnet"));
        let variables = [("SLURM_STEP_NUM_TASKS", "2"), ("SLURM_PROCID", "0")];
        command.args(args).envs(variables).output().unwrap()
    };
    let (_, err) = finished(slurm(&["eval", "model", "--data", "images"]), 2);
    assert!(err.contains("srun started 2 tasks, but MPI connects this one to no other"), "{err}");
    assert!(err.contains("`srun --mpi=pmix`"), "{err}");
}

#[test]
fn a_rank_may_start_late() {
    let _turn = turn();
    let place = Place::new(1);
    let args = place.train("run", &["--steps", "3"]);
    let late = ranks_under(1, &["sh", "-c", "sleep 2; exec \"$0\" \"$@\""], &args);
    run(&[ranks(1, &args), late], 0);
}

/// The checkpoint cannot be written: the job ends, and can be resumed.
#[test]
fn a_full_disk_ends_the_job() {
    let strace = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    if !strace.is_ok_and(|status| status.success()) {
        println!("skipped: strace is not installed or not permitted");
        return;
    }
    let _turn = turn();
    let place = Place::new(1);
    place.run(&place.train("one", &["--leaves", "2"]), 0);
    let args = place.train("run", &[]);
    let inject = "inject=fsync:error=ENOSPC:when=10+";
    let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync", "-e", inject];
    let (_, err) = run(&[ranks_under(1, &strace, &args), ranks(1, &args)], 1);
    assert!(err.contains("rank 0: error: ") && err.contains("No space left on device"), "{err}");
    run(&[ranks(2, &place.train_resume("run"))], 0);
    assert!(parameters(&place, "run") == parameters(&place, "one"));
}

#[test]
fn a_killed_rank_ends_the_job() {
    let _turn = turn();
    let place = Place::new(1000);
    for rank in [0, 1] {
        let name = format!("run-{rank}");
        let job = mpirun(&[ranks(2, &endless(&place, &name, &[]))]).spawn().unwrap();
        let processes = processes(&job, 2);
        wait_for_lines(&place.root().join(&name), 3);
        signal(processes[rank], "KILL");
        let ranks: Vec<(usize, u32)> = processes.into_iter().enumerate().collect();
        if let Some(output) = end_of_ranks(job, &ranks) {
            assert_eq!(output.status.code(), Some(137), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

/// Kills a random rank of a job of two at random moments and resumes the job each time: every attempt ends without help, leaves no
/// process behind, and the results are those of a job that was not killed.
fn survives(kills: usize, scheme: &[&str]) {
    let _turn = turn();
    let place = Place::new(4);
    let more = [&["--leaves", "2"], scheme].concat();
    let begin = Instant::now();
    run(&[ranks(2, &place.train("whole", &more))], 0);
    let longest = begin.elapsed().as_micros() as u64;
    let (mut killed, mut jobs) = (0, 0);
    for attempt in 0.. {
        let name = format!("run{jobs}");
        let args = match place.root().join(&name).join("run.json").exists() {
            true => place.train_resume(&name),
            false => place.train(&name, &more),
        };
        let mut job = mpirun(&[ranks(2, &args)]).spawn().unwrap();
        let moment = match killed < kills {
            true => Duration::from_micros(combine(5, attempt) % longest),
            false => Duration::from_secs(60),
        };
        let begin = Instant::now();
        while begin.elapsed() < moment && job.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let running = found_processes(&job);
        let victim = running.get(combine(6, attempt) as usize % running.len().max(1)).copied();
        // A rank may end before the signal arrives.
        let sent = victim.is_some_and(|(_, process)| kill(process, "KILL"));
        let killed_at = Instant::now();
        let output = end_of_ranks(job, &running);
        while running.iter().any(|&(_, process)| is_running(process)) {
            assert!(killed_at.elapsed() < Duration::from_secs(10), "a rank continues without the other");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(killed_at.elapsed() < Duration::from_secs(10) || !sent, "the job continues without a rank");
        if !output.is_some_and(|output| output.status.success()) {
            assert!(sent, "a job fails without a cause");
            killed += 1;
            continue;
        }
        assert!(parameters(&place, &name) == parameters(&place, "whole"), "after {killed} kills");
        assert_eq!(place.results(&name).1, place.results("whole").1);
        std::fs::remove_dir_all(place.root().join(&name)).unwrap();
        jobs += 1;
        if killed >= kills {
            break;
        }
    }
    println!("killed a rank {killed} times; {jobs} jobs had the same results");
}

#[test]
fn a_job_whose_ranks_are_killed_resumes_to_the_same_bits() {
    survives(4, &[]);
    survives(2, &["--parallel", "hybrid"]);
}

/// `cargo test --release -p alexnet-cli --features mpi --test cluster -- --ignored` runs this.
#[test]
#[ignore = "takes minutes"]
fn a_job_whose_ranks_are_killed_50_times_resumes_to_the_same_bits() {
    survives(50, &[]);
}

/// Rank 0 saves a checkpoint and ends the job, whoever receives the signal.
#[test]
fn signals_save_a_checkpoint() {
    let _turn = turn();
    let place = Place::new(1000);
    // `mpirun` reports 1 after a signal of its own.
    for (i, (name, code)) in [("TERM", 143), ("INT", 130), ("TERM", 1)].into_iter().enumerate() {
        let run = format!("run-{i}");
        let mut job = mpirun(&[ranks(2, &endless(&place, &run, &["--checkpoint-steps", "100000"]))]);
        // Time for the checkpoint when `mpirun` passes a signal on; the default is one second.
        let job = job.env("OMPI_MCA_odls_base_sigkill_timeout", "5").spawn().unwrap();
        let processes = processes(&job, 2);
        wait_for_lines(&place.root().join(&run), 3);
        match code {
            143 => processes.iter().rev().for_each(|&process| signal(process, name)),
            130 => signal(processes[0], name),
            _ => signal(job.id(), name),
        }
        let (_, err) = finished(end(job), code);
        assert!(err.contains("stopped after "), "{err}");
        let resume = words(&["train", "--resume", &place.path(&run), "--steps", "1"]);
        let (_, err) = self::run(&[ranks(2, &resume)], 0);
        assert!(err.contains("resumed after step "), "{err}");
    }
}

#[test]
fn a_silent_rank_is_named_and_waited_for() {
    let _turn = turn();
    let place = Place::new(8);
    place.run(&place.train("one", &["--leaves", "2"]), 0);
    let job = mpirun(&[ranks(2, &place.train("run", &[]))]).spawn().unwrap();
    let processes = processes(&job, 2);
    wait_for_lines(&place.root().join("run"), 3);
    signal(processes[1], "STOP");
    std::thread::sleep(Duration::from_secs(12));
    signal(processes[1], "CONT");
    let (_, err) = finished(end(job), 0);
    assert!(err.contains("rank 0: no message from rank 1 for 10 s; waiting"), "{err}");
    assert!(err.contains("rank 0: rank 1 has answered, after "), "{err}");
    assert!(parameters(&place, "run") == parameters(&place, "one"));
}
