//! Two random faults in one training run: `cargo test --release --test two_faults -- --ignored --nocapture`. Each pair of a
//! full disk, `kill -9`, an edit, moved images, a damaged checkpoint, and another number of threads has its turn;
//! `ALEXNET_TWO_FAULTS` is the number of training runs. strace fills the disk; without it the pairs with one are skipped.
#![cfg(target_os = "linux")]

#[path = "../../alexnet/tests/support/images.rs"]
mod images;
#[path = "support/place.rs"]
mod place;
#[path = "../../alexnet/tests/support/mod.rs"]
mod support;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use alexnet::model::Model;
use alexnet::net::Change;
use alexnet::train::{checkpoint, journal};
use alexnet_kernels::hash::combine;
use place::{Place, lines, with_checkpoints};

const EPOCHS: usize = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    FullDisk,
    Kill,
    Edit,
    MovedImages,
    DamagedCheckpoint,
    Threads,
}

const FAULTS: [Fault; 6] =
    [Fault::FullDisk, Fault::Kill, Fault::Edit, Fault::MovedImages, Fault::DamagedCheckpoint, Fault::Threads];

/// How a training run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// With the models and the metrics of the undisturbed training.
    Same,
    /// With others, which its messages and exit code reported.
    Reported,
}

/// One training run with two faults.
struct Case<'a> {
    place: &'a Place,
    faults: [Fault; 2],
    number: u64,
    /// Milliseconds that an undisturbed training takes.
    time: u64,
    seen: &'a Seen,
}

/// What the faults hit: without hits the test would prove nothing.
#[derive(Debug, Default)]
struct Seen {
    /// Training runs that had steps left when they were resumed.
    midway: Cell<usize>,
    /// Sessions in which a write failed.
    refused: Cell<usize>,
    /// Those of them that left a checkpoint holding a best model that could not be saved.
    carried: Cell<usize>,
}

fn add(counter: &Cell<usize>, happened: bool) {
    counter.set(counter.get() + usize::from(happened));
}

