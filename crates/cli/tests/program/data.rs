//! `alexnet data`.

use std::path::Path;

use serde_json::Value;

use crate::support::{images, path, run, run_json};

#[test]
fn images_are_checked_mended_packed_and_timed() {
    let dir = tempfile::tempdir().unwrap();
    let root = images(&dir.path().join("pets"), &["cat", "dog"], 12);
    let broken = Path::new(&root).join("cat/broken.png");
    std::fs::write(&broken, "no image").unwrap();
    let (found, _) = run_json(&["data", "check", &root, "--json"], 0);
    assert_eq!((found["images"].as_u64(), found["classes"].as_u64()), (Some(25), Some(2)));
    let problems = found["problems"].as_array().unwrap();
    let of = |problem: &Value| {
        ["file", "kind", "detail"].map(|field| problem[field].as_str().unwrap_or_default().to_owned())
    };
    assert!(problems.iter().map(of).any(|[file, kind, detail]| {
        file == "cat/broken.png"
            && kind == "undecodable"
            && detail.contains("not an image: it starts with `no image`")
    }));
    let (plan, out) = (path(&dir.path().join("plan.json")), path(&dir.path().join("fixed")));
    let (text, notes) = run(&["data", "check", &root, "--plan", &plan], 0);
    assert!(text.contains("undecodable") && notes.contains("alexnet data fix"), "{text}{notes}");
    let (done, _) = run_json(&["data", "fix", &plan, &out, "--json"], 0);
    assert!(
        done["left_out"].as_u64() >= Some(1) && !Path::new(&out).join("cat/broken.png").exists(),
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
    assert_eq!(done["skipped"][0]["file"], "cat/broken.png", "{done}");
    let (_, message) = run(&["data", "pack", &root, &packed], 2);
    assert!(message.contains("not empty"), "{message}");
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
