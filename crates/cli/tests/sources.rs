//! Sources on the command line: class folders, archives, hostile names.

#[path = "../../alexnet/tests/support/images.rs"]
mod images;

use std::path::Path;

use images::{archive, jpeg, put};

const CATS_AND_DOGS: [&str; 8] =
    ["cat/0.jpg", "cat/1.jpg", "cat/2.jpg", "cat/3.jpg", "dog/0.jpg", "dog/1.jpg", "dog/2.jpg", "dog/3.jpg"];

/// Images at these paths.
fn set(paths: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (salt, path) in paths.iter().enumerate() {
        put(dir.path(), path, &jpeg(24, 20, salt));
    }
    dir
}

fn alexnet(folder: &Path) -> assert_cmd::Command {
    let mut command = assert_cmd::Command::cargo_bin("alexnet").unwrap();
    command.current_dir(folder).env_remove("ALEXNET_CACHE");
    command
}

/// Runs a command, expects the exit code, and returns standard error.
fn stderr(command: &mut assert_cmd::Command, code: i32) -> String {
    let done = command.assert().code(code);
    String::from_utf8_lossy(&done.get_output().stderr).into_owned()
}

#[test]
fn run_folders_inside_the_source_do_not_become_classes() {
    let dir = set(&CATS_AND_DOGS);
    let shown = "2 classes: cat 3, dog 3 training images; train 6, val 2";
    let train = ["train", ".", "--recipe", "small", "--steps", "1"];
    for run in ["runs/small-1", "runs/small-2"] {
        let text = stderr(alexnet(dir.path()).args(train), 0);
        assert!(text.contains(shown), "{text}");
        assert!(dir.path().join(run).join("run.json").is_file());
    }
    // Without a name, the newest run is resumed.
    let text = stderr(alexnet(dir.path()).args(["train", "--resume"]), 0);
    assert!(text.contains(shown) && text.contains("resuming runs/small-2"), "{text}");
    let text = stderr(alexnet(dir.path()).args(["data", "pack", ".", "packed"]), 2);
    assert!(text.contains("is inside the source") && !dir.path().join("packed").exists(), "{text}");
    let empty = tempfile::tempdir().unwrap();
    let text = stderr(alexnet(empty.path()).args(["train", "--resume"]), 2);
    assert!(text.contains("runs does not exist"), "{text}");
}

#[cfg(unix)]
#[test]
fn file_names_can_be_any_bytes() {
    use std::os::unix::ffi::OsStrExt;
    let dir = set(&CATS_AND_DOGS);
    stderr(alexnet(dir.path()).args(["train", ".", "--recipe", "small", "--steps", "1", "--run", "run"]), 0);
    let name = std::ffi::OsStr::from_bytes(b"\xff\xe9.jpg");
    std::fs::write(dir.path().join(name), jpeg(20, 20, 5)).unwrap();
    let done = alexnet(dir.path()).args(["classify", "run"]).arg(name).args(["--json"]).assert().code(0);
    let json: serde_json::Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
    assert!(json["images"][0]["predictions"][0]["label"].is_string(), "{json}");
    assert_eq!(json["images"][0]["file"], "\\xff\\xe9.jpg");
    // A model may have such a name too.
    let model = dir.path().join(std::ffi::OsStr::from_bytes(b"\xff.safetensors"));
    std::fs::copy(dir.path().join("run/last.safetensors"), &model).unwrap();
    let args = ["bench", "--batch", "1", "--threads", "1", "--json", "--model"];
    let done = alexnet(dir.path()).args(args).arg(&model).assert().code(0);
    let json: serde_json::Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
    assert!(json["model"].as_str().unwrap().ends_with("\u{fffd}.safetensors"), "{json}");
}

#[test]
fn a_single_class_and_a_class_without_decodable_images_are_rejected() {
    let dir = set(&["cat/0.jpg", "cat/1.jpg", "cat/2.jpg"]);
    let train = |more: &[&str]| {
        let mut command = alexnet(dir.path());
        command.args(["train", ".", "--recipe", "small", "--steps", "1"]).args(more);
        command
    };
    let text = stderr(&mut train(&[]), 3);
    assert!(text.contains("only one class, `cat`") && text.contains("--allow-one-class"), "{text}");
    assert!(!dir.path().join("runs").exists());
    stderr(&mut train(&["--allow-one-class"]), 0);
    put(dir.path(), "cow/0.jpg", b"not an image");
    put(dir.path(), "cow/1.jpg", &jpeg(20, 20, 9)[..100]);
    put(dir.path(), "cow/2.jpg", b"");
    let text = stderr(&mut train(&[]), 3);
    assert!(text.contains("no training image of this class can be decoded: `cow` (2)"), "{text}");
    let out = tempfile::tempdir().unwrap();
    let text = stderr(alexnet(dir.path()).args(["data", "pack", "."]).arg(out.path().join("packed")), 3);
    assert!(text.contains("`cow` (2)"), "{text}");
}

#[test]
fn a_strict_check_fails_if_there_are_problems() {
    let dir = set(&CATS_AND_DOGS);
    let check = |more: &[&str], code: i32| -> Vec<u8> {
        let mut command = alexnet(dir.path());
        command.args(["data", "check", "."]).args(more).assert().code(code).get_output().stdout.clone()
    };
    check(&["--strict"], 0);
    put(dir.path(), "cat/empty.jpg", b"");
    check(&[], 0);
    check(&["--strict"], 3);
    // The problems are still printed.
    let json: serde_json::Value = serde_json::from_slice(&check(&["--strict", "--json"], 3)).unwrap();
    assert_eq!(json["problems"][0]["kind"], "empty", "{json}");
    assert_eq!(json["splits"]["train"].as_u64().unwrap() + json["splits"]["val"].as_u64().unwrap(), 9);
}

#[test]
fn control_characters_in_names_are_not_printed() {
    let dir = tempfile::tempdir().unwrap();
    let image = jpeg(20, 16, 1);
    let path = dir.path().join("set.tar");
    let other = jpeg(20, 16, 2);
    std::fs::write(&path, archive([("\u{1b}[31mcat/1.jpg", image.as_slice()), ("dog/\u{7}.jpg", &other)]))
        .unwrap();
    let done = assert_cmd::Command::cargo_bin("alexnet")
        .unwrap()
        .args(["data", "check"])
        .arg(&path)
        .output()
        .unwrap();
    let text = [done.stdout, done.stderr].concat();
    assert!(
        done.status.success() && !text.iter().any(|&byte| byte == 0x1b || byte == 7),
        "{}",
        text.escape_ascii()
    );
}
