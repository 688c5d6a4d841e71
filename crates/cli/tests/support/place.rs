//! Training runs by the program: images, a recipe, and run folders in one temporary folder.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use alexnet::model::{Model, Summary};
use assert_cmd::cargo::cargo_bin;
use serde_json::{Value, json};

use crate::images::{encode, pixels, put};
use crate::support::every_layer;

pub(crate) const CLASSES: [&str; 5] = ["ant", "bee", "cat", "dog", "eel"];

/// An image that looks like its class.
pub(crate) fn image(class: usize, salt: usize) -> Vec<u8> {
    let (width, height) = (20 + class, 19);
    let own = pixels(width, height, 1 << 20 | class);
    let mixed = own
        .iter()
        .zip(pixels(width, height, salt))
        .map(|(&a, b)| ((3 * u32::from(a) + u32::from(b)) / 4) as u8);
    let image = image::RgbImage::from_raw(width as u32, height as u32, mixed.collect()).unwrap();
    encode(&image::DynamicImage::ImageRgb8(image))
}

/// A temporary folder with images, a recipe, and run folders.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new(epochs: usize) -> Self {
        // In memory if possible: the tests would mostly wait for the disk.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let place = Self { folder: folder.unwrap() };
        for (split, n) in [("train", 9), ("val", 3)] {
            for (class, name) in CLASSES.iter().enumerate() {
                for i in 0..n {
                    let salt = 1000 * class + i + if split == "val" { 500 } else { 0 };
                    put(place.root(), &format!("data/{split}/{name}/{i}.png"), &image(class, salt));
                }
            }
        }
        let mut recipe = every_layer();
        let epochs = epochs.to_string();
        recipe
            .set_all([
                ("optimizer.batch", "4"),
                ("optimizer.rate", "0.002"),
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

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.root().join(name).to_str().unwrap().to_owned()
    }

    /// A command that runs the program, under `program` if that is not empty.
    pub(crate) fn command(&self, program: &[&str], args: &[String]) -> Command {
        let binary = cargo_bin!("alexnet").display().to_string();
        let mut words: Vec<String> = program.iter().map(ToString::to_string).collect();
        words.push(binary);
        words.extend(args.iter().cloned());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Arguments that start a training run in `run`.
    pub(crate) fn train(&self, run: &str, more: &[&str]) -> Vec<String> {
        let [data, recipe, run] = [self.path("data"), self.path("recipe.toml"), self.path(run)];
        with_checkpoints(&["train", &data, "--recipe", &recipe, "--run", &run, "--exist-ok"], more)
    }

    /// Arguments that resume the training in `run`, or start it if it was stopped before it could be resumed.
    pub(crate) fn resume(&self, run: &str, more: &[&str]) -> Vec<String> {
        if !self.root().join(run).join("run.json").exists() {
            return self.train(run, more);
        }
        with_checkpoints(&["train", "--resume", &self.path(run)], more)
    }

    /// Arguments that resume the training in `run` with its own options.
    pub(crate) fn train_resume(&self, run: &str) -> Vec<String> {
        vec!["train".to_owned(), "--resume".to_owned(), self.path(run)]
    }

    /// Checks that the best model of a run is the best in its metrics: highest validation top-1, then lowest loss, then
    /// first.
    pub(crate) fn check_best(&self, run: &str) {
        let folder = self.root().join(run);
        let number = |line: &Value, name: &str| line[name].as_f64().unwrap();
        let mut best: Option<Value> = None;
        for line in lines(&folder).into_iter().filter(|line| line.get("val/top1").is_some()) {
            let key = |line: &Value| (number(line, "val/top1"), -number(line, "val/loss"));
            if best.as_ref().is_none_or(|best| key(&line) > key(best)) {
                best = Some(line);
            }
        }
        let best = best.unwrap();
        let Summary { epochs, steps, top1, loss, .. } =
            Model::load(folder.join("best.safetensors")).unwrap().summary;
        let found = (json!(epochs), json!(steps), top1.unwrap() as f32, loss.unwrap() as f32);
        let [top1, loss] = ["val/top1", "val/loss"].map(|name| number(&best, name) as f32);
        assert_eq!(found, (best["epoch"].clone(), best["step"].clone(), top1, loss), "{run}");
    }

    pub(crate) fn run(&self, args: &[String], code: i32) -> (String, String) {
        finished(self.command(&[], args).output().unwrap(), code)
    }

    pub(crate) fn run_words(&self, args: &[&str], code: i32) -> (String, String) {
        self.run(&args.iter().map(ToString::to_string).collect::<Vec<_>>(), code)
    }

    /// The results of a run: its models, and its metrics without times.
    pub(crate) fn results(&self, run: &str) -> (BTreeMap<&str, Vec<u8>>, Vec<Value>) {
        let folder = self.root().join(run);
        let models = ["best.safetensors", "last.safetensors"];
        let models = models.map(|name| (name, std::fs::read(folder.join(name)).unwrap()));
        (models.into(), lines(&folder))
    }
}

/// The arguments, with one thread, and a checkpoint every second step by default.
pub(crate) fn with_checkpoints(args: &[&str], more: &[&str]) -> Vec<String> {
    let steps: &[&str] =
        if more.contains(&"--checkpoint-steps") { &[] } else { &["--checkpoint-steps", "2"] };
    args.iter().chain(&["--threads", "1"]).chain(steps).chain(more).map(ToString::to_string).collect()
}

pub(crate) fn finished(output: Output, code: i32) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
    assert!(!err.contains("panicked"), "{err}");
    (out, err)
}

/// The metrics of a run without times.
pub(crate) fn lines(folder: &Path) -> Vec<Value> {
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

#[cfg(unix)]
pub(crate) fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Waits until a training run has written `n` lines of metrics.
pub(crate) fn wait_for_lines(run: &Path, n: usize) {
    for _ in 0..3000 {
        let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
        if text.lines().count() >= n {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{}: fewer than {n} lines of metrics", run.display());
}
