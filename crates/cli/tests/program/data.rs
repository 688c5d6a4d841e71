//! `alexnet data`.

use std::path::Path;

use serde_json::Value;

use crate::support::{images, path, run, run_json};

#[test]
fn images_are_checked_mended_packed_and_timed() {
    let dir = tempfile::tempdir().unwrap();
    let root = images(&dir.path().join("pets"), &["blue", "red"], 12);
    let broken = Path::new(&root).join("blue/broken.png");
    std::fs::write(&broken, "no image").unwrap();
    let (found, _) = run_json(&["data", "check", &root, "--json"], 0);
    assert_eq!((found["images"].as_u64(), found["classes"].as_u64()), (Some(25), Some(2)));
    let problems = found["problems"].as_array().unwrap();
    let of = |problem: &Value| {
        ["file", "kind", "detail"].map(|field| problem[field].as_str().unwrap_or_default().to_owned())
    };
    assert!(problems.iter().map(of).any(|[file, kind, detail]| {
        file == "blue/broken.png"
            && kind == "undecodable"
            && detail.contains("not an image: it starts with `no image`")
    }));
    let (plan, out) = (path(&dir.path().join("plan.json")), path(&dir.path().join("fixed")));
    let (text, notes) = run(&["data", "check", &root, "--plan", &plan], 0);
    assert!(text.contains("undecodable") && notes.contains("alexnet data fix"), "{text}{notes}");
    let (done, _) = run_json(&["data", "fix", &plan, &out, "--json"], 0);
    assert!(
        done["left_out"].as_u64() >= Some(1) && !Path::new(&out).join("blue/broken.png").exists(),
        "{done}"
    );
    run(&["data", "fix", &plan, &out], 2);
    run(&["data", "fix", &plan], 2);
    run(&["data", "fix", &plan, "--in-place"], 0);
    assert!(!broken.exists());
    run(&["data", "fix", &plan, "--in-place", "--undo"], 0);
    assert!(broken.exists());
    let (undone, _) = run_json(&["data", "fix", &plan, &out, "--undo", "--json"], 0);
    assert!(undone["undone"].as_u64() > Some(0), "{undone}");

    let packed = path(&dir.path().join("packed"));
    let (done, _) =
        run_json(&["data", "pack", &root, &packed, "--store", "jpeg", "--side", "28", "--json"], 0);
    assert_eq!(done["skipped"][0]["file"], "blue/broken.png", "{done}");
    let (_, message) = run(&["data", "pack", &root, &packed], 2);
    assert!(message.contains("these images are packed there already, with other settings"), "{message}");
    let (text, _) = run(&["data", "check", &packed, "--digests"], 0);
    assert!(text.contains(" is correct: "), "{text}");
    let (_, message) = run(&["data", "check", &root, "--digests"], 3);
    assert!(message.contains("no files with known checksums"), "{message}");
    for source in [&root, &packed] {
        let arguments = ["data", "bench", source, "--recipe", "small", "--seconds", "0.05", "--json"];
        let (speed, _) = run_json(&arguments, 0);
        let steps: Vec<&str> =
            speed["steps"].as_array().unwrap().iter().filter_map(|step| step["name"].as_str()).collect();
        assert_eq!(steps, ["read", "decode", "square", "augment"]);
        assert!(
            speed["loader_images_per_second"].as_f64() > Some(0.0) && speed["bottleneck"].is_string(),
            "{speed}"
        );
    }
    let (_, message) = run(&["data", "bench", &root, "--seconds", "0"], 2);
    assert!(message.contains("0.01 to 3600"), "{message}");
    run(&["data", "check", "/nowhere"], 3);
}

#[test]
fn a_plan_replaces_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let root = images(&dir.path().join("pets"), &["blue", "red"], 3);
    let photo = format!("{root}/blue/00.png");
    let before = std::fs::read(&photo).unwrap();
    let (out, err) = run(&["data", "check", &root, "--plan", &photo], 2);
    assert!(
        out.is_empty() && err.contains("00.png exists already") && err.contains("00.json`"),
        "{out}{err}"
    );
    assert_eq!(std::fs::read(&photo).unwrap(), before);
    // It is refused before the source is opened.
    let (_, err) = run(&["data", "check", "/nowhere", "--plan", &photo], 2);
    assert!(err.contains("exists already"), "{err}");
}

