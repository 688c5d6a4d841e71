//! The program as it is used: what it prints where, and its exit codes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use alexnet::data::{Image, Preprocess};
use alexnet::engine::{Device, Options, Tensor, open};
use alexnet::model::{Golden, Model, Summary};
use alexnet::net::Recipe;
use assert_cmd::cargo::cargo_bin;
use serde_json::Value;

/// One fully connected layer on 8-pixel squares: cheap, and enough to say which of red, green, blue is most.
const RECIPE: &str = r#"
name = "colors"
summary = "a test"
source = "made up"
classes = 3
layer = [{ name = "fc1", kind = "fc" }]
input = { square = 8, crop = 8, mean = { fixed = [128, 128, 128] } }
augment = { random_crop = false, flip = false, color_noise = 0.0 }
optimizer = { batch = 4, rate = 0.001, momentum = 0.9, decay = 0.0 }
schedule = { epochs = 2, divide_by = 10.0 }
evaluation = { views = 10 }
"#;

const COLORS: [&str; 3] = ["blue", "green", "red"];

fn alexnet(args: &[&str]) -> Output {
    Command::new(cargo_bin!("alexnet")).args(args).env_remove("RUST_BACKTRACE").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs, expects the exit code, and gives standard output and standard error.
fn run(args: &[&str], code: i32) -> (String, String) {
    let output = alexnet(args);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{args:?}\n{out}\n{err}");
    assert!(!err.contains("panicked"), "{err}");
    (out, err)
}

/// Runs, expects the exit code and that standard output is one JSON object.
fn run_json(args: &[&str], code: i32) -> (Value, String) {
    let (out, err) = run(args, code);
    let value: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}\n{out}"));
    assert!(value.is_object());
    (value, err)
}

/// An image of mostly one of the colors, in the order of [`COLORS`].
fn pixels(class: usize, side: usize, salt: usize) -> Vec<u8> {
    let value = |i: usize| {
        let own = i % 3 == 2 - class;
        if own { 150 + (i * 31 + salt * 17) % 100 } else { (i * 13 + salt * 29) % 100 }
    };
    (0..3 * side * side).map(|i| value(i) as u8).collect()
}

fn write_png(path: &Path, class: usize, salt: usize) {
    image::save_buffer(path, &pixels(class, 12, salt), 12, 12, image::ColorType::Rgb8).unwrap();
}

/// A folder with a folder of `n` images for each color.
fn images(folder: &Path, classes: &[&str], n: usize) -> String {
    for class in classes {
        let own = folder.join(class);
        std::fs::create_dir_all(&own).unwrap();
        let color = COLORS.iter().position(|c| c == class).unwrap_or(0);
        (0..n).for_each(|i| write_png(&own.join(format!("{i:02}.png")), color, i));
    }
    path(folder)
}

fn path(path: &Path) -> String {
    path.to_str().unwrap().to_string()
}

