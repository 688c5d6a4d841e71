//! Trainings that are interrupted in every way there is, and go on to the same bits.

#[path = "support/pictures.rs"]
mod pictures;
mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use alexnet::interop::Model;
use alexnet::net::Recipe;
use alexnet_kernels::hash::combine;
use assert_cmd::cargo::cargo_bin;
use pictures::{encode, pixels, png, put};
use serde_json::Value;
use support::every_layer;

const CLASSES: [&str; 5] = ["ant", "bee", "cat", "dog", "eel"];

/// A picture that is mostly its class's.
fn picture(class: usize, salt: usize) -> Vec<u8> {
    let (width, height) = (20 + class, 19);
    let own = pixels(width, height, 1 << 20 | class);
    let mixed = own
        .iter()
        .zip(pixels(width, height, salt))
        .map(|(&a, b)| ((3 * u32::from(a) + u32::from(b)) / 4) as u8);
    let image = image::RgbImage::from_raw(width as u32, height as u32, mixed.collect()).unwrap();
    encode(&image::DynamicImage::ImageRgb8(image))
}

/// Pictures, a recipe and run folders below one folder.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(epochs: usize) -> Self {
        // In memory where there is such a folder: the tests wait for the disk more than for anything else.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let place = Self { folder: folder.unwrap() };
        for (split, n) in [("train", 9), ("val", 3)] {
            for (class, name) in CLASSES.iter().enumerate() {
                for i in 0..n {
                    let salt = 1000 * class + i + if split == "val" { 500 } else { 0 };
                    put(place.root(), &format!("data/{split}/{name}/{i}.png"), &picture(class, salt));
                }
            }
        }
        let mut recipe = every_layer();
        let epochs = epochs.to_string();
        recipe
            .set_all([
                ("optimiser.batch", "4"),
                ("optimiser.rate", "0.002"),
                ("schedule.epochs", epochs.as_str()),
                ("schedule.at_epochs", "none"),
                ("schedule.plateau", "{ patience = 1, times = 100 }"),
                ("schedule.divide_by", "1.1"),
                ("augment.color_noise", "0.1"),
                ("evaluation.views", "1"),
            ])
            .unwrap();
        std::fs::write(place.root().join("recipe.toml"), recipe.to_toml()).unwrap();
        place
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    fn path(&self, name: &str) -> String {
        self.root().join(name).to_str().unwrap().to_owned()
    }

    /// The program, before its arguments are run.
    fn command(&self, program: &[&str], args: &[String]) -> Command {
        let binary = cargo_bin!("alexnet").display().to_string();
        let mut words: Vec<String> = program.iter().map(ToString::to_string).collect();
        words.push(binary);
        words.extend(args.iter().cloned());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Arguments that begin a training in `run`.
    fn train(&self, run: &str, more: &[&str]) -> Vec<String> {
        let [data, recipe, run] = [self.path("data"), self.path("recipe.toml"), self.path(run)];
        often(&["train", &data, "--recipe", &recipe, "--run", &run, "--exist-ok"], more)
    }

    /// Arguments that go on with the training in `run`, or begin it if it was stopped before it could be gone on with.
    fn go_on(&self, run: &str, more: &[&str]) -> Vec<String> {
        if !self.root().join(run).join("run.json").exists() {
            return self.train(run, more);
        }
        often(&["train", "--resume", &self.path(run)], more)
    }

    fn run(&self, args: &[String], code: i32) -> (String, String) {
        finished(self.command(&[], args).output().unwrap(), code)
    }

    fn words(&self, args: &[&str], code: i32) -> (String, String) {
        self.run(&args.iter().map(ToString::to_string).collect::<Vec<_>>(), code)
    }

    /// What the numbers of a finished run are: its models, and its metrics but for times.
    fn numbers(&self, run: &str) -> (BTreeMap<&str, Vec<u8>>, Vec<Value>) {
        let folder = self.root().join(run);
        let models = ["best.safetensors", "last.safetensors"];
        let models = models.map(|name| (name, std::fs::read(folder.join(name)).unwrap()));
        (models.into(), lines(&folder))
    }
}

