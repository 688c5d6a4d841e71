//! Paths of any bytes on the command line, and in the commands that messages print.
#![cfg(target_os = "linux")]

#[path = "../../alexnet/tests/support/images.rs"]
mod images;
#[path = "support/place.rs"]
mod place;
#[path = "../../alexnet/tests/support/mod.rs"]
mod support;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use assert_cmd::cargo::cargo_bin;
use images::tree;
use place::{Place, finished};

/// A space, a quote, a newline, and a byte that is not UTF-8.
const ODD: &[u8] = b"a b'\n\xff";

fn odd(place: &Place, name: &str) -> PathBuf {
    place.root().join(OsStr::from_bytes(&[name.as_bytes(), ODD].concat()))
}

fn run(args: &[&OsStr], code: i32) -> (String, String) {
    finished(Command::new(cargo_bin!("alexnet")).args(args).stdin(Stdio::null()).output().unwrap(), code)
}

/// Runs the command that a text has in backquotes and that starts with `before`, as a shell would.
fn run_printed(text: &str, before: &str, code: i32) {
    let command = text.split('`').find(|part| part.starts_with(before)).unwrap_or_else(|| panic!("{text}"));
    let binary = cargo_bin!("alexnet");
    let mut path = OsString::from(binary.parent().unwrap());
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let output = Command::new("bash").args(["-c", command]).env("PATH", path).output().unwrap();
    finished(output, code);
}

#[test]
fn paths_of_any_bytes_work_in_every_command() {
    let place = Place::new(1);
    let (data, run_folder) = (odd(&place, "data"), odd(&place, "run"));
    std::fs::rename(place.root().join("data"), &data).unwrap();
    let recipe = place.path("recipe.toml");
    let word = OsStr::new;
    let (source, runs) = (data.as_os_str(), run_folder.as_os_str());
    let train = [
        word("train"),
        source,
        word("--recipe"),
        word(&recipe),
        word("--run"),
        runs,
        word("--threads"),
        word("1"),
    ];
    let (_, err) = run(&[&train[..], &[word("--steps"), word("3")]].concat(), 0);
    assert!(!err.contains(char::REPLACEMENT_CHARACTER) || err.contains("--resume"), "{err}");
    // The same command again is rejected, with a command that works.
    let (_, err) = run(&train, 2);
    run_printed(&err, "alexnet train --resume", 0);
    run(&[word("eval"), runs, word("--data"), source], 0);
    let image = tree(&data).into_keys().find(|name| name.ends_with(".png")).unwrap();
    run(&[word("classify"), runs, data.join(image).as_os_str()], 0);
    run(&[word("edit"), runs, word("lr=0.001")], 0);
    run(&[word("recipe"), word("from-journal"), runs], 0);
    let (plot, model) =
        (place.root().join(OsStr::from_bytes(&[ODD, b".svg"].concat())), run_folder.join("last.safetensors"));
    run(&[word("eval"), model.as_os_str(), word("--data"), source], 0);
    run(
        &[
            word("lr-find"),
            source,
            word("--recipe"),
            word(&recipe),
            word("--steps"),
            word("10"),
            word("--plot"),
            plot.as_os_str(),
        ],
        0,
    );
    assert!(plot.is_file());
    let (plan, out, packed) = (odd(&place, "plan"), odd(&place, "out"), odd(&place, "packed"));
    let (_, err) = run(&[word("data"), word("check"), source, word("--plan"), plan.as_os_str()], 0);
    let command = format!("{} --in-place", err.split('`').find(|part| part.ends_with(" OUT")).unwrap());
    run_printed(&command.replace(" OUT", ""), "alexnet data fix", 0);
    let (text, _) = run(&[word("data"), word("fix"), plan.as_os_str(), out.as_os_str()], 0);
    assert!(text.contains("alexnet train $'"), "{text}");
    run(&[word("data"), word("fix"), plan.as_os_str(), out.as_os_str(), word("--undo")], 0);
    run(&[word("data"), word("fix"), plan.as_os_str(), word("--in-place"), word("--undo")], 0);
    run(&[word("data"), word("pack"), source, packed.as_os_str(), word("--side"), word("16")], 0);
    run(&[word("data"), word("check"), packed.as_os_str(), word("--digests")], 0);
    // Missing or wrong paths are named, without a panic.
    let nowhere = odd(&place, "nowhere");
    for args in [
        vec![word("train"), nowhere.as_os_str(), word("--recipe"), word(&recipe)],
        vec![word("data"), word("check"), nowhere.as_os_str()],
        vec![word("data"), word("fix"), nowhere.as_os_str(), word("--in-place")],
        vec![word("classify"), nowhere.as_os_str(), nowhere.as_os_str()],
        vec![word("eval"), nowhere.as_os_str(), word("--data"), source],
        vec![word("train"), source, word("--recipe"), nowhere.as_os_str()],
    ] {
        let output = Command::new(cargo_bin!("alexnet")).args(&args).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(2..=4)), "{args:?}: {err}");
        assert!(
            !err.contains("panicked") && (err.contains("nowhere") || err.contains("UTF-8")),
            "{args:?}: {err}"
        );
    }
    assert!(Path::new(&recipe).is_file());
}