/// A model that compares colors, saved as `folder/name`.
fn save_model(folder: &Path, name: &str, classes: &[&str]) -> String {
    let recipe = Recipe::parse(RECIPE, "test").unwrap();
    let preprocess = Preprocess {
        square: 8,
        crop: 8,
        orientation: alexnet::net::Orientation::Stored,
        resize: alexnet::data::square::RESIZE.into(),
        channels: "RGB".into(),
        divisor: 1.0,
        deviations: [1.0; 3],
        mean: vec![128.0; 3],
    };
    let weight = |i: usize| if (i % 192) / 64 == 2 - i / 192 { 0.001 } else { 0.0 };
    let weights = (0..classes.len() * 192).map(weight).collect();
    let parameters = vec![
        Tensor { name: "fc1.weight".into(), shape: vec![classes.len(), 192], data: weights },
        Tensor { name: "fc1.bias".into(), shape: vec![classes.len()], data: vec![0.0; classes.len()] },
    ];
    let mut model = Model {
        recipe,
        classes: classes.iter().map(ToString::to_string).collect(),
        preprocess,
        parameters,
        summary: Summary::default(),
        golden: Golden { images: vec![], logits: vec![] },
    };
    let mut engine = open(Device::Cpu, model.network().unwrap(), &Options::inference(1, 1)).unwrap();
    engine.load(&model.parameters).unwrap();
    let squares = (0..2).map(|class| Image::new(8, 8, pixels(class, 8, 5))).collect();
    model.golden = Golden::record(&mut *engine, &model.preprocess, squares).unwrap();
    let file: PathBuf = folder.join(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    model.save(&file).unwrap();
    path(&file)
}

#[test]
fn help_says_what_there_is_with_an_example_each() {
    let (out, _) = run(&["--help"], 0);
    for command in ["demo", "train", "eval", "classify", "bench"] {
        assert!(out.contains(command), "{out}");
        assert!(run(&[command, "--help"], 0).0.contains(&format!("  alexnet {command}")));
    }
    for command in ["list", "show", "diff"] {
        assert!(run(&["recipe", command, "--help"], 0).0.contains(&format!("  alexnet recipe {command}")));
    }
    for command in ["check", "fix", "pack", "bench"] {
        assert!(run(&["data", command, "--help"], 0).0.contains(&format!("  alexnet data {command}")));
    }
    let (out, _) = run(&["--version"], 0);
    assert_eq!(out, format!("alexnet {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn what_is_mistyped_gets_a_suggestion_and_code_2() {
    for (args, expected) in [
        (vec!["trian"], "train"),
        (vec!["recipe", "show", "papr"], "`paper`"),
        (vec!["recipe", "show", "paper", "--jsn"], "--json"),
        (vec!["recipe", "diff", "paper", "cafe"], "`caffe`"),
        (vec!["eval", "m", "--data", "d", "--views", "3"], "1, 10"),
        (vec!["eval", "m", "--data", "d", "--batch", "0"], "1..="),
        (vec!["classify", "m"], "<IMAGE>"),
        (vec!["train", "x", "--recipe", "small", "--set", "rate"], "KEY=VALUE"),
        (vec![], "Usage"),
    ] {
        let (out, err) = run(&args, 2);
        assert!(out.is_empty() && err.contains(expected), "{args:?}: {err}");
    }
}

#[test]
fn recipes_are_shown() {
    let (value, _) = run_json(&["recipe", "show", "paper", "--json"], 0);
    assert_eq!((value["parameters"].as_u64(), value["macs"].as_u64()), (Some(60_965_224), Some(724_406_816)));
    assert_eq!(value["layers"][0]["name"], "conv1");
    let (value, _) = run_json(&["recipe", "show", "paper", "--json", "--classes", "10"], 0);
    assert_eq!(value["parameters"].as_u64(), Some(60_965_224 - 990 * 4097));
    let (value, _) = run_json(&["recipe", "list", "--json"], 0);
    let (list, _) = run(&["recipe", "list"], 0);
    assert_eq!(list.lines().count(), value["recipes"].as_array().unwrap().len());
    let folder = tempfile::tempdir().unwrap();
    let (toml, _) = run(&["recipe", "show", "small", "--toml"], 0);
    let file = folder.path().join("mine.toml");
    std::fs::write(&file, toml).unwrap();
    run(&["recipe", "show", &path(&file)], 0);
    assert!(run(&["recipe", "diff", "paper", "caffe"], 0).0.contains("227"));
}

#[test]
fn what_is_missing_is_named_with_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let model = save_model(folder.path(), "m.safetensors", &COLORS);
    let (out, err) = run(&["eval", &model, "--data", "/nowhere/pets"], 3);
    assert!(out.is_empty() && err.contains("error: /nowhere/pets") && err.contains("help: "), "{err}");
    let (_, err) = run(&["eval", "/nowhere/run", "--data", "/nowhere/pets"], 4);
    assert!(err.contains("/nowhere/run") && err.contains("help: "), "{err}");
    let garbage = folder.path().join("garbage.safetensors");
    std::fs::write(&garbage, "garbage, garbage, garbage").unwrap();
    let (_, err) = run(&["classify", &path(&garbage), "x.png"], 4);
    assert!(err.contains("garbage.safetensors") && err.contains("help: "), "{err}");
    assert!(!err.contains('\x1b'), "colors are for terminals");
}

#[test]
fn a_model_is_evaluated() {
    let folder = tempfile::tempdir().unwrap();
    let model = save_model(folder.path(), "run/best.safetensors", &COLORS);
    let data = images(&folder.path().join("data"), &COLORS, 10);
    std::fs::write(folder.path().join("data/red/broken.png"), b"\x89PNG and no more").unwrap();
    let run_folder = path(&folder.path().join("run"));
    let (value, err) = run_json(&["eval", &run_folder, "--data", &data, "--json"], 0);
    assert_eq!((&value["split"], &value["trained_on_data"]), (&"val".into(), &Value::Null));
    assert_eq!(value["images"].as_u64().unwrap() + value["skipped"].as_array().unwrap().len() as u64, 3);
    assert!(err.contains("assuming this set, judging the 3 images") && err.contains("--split all"), "{err}");
    let (value, _) = run_json(&["eval", &run_folder, "--data", &data, "--split", "all", "--json"], 0);
    assert_eq!(
        (&value["images"], &value["top1"], &value["top5"], &value["views"], &value["split"]),
        (&30.into(), &1.0.into(), &1.0.into(), &10.into(), &"all".into())
    );
    assert!(value["skipped"][0]["file"].as_str().unwrap().contains("broken.png"), "{value}");
    let (out, _) = run(&["eval", &model, "--data", &data, "--split", "val", "--views", "1"], 0);
    assert!(
        out.contains("top-1") && out.contains("100.00 % right") && out.contains("1, the center"),
        "{out}"
    );
    let (_, err) = run(&["eval", &model, &run_folder, "--data", &data], 2);
    assert!(err.contains("is named twice"), "{err}");
    let other = save_model(folder.path(), "other.safetensors", &COLORS);
    let args = ["eval", &model, &other, "--data", &data, "--split", "all", "--json", "--threads", "1"];
    let (value, _) = run_json(&args, 0);
    assert_eq!((&value["images"], &value["top1"]), (&30.into(), &1.0.into()));
    assert_eq!(value["models"].as_array().unwrap().len(), 2);
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let model = save_model(folder.path(), "a.safetensors", &COLORS);
    let other = save_model(folder.path(), "b.safetensors", &["blue", "red", "green"]);
    let data = images(&folder.path().join("data"), &COLORS, 2);
    let (_, err) = run(&["eval", &model, &other, "--data", &data], 4);
    assert!(err.contains("class 1 is \"green\"") && err.contains("b.safetensors"), "{err}");
    let pets = images(&folder.path().join("pets"), &["cat", "dog"], 2);
    let (_, err) = run(&["eval", &model, "--data", &pets], 3);
    assert!(err.contains("cat") && err.contains("help: "), "{err}");
    // A part of the model's classes will do.
    let some = images(&folder.path().join("some"), &["green", "red"], 5);
    assert_eq!(run_json(&["eval", &model, "--data", &some, "--json"], 0).0["top1"], 1.0);
}

#[test]
fn images_are_classified_and_bad_ones_do_not_stop_the_others() {
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
fn a_image_may_come_from_standard_input() {
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

#[test]
fn a_closed_pipe_ends_quietly_and_a_full_disk_does_not() {
    let spawn = |out: Stdio| {
        Command::new(cargo_bin!("alexnet"))
            .args(["recipe", "show", "paper"])
            .stdout(out)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let (read, write) = std::io::pipe().unwrap();
    drop(read);
    let output = spawn(write.into()).wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    if let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") {
        let output = spawn(full.into()).wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains("standard output"));
    }
}

#[test]
fn a_training_is_evaluated_used_and_repeated_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let data = images(&folder.path().join("data"), &COLORS, 10);
    let recipe = folder.path().join("colors.toml");
    std::fs::write(&recipe, RECIPE).unwrap();
    let recipe = path(&recipe);
    let runs = ["a", "b"].map(|name| path(&folder.path().join(name)));
    let train = |run: &str, more: &[&str]| {
        let args =
            ["train", &data, "--recipe", &recipe, "--run", run, "--set", "optimizer.rate=0.0001", "--json"];
        run_json(&[&args, more].concat(), 0)
    };
    let (value, _) = train(&runs[0], &["--epochs", "3", "--threads", "1", "--workers", "0"]);
    assert_eq!((&value["epochs"], &value["run"]), (&3.into(), &runs[0].clone().into()));
    assert!(value["top1"].as_f64().unwrap() > 0.9 && value["seconds"].is_number(), "{value}");
    train(&runs[1], &["--epochs", "3"]);
    let model = |run: &str| std::fs::read(Path::new(run).join("best.safetensors")).unwrap();
    assert_eq!(model(&runs[0]), model(&runs[1]), "the same training gives another model");

    let recorded = std::fs::read_to_string(Path::new(&runs[0]).join("command.txt")).unwrap();
    assert!(recorded.contains("--set optimizer.rate=0.0001"), "{recorded}");
    let (value, _) = run_json(&["eval", &runs[0], &runs[1], "--data", &data, "--split", "val", "--json"], 0);
    assert_eq!(value["images"], 3);
    // The model knows what it was trained on: of that set, what was held out is judged; of another, all.
    let (value, err) = run_json(&["eval", &runs[0], "--data", &data, "--json"], 0);
    let judged =
        |value: &Value| (value["split"].clone(), value["images"].clone(), value["trained_on_data"].clone());
    assert_eq!(judged(&value), ("val".into(), 3.into(), true.into()));
    assert!(err.contains("judging the 3 images that were held out of training"), "{err}");
    let (out, _) = run(&["eval", &runs[0], "--data", &data], 0);
    assert!(out.contains("images    3, split val of ") && out.contains(", held out of training\n"), "{out}");
    let (value, err) = run_json(&["eval", &runs[0], "--data", &data, "--split", "all", "--json"], 0);
    assert_eq!(judged(&value), ("all".into(), 30.into(), true.into()));
    assert!(err.contains("--split all judges images that the model was trained on"), "{err}");
    let other = images(&folder.path().join("other"), &COLORS, 4);
    let (value, err) = run_json(&["eval", &runs[0], "--data", &other, "--json"], 0);
    assert_eq!(judged(&value), ("all".into(), 12.into(), false.into()));
    assert!(err.contains("the model was trained on other images: judging all 12"), "{err}");
    write_png(&Path::new(&data).join("red/new.png"), 2, 77);
    let (value, err) = run_json(&["eval", &runs[0], "--data", &data, "--json"], 0);
    assert_eq!((&value["split"], &value["trained_on_data"]), (&"val".into(), &true.into()));
    assert!(err.contains("the set has changed since"), "{err}");
    std::fs::remove_file(Path::new(&data).join("red/new.png")).unwrap();
    let (out, _) = run(&["classify", &runs[0], &format!("{data}/red")], 0);
    assert_eq!(out.lines().filter(|line| line.contains("\tred\t")).count(), 10, "{out}");

    let args = ["train", &data, "--recipe", &recipe, "--run", &runs[0]];
    let (_, err) = run(&args, 2);
    assert!(err.contains("already holds a run") && err.contains("--exist-ok"), "{err}");
    assert_eq!(model(&runs[0]), model(&runs[1]), "a refused run changes nothing");
    let (_, err) = run(&["train", &data, "--recipe", &recipe, "--set", "optimizer.rat=1"], 2);
    assert!(err.contains("optimizer.rate") || err.contains("`rate`"), "{err}");
    let (out, _) =
        run(&[&args[..], &["--exist-ok", "--epochs", "1", "--set", "optimizer.rate=0.0001"]].concat(), 0);
    assert!(out.contains("alexnet classify"), "{out}");
}

#[test]
fn threads_and_workers_change_no_bit() {
    let folder = tempfile::tempdir().unwrap();
    let data = images(&folder.path().join("data"), &COLORS, 10);
    let recipe = folder.path().join("colors.toml");
    std::fs::write(&recipe, RECIPE).unwrap();
    let model = |threads: &str, workers: &str| {
        let run_folder = folder.path().join(format!("{threads}-{workers}"));
        let (recipe, run_folder) = (path(&recipe), path(&run_folder));
        let args =
            ["train", &data, "--recipe", &recipe, "--run", &run_folder, "--set", "optimizer.rate=0.0001"];
        run(&[&args[..], &["--epochs", "2", "--threads", threads, "--workers", workers]].concat(), 0);
        std::fs::read(Path::new(&run_folder).join("last.safetensors")).unwrap()
    };
    let expected = model("1", "0");
    for threads in ["1", "2", "4"] {
        for workers in ["0", "1", "3"] {
            if (threads, workers) != ("1", "0") {
                assert!(model(threads, workers) == expected, "{threads} threads, {workers} workers");
            }
        }
    }
}

#[test]
fn a_training_that_diverges_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let data = images(&folder.path().join("data"), &COLORS, 5);
    let recipe = folder.path().join("colors.toml");
    std::fs::write(&recipe, RECIPE).unwrap();
    let run_folder = path(&folder.path().join("run"));
    let args = ["train", &data, "--recipe", &path(&recipe), "--run", &run_folder];
    let (_, err) = run(
        &[&args[..], &["--set", "optimizer.rate=1000", "--set", "optimizer.decay=1000", "--epochs", "50"]]
            .concat(),
        5,
    );
    assert!(err.contains("help: ") && err.contains("--set optimizer.rate="), "{err}");
}

#[test]
fn speed_is_measured() {
    let (value, _) = run_json(&["bench", "--recipe", "small", "--batch", "2", "--threads", "1", "--json"], 0);
    for field in
        ["train_images_per_second", "infer_images_per_second", "peak_gflops", "train_gflops", "infer_gflops"]
    {
        assert!(value[field].as_f64().unwrap() > 0.0, "{value}");
    }
    assert_eq!(
        (&value["recipe"], &value["batch"], &value["threads"]),
        (&"small".into(), &2.into(), &1.into())
    );
    assert!(run(&["bench", "--recipe", "small", "--batch", "2"], 0).0.contains("images/s"));
}

#[cfg(unix)]
#[test]
fn a_signal_ends_a_training_with_its_model_saved() {
    let folder = tempfile::tempdir().unwrap();
    let data = images(&folder.path().join("data"), &COLORS, 10);
    let recipe = folder.path().join("colors.toml");
    std::fs::write(&recipe, RECIPE).unwrap();
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let run_folder = folder.path().join(format!("run{signal}"));
        let child = Command::new(cargo_bin!("alexnet"))
            .args(["train", &data, "--recipe", &path(&recipe), "--run", &path(&run_folder)])
            .args(["--set", "optimizer.rate=0.000001", "--epochs", "100000", "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while !run_folder.join("last.safetensors").exists() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code));
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(value["interrupted"], code - 128);
        run_json(&["eval", &path(&run_folder), "--data", &data, "--json"], 0);
    }
}

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
        file == "cat/broken.png" && kind == "undecodable" && detail.contains("no pictu")
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
    assert!(text.contains("is as it should be"), "{text}");
    let (_, message) = run(&["data", "check", &root, "--digests"], 3);
    assert!(message.contains("no file whose digest is known"), "{message}");
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

/// Options that would change nothing: refused where that misleads, told where it does no harm.
#[test]
fn what_has_no_effect_is_refused_or_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = images(&folder.path().join("data"), &COLORS, 10);
    let recipe = folder.path().join("colors.toml");
    std::fs::write(&recipe, RECIPE).unwrap();
    let recipe = path(&recipe);
    let to = path(&folder.path().join("run"));
    let train =
        ["train", &data, "--recipe", &recipe, "--run", &to, "--exist-ok", "--set", "optimizer.rate=1e-5"];
    for (more, expected) in [
        (vec!["--set", "layer.fc1=none"], "its outputs are the classes"),
        (vec!["--set", "layer.fc2=none"], "did you mean `fc1`?"),
        (vec!["--set", "optimizer.rate=1e-4"], "`optimizer.rate` is set twice"),
        (vec!["--epochs", "1", "--set", "schedule.epochs=2"], "are the same setting"),
        (vec!["--set", "schedule.divide_by=3"], "setting `schedule.divide_by` has no effect"),
        (vec!["--set", "augment.random_crop=true"], "the crop is the whole square"),
        (vec!["--set", "classes=4"], "how many classes there are"),
        (vec!["--set", "schedule.platau=none"], "unknown key `schedule.platau`"),
        (vec!["--micro-batch", "9"], "a step has 4 images, so there is nothing to split"),
        (vec!["--freeze", "fc1,fc1"], "--freeze names `fc1` twice"),
        (vec!["--freeze", "fc1"], "every layer is frozen"),
        (vec!["--freeze", "fc2"], "no layer with weights is named `fc2`"),
        (vec!["--steps", "none"], "--steps none has no effect"),
    ] {
        let (out, err) = run(&[&train[..], &more].concat(), 2);
        assert!(out.is_empty() && err.contains(expected), "{more:?}: {err}");
    }
    let find = ["lr-find", &data, "--recipe", &recipe, "--steps", "10", "--set"];
    for (setting, expected) in [
        ("optimizer.rate=1", "lr-find tries the rates"),
        ("schedule.epochs=3", "lr-find follows no schedule"),
        ("evaluation.views=1", "lr-find evaluates nothing"),
    ] {
        let (_, err) = run(&[&find[..], &[setting]].concat(), 2);
        assert!(err.contains(expected), "{setting}: {err}");
    }
    for (args, expected) in [
        (vec!["train", &data, "--recipe", &recipe, "--exist-ok"], "--run <DIR>"),
        (vec!["edit", &to, "lr=0.1", "lr=0.2"], "`rate=0.1` has no effect: `rate=0.2` follows it"),
        (vec!["edit", &to, "freeze=fc1", "unfreeze=fc1"], "`freeze=fc1` has no effect"),
    ] {
        // A run to edit.
        run(&[&train[..], &["--steps", "1"]].concat(), 0);
        let (_, err) = run(&args, 2);
        assert!(err.contains(expected), "{args:?}: {err}");
    }
    for (more, expected) in [
        (vec!["--set", "optimizer.momentum=0.9"], "--set optimizer.momentum=0.9 changes nothing"),
        (vec!["--steps", "1000"], "--steps 1000 has no effect: training ends after 2 epochs, about 14 steps"),
        (
            vec!["--checkpoint-steps", "50"],
            "--checkpoint-steps 50 has no effect: training has about 14 steps",
        ),
        (vec!["--set", "schedule.at_epochs=[1, 2]"], "the rate is not divided after epoch 2"),
    ] {
        let (_, err) = run(&[&train[..], &more].concat(), 0);
        assert!(err.contains(expected), "{more:?}: {err}");
    }
    let (out, err) = run(&["classify", &to, &format!("{data}/red/00.png"), "--top", "50"], 0);
    assert!(out.lines().count() == 3 && err.contains("--top 50: the model has 3 classes"), "{out}{err}");
}

/// A removed layer is part of what a run is: its model says so, and it goes on so.
#[test]
fn a_layer_is_removed_shown_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let data = images(&folder.path().join("data"), &COLORS, 10);
    let to = |name: &str| path(&folder.path().join(name));
    let (with, without) = (to("with"), to("without"));
    let common =
        ["train", &data, "--recipe", "small", "--epochs", "1", "--set", "evaluation.views=1", "--run"];
    run(&[&common[..], &[&with, "--set", "optimizer.batch=9"]].concat(), 0);
    run(
        &[&common[..], &[&without, "--set", "optimizer.batch=9", "--set", "layer.norm1,norm2=none"]].concat(),
        0,
    );
    let model = |run: &str| Model::load(Path::new(run).join("last.safetensors")).unwrap();
    let names =
        |model: &Model| model.recipe.layers.iter().map(|layer| layer.name.clone()).collect::<Vec<_>>();
    assert!(names(&model(&with)).contains(&"norm1".to_owned()));
    assert!(!names(&model(&without)).iter().any(|name| name.starts_with("norm")));
    assert!(model(&with).parameters != model(&without).parameters);
    let (out, _) = run(&["recipe", "diff", &with, &without], 0);
    assert!(out.contains("layers removed: norm1, norm2"), "{out}");
    let (out, _) = run(&["recipe", "diff", "small", "small", "--set", "layer.relu1=none"], 0);
    assert!(out.contains("layers removed: relu1"), "{out}");
    assert!(run(&["recipe", "diff", "small", "small"], 0).0.contains("the same network"));
    let (out, _) = run(&["recipe", "show", "small", "--set", "layer.norm1=none", "--toml"], 0);
    assert!(out.contains("norm2") && !out.contains("norm1"), "{out}");
    run(&["recipe", "show", "small", "--set", "layer.norm9=none"], 2);
    // It goes on without them; with them it would be another training.
    run(&["edit", &without, "stop-after=2"], 0);
    run(&["train", "--resume", &without], 0);
    assert!(model(&without).summary.epochs == 2 && !names(&model(&without)).contains(&"norm1".to_owned()));
    let args = ["train", "--resume", &without, "--recipe", "small", "--set", "optimizer.batch=9"];
    let (_, err) = run(&args, 2);
    assert!(err.contains("layers added: norm1, norm2"), "{err}");
    let (value, _) = run_json(&["eval", &without, "--data", &data, "--json"], 0);
    assert_eq!((&value["images"], &value["split"]), (&3.into(), &"val".into()));
}

