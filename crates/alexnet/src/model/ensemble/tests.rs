//! The mixture against a computation by hand, round trips, and malformed files.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Ensemble, Member, WeightChoice, check_weights, equal_weights};
use crate::data::{Image, Preprocess, View};
use crate::engine::{Device, Options, open};
use crate::error::Kind;
use crate::format::hex;
use crate::model::tests::{model, noise};
use crate::model::{AnyModel, Golden, Model, ModelFile};
use crate::net::Views;

/// The model of three classes with small weights, so that no class has all of the probability.
fn first() -> Model {
    scaled(model(), 0.01)
}

/// A model with other weights, which uses squares of 5 instead of 6 pixels and another mean.
fn other() -> Model {
    let mut other = model();
    other.recipe.name = "other".into();
    other.recipe.input.square = 5;
    other.preprocess = Preprocess { square: 5, mean: vec![100.0, 120.0, 140.0], ..other.preprocess };
    let pixels = noise(75, 8).map(|value| (value * 255.0 + 127.5) as u8).collect();
    other.golden.images = vec![Image::new(5, 5, pixels)];
    scaled(other, -0.005)
}

/// Scales the weights of a model, and records its golden samples again.
fn scaled(mut model: Model, scale: f32) -> Model {
    model.parameters[0].data.iter_mut().for_each(|weight| *weight *= scale);
    let mut engine = open(Device::Cpu, model.network().unwrap(), &Options::inference(1, 1)).unwrap();
    engine.load(&model.parameters).unwrap();
    model.golden = Golden::record(&mut *engine, &model.preprocess, model.golden.images).unwrap();
    model
}

fn members(weights: [f64; 2]) -> Vec<Member> {
    let member = |(model, weight): (Model, f64)| Member {
        digest: hex(&Sha256::digest(&model.recipe.name)),
        model: AnyModel::F32(model),
        weight,
    };
    [first(), other()].into_iter().zip(weights).map(member).collect()
}

fn ensemble(weights: [f64; 2]) -> Ensemble {
    Ensemble::new(members(weights), Views::Ten, WeightChoice::Specified, 1).unwrap()
}

fn saved(ensemble: &Ensemble) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("e.safetensors");
    let digest = ensemble.save(&path).unwrap();
    assert_eq!(Model::digest(&path).unwrap(), digest);
    std::fs::read(path).unwrap()
}

/// Loads `bytes` from a file and opens the engines. Every error is about the model file and names it.
fn load(bytes: &[u8]) -> crate::Result<Ensemble> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("e.safetensors");
    std::fs::write(&path, bytes).unwrap();
    let load = || match ModelFile::load(&path)? {
        ModelFile::Ensemble(ensemble) => {
            ensemble.engines(2, 1, None).map_err(|error| error.context("e.safetensors"))?;
            Ok(ensemble)
        }
        ModelFile::Single(_) => panic!("a single model"),
    };
    let result: crate::Result<Ensemble> = load();
    if let Err(error) = &result {
        assert!(error.kind == Kind::Model && error.message.contains("e.safetensors: "), "{error}");
    }
    result
}

/// Splits a file into its header and the bytes after it.
fn split(bytes: &[u8]) -> (Value, Vec<u8>) {
    let n = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    (serde_json::from_slice(&bytes[8..8 + n]).unwrap(), bytes[8 + n..].to_vec())
}

/// A file with this header and a valid digest.
fn sealed(header: &Value, data: &[u8]) -> Vec<u8> {
    let header = header.to_string();
    let mut bytes =
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data[..data.len() - 32]].concat();
    let digest = Sha256::digest(&bytes);
    bytes.extend(digest);
    bytes
}

fn with_header(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let (mut header, data) = split(&saved(&ensemble([0.75, 0.25])));
    change(&mut header);
    sealed(&header, &data)
}

fn with_metadata(key: &str, value: &str) -> Vec<u8> {
    with_header(|header| header["__metadata__"][key] = json!(value))
}

/// The softmax of the one-layer model, computed in double precision.
fn probabilities(model: &Model, image: &Image) -> Vec<f64> {
    let preprocess = &model.preprocess;
    let mut view = vec![0.0; preprocess.view_len()];
    let center = View::center(preprocess.square, preprocess.crop);
    preprocess.view(&preprocess.square(image), center, [0.0; 3], &mut view);
    let (weights, biases) = (&model.parameters[0].data, &model.parameters[1].data);
    // Weights are in the order channel, row, column; pixels in the order row, column, channel.
    let logit = |class: usize| {
        let products = (0..48).map(|i| {
            let (channel, position) = (i / 16, i % 16);
            f64::from(weights[class * 48 + i]) * f64::from(view[3 * position + channel])
        });
        products.sum::<f64>() + f64::from(biases[class])
    };
    let exponentials: Vec<f64> = (0..3).map(|class| logit(class).exp()).collect();
    let total: f64 = exponentials.iter().sum();
    exponentials.iter().map(|value| value / total).collect()
}