impl Case<'_> {
    fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    /// A random number below `most`, a different one for each use.
    fn chance(&self, use_: u64, most: u64) -> u64 {
        combine(combine(99, self.number), use_) % most.max(1)
    }

    /// Whether the disk still has room for checkpoints when it has none for models.
    fn keeps_checkpoints(&self) -> bool {
        self.chance(1, 3) == 2
    }

    /// The program that runs ours: from some call on, writes to the disk fail. Each thread counts its own calls, so
    /// checkpoints, which have their own thread, fail later than models.
    fn disk(&self) -> Vec<String> {
        let (call, from) = match self.chance(1, 3) {
            0 => ("fsync", 1 + self.chance(2, 40)),
            1 => ("write", 1 + self.chance(2, 60)),
            _ => ("rename", 3 + self.chance(2, 20)),
        };
        let trace = self.place.path("trace");
        let words = ["strace", "-f", "-qq", "-o", &trace, "-e"].map(String::from);
        let inject = format!("inject={call}:error=ENOSPC:when={from}+");
        words.into_iter().chain([format!("trace={call}"), "-e".into(), inject]).collect()
    }

    /// Steps between two checkpoints.
    fn frequency(&self) -> [&'static str; 2] {
        ["--checkpoint-steps", if self.keeps_checkpoints() { "6" } else { "2" }]
    }

    /// Runs the program to its end, or until `stop`: a moment and the signal to send then.
    fn session(&self, args: &[String], full: bool, edit: Option<u64>, stop: Option<(u64, &str)>) -> Output {
        let disk = if full { self.disk() } else { Vec::new() };
        let words: Vec<&str> = disk.iter().map(String::as_str).collect();
        let mut child = self.place.command(&words, args).spawn().unwrap();
        let begin = Instant::now();
        let mut wait = |milliseconds: u64| {
            while begin.elapsed() < Duration::from_millis(milliseconds) && child.try_wait().unwrap().is_none()
            {
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        if let Some(moment) = edit {
            wait(moment);
            self.edit();
        }
        if let Some((moment, name)) = stop {
            wait(moment);
            let program = if full { traced(&mut child) } else { Some(child.id().to_string()) };
            if let Some(program) = program {
                // It may have ended by now.
                let _ =
                    Command::new("kill").args([&format!("-{name}"), &program]).stderr(Stdio::null()).status();
            }
        }
        let output = child.wait_with_output().unwrap();
        if full {
            let trace = std::fs::read_to_string(self.place.path("trace")).unwrap_or_default();
            add(&self.seen.refused, trace.contains("INJECTED"));
            let newest = checkpoint::newest(&self.place.root().join("run/checkpoints"));
            let carries =
                newest.is_ok_and(|newest| newest.checkpoint.is_some_and(|found| found.best.is_some()));
            add(&self.seen.carried, carries);
        }
        output
    }

    /// Requests a lower or a higher learning rate, if the run exists already.
    fn edit(&self) {
        let run = self.place.root().join("run");
        if run.join("run.json").exists() {
            let rate = [0.0001, 0.004][self.chance(3, 2) as usize];
            journal::request_edit(&run, Change::Rate(rate), "a test").unwrap();
        }
    }

    fn damage_newest(&self) {
        let folder = self.place.root().join("run/checkpoints");
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut found: Vec<PathBuf> =
            files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("step-")).collect();
        found.sort();
        // With only one, nothing would be left to resume from.
        if found.len() < 2 {
            return;
        }
        let mut bytes = std::fs::read(&found[found.len() - 1]).unwrap();
        let at = self.chance(4, bytes.len() as u64) as usize;
        bytes[at] ^= 1 << self.chance(5, 8);
        std::fs::write(&found[found.len() - 1], bytes).unwrap();
    }

    /// The arguments to resume with, changed as the faults say.
    fn resume(&self) -> Vec<String> {
        let mut args = self.place.resume("run", &self.frequency());
        if self.has(Fault::Threads) {
            let at = args.iter().position(|word| word == "--threads").unwrap();
            args[at + 1] = "2".to_owned();
            args.extend(["--workers".to_owned(), self.chance(6, 4).to_string()]);
        }
        if self.has(Fault::MovedImages) && args.contains(&"--resume".to_owned()) {
            args.push(self.place.path("moved"));
        } else if self.has(Fault::MovedImages) {
            let [old, new] = ["data", "moved"].map(|name| self.place.path(name));
            args.iter_mut().filter(|word| **word == old).for_each(|word| word.clone_from(&new));
        }
        args
    }

    fn run(&self) -> Outcome {
        let [data, moved] = ["data", "moved"].map(|name| self.place.root().join(name));
        let ends_by = if self.has(Fault::Kill) { "KILL" } else { "TERM" };
        let now =
            self.has(Fault::FullDisk) && [Fault::Kill, Fault::Edit].iter().any(|&other| self.has(other));
        let slower = if now { 3 } else { 1 };
        let edit = self.has(Fault::Edit).then(|| self.chance(7, self.time));
        let stop = slower * self.chance(8, self.time);
        self.session(&self.place.train("run", &self.frequency()), now, edit, Some((stop, ends_by)));
        if self.has(Fault::DamagedCheckpoint) {
            self.damage_newest();
        }
        if self.has(Fault::MovedImages) {
            std::fs::rename(&data, &moved).unwrap();
        }
        if self.has(Fault::FullDisk) && !now {
            let output =
                self.session(&self.resume(), true, None, Some((3 * self.chance(9, self.time), ends_by)));
            self.check(&output);
        }
        let output = self.session(&self.resume(), false, None, None);
        self.check(&output);
        let err = String::from_utf8_lossy(&output.stderr);
        let over = format!("resumed after step {}\n", 12 * EPOCHS);
        add(&self.seen.midway, err.contains("resumed after step ") && !err.contains(&over));
        if self.has(Fault::MovedImages) {
            std::fs::rename(&moved, &data).unwrap();
        }
        match output.status.code() {
            Some(0) => Outcome::Same,
            _ => {
                let reported: Vec<&str> = err.lines().filter(|line| line.contains("error: ")).collect();
                println!("{:?} {}: {}", self.faults, self.number, reported.join(" "));
                Outcome::Reported
            }
        }
    }

    /// A program that was not killed succeeds or reports an error.
    fn check(&self, output: &Output) {
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(!err.contains("panicked"), "{:?} {}: {err}", self.faults, self.number);
        let silent =
            output.status.code().is_some_and(|code| ![0, 143].contains(&code)) && !err.contains("error: ");
        let is_full = self.has(Fault::FullDisk) && output.status.signal().is_none();
        assert!(!silent || is_full, "{:?} {}: {:?}: {err}", self.faults, self.number, output.status);
    }
}