#[test]
fn broken_validation_images_are_listed_and_nothing_but_broken_ones_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    images(&data.join("train"), &COLORS, 4);
    images(&data.join("val"), &COLORS, 1);
    let broken = data.join("val/red/broken.png");
    std::fs::write(&broken, b"\x89PNG\r\n\x1a\n and no more").unwrap();
    let recipe = folder.path().join("colors.toml");
    std::fs::write(&recipe, RECIPE).unwrap();
    let (data, recipe, to) = (path(&data), path(&recipe), path(&folder.path().join("run")));
    let args = ["train", &data, "--recipe", &recipe, "--set", "optimizer.rate=1e-5", "--json", "--run", &to];
    let (value, _) = run_json(&args, 0);
    assert_eq!((&value["images"], value["skipped"].as_array().unwrap().len()), (&3.into(), 1), "{value}");
    assert!(value["skipped"][0]["file"].as_str().unwrap().ends_with("val/red/broken.png"), "{value}");
    for class in COLORS {
        std::fs::write(Path::new(&data).join(format!("val/{class}/00.png")), "no image").unwrap();
    }
    let other = path(&folder.path().join("other"));
    let (_, err) = run(&[&args[..8], &[&other]].concat(), 3);
    assert!(err.contains("none of the 4 images of split `val` decodes; the first, val/blue/00.png"), "{err}");
    assert!(!Path::new(&other).exists(), "a refused training leaves nothing");
}