/// The arguments, on one thread, and with checkpoints every second step unless they say otherwise.
fn often(args: &[&str], more: &[&str]) -> Vec<String> {
    let steps: &[&str] =
        if more.contains(&"--checkpoint-steps") { &[] } else { &["--checkpoint-steps", "2"] };
    args.iter().chain(&["--threads", "1"]).chain(steps).chain(more).map(ToString::to_string).collect()
}

fn finished(output: Output, code: i32) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
    assert!(!err.contains("panicked"), "{err}");
    (out, err)
}

/// The metrics of a run without what the clock says.
fn lines(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
    let read = |line: &str| {
        let mut value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for time in ["seconds", "images_per_second", "waiting"] {
            value.as_object_mut().unwrap().remove(time);
        }
        value
    };
    text.lines().map(read).collect()
}

/// Kills a training after some time; what it came to, if it was over before.
fn kill_after(mut child: Child, time: Duration) -> Option<Output> {
    let begin = Instant::now();
    while begin.elapsed() < time {
        if child.try_wait().unwrap().is_some() {
            return Some(child.wait_with_output().unwrap());
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

/// Kills a training at `kills` moments by chance, each time going on where it stopped, and compares what it comes to.
fn survives(kills: usize) {
    let place = Place::new(4);
    place.run(&place.train("whole", &[]), 0);
    let whole = place.numbers("whole");
    // As long as a training takes, so that it is killed anywhere between its beginning and its end.
    let begin = Instant::now();
    place.run(&place.train("again", &[]), 0);
    let longest = begin.elapsed().as_micros() as u64;
    let (mut killed, mut finished_runs) = (0, 0);
    for attempt in 0.. {
        let name = format!("run{finished_runs}");
        // Any number of workers gives the same bits.
        let workers = (combine(7, attempt) % 4).to_string();
        let child = place.command(&[], &place.go_on(&name, &["--workers", &workers])).spawn().unwrap();
        let moment = match killed < kills {
            true => Duration::from_micros(combine(5, attempt) % longest),
            false => Duration::from_secs(60),
        };
        match kill_after(child, moment) {
            None => killed += 1,
            Some(output) => {
                finished(output, 0);
                assert!(place.numbers(&name) == whole, "other numbers after {killed} kills");
                std::fs::remove_dir_all(place.root().join(&name)).unwrap();
                finished_runs += 1;
                if killed >= kills {
                    break;
                }
            }
        }
    }
    println!("killed {killed} times; {finished_runs} trainings came to the same bits");
}

#[test]
fn a_training_that_is_killed_goes_on_to_the_same_bits() {
    survives(12);
}

/// `cargo test --release --test survival -- --ignored` runs this and the faults below.
#[test]
#[ignore = "takes a minute"]
fn a_training_that_is_killed_200_times_goes_on_to_the_same_bits() {
    survives(200);
}

/// Whether calls of the system can be made to fail here.
fn has_strace() -> bool {
    let works = Command::new("strace").args(["-f", "-qq", "-o", "/dev/null", "true"]).status();
    let works = works.is_ok_and(|status| status.success());
    if !works {
        println!("skipped: no strace, or it may not trace here");
    }
    works
}

/// Kills a training at its first, second, ... call of each kind, and goes on.
#[test]
#[ignore = "takes minutes"]
fn a_training_that_is_killed_at_every_call_goes_on_to_the_same_bits() {
    if !has_strace() {
        return;
    }
    let place = Place::new(1);
    place.run(&place.train("whole", &[]), 0);
    let whole = place.numbers("whole");
    for call in ["fsync", "rename", "unlink", "ftruncate", "write"] {
        for n in 1.. {
            let inject = format!("inject={call}:signal=KILL:when={n}");
            let trace =
                ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject];
            let output = place.command(&trace, &place.train("run", &[])).output().unwrap();
            if output.status.success() {
                println!("{call}: killed at each of {} calls", n - 1);
                assert!(n > 1, "{call} is never called: nothing was tested");
                break;
            }
            place.run(&place.go_on("run", &[]), 0);
            assert!(place.numbers("run") == whole, "other numbers, killed at {call} {n}");
            std::fs::remove_dir_all(place.root().join("run")).unwrap();
        }
    }
}

/// Lets each call of each kind fail: the training goes on and comes to the same model, or says what failed and goes on
/// when it is started again. Nothing that was whole is lost.
#[test]
#[ignore = "takes minutes"]
fn a_training_outlives_a_full_and_a_broken_disk() {
    if !has_strace() {
        return;
    }
    let place = Place::new(1);
    place.run(&place.train("whole", &[]), 0);
    let whole = place.numbers("whole");
    for (call, error) in [
        ("write", "ENOSPC"),
        ("write", "EIO"),
        ("fsync", "EIO"),
        ("fsync", "ENOSPC"),
        ("rename", "EIO"),
        ("unlink", "EROFS"),
        ("ftruncate", "EIO"),
    ] {
        let (mut ended, mut told) = (0, 0);
        for n in 1.. {
            let inject = format!("inject={call}:error={error}:when={n}");
            let out = place.path("trace");
            let trace = ["strace", "-f", "-qq", "-o", &out, "-e", &format!("trace={call}"), "-e", &inject];
            let output = place.command(&trace, &place.train("run", &[])).output().unwrap();
            let err = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!err.contains("panicked"), "{call} {n} {error}: {err}");
            if !std::fs::read_to_string(&out).unwrap().contains("INJECTED") {
                println!(
                    "{call} {error}: {} calls failed, {told} were told and trained on, {ended} ended it",
                    n - 1
                );
                assert!(n > 1, "{call} is never called: nothing was tested");
                break;
            }
            if output.status.success() {
                told += usize::from(err.contains("warning"));
            } else {
                ended += 1;
                assert!(err.contains("error: "), "{call} {n} {error}: {err}");
                place.run(&place.go_on("run", &[]), 0);
            }
            let (models, lines) = place.numbers("run");
            assert!(lines == whole.1, "other metrics: {call} {n} {error}: {err}");
            assert!(models == whole.0, "other models: {call} {n} {error}: {err}");
            std::fs::remove_dir_all(place.root().join("run")).unwrap();
        }
    }
}

/// The thread of a training that writes checkpoints, once it is there.
#[cfg(target_os = "linux")]
fn writer(child: &mut Child) -> String {
    let tasks = PathBuf::from(format!("/proc/{}/task", child.id()));
    while child.try_wait().unwrap().is_none() {
        for task in std::fs::read_dir(&tasks).into_iter().flatten().flatten() {
            let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            if name.trim() == alexnet::train::keeper::THREAD {
                return task.file_name().into_string().unwrap();
            }
        }
    }
    panic!("the training has ended, and nobody wrote checkpoints");
}

/// Begins a training, and tampers with a call of the thread that writes checkpoints; what it comes to, and whether the
/// call was made.
#[cfg(target_os = "linux")]
fn tampered(place: &Place, call: &str, with: &str) -> (Output, bool) {
    let mut child = place.command(&[], &place.train("run", &[])).spawn().unwrap();
    let (thread, trace) = (writer(&mut child), place.path("trace"));
    let inject = format!("inject={call}:{with}");
    let args = ["-p", &thread, "-qq", "-o", &trace, "-e", &format!("trace={call}"), "-e", &inject];
    let mut strace = Command::new("strace").args(args).spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    strace.wait().unwrap();
    let trace = std::fs::read_to_string(trace).unwrap_or_default();
    (output, trace.contains("INJECTED") || trace.contains("killed by SIGKILL"))
}

/// Calls of one checkpoint and a half, so that each kind fails at each of its places.
#[cfg(target_os = "linux")]
const CALLS: [(&str, usize); 5] = [("openat", 4), ("write", 3), ("fsync", 4), ("rename", 2), ("unlink", 2)];

#[test]
#[cfg(target_os = "linux")]
#[ignore = "takes half a minute"]
fn a_training_that_is_killed_while_it_writes_a_checkpoint_goes_on_to_the_same_bits() {
    if !has_strace() {
        return;
    }
    let place = Place::new(50);
    place.run(&place.train("whole", &[]), 0);
    let whole = place.numbers("whole");
    for (call, n) in CALLS.iter().flat_map(|&(call, most)| (1..=most).map(move |n| (call, n))) {
        let (output, made) = tampered(&place, call, &format!("signal=KILL:when={n}"));
        assert!(made && output.status.code().is_none(), "{call} {n} is never called");
        place.run(&place.go_on("run", &[]), 0);
        assert!(place.numbers("run") == whole, "other numbers, killed at {call} {n}");
        std::fs::remove_dir_all(place.root().join("run")).unwrap();
    }
}

#[test]
#[cfg(target_os = "linux")]
#[ignore = "takes half a minute"]
fn a_checkpoint_that_cannot_be_written_is_tried_again() {
    if !has_strace() {
        return;
    }
    let place = Place::new(50);
    place.run(&place.train("whole", &[]), 0);
    let whole = place.numbers("whole");
    for (call, n) in CALLS.iter().flat_map(|&(call, most)| (1..=most).map(move |n| (call, n))) {
        for error in ["ENOSPC", "EIO", "EROFS"] {
            let (output, made) = tampered(&place, call, &format!("error={error}:when={n}"));
            let (_, err) = finished(output, 0);
            assert!(made, "{call} {n} is never called");
            // Who cannot remove an old one keeps one more.
            let told = err.contains("warning: the checkpoint of step") && err.contains("training goes on");
            assert!(told || call == "unlink" || call == "openat", "{call} {n} {error}: {err}");
            assert!(place.numbers("run") == whole, "other numbers: {call} {n} {error}");
            let checkpoints = std::fs::read_dir(place.root().join("run/checkpoints")).unwrap();
            let found: Vec<PathBuf> = checkpoints.map(|entry| entry.unwrap().path()).collect();
            assert!((2..=3).contains(&found.len()), "{call} {n} {error}: {found:?}");
            std::fs::remove_dir_all(place.root().join("run")).unwrap();
        }
    }
}

/// What TensorBoard reads of a run is what stands in `metrics.jsonl`, where its package is there to say.
fn check_tensorboard(run: &Path) {
    let there = Command::new("python3").args(["-c", "import tensorboard"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        println!("skipped: python3 has no tensorboard (pip install -r tests/tensorboard/requirements.txt)");
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tensorboard/compare.py");
    let output = Command::new("python3").arg(script).arg(run).output().unwrap();
    let (out, _) = finished(output, 0);
    println!("{out}");
}

#[cfg(unix)]
fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Waits until a training has written so many lines of metrics.
fn wait_for_lines(run: &Path, n: usize) {
    for _ in 0..3000 {
        let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
        if text.lines().count() >= n {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{}: no {n} lines of metrics", run.display());
}

#[test]
#[cfg(unix)]
fn signals_stop_or_save_and_the_training_goes_on() {
    let place = Place::new(150);
    let run = place.root().join("run");
    let seldom = ["--checkpoint-steps", "100000", "--set", "schedule.plateau=none"];
    let mut child = place.command(&[], &place.train("run", &seldom)).spawn().unwrap();
    wait_for_lines(&run, 2);
    signal(&child, "HUP");
    while !std::fs::read_to_string(run.join("log.txt")).unwrap().contains("a checkpoint of step") {
        assert!(child.try_wait().unwrap().is_none(), "it goes on");
        std::thread::sleep(Duration::from_millis(1));
    }
    signal(&child, "TERM");
    let (_, err) = finished(child.wait_with_output().unwrap(), 143);
    assert!(err.contains("stopped after") && err.contains("alexnet train --resume"), "{err}");
    let lines = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap().lines().count();
    let child = place.command(&[], &place.go_on("run", &[])).spawn().unwrap();
    wait_for_lines(&run, lines + 2);
    signal(&child, "INT");
    finished(child.wait_with_output().unwrap(), 130);
    place.run(&place.go_on("run", &["--workers", "3"]), 0);
    place.run(&place.train("whole", &seldom), 0);
    assert!(place.numbers("run") == place.numbers("whole"));
    check_tensorboard(&run);
    // Over is over, and says so.
    let (_, err) = place.run(&place.go_on("run", &[]), 0);
    assert!(err.contains("goes on after step 1,800"), "{err}");
}

#[test]
fn a_folder_is_trained_in_by_one() {
    let place = Place::new(400);
    let mut child = place.command(&[], &place.train("run", &[])).spawn().unwrap();
    wait_for_lines(&place.root().join("run"), 1);
    for args in [place.go_on("run", &[]), place.train("run", &[])] {
        let (_, err) = place.run(&args, 1);
        assert!(err.contains("another training uses") && err.contains(&child.id().to_string()), "{err}");
    }
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
    let (_, err) = place.run(&place.go_on("run", &["--steps", "60"]), 0);
    assert!(err.contains("goes on after step"), "a lock that is left behind is none: {err}");
}

#[test]
fn what_was_changed_since_is_told_and_refused() {
    let place = Place::new(2);
    place.run(&place.train("run", &["--steps", "5"]), 0);
    let resume = |more: &[&str], code| place.run(&place.go_on("run", more), code).1;
    let err = resume(&["--set", "optimiser.rate=0.5"], 2);
    assert!(err.contains("optimiser.rate: 0.002 -> 0.5") && err.contains("--accept-changes"), "{err}");
    let recipe = place.root().join("run/recipe.toml");
    let before = std::fs::read_to_string(&recipe).unwrap();
    std::fs::write(&recipe, before.replace("momentum = 0.9", "momentum = 0.5")).unwrap();
    let err = resume(&[], 2);
    assert!(err.contains("optimiser.momentum: 0.9 -> 0.5"), "{err}");
    std::fs::write(&recipe, before).unwrap();
    let new = place.root().join("data/train/bee/new.png");
    std::fs::write(&new, png(20, 20, 99)).unwrap();
    let err = resume(&[], 2);
    assert!(err.contains("train: 45 pictures -> 46 (class bee: 9 -> 10)"), "{err}");
    std::fs::remove_file(&new).unwrap();
    let renamed = |from: &str, to: &str| {
        for split in ["train", "val"] {
            let at = |name: &str| place.root().join("data").join(split).join(name);
            std::fs::rename(at(from), at(to)).unwrap();
        }
    };
    renamed("cat", "cow");
    let err = resume(&[], 2);
    assert!(err.contains("classes: 5 -> 5; number 2: \"cat\" -> \"cow\""), "{err}");
    renamed("cow", "cat");
    let moved = place.path("moved");
    std::fs::rename(place.root().join("data"), &moved).unwrap();
    let err = resume(&[], 3);
    assert!(err.contains("cannot be opened"), "{err}");
    let mut elsewhere = place.go_on("run", &["--steps", "7"]);
    elsewhere.push(moved);
    let (_, err) = place.run(&elsewhere, 0);
    assert!(err.contains("goes on after step 5"), "the same pictures elsewhere are the same: {err}");
    elsewhere.extend(["--set", "schedule.epochs=3", "--accept-changes"].map(String::from));
    let steps = elsewhere.iter().position(|word| word == "--steps").unwrap();
    elsewhere.drain(steps..steps + 2);
    let (_, err) = place.run(&elsewhere, 0);
    assert!(
        err.contains("goes on with what was changed") && err.contains("schedule.epochs: 2 -> 3"),
        "{err}"
    );
    assert!(err.contains("epoch 3: "), "{err}");
}

#[test]
fn damaged_checkpoints_are_told() {
    let place = Place::new(1);
    place.run(&place.train("run", &["--steps", "6"]), 0);
    let folder = place.root().join("run/checkpoints");
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    assert_eq!(found.len(), 2, "the last two are kept: {found:?}");
    let damage = |path: &Path| {
        let mut bytes = std::fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
        std::fs::write(path, bytes).unwrap();
    };
    damage(&found[1]);
    let (_, err) = place.run(&place.go_on("run", &["--steps", "6"]), 0);
    let older =
        found[0].file_stem().unwrap().to_str().unwrap().trim_start_matches("step-").trim_start_matches('0');
    assert!(err.contains("step-000000006.safetensors: its checksum"), "{err}");
    assert!(
        err.contains(&format!("goes on after step {}\n", if older.is_empty() { "0" } else { older })),
        "{err}"
    );
    for entry in std::fs::read_dir(&folder).unwrap() {
        damage(&entry.unwrap().path());
    }
    let (_, err) = place.run(&place.go_on("run", &[]), 4);
    assert!(err.contains("its checksum is not that of its bytes") && err.contains("help: "), "{err}");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2, "what is damaged is not removed");
}

/// What is asked for while a training runs is made, told, kept over an interruption, and gives the same bits as a recipe.
#[test]
fn live_edits_are_replayed_to_the_same_bits() {
    let place = Place::new(3000);
    let run = place.root().join("run");
    let mut child =
        place.command(&[], &place.train("run", &["--set", "schedule.plateau=none"])).spawn().unwrap();
    wait_for_lines(&run, 1);
    let edit = |words: &[&str], code| {
        let mut args = vec!["edit", run.to_str().unwrap()];
        args.extend(words);
        place.words(&args, code)
    };
    let (out, _) = edit(&["lr=0.001", "color-noise=off", "--reason", "to see"], 0);
    assert!(out.contains("rate=0.001  made after step ") && out.contains("color_noise=off  made"), "{out}");
    let (out, _) = edit(&["freeze=conv1"], 0);
    assert!(out.contains("freeze=conv1  made after step "), "{out}");
    let (_, err) = edit(&["freeze=conv7"], 2);
    assert!(err.contains("no layer with weights is called `conv7`"), "{err}");
    child.kill().unwrap();
    child.wait().unwrap();
    let (out, _) = edit(&["stop-after=300"], 0);
    assert!(out.contains("no training runs; `alexnet train --resume"), "{out}");
    let child = place.command(&[], &place.go_on("run", &[])).spawn().unwrap();
    let (_, err) = finished(child.wait_with_output().unwrap(), 0);
    assert!(err.contains("stop_after=300") && err.contains("epoch 300: "), "{err}");
    let journal = std::fs::read_to_string(run.join("journal.jsonl")).unwrap();
    assert!(journal.lines().count() == 4 && journal.contains("\"reason\":\"to see\""), "{journal}");
    let (again, _) = place.words(&["recipe", "from-journal", run.to_str().unwrap()], 0);
    std::fs::write(place.root().join("recipe.toml"), &again).unwrap();
    let (_, err) = place.run(&place.train("again", &[]), 0);
    assert!(err.contains("freeze=conv1"), "{err}");
    let model = |run: &str| Model::load(place.root().join(run).join("last.safetensors")).unwrap().parameters;
    assert!(model("run") == model("again"), "the journal's recipe gives other bits");
    assert_eq!(lines(&run), lines(&place.root().join("again")));
}

#[test]
fn numbers_that_go_wrong_are_gone_back_from() {
    let place = Place::new(2);
    let toml = std::fs::read_to_string(place.root().join("recipe.toml")).unwrap();
    std::fs::write(place.root().join("recipe.toml"), toml + "[[edit]]\nstep = 7\nrate = 1e6\n").unwrap();
    let args = place.train("run", &["--checkpoint-steps", "5", "--set", "optimiser.decay=1000"]);
    let (out, err) = place.run(&args, 0);
    assert!(err.contains("not finite any more: step ") || err.contains("the loss is"), "{err}");
    assert!(err.contains("goes back to step 5 and on at a tenth of the rate, 0.0002 ("), "{err}");
    assert!(out.contains("note    step "), "{out}");
    let (again, _) = place.words(&["recipe", "from-journal", &place.path("run")], 0);
    assert!(again.contains("rate = 0.0002") && !again.contains("rate = 1000000"), "{again}");
    std::fs::write(place.root().join("recipe.toml"), &again).unwrap();
    place.run(&place.train("again", &["--checkpoint-steps", "5"]), 0);
    let model = |run: &str| Model::load(place.root().join(run).join("last.safetensors")).unwrap().parameters;
    assert!(model("run") == model("again"), "the journal's recipe gives other bits");
    let (_, err) =
        place.run(&place.train("stop", &["--set", "optimiser.rate=1e6", "--on-divergence", "stop"]), 5);
    assert!(err.contains("error: ") && err.contains("help: a lower rate"), "{err}");
    let (_, err) = place
        .run(&place.train("thrice", &["--set", "optimiser.rate=1e6", "--set", "optimiser.decay=1e6"]), 5);
    assert!(err.contains("(3 of at most 3 times)") && err.contains("after going back 3 times"), "{err}");
}

#[test]
fn a_flat_loss_is_told_and_its_cure_trains() {
    let place = Place::new(1);
    let mut recipe = Recipe::load("small").unwrap();
    let layers =
        ["conv1", "conv2", "conv3", "fc4", "fc5", "fc6"].map(|name| format!("layer.{name}.weights.init"));
    recipe.set_all(layers.iter().map(|key| (key.as_str(), "{ normal = 1e-6 }"))).unwrap();
    recipe
        .set_all([("schedule.epochs", "12"), ("optimiser.batch", "8"), ("augment.random_crop", "false")])
        .unwrap();
    std::fs::write(place.root().join("recipe.toml"), recipe.to_toml()).unwrap();
    let (out, _) = place.run(&place.train("flat", &[]), 0);
    assert!(out.contains("a blind guess among 5 classes has ln 5 = 1.609"), "{out}");
    let (_, err) = place.run(&place.train("cured", &["--on-plateau", "restart-with-he"]), 0);
    assert!(err.contains("begins again with the cure"), "{err}");
    let loss = |run: &str| lines(&place.root().join(run)).last().unwrap()["train/loss"].as_f64().unwrap();
    assert!(loss("flat") > 1.6 && loss("cured") < 0.8, "{} {}", loss("flat"), loss("cured"));
    assert!(place.root().join("cured/earlier-1/metrics.jsonl").exists());
    let (_, err) = place.run(&place.train("stop", &["--on-plateau", "stop"]), 5);
    assert!(err.contains("blind guess") && err.contains("init=he"), "{err}");
}

#[test]
fn a_forecast_leaves_nothing() {
    let place = Place::new(5);
    let args = |more: &[&str]| -> Vec<String> {
        place.train("run", more).into_iter().filter(|word| word != "--exist-ok").collect()
    };
    let (out, _) = place.run(&args(&["--forecast"]), 0);
    assert!(
        out.contains("forecast from 20 steps") && out.contains("what is left of 4 epochs at most"),
        "{out}"
    );
    assert!(!place.root().join("run").exists());
    let (out, _) = place.run(&args(&["--forecast", "--json"]), 0);
    let value: Value = serde_json::from_str(&out).unwrap();
    assert!(value["forecast"]["images_per_second"].as_f64().unwrap() > 0.0, "{out}");
}

#[test]
fn a_model_is_trained_on_for_other_classes() {
    let place = Place::new(2);
    place.run(&place.train("old", &[]), 0);
    for split in ["train", "val"] {
        std::fs::rename(
            place.root().join(format!("data/{split}/eel")),
            place.root().join(format!("data/{split}/fox")),
        )
        .unwrap();
    }
    let [data, old, new] = ["data", "old", "new"].map(|name| place.path(name));
    let args = [
        "train",
        &data,
        "--init",
        &old,
        "--run",
        &new,
        "--freeze",
        "conv1,conv2",
        "--set",
        "layer.fc6.weights.rate=10",
    ];
    let (_, err) = place.words(&args, 0);
    assert!(err.contains("taken from the model: conv1.weight, conv1.bias"), "{err}");
    assert!(err.contains("new: fc6.weight: its outputs are other classes"), "{err}");
    assert!(err.contains("freeze=conv1") && err.contains("the mean is the model's"), "{err}");
    let model = |run: &str, name: &str| Model::load(place.root().join(run).join(name)).unwrap();
    let (old, new) = (model("old", "best.safetensors"), model("new", "last.safetensors"));
    assert_eq!(new.classes[4], "fox");
    for (before, after) in old.parameters.iter().zip(&new.parameters) {
        let stays = before.name.starts_with("conv");
        assert_eq!(before == after, stays, "{}", before.name);
    }
    let unfit =
        ["train", &data, "--init", &place.path("old"), "--recipe", "small", "--run", &place.path("unfit")];
    let (_, err) = place.words(&unfit, 2);
    assert!(err.contains("nothing of the model fits the recipe"), "{err}");
}

/// A batch that goes through the network in parts gives the numbers of the whole.
#[test]
fn micro_batches_change_no_number() {
    let place = Place::new(2);
    let whole = ["--set", "optimiser.batch=20"];
    let mut numbers = [None, Some("9"), Some("18")].map(|micro_batch| {
        let run = format!("run{}", micro_batch.unwrap_or("-whole"));
        let mut args = place.train(&run, &whole);
        args.extend(micro_batch.into_iter().flat_map(|n| ["--micro-batch".to_owned(), n.to_owned()]));
        place.run(&args, 0);
        // The layers are looked at in the last part alone.
        let models = ["best.safetensors", "last.safetensors"]
            .map(|name| Model::load(place.root().join(&run).join(name)).unwrap().parameters);
        let losses = lines(&place.root().join(&run)).into_iter().map(|line| line["train/loss"].clone());
        (models, losses.collect::<Vec<Value>>())
    });
    let [whole, parts @ ..] = &mut numbers;
    assert!(parts.iter().all(|part| part == whole));
    let (_, err) = place.run(&place.train("odd", &["--set", "optimiser.batch=20", "--micro-batch", "4"]), 2);
    assert!(err.contains("a micro-batch of 4 pictures, expected a multiple of 9"), "{err}");
}

#[test]
fn folders_that_cannot_be_written_are_told() {
    let place = Place::new(1);
    let [data, recipe] = ["data", "recipe.toml"].map(|name| place.path(name));
    let (_, err) = place.words(&["train", &data, "--recipe", &recipe, "--run", "/proc/run"], 1);
    assert!(err.contains("/proc/run: cannot make the run folder") && err.contains("--run DIR"), "{err}");
    let (_, err) = place.words(&["train", "--resume", &data], 2);
    assert!(err.contains("holds no run that can go on"), "{err}");
    let (_, err) = place.words(&["edit", &data, "lr=1"], 2);
    assert!(err.contains("holds no run"), "{err}");
    let (_, err) = place.words(&["recipe", "from-journal", "/nowhere"], 2);
    assert!(err.contains("is no folder"), "{err}");
}

#[test]
fn a_rate_is_found() {
    let place = Place::new(1);
    let [data, recipe] = ["data", "recipe.toml"].map(|name| place.path(name));
    let (out, _) =
        place.words(&["lr-find", &data, "--recipe", &recipe, "--steps", "60", "--to", "1000", "--json"], 0);
    let value: Value = serde_json::from_str(&out).unwrap();
    assert!(value["tries"].as_array().unwrap().len() > 10 && value["explodes"].is_number(), "{out}");
    let (_, err) = place.words(&["lr-find", &data, "--recipe", &recipe, "--to", "1e-9"], 2);
    assert!(err.contains("--to must be above --from"), "{err}");
}