#[test]
fn excluded_images_are_listed_with_their_reasons() {
    let dir = tempfile::tempdir().unwrap();
    let root = images(&dir.path().join("pets"), &["blue", "red"], 12);
    for i in 0..23 {
        std::fs::write(Path::new(&root).join(format!("blue/broken-{i:02}.png")), "no image").unwrap();
    }
    std::fs::copy(format!("{root}/blue/00.png"), format!("{root}/red/copy.png")).unwrap();
    let (plan, out) = (path(&dir.path().join("plan.json")), path(&dir.path().join("fixed")));
    run(&["data", "check", &root, "--plan", &plan], 0);
    let (text, _) = run(&["data", "fix", &plan, &out], 0);
    let first = text.lines().find(|line| line.starts_with("  blue/00.png: "));
    assert!(first.is_some_and(|line| line.contains("same bytes as red/copy.png, ")), "{text}");
    assert!(text.contains("\n  blue/broken-00.png: not an image: it starts with `no image`"), "{text}");
    assert!(
        text.lines().any(|line| line.starts_with("  and ") && line.ends_with(" more: --json lists all")),
        "{text}"
    );
    run(&["data", "fix", &plan, &out, "--undo"], 0);
    let (done, _) = run_json(&["data", "fix", &plan, &out, "--json"], 0);
    let excluded = done["excluded"].as_array().unwrap();
    let of = |file: &str| excluded.iter().find(|excluded| excluded["file"] == file);
    assert!(of("red/copy.png").is_some() && of("blue/broken-22.png").is_some(), "{done}");
    assert_eq!(Some(excluded.len() as u64), done["left_out"].as_u64(), "{done}");
}

#[test]
fn a_check_lists_the_first_files_of_each_kind() {
    let dir = tempfile::tempdir().unwrap();
    let root = images(&dir.path().join("pets"), &["blue", "red"], 12);
    for i in 0..23 {
        std::fs::write(Path::new(&root).join(format!("blue/empty-{i:02}.png")), "").unwrap();
    }
    std::fs::write(Path::new(&root).join("red/broken.png"), "no image").unwrap();
    let (text, _) = run(&["data", "check", &root], 0);
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.iter().position(|line| line.trim_start().starts_with("23  empty ")).unwrap();
    assert!(lines[first].contains("blue/empty-"), "{text}");
    assert_eq!(lines[first..].iter().take_while(|line| line.contains("blue/empty-")).count(), 20, "{text}");
    assert_eq!(lines[first + 20].trim(), "and 3 more: --json lists all", "{text}");
    assert!(text.contains("1  undecodable") && text.contains("red/broken.png: "), "{text}");
}

/// Undoing is suggested only if there is something to undo.
#[test]
fn a_plan_that_changed_nothing_is_not_undone() {
    let dir = tempfile::tempdir().unwrap();
    let root = images(&dir.path().join("pets"), &["blue", "red"], 3);
    std::fs::write(Path::new(&root).join("blue/broken.png"), "no image").unwrap();
    let plan = path(&dir.path().join("plan.json"));
    run(&["data", "check", &root, "--plan", &plan], 0);
    // A file in place of the folder of the originals, and of the new folder.
    std::fs::write(Path::new(&root).join(".set-aside"), "").unwrap();
    let file = path(&dir.path().join("file"));
    std::fs::write(&file, "").unwrap();
    for target in ["--in-place", &file] {
        let (_, err) = run(&["data", "fix", &plan, target], 1);
        assert!(err.contains("nothing was changed") && !err.contains("--undo"), "{err}");
    }
    std::fs::remove_file(Path::new(&root).join(".set-aside")).unwrap();
    run(&["data", "fix", &plan, "--in-place"], 0);
    assert!(!Path::new(&root).join("blue/broken.png").exists());
}