/// Squares that were packed at another size are not resized once more.
#[test]
fn squares_of_another_size_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = images(&folder.path().join("data"), &COLORS, 4);
    let (packed, to) = (path(&folder.path().join("packed")), path(&folder.path().join("run")));
    run(&["data", "pack", &data, &packed, "--side", "12"], 0);
    let recipe = folder.path().join("colors.toml");
    std::fs::write(&recipe, RECIPE).unwrap();
    let recipe = path(&recipe);
    let model = save_model(folder.path(), "m.safetensors", &COLORS);
    for args in [
        vec!["train", &packed, "--recipe", &recipe, "--run", &to],
        vec!["lr-find", &packed, "--recipe", &recipe],
        vec!["data", "bench", &packed, "--recipe", &recipe],
        vec!["eval", &model, "--data", &packed],
        vec!["data", "pack", &packed, &to, "--side", "8"],
    ] {
        let (_, err) = run(&args, 3);
        assert!(
            err.contains("is packed at 12 x 12 pixels, the ") && err.contains("needs 8 x 8"),
            "{args:?}: {err}"
        );
        assert!(err.contains("alexnet data pack") && err.contains("--side 8"), "{err}");
        assert_eq!(
            err.contains("--set input.square=12"),
            args[0] != "eval" && args[1] != "pack",
            "{args:?}: {err}"
        );
    }
    let args = ["train", &packed, "--recipe", &recipe, "--run", &to, "--set", "input.square=12"];
    run(&[&args[..], &["--set", "optimizer.rate=1e-5"]].concat(), 0);
}
