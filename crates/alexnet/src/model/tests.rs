//! Round trips and malformed files, each of which must be a specific error.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::*;
use crate::data::{Image, Preprocess};
use crate::engine::{self, Device, Options};
use crate::error::Kind;
use crate::files::container;
use crate::net::Recipe;

/// One fully connected layer on 4-pixel crops of 6-pixel squares.
const RECIPE: &str = r#"
name = "one-layer"
summary = "a test"
source = "made up"
classes = 3
layer = [{ name = "fc1", kind = "fc" }]
[input]
square = 6
crop = 4
mean = "image"
divisor = 3.0
deviations = [0.229, 0.224, 0.225]
[augment]
random_crop = false
flip = false
color_noise = 0.0
[optimizer]
batch = 2
rate = 0.01
momentum = 0.9
decay = 0.0
[schedule]
epochs = 1
divide_by = 10.0
[evaluation]
views = 1
"#;

/// Reproducible noise.
pub(crate) fn noise(n: usize, salt: usize) -> impl Iterator<Item = f32> {
    (0..n).map(move |i| ((i * 7919 + salt * 104_729) % 1009) as f32 / 1009.0 - 0.5)
}

/// Creates a one-layer model of three classes, `cat`, `dog "quoted"`, `größe`.
pub(crate) fn model() -> Model {
    let recipe = Recipe::parse(RECIPE, "test").unwrap();
    let preprocess = Preprocess {
        square: 6,
        crop: 4,
        orientation: crate::net::Orientation::Stored,
        resize: crate::data::square::RESIZE.into(),
        channels: "RGB".into(),
        divisor: 3.0,
        deviations: [0.229, 0.224, 0.225],
        mean: noise(6 * 6 * 3, 1).map(|v| 128.0 + v).collect(),
    };
    let square = |salt| Image::new(6, 6, noise(108, salt).map(|v| (v * 255.0 + 127.5) as u8).collect());
    let tensor = |name: &str, shape: &[usize], salt| crate::engine::Tensor {
        name: name.into(),
        shape: shape.to_vec(),
        data: noise(shape.iter().product(), salt).collect(),
    };
    let mut model = Model {
        recipe,
        classes: vec!["cat".into(), "dog \"quoted\"".into(), "größe".into()],
        preprocess,
        parameters: vec![tensor("fc1.weight", &[3, 48], 4), tensor("fc1.bias", &[3], 5)],
        summary: Summary { seed: u64::MAX, top1: Some(0.1 + 0.2), loss: None, ..Summary::default() },
        golden: Golden { images: vec![square(2), square(3)], logits: vec![0.0; 6] },
    };
    let mut engine = engine::open(Device::Cpu, model.network().unwrap(), &Options::inference(1, 1)).unwrap();
    engine.load(&model.parameters).unwrap();
    model.golden = Golden::record(&mut *engine, &model.preprocess, model.golden.images).unwrap();
    model
}

fn saved() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    model().save(&path).unwrap();
    std::fs::read(path).unwrap()
}

/// Loads `bytes` from a file, and checks that every error is about the model file, and names it.
fn load(bytes: &[u8]) -> crate::Result<Model> {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("m.safetensors");
    std::fs::write(&path, bytes).unwrap();
    let result = Model::load(&path);
    if let Err(error) = &result {
        assert_eq!(error.kind, Kind::Model, "{error}");
        assert!(error.message.contains("m.safetensors: "), "{error}");
    }
    result
}

/// Splits a file into its header and the bytes after it.
fn split(bytes: &[u8]) -> (Value, Vec<u8>) {
    let n = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    (serde_json::from_slice(&bytes[8..8 + n]).unwrap(), bytes[8 + n..].to_vec())
}

fn join(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

/// Returns a file with a changed header and a valid digest.
fn with_header(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let (mut header, data) = split(&saved());
    change(&mut header);
    sealed(join(&header.to_string(), &data))
}

/// Replaces the digest of a file with a valid one.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() - 32);
    let digest = Sha256::digest(&bytes);
    bytes.extend(digest);
    bytes
}