#[test]
fn the_mixture_is_the_weighted_mean_of_the_probabilities() {
    for weights in [[0.5, 0.5], [0.75, 0.25], [0.1, 0.9]] {
        let ensemble = ensemble(weights);
        assert_eq!(ensemble.golden.images, model().golden.images);
        let found = ensemble.golden.probabilities.chunks(3);
        for (image, found) in ensemble.golden.images.iter().zip(found) {
            let (a, b) = (probabilities(&first(), image), probabilities(&other(), image));
            // The models differ, so that the weights matter.
            assert!((a[0] - b[0]).abs() > 0.01, "{a:?} {b:?}");
            for class in 0..3 {
                let expected = weights[0] * a[class] + weights[1] * b[class];
                assert!((f64::from(found[class]) - expected).abs() < 1e-6, "{found:?} {expected}");
            }
        }
    }
}

#[test]
fn ensembles_round_trip_exactly_and_files_are_reproducible() {
    let searched = WeightChoice::Searched {
        searched_on: "digest".into(),
        images: 50,
        equal: 0.5,
        searched: 0.625,
        nested: 0.375,
    };
    let third = Ensemble::new(members([1.0 / 3.0, 2.0 / 3.0]), Views::Center, searched, 1).unwrap();
    for ensemble in [ensemble([0.75, 0.25]), third] {
        let bytes = saved(&ensemble);
        assert_eq!(bytes, saved(&ensemble));
        assert_eq!(load(&bytes).unwrap(), ensemble);
    }
    let header = split(&saved(&ensemble([0.75, 0.25]))).0;
    assert_eq!(header["__metadata__"]["format_version"], "4");
    assert_eq!(header["models.1.fc1.weight"]["shape"], json!([3, 48]));
    assert_eq!(header["golden.probabilities"]["shape"], json!([2, 3]));
}

#[test]
fn an_ensemble_is_not_a_single_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("e.safetensors");
    ensemble([0.5, 0.5]).save(&path).unwrap();
    let single = folder.path().join("m.safetensors");
    model().save(&single).unwrap();
    assert_eq!(ModelFile::load(&single).unwrap(), ModelFile::Single(Box::new(AnyModel::F32(model()))));
    for error in [Model::load(&path).unwrap_err(), AnyModel::load(&path).unwrap_err()] {
        assert!(
            error.message.ends_with("contains an ensemble of models, expected a single model"),
            "{error}"
        );
        assert!(error.kind == Kind::Model && error.help.is_some());
    }
}

/// One bit of every byte: in the header, the tensors and the digest.
#[test]
fn flipped_bits_are_detected() {
    let bytes = saved(&ensemble([0.75, 0.25]));
    for position in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[position] ^= 1 << (position % 8);
        assert!(crate::model::parts::File::open(&damaged).is_err(), "flipped at {position}");
    }
}

/// Changes with a valid digest, which only the golden samples show.
#[test]
fn golden_samples_detect_other_weights() {
    let (header, data) = split(&saved(&ensemble([0.75, 0.25])));
    let flipped = |tensor: &str| {
        let begin = header[tensor]["data_offsets"][0].as_u64().unwrap() as usize;
        let mut data = data.clone();
        // The sign of the first value.
        data[begin + 3] ^= 0x80;
        load(&sealed(&header, &data)).unwrap_err().message
    };
    let message = flipped("models.1.fc1.weight");
    assert!(message.contains("model 2 of 2: the logits of golden sample 1"), "{message}");
    let message = flipped("golden.probabilities");
    assert!(message.contains("probabilities of golden sample 1 of 2"), "{message}");
    let message = load(&with_metadata("weights", "[0.25,0.75]")).unwrap_err().message;
    assert!(message.contains("probabilities of golden sample 1 of 2"), "{message}");
}