/// The process that strace runs, since a signal to strace itself would only detach it. `None` if it has ended.
fn traced(strace: &mut Child) -> Option<String> {
    let id = strace.id();
    while strace.try_wait().unwrap().is_none() {
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        let is_program = |id: &&str| {
            std::fs::read_to_string(format!("/proc/{id}/comm")).is_ok_and(|name| name.starts_with("alexnet"))
        };
        if let Some(program) = children.split_whitespace().find(is_program) {
            return Some(program.to_owned());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    None
}

fn has_strace() -> bool {
    let works = Command::new("strace").args(["-f", "-qq", "-o", "/dev/null", "true"]).status();
    works.is_ok_and(|status| status.success())
}

/// Trains the recipe and journal of the disturbed run again, undisturbed.
fn again(place: &Place) {
    let (recipe, _) = place.run_words(&["recipe", "from-journal", &place.path("run")], 0);
    let path = place.root().join("again.toml");
    std::fs::write(&path, recipe).unwrap();
    let [data, recipe, run] = ["data", "again.toml", "again"].map(|name| place.path(name));
    let _ = std::fs::remove_dir_all(&run);
    place.run(&with_checkpoints(&["train", &data, "--recipe", &recipe, "--run", &run], &[]), 0);
}

/// The models of a run without their recipes: the edits are in the journal of one run and in the recipe of the other.
fn models(place: &Place, run: &str) -> [Model; 2] {
    ["best.safetensors", "last.safetensors"].map(|name| {
        let model = Model::load(place.root().join(run).join(name)).unwrap();
        Model { recipe: support::every_layer(), ..model }
    })
}

#[test]
#[ignore = "takes a minute"]
fn two_faults_in_one_run_lose_no_model() {
    let trainings: u64 =
        std::env::var("ALEXNET_TWO_FAULTS").ok().and_then(|number| number.parse().ok()).unwrap_or(30);
    let place = Place::new(EPOCHS);
    place.run(&place.train("whole", &[]), 0);
    let begin = Instant::now();
    place.run(&place.train("whole", &[]), 0);
    let time = begin.elapsed().as_millis() as u64;
    let strace = has_strace();
    if !strace {
        println!("skipped: pairs with a full disk; strace is not installed or not permitted");
    }
    let pairs: Vec<[Fault; 2]> = (0..FAULTS.len())
        .flat_map(|i| (i + 1..FAULTS.len()).map(move |j| [FAULTS[i], FAULTS[j]]))
        .filter(|pair| strace || !pair.contains(&Fault::FullDisk))
        .collect();
    let (mut counts, seen, begin) = (BTreeMap::new(), Seen::default(), Instant::now());
    for (number, &faults) in (0..trainings).zip(pairs.iter().cycle()) {
        let _ = std::fs::remove_dir_all(place.root().join("run"));
        let case = Case { place: &place, faults, number, time, seen: &seen };
        let outcome = case.run();
        counts.entry(faults).or_insert([0, 0])[usize::from(outcome == Outcome::Reported)] += 1;
        if outcome == Outcome::Reported {
            continue;
        }
        place.check_best("run");
        let undisturbed = match case.has(Fault::Edit) {
            true => {
                again(&place);
                "again"
            }
            false => "whole",
        };
        assert!(models(&place, "run") == models(&place, undisturbed), "models differ: {faults:?} {number}");
        let [found, expected] = ["run", undisturbed].map(|run| lines(&place.root().join(run)));
        assert_eq!(found, expected, "metrics differ: {faults:?} {number}");
        if undisturbed == "whole" {
            assert!(place.results("run").0 == place.results("whole").0, "files differ: {faults:?} {number}");
        }
    }
    for (faults, [same, reported]) in &counts {
        println!("{faults:?}: {same} the same, {reported} reported");
    }
    let reported: u32 = counts.values().map(|counts| counts[1]).sum();
    println!(
        "{trainings} training runs, {reported} reported, {:.0} s; {seen:?}",
        begin.elapsed().as_secs_f64()
    );
    assert!(seen.midway.get() > 0 && (!strace || seen.refused.get() > 0), "no fault hit anything: {seen:?}");
}