fn with_metadata(key: &str, value: &str) -> Vec<u8> {
    with_header(|header| header["__metadata__"][key] = json!(value))
}

#[test]
fn models_round_trip_exactly_and_files_are_reproducible() {
    let bytes = saved();
    assert_eq!(bytes, saved());
    let back = load(&bytes).unwrap();
    assert_eq!(back, model());
    back.engine(1, 1).unwrap();
    back.engine(8, 1).unwrap();
}

#[test]
fn a_failed_save_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("best.safetensors");
    model().save(&path).unwrap();
    let before = std::fs::read(&path).unwrap();
    let mut diverged = model();
    diverged.parameters[0].data[7] = f32::NAN;
    let error = diverged.save(&path).unwrap_err();
    assert!(error.message.contains("`fc1.weight` contains NaN at index 7"), "{error}");
    assert_eq!(error.kind, Kind::Diverged);
    let mut unfit = model();
    unfit.parameters.pop();
    assert!(unfit.save(&path).unwrap_err().message.contains("`fc1.bias`"));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn different_logits_are_detected() {
    let mut other = model();
    other.golden.logits[4] *= 1.01;
    let error = other.engine(2, 1).unwrap_err();
    assert_eq!(error.kind, Kind::Model);
    assert!(error.message.contains("golden sample 2 of 2"), "{error}");
    // Another order of summation is accepted.
    let mut close = model();
    close.golden.logits.iter_mut().for_each(|logit| *logit *= 1.0 + 1e-5);
    close.engine(2, 1).unwrap();
    // Another order of channels is detected.
    let mut other = model();
    other.golden.images.iter_mut().flat_map(|p| p.pixels.as_chunks_mut::<3>().0).for_each(|p| p.reverse());
    assert!(other.engine(2, 1).is_err());
}

#[test]
fn truncated_files_are_refused() {
    let bytes = saved();
    for len in (0..bytes.len()).step_by(37).chain([1, 7, 8, 9, bytes.len() - 1]) {
        let error = load(&bytes[..len]).unwrap_err();
        assert!(error.help.is_some(), "{error}");
    }
    let error = load(&bytes[..bytes.len() - 1]).unwrap_err();
    assert!(error.message.contains("truncated"), "{error}");
    let error = load(&[bytes.as_slice(), b"tail"].concat()).unwrap_err();
    assert!(error.message.contains("extra bytes"), "{error}");
}

/// One bit of every byte: in the header, the tensors and the digest.
#[test]
fn flipped_bits_are_detected() {
    let bytes = saved();
    for position in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[position] ^= 1 << (position % 8);
        let error = super::load::model(&damaged).expect_err("a flipped bit");
        assert_eq!(error.kind, Kind::Model, "flipped at {position}: {error}");
    }
    let weight = bytes.len() - 32 - 2 * 108 - 6 * 4 - 108 * 4 - 8;
    let mut damaged = bytes.clone();
    damaged[weight] ^= 1;
    let error = load(&damaged).unwrap_err();
    assert!(error.message.contains("checksum mismatch") && error.help.is_some(), "{error}");
}

/// As written by the first versions of the program.
#[test]
fn models_without_a_digest_are_read() {
    let (mut header, mut data) = split(&saved());
    data.truncate(data.len() - 32);
    header.as_object_mut().unwrap().remove("sha256");
    let unsealed = join(&header.to_string(), &data);
    let error = load(&unsealed).unwrap_err();
    assert!(error.message.contains("checksum"), "version 2 without a digest: {error}");
    header["__metadata__"]["format_version"] = json!("1");
    assert_eq!(load(&join(&header.to_string(), &data)).unwrap(), model());
}

#[test]
fn digests_identify_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    let digest = model().save(&path).unwrap();
    assert_eq!(Model::digest(&path).unwrap(), digest);
    let mut other = model();
    other.summary.steps += 1;
    assert_ne!(other.save(&path).unwrap(), digest);
    assert_eq!(Summary::read(&path).unwrap(), other.summary);
    std::fs::write(&path, &saved()[..500]).unwrap();
    assert!(Model::digest(&path).is_err() && Summary::read(&path).is_err());
}

