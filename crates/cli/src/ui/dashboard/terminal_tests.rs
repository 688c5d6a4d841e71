//! The dashboard on a terminal that `script` provides: keys do what they say, and the terminal is restored.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use alexnet::Error;

use super::{Controls, Dashboard, Title};
use crate::ui::tracker::Tracker;

const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";

/// Runs [`in_a_terminal`] on a terminal, presses `keys` once the dashboard is drawn, and returns the exit code and
/// everything that the terminal showed.
fn on_a_terminal(then: &str, keys: &str) -> Option<(i32, String)> {
    let this = std::env::current_exe().unwrap();
    let test = format!(
        "'{}' --ignored --exact ui::dashboard::terminal_tests::in_a_terminal --nocapture",
        this.display()
    );
    let command = format!("stty rows 24 cols 80; {test}; code=$?; stty -a; exit $code");
    let child = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .env("ALEXNET_THEN", then)
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        eprintln!("skipped: there is no `script`");
        return None;
    };
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut shown = Vec::new();
    let mut keys = Some(keys);
    let mut some = [0; 4096];
    loop {
        let read = output.read(&mut some).unwrap();
        if read == 0 {
            break;
        }
        shown.extend_from_slice(&some[..read]);
        if String::from_utf8_lossy(&shown).contains("checkpoint") {
            for key in keys.take().into_iter().flat_map(str::chars) {
                input.write_all(key.to_string().as_bytes()).unwrap();
                // One key at a time, as a person types.
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
    let code = child.wait().unwrap().code().unwrap();
    Some((code, String::from_utf8_lossy(&shown).into_owned()))
}

#[test]
#[ignore = "needs a terminal, which the other tests provide"]
fn in_a_terminal() {
    let Ok(then) = std::env::var("ALEXNET_THEN") else { return };
    let stops = Arc::new(AtomicUsize::new(0));
    let (stop, checkpoint, edit) = (stops.clone(), stops.clone(), stops.clone());
    let controls = Controls {
        stop: Box::new(move || _ = stop.fetch_add(1, Ordering::SeqCst)),
        checkpoint: Box::new(move || _ = checkpoint.fetch_add(10, Ordering::SeqCst)),
        edit: Box::new(move |text| {
            edit.fetch_add(100, Ordering::SeqCst);
            if text == "lr=0.5" {
                Ok("the rate is 0.5".to_owned())
            } else {
                Err(Error::usage(format!("what is {text}?")))
            }
        }),
    };
    let title = Title { run: "runs/small-1".into(), recipe: "small".into(), epochs: 3, steps: 300 };
    let dashboard = Dashboard::start(title, &[], controls).unwrap();
    dashboard.say("a message");
    dashboard.pass(&Tracker::new("epoch 1 of 3".into(), "images", 100, 10));
    let began = Instant::now();
    while stops.load(Ordering::SeqCst).is_multiple_of(10) || then == "wait" {
        assert!(began.elapsed() < Duration::from_secs(30), "no key arrived");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_ne!(then, "panic", "a deliberate panic");
    drop(dashboard);
    println!("counted {}", stops.load(Ordering::SeqCst));
}

/// What was printed on the normal screen after the dashboard.
fn after(shown: &str) -> &str {
    assert_eq!(shown.matches(ENTER).count(), 1);
    let (_, after) = shown.split_once(LEAVE).expect("the alternate screen is left");
    assert!(after.contains(" icanon") && after.contains(" echo "), "the terminal is still raw:\n{after}");
    after
}

#[test]
fn keys_do_what_they_say_and_messages_stay_on_the_terminal() {
    let Some((code, shown)) = on_a_terminal("stop", "celr=0.6\r\x7f5\rq") else { return };
    let after = after(&shown);
    assert_eq!(code, 0, "{shown}");
    assert!(after.contains("counted 211"), "one stop, one checkpoint, two edits:\n{after}");
    for text in ["a message", "error: what is lr=0.6?", "the rate is 0.5"] {
        assert!(after.contains(text), "{text} is not in\n{after}");
    }
}

#[test]
fn a_second_stop_aborts() {
    let Some((code, shown)) = on_a_terminal("wait", "\x03\x03") else { return };
    after(&shown);
    assert_eq!(code, 130, "{shown}");
}

#[test]
fn a_panic_message_is_on_the_normal_screen() {
    let Some((code, shown)) = on_a_terminal("panic", "q") else { return };
    assert!(code != 0 && after(&shown).contains("a deliberate panic"), "{shown}");
}

#[test]
fn a_dashboard_without_a_terminal_is_an_error() {
    let controls = Controls {
        stop: Box::new(|| {}),
        checkpoint: Box::new(|| {}),
        edit: Box::new(|_| Ok(String::new())),
    };
    let Err(error) = Dashboard::start(Title::default(), &[], controls) else {
        // The tests themselves are running on a terminal.
        return;
    };
    assert!(error.message.contains("--tui") && error.help.is_some(), "{error}");
}
