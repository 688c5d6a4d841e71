//! `alexnet classify`.

use std::process::Command;

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;

use crate::support::{COLORS, images, path, run, run_json, save_model, write_png};

#[test]
fn images_are_classified_and_bad_ones_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let model = save_model(folder.path(), "m.safetensors", &COLORS);
    let data = images(&folder.path().join("data"), &COLORS, 2);
    let red = format!("{data}/red/00.png");
    let (value, _) = run_json(&["classify", &model, &red, "--json", "--top", "2"], 0);
    let predictions = value["images"][0]["predictions"].as_array().unwrap();
    assert_eq!((predictions.len(), &predictions[0]["label"]), (2, &"red".into()));
    assert!(
        predictions[0]["probability"].as_f64().unwrap() > predictions[1]["probability"].as_f64().unwrap()
    );
    let bad = path(&folder.path().join("m.safetensors"));
    let (value, err) =
        run_json(&["classify", &model, &bad, "/nowhere.png", &format!("{data}/blue"), "--json"], 3);
    let images = value["images"].as_array().unwrap();
    assert_eq!(images.len(), 4);
    assert!(images[0]["error"].is_string() && images[1]["error"].is_string());
    assert_eq!(images[3]["predictions"][0]["label"], "blue");
    assert_eq!(err.matches("error: ").count(), 2, "{err}");
    let (out, _) = run(&["classify", &model, &bad, &red], 3);
    assert!(out.starts_with(&format!("{red}\tred\t")), "{out}");
}

#[test]
fn swapped_arguments_and_folders_of_folders_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let model = save_model(folder.path(), "m.safetensors", &COLORS);
    let data = images(&folder.path().join("data"), &COLORS, 1);
    let red = format!("{data}/red/00.png");
    let (_, err) = run(&["classify", &red, &model], 4);
    assert!(err.contains("an image (PNG), not a model"), "{err}");
    assert!(err.contains(&format!("the model comes first: `alexnet classify {model} {red}`")), "{err}");
    let (_, err) = run(&["classify", &model, &data], 3);
    assert!(err.contains("no images directly, but 3 folders"), "{err}");
    assert!(err.contains(&format!("specify {data}/*")), "{err}");
}

/// Names may hold anything but zeros and slashes.
#[cfg(target_os = "linux")]
#[test]
fn odd_names_keep_lines_whole_and_differ_in_json() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let folder = tempfile::tempdir().unwrap();
    let model = save_model(folder.path(), "m.safetensors", &COLORS);
    let photos = folder.path().join("photos");
    std::fs::create_dir(&photos).unwrap();
    let names: [&[u8]; 4] = [b"a\r\nb\tc\x1b.png", b"plain.png", b"\xf6.png", b"\xe4.png"];
    let files = names.map(|name| photos.join(OsStr::from_bytes(name)));
    write_png(&photos.join("made.png"), 2, 1);
    let image = std::fs::read(photos.join("made.png")).unwrap();
    std::fs::remove_file(photos.join("made.png")).unwrap();
    if files.iter().any(|file| std::fs::write(file, &image).is_err()) {
        return; // A file system that accepts text only.
    }
    let shown = path(&photos);
    let (out, err) = run(&["classify", &model, &shown, "--top", "1"], 0);
    assert_eq!(out.lines().count(), 2, "{out}");
    let odd = format!("{shown}/a\u{fffd}\u{fffd}b\u{fffd}c\u{fffd}.png\tred\t");
    assert!(out.starts_with(&odd), "{out:?}");
    assert!(err.contains("skipped 2 names not in UTF-8 (rename to use)"), "{err}");
    let output = Command::new(cargo_bin!("alexnet"))
        .args(["classify", &model, "--json"])
        .args(&files)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let found: Vec<&str> =
        value["images"].as_array().unwrap().iter().map(|image| image["file"].as_str().unwrap()).collect();
    let expected = ["a\r\nb\tc\x1b.png", "plain.png", "\\xf6.png", "\\xe4.png"];
    assert_eq!(found, expected.map(|name| format!("{shown}/{name}")));
}

#[test]
fn an_image_can_come_from_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let model = save_model(folder.path(), "m.safetensors", &COLORS);
    let image = folder.path().join("green.png");
    write_png(&image, 1, 3);
    let output = Command::new(cargo_bin!("alexnet"))
        .args(["classify", &model, "-", "--json"])
        .stdin(std::fs::File::open(image).unwrap())
        .output()
        .unwrap();
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["images"][0]["predictions"][0]["label"], "green");
    assert_eq!(value["images"][0]["file"], "-");
}