#[test]
fn malformed_files_are_explained() {
    let (header, data) = split(&saved());
    let mut nan = saved();
    let end = nan.len() - 32 - 2 * 108 - 108 * 4;
    // The last numbers before the mean are the weights, sorted behind the biases of one layer as saved.
    nan[end - 4..end].copy_from_slice(&f32::NAN.to_le_bytes());
    let nan = sealed(nan);
    let recipe = header["__metadata__"]["recipe"].as_str().unwrap().to_string();
    let preprocess = header["__metadata__"]["preprocess"].as_str().unwrap().to_string();
    let tensor = |change: fn(&mut Value)| with_header(change);
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"not a model".to_vec(), "a text file, expected a model file"),
        (b"\x80not a model".to_vec(), "specify a header of"),
        (b"short".to_vec(), "5 bytes"),
        (u64::MAX.to_le_bytes().to_vec(), "specify a header of 18446744073709551615 bytes"),
        (join("{}", &[]), "`format_version` is missing"),
        (join("[1]", &[]), "not a safetensors file"),
        (join("{", &[]), "not a safetensors file"),
        (join("\u{1}", &[]), "not a safetensors file"),
        (join(&"[".repeat(100_000), &[]), "not a safetensors file"),
        (
            join(r#"{"a":{"dtype":"F32","shape":[18446744073709551615,9],"data_offsets":[0,0]}}"#, &[]),
            "overflow",
        ),
        (join(r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, &[0; 4]), "invalid shape"),
        (join(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, &[0; 8]), "invalid offset"),
        (join(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, &[0; 8]), "invalid offset"),
        (join(r#"{"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}"#, &[0; 4]), "F99"),
        (
            join(r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, &[0; 4]),
            "not a safetensors file",
        ),
        (join(&header.to_string(), &[]), "truncated"),
        (join(&header.to_string(), &[data.clone(), vec![0]].concat()), "extra bytes"),
        (with_header(|h| h["__metadata__"] = json!(7)), "not a safetensors file"),
        (
            with_header(|h| drop(h.as_object_mut().unwrap().remove("__metadata__"))),
            "a state dict, not a model of this program",
        ),
        (
            with_header(|h| drop(h["__metadata__"].as_object_mut().unwrap().remove("recipe"))),
            "`recipe` is missing",
        ),
        (
            with_header(|h| drop(h["__metadata__"].as_object_mut().unwrap().remove("classes"))),
            "`classes` is missing",
        ),
        (
            with_header(|h| drop(h["__metadata__"].as_object_mut().unwrap().remove("preprocess"))),
            "`preprocess` is missing",
        ),
        (
            with_header(|h| drop(h["__metadata__"].as_object_mut().unwrap().remove("summary"))),
            "`summary` is missing",
        ),
        (with_metadata("format_version", "7"), "`format_version` is 7"),
        (with_metadata("format_version", "0"), "`format_version` is \"0\""),
        (with_metadata("format_version", "one"), "`format_version` is \"one\""),
        (with_metadata("recipe", ""), "recipe"),
        (with_metadata("recipe", &format!("{recipe}\nmomentun = 1")), "momentun"),
        (with_metadata("recipe", &recipe.replace("\"fc\"", "\"fcc\"")), "fcc"),
        (
            with_metadata("recipe", &recipe.replace("\"fc1\"", "\"fc9\"")),
            "`fc9.weight` of shape [3, 48] is missing",
        ),
        (with_metadata("classes", "{}"), "metadata `classes`"),
        (with_metadata("classes", "[]"), "`classes` is empty"),
        (with_metadata("classes", r#"["a","b"]"#), "`classes` has 2 names"),
        (with_metadata("classes", r#"["a","b","a"]"#), "contains \"a\" twice"),
        (with_metadata("classes", r#"["a","","c"]"#), "class 1"),
        (with_metadata("classes", r#"["a",2,"c"]"#), "metadata `classes`"),
        (with_metadata("preprocess", "{}"), "metadata `preprocess`"),
        (
            with_metadata("preprocess", &preprocess.replace("\"crop\":4", "\"crop\":5")),
            "crop is 5, expected 4",
        ),
        (with_metadata("preprocess", &preprocess.replace("\"crop\":4", "\"crop\":40")), "crop is 40"),
        (
            with_metadata("preprocess", &preprocess.replace("\"square\":6", "\"square\":0")),
            "`mean` has shape",
        ),
        (
            with_metadata("preprocess", &preprocess.replace("RGB", "BGR")),
            "channels is \"BGR\", expected \"RGB\"",
        ),
        (
            with_metadata("preprocess", &preprocess.replace("3.0", "255.0")),
            "divisor is 255, expected 3, as in the recipe",
        ),
        (with_metadata("preprocess", &preprocess.replace("3.0", "0.0")), "divisor is 0"),
        (with_metadata("preprocess", &preprocess.replace("3.0", "1e300")), "number out of range"),
        (
            with_metadata("preprocess", &preprocess.replace("0.224", "0.225")),
            "deviations is [0.229, 0.225, 0.225], expected [0.229, 0.224, 0.225], as in the recipe",
        ),
        (with_metadata("preprocess", &preprocess.replace("\"crop\"", "\"crap\"")), "crap"),
        (with_metadata("summary", "[]"), "metadata `summary`"),
        (
            tensor(|h| h["fc1.weight"]["shape"] = json!([48, 3])),
            "`fc1.weight` has shape [48, 3], expected [3, 48]",
        ),
        (tensor(|h| h["fc1.weight"]["dtype"] = json!("I32")), "`fc1.weight` has type I32, expected F32"),
        (tensor(|h| h["mean"]["shape"] = json!([108])), "`mean` has shape [108]"),
        (tensor(|h| h["golden.pictures"]["shape"] = json!([2, 108])), "`golden.pictures` has shape"),
        (tensor(|h| h["golden.pictures"]["dtype"] = json!("I8")), "`golden.pictures` has type I8"),
        (
            tensor(|h| h["golden.logits"]["shape"] = json!([3, 2])),
            "`golden.logits` has shape [3, 2], expected [2, 3]",
        ),
        (
            tensor(|h| {
                let bias = h.as_object_mut().unwrap().remove("fc1.bias").unwrap();
                h["fc7.bias"] = bias;
            }),
            "`fc1.bias` of shape [3] is missing",
        ),
        (
            tensor(|h| h["extra"] = json!({"dtype": "F32", "shape": [0], "data_offsets": [0, 0]})),
            "`extra` does not belong to any layer",
        ),
        (nan, "NaN at index"),
    ];
    assert!(cases.len() >= 40);
    for (bytes, expected) in cases {
        let error = load(&bytes).unwrap_err();
        assert!(error.message.contains(expected), "expected {expected:?} in\n{error}");
    }
}

#[test]
fn paths_that_are_not_files_are_refused() {
    for path in ["/nowhere/best.safetensors", "/", "/dev/zero"] {
        let error = Model::load(path).unwrap_err();
        assert_eq!(error.kind, Kind::Model);
        assert!(error.message.contains(path), "{error}");
    }
}

#[test]
fn files_are_reproducible_and_aligned() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str| {
        let path = folder.path().join(name);
        let metadata = BTreeMap::from([("b", "2".to_string()), ("a", "1".to_string())]);
        let bytes = container::Values::U8(&[1, 2, 3]);
        let numbers = container::Values::F32(&[1.5]);
        let arrays = [
            container::Array { name: "x", shape: &[3], values: bytes },
            container::Array { name: "y", shape: &[1], values: numbers },
        ];
        container::write(&path, &metadata, &arrays).unwrap();
        std::fs::read(path).unwrap()
    };
    let bytes = write("one");
    assert_eq!(bytes, write("two"));
    let (file, _) = container::parse(&bytes).unwrap();
    assert_eq!(container::floats(&file, "y").unwrap().1, [1.5]);
    assert_eq!(container::array(&file, "x", safetensors::Dtype::U8).unwrap().1, [1, 2, 3]);
    // Values are aligned.
    assert_eq!((bytes.len() - 7) % 8, 0);
}
