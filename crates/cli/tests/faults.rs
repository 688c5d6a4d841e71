//! System calls that fail or kill the process, each in turn: `cargo test --release --test faults -- --ignored`. strace
//! injects them; without it the tests are skipped.
#![cfg(target_os = "linux")]

#[path = "../../alexnet/tests/support/images.rs"]
mod images;
#[path = "support/place.rs"]
mod place;
#[path = "../../alexnet/tests/support/mod.rs"]
mod support;

use std::path::PathBuf;
use std::process::{Child, Command, Output};

use place::{Place, finished};

/// Whether system calls can be made to fail here.
fn has_strace() -> bool {
    let works = Command::new("strace").args(["-f", "-qq", "-o", "/dev/null", "true"]).status();
    let works = works.is_ok_and(|status| status.success());
    if !works {
        println!("skipped: strace is not installed or not permitted");
    }
    works
}

/// Whether a warning is about files: a run of one epoch may also be told that it has learned nothing.
fn warns(err: &str) -> bool {
    err.lines().any(|line| line.starts_with("warning: ") && !line.contains("has not learned"))
}

/// Some network and user-space file systems return these errors from fsync: training ignores them.
#[test]
fn file_systems_without_fsync_are_supported() {
    if !has_strace() {
        return;
    }
    let place = Place::new(1);
    place.run(&place.train("whole", &[]), 0);
    let whole = place.results("whole");
    for error in ["EINVAL", "EOPNOTSUPP", "ENOSYS"] {
        let inject = format!("inject=fsync:error={error}");
        let out = place.path("trace");
        let trace = ["strace", "-f", "-qq", "-o", &out, "-e", "trace=fsync", "-e", &inject];
        let (_, err) = finished(place.command(&trace, &place.train("run", &[])).output().unwrap(), 0);
        assert!(std::fs::read_to_string(&out).unwrap().contains("INJECTED"));
        assert!(!warns(&err) && !err.contains("cannot"), "{error}: {err}");
        assert!(place.results("run") == whole, "results differ: {error}");
        std::fs::remove_dir_all(place.root().join("run")).unwrap();
    }
}

/// The message about a file that could not be written says what is on the disk.
#[test]
fn a_failed_write_reports_the_state_of_the_file() {
    if !has_strace() {
        return;
    }
    let place = Place::new(1);
    let (data, recipe, plot) = (place.path("data"), place.path("recipe.toml"), place.path("plot.svg"));
    let args = ["lr-find", &data, "--recipe", &recipe, "--steps", "10", "--plot", &plot].map(str::to_owned);
    // The first fsync is of the file, the second of the folder.
    for (call, n, there, reported) in [
        ("fsync", 1, false, "nothing was written"),
        ("fsync", 1, true, "the file is unchanged"),
        ("rename", 1, true, "the file is unchanged"),
        ("fsync", 2, true, "plot.svg has been written, but a power failure could undo that"),
    ] {
        let _ = std::fs::remove_file(&plot);
        if there {
            std::fs::write(&plot, "before").unwrap();
        }
        let inject = format!("inject={call}:error=EIO:when={n}");
        let trace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject];
        let (_, err) = finished(place.command(&trace, &args).output().unwrap(), 1);
        assert!(err.contains(reported), "{call} {n}: {err}");
        let now = std::fs::read_to_string(&plot).ok();
        match (n, there) {
            (2, _) => assert!(now.unwrap().contains("<svg")),
            (_, true) => assert_eq!(now.as_deref(), Some("before")),
            (_, false) => assert_eq!(now, None),
        }
        let names = std::fs::read_dir(place.root()).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(names.into_iter().all(|name| !name.to_string_lossy().ends_with(".tmp")));
    }
}

/// Kills a training run at its first, second, ... call of each kind, and resumes it.
#[test]
#[ignore = "takes minutes"]
fn a_run_killed_at_any_system_call_resumes_to_the_same_bits() {
    if !has_strace() {
        return;
    }
    let place = Place::new(1);
    place.run(&place.train("whole", &[]), 0);
    let whole = place.results("whole");
    for call in ["fsync", "rename", "unlink", "ftruncate", "write"] {
        for n in 1.. {
            let inject = format!("inject={call}:signal=KILL:when={n}");
            let trace =
                ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject];
            let output = place.command(&trace, &place.train("run", &[])).output().unwrap();
            if output.status.success() {
                println!("{call}: killed at each of {} calls", n - 1);
                assert!(n > 1, "{call} is never called");
                break;
            }
            place.run(&place.resume("run", &[]), 0);
            assert!(place.results("run") == whole, "results differ, killed at {call} {n}");
            std::fs::remove_dir_all(place.root().join("run")).unwrap();
        }
    }
}