#[test]
fn malformed_files_are_explained() {
    let remove =
        |key: &str| with_header(|header| drop(header["__metadata__"].as_object_mut().unwrap().remove(key)));
    let cases = [
        (
            with_metadata("format_version", "5"),
            "`format_version` is 5, this program supports versions up to 4",
        ),
        (remove("weights"), "`weights` is missing"),
        (remove("views"), "`views` is missing"),
        (remove("summary"), "`summary` is missing"),
        (remove("models.1.recipe"), "model 2 of 2: `recipe` is missing"),
        (remove("models.0.sha256"), "model 1 of 2: `sha256` is missing"),
        (
            with_metadata("models.0.sha256", "abc"),
            "model 1 of 2: `sha256` is \"abc\", expected 64 hexadecimal",
        ),
        (with_metadata("models.1.sha256", &"g".repeat(64)), "expected 64 hexadecimal digits"),
        (with_metadata("weights", "[]"), "contains no models"),
        (with_metadata("weights", "[1.0]"), "`models.1.fc1.bias` does not belong to any of the 1 models"),
        (with_metadata("weights", "[0.5,0.25,0.25]"), "model 3 of 3: `format_version` is missing"),
        (with_metadata("weights", "[0.5,0.25]"), "the weights sum to 0.75"),
        (with_metadata("weights", "[1.5,-0.5]"), "the weight of model 2 is -0.5"),
        (with_metadata("weights", "[1.0,0.0]"), "the weight of model 2 is 0"),
        (with_metadata("weights", "[1e999,1]"), "invalid metadata `weights`"),
        (with_metadata("views", "3"), "`views` is 3, expected 1 or 10"),
        (with_metadata("summary", "{}"), "invalid metadata `summary`"),
        (with_metadata("models.1.format_version", "4"), "model 2 of 2: it is an ensemble"),
        (
            with_metadata("models.1.classes", r#"["a","b"]"#),
            "model 2 of 2: the tensors do not fit the recipe",
        ),
        (
            with_metadata("models.1.classes", r#"["dog \"quoted\"","cat","größe"]"#),
            "class 0 is \"cat\" in model 1 of 2 and \"dog \\\"quoted\\\"\" in model 2 of 2",
        ),
        (
            with_header(|h| {
                let bias = h.as_object_mut().unwrap().remove("models.1.fc1.bias").unwrap();
                h["models.1.fc9.bias"] = bias;
            }),
            "`fc1.bias` of shape [3] is missing",
        ),
        (
            with_header(|h| h["extra"] = json!({"dtype": "F32", "shape": [0], "data_offsets": [0, 0]})),
            "`extra` does not belong",
        ),
        (
            with_header(|h| h["golden.probabilities"]["shape"] = json!([3, 2])),
            "`golden.probabilities` has shape [3, 2], expected [2, 3]",
        ),
        (
            with_header(|h| h["golden.pictures"]["shape"] = json!([216, 1, 1])),
            "`golden.pictures` has shape [216, 1, 1]",
        ),
        (with_header(|h| h["models.1.mean"]["dtype"] = json!("I32")), "tensor `models.1.mean` has type I32"),
    ];
    for (bytes, expected) in cases {
        let error = load(&bytes).unwrap_err();
        assert!(error.message.contains(expected), "expected {expected:?} in\n{error}");
    }
}

#[test]
fn ensembles_that_do_not_fit_are_refused() {
    let new = |members| Ensemble::new(members, Views::Ten, WeightChoice::Equal, 1).unwrap_err();
    assert!(new(Vec::new()).message.contains("no models"));
    assert!(new(members([0.5, 0.6])).message.contains("sum to 1.1"));
    let mut swapped = members([0.5, 0.5]);
    let AnyModel::F32(second) = &mut swapped[1].model else { panic!() };
    second.classes.swap(0, 2);
    let error = new(swapped);
    assert!(
        error.message.contains("class 0 is \"cat\" in model 1 of 2 and \"größe\" in model 2 of 2"),
        "{error}"
    );
    assert!(error.message.contains("the names are the same, their order differs"), "{error}");
    // A model whose golden samples fail.
    let mut damaged = members([0.5, 0.5]);
    let AnyModel::F32(second) = &mut damaged[1].model else { panic!() };
    second.parameters[1].data[0] += 1.0;
    let error = new(damaged);
    assert!(error.message.starts_with("model 2 of 2: the logits of golden sample"), "{error}");
}

#[test]
fn weights_are_checked() {
    for n in 1..30 {
        check_weights(&equal_weights(n), n).unwrap();
    }
    check_weights(&[0.35, 0.15, 0.5], 3).unwrap();
    let cases: [(&[f64], &str); 7] = [
        (&[0.5, 0.5], "2 weights for 3 models"),
        (&[1.0], "1 weight for 3 models"),
        (&[0.5, 0.6, -0.1], "the weight of model 3 is -0.1"),
        (&[0.0, 0.5, 0.5], "the weight of model 1 is 0, expected"),
        (&[0.5, f64::NAN, 0.5], "the weight of model 2 is NaN"),
        (&[0.5, f64::INFINITY, 0.5], "the weight of model 2 is inf"),
        (&[2.0, 1.0, 1.0], "the weights sum to 4, expected 1"),
    ];
    for (weights, expected) in cases {
        let error = check_weights(weights, 3).unwrap_err();
        assert!(error.message.contains(expected) && error.kind == Kind::Usage, "{error}");
    }
    let error = check_weights(&[2.0, 1.0, 1.0], 3).unwrap_err();
    assert_eq!(error.help.unwrap(), "in the same proportions: 0.5,0.25,0.25");
}
