//! The program as a child process, and small sets of images and models for it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use alexnet::data::{Image, Preprocess};
use alexnet::engine::{Device, Options, Tensor, open};
use alexnet::model::{Golden, Model, Summary};
use alexnet::net::Recipe;
use assert_cmd::cargo::cargo_bin;
use serde_json::Value;

/// One fully connected layer on 8-pixel squares: cheap, and enough to say which of red, green, blue is most.
pub(crate) const RECIPE: &str = r#"
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

pub(crate) const COLORS: [&str; 3] = ["blue", "green", "red"];

pub(crate) fn alexnet(args: &[&str]) -> Output {
    Command::new(cargo_bin!("alexnet")).args(args).env_remove("RUST_BACKTRACE").output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs, expects the exit code, and gives standard output and standard error.
pub(crate) fn run(args: &[&str], code: i32) -> (String, String) {
    let output = alexnet(args);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{args:?}\n{out}\n{err}");
    assert!(!err.contains("panicked"), "{err}");
    (out, err)
}

/// Runs, expects the exit code and that standard output is one JSON object.
pub(crate) fn run_json(args: &[&str], code: i32) -> (Value, String) {
    let (out, err) = run(args, code);
    let value: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}\n{out}"));
    assert!(value.is_object());
    (value, err)
}

/// An image of mostly one of the colors, in the order of [`COLORS`].
pub(crate) fn pixels(class: usize, side: usize, salt: usize) -> Vec<u8> {
    let value = |i: usize| {
        let own = i % 3 == 2 - class;
        if own { 150 + (i * 31 + salt * 17) % 100 } else { (i * 13 + salt * 29) % 100 }
    };
    (0..3 * side * side).map(|i| value(i) as u8).collect()
}

pub(crate) fn write_png(path: &Path, class: usize, salt: usize) {
    image::save_buffer(path, &pixels(class, 12, salt), 12, 12, image::ColorType::Rgb8).unwrap();
}

/// A folder with a folder of `n` images for each color.
pub(crate) fn images(folder: &Path, classes: &[&str], n: usize) -> String {
    for class in classes {
        let own = folder.join(class);
        std::fs::create_dir_all(&own).unwrap();
        let color = COLORS.iter().position(|c| c == class).unwrap_or(0);
        (0..n).for_each(|i| write_png(&own.join(format!("{i:02}.png")), color, i));
    }
    path(folder)
}

pub(crate) fn path(path: &Path) -> String {
    path.to_str().unwrap().to_string()
}

/// A model that compares colors, saved as `folder/name`.
pub(crate) fn save_model(folder: &Path, name: &str, classes: &[&str]) -> String {
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

/// A folder with `n` images of each color and the recipe `colors.toml`.
pub(crate) struct Colors {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) data: String,
    pub(crate) recipe: String,
}

impl Colors {
    pub(crate) fn new(n: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = images(&folder.path().join("data"), &COLORS, n);
        let recipe = folder.path().join("colors.toml");
        std::fs::write(&recipe, RECIPE).unwrap();
        Self { data, recipe: path(&recipe), folder }
    }

    /// The path of `name` in the folder.
    pub(crate) fn path(&self, name: &str) -> String {
        path(&self.folder.path().join(name))
    }
}