/// Each call of each kind fails: training continues to the same model, or reports the failure and resumes when it is
/// started again. Nothing is lost.
#[test]
#[ignore = "takes minutes"]
fn a_run_survives_full_and_failing_disks() {
    if !has_strace() {
        return;
    }
    let place = Place::new(1);
    place.run(&place.train("whole", &[]), 0);
    let whole = place.results("whole");
    for (call, error) in [
        ("write", "ENOSPC"),
        ("write", "EIO"),
        ("fsync", "EIO"),
        ("fsync", "ENOSPC"),
        ("rename", "EIO"),
        ("unlink", "EROFS"),
        ("ftruncate", "EIO"),
    ] {
        let (mut ended, mut reported) = (0, 0);
        for n in 1.. {
            let inject = format!("inject={call}:error={error}:when={n}");
            let out = place.path("trace");
            let trace = ["strace", "-f", "-qq", "-o", &out, "-e", &format!("trace={call}"), "-e", &inject];
            let output = place.command(&trace, &place.train("run", &[])).output().unwrap();
            let err = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!err.contains("panicked"), "{call} {n} {error}: {err}");
            if !std::fs::read_to_string(&out).unwrap().contains("INJECTED") {
                println!(
                    "{call} {error}: {} calls failed, {reported} with a warning, {ended} ended training",
                    n - 1
                );
                assert!(n > 1, "{call} is never called");
                break;
            }
            if output.status.success() {
                reported += usize::from(warns(&err));
            } else {
                ended += 1;
                assert!(err.contains("error: "), "{call} {n} {error}: {err}");
                place.run(&place.resume("run", &[]), 0);
            }
            let (models, lines) = place.results("run");
            assert!(lines == whole.1, "metrics differ: {call} {n} {error}: {err}");
            assert!(models == whole.0, "models differ: {call} {n} {error}: {err}");
            std::fs::remove_dir_all(place.root().join("run")).unwrap();
        }
    }
}

/// Waits for the thread that writes checkpoints and returns its id.
fn writer(child: &mut Child) -> String {
    let tasks = PathBuf::from(format!("/proc/{}/task", child.id()));
    while child.try_wait().unwrap().is_none() {
        for task in std::fs::read_dir(&tasks).into_iter().flatten().flatten() {
            let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            if name.trim() == alexnet::train::checkpoint_writer::THREAD {
                return task.file_name().into_string().unwrap();
            }
        }
    }
    panic!("the training ended without a checkpoint thread");
}

/// Starts a training run and tampers with a call of the thread that writes checkpoints. Returns its output, and whether the
/// call was made.
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

/// The calls of one and a half checkpoints, so that each fails in each of its places.
const CALLS: [(&str, usize); 5] = [("openat", 4), ("write", 3), ("fsync", 4), ("rename", 2), ("unlink", 2)];

#[test]
#[ignore = "takes half a minute"]
fn a_run_killed_while_writing_a_checkpoint_resumes_to_the_same_bits() {
    if !has_strace() {
        return;
    }
    let place = Place::new(50);
    place.run(&place.train("whole", &[]), 0);
    let whole = place.results("whole");
    for (call, n) in CALLS.iter().flat_map(|&(call, most)| (1..=most).map(move |n| (call, n))) {
        let (output, made) = tampered(&place, call, &format!("signal=KILL:when={n}"));
        assert!(made && output.status.code().is_none(), "{call} {n} is never called");
        place.run(&place.resume("run", &[]), 0);
        assert!(place.results("run") == whole, "results differ, killed at {call} {n}");
        std::fs::remove_dir_all(place.root().join("run")).unwrap();
    }
}

#[test]
#[ignore = "takes half a minute"]
fn a_failed_checkpoint_is_retried() {
    if !has_strace() {
        return;
    }
    let place = Place::new(50);
    place.run(&place.train("whole", &[]), 0);
    let whole = place.results("whole");
    for (call, n) in CALLS.iter().flat_map(|&(call, most)| (1..=most).map(move |n| (call, n))) {
        for error in ["ENOSPC", "EIO", "EROFS"] {
            let (output, made) = tampered(&place, call, &format!("error={error}:when={n}"));
            let (_, err) = finished(output, 0);
            assert!(made, "{call} {n} is never called");
            // If an old one cannot be removed, one more is kept.
            let reported =
                err.contains("warning: the checkpoint of step") && err.contains("training continues");
            assert!(reported || call == "unlink" || call == "openat", "{call} {n} {error}: {err}");
            assert!(place.results("run") == whole, "results differ: {call} {n} {error}");
            let checkpoints = std::fs::read_dir(place.root().join("run/checkpoints")).unwrap();
            let found = checkpoints.map(|entry| entry.unwrap().path());
            let found: Vec<PathBuf> =
                found.filter(|path| path.display().to_string().contains("/step-")).collect();
            assert!((2..=3).contains(&found.len()), "{call} {n} {error}: {found:?}");
            std::fs::remove_dir_all(place.root().join("run")).unwrap();
        }
    }
}
