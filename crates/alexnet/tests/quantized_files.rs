//! Files of quantized models: what is in them is checked before it is computed with.

use alexnet::engine::{IntegerWeights, QuantizedLayer};
use alexnet::error::Kind;
use alexnet::model::{AnyModel, FORMAT_VERSION, Model, QUANTIZED_FORMAT_VERSION, QuantizedModel, Summary};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::quantize::{model, quantized, recipe};
use crate::support::every_layer;

/// Its file.
pub(crate) fn saved(model: &QuantizedModel) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("q.safetensors");
    model.save(&path).unwrap();
    std::fs::read(path).unwrap()
}

/// Reads a file with these bytes.
pub(crate) fn load(bytes: &[u8]) -> alexnet::Result<AnyModel> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("q.safetensors");
    std::fs::write(&path, bytes).unwrap();
    let result = AnyModel::load(&path);
    if let Err(error) = &result {
        assert!(error.kind == Kind::Model && error.message.contains("q.safetensors: "), "{error}");
    }
    result
}

/// A file with a changed header and a valid digest.
fn with_header(bytes: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let n = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&bytes[8..8 + n]).unwrap();
    change(&mut header);
    let header = header.to_string();
    let mut out =
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &bytes[8 + n..bytes.len() - 32]].concat();
    let digest = Sha256::digest(&out);
    out.extend(digest);
    out
}

/// A file with changed metadata `layers` and a valid digest.
fn with_layers(bytes: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    with_header(bytes, |header| {
        let mut layers: Value =
            serde_json::from_str(header["__metadata__"]["layers"].as_str().unwrap()).unwrap();
        change(&mut layers);
        header["__metadata__"]["layers"] = json!(layers.to_string());
    })
}

#[test]
fn files_are_refused_by_programs_for_f32_models() {
    let (quantized, _) = quantized(&model(recipe()), 12);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("q.safetensors");
    let digest = quantized.save(&path).unwrap();
    assert_eq!(Model::digest(&path).unwrap(), digest);
    assert_eq!(Summary::read(&path).unwrap(), quantized.summary);
    let error = Model::load(&path).unwrap_err();
    assert!(error.kind == Kind::Model && error.message.contains("quantized to 8-bit integers"), "{error}");
    assert!(error.help.unwrap().contains("the model that it was quantized from"));
    // Earlier programs know no version above this one.
    const { assert!(QUANTIZED_FORMAT_VERSION > FORMAT_VERSION) };
    let newer =
        with_header(&std::fs::read(&path).unwrap(), |h| h["__metadata__"]["format_version"] = json!("5"));
    assert!(load(&newer).unwrap_err().message.contains("supports versions up to 4"));
}

#[test]
fn damaged_files_are_refused() {
    let bytes = saved(&quantized(&model(recipe()), 12).0);
    assert_eq!(load(&bytes).unwrap(), load(&bytes).unwrap());
    for position in (0..bytes.len()).step_by(101) {
        let mut damaged = bytes.clone();
        damaged[position] ^= 1 << (position % 8);
        assert!(load(&damaged).is_err(), "flipped at {position}");
        assert!(load(&bytes[..position]).is_err(), "cut at {position}");
    }
    let entry = |at: usize, key: &'static str, value: Value| {
        with_layers(&bytes, move |layers| layers["layers"][at][key] = value)
    };
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (
            with_header(&bytes, |h| drop(h["__metadata__"].as_object_mut().unwrap().remove("layers"))),
            "`layers` is missing",
        ),
        (with_layers(&bytes, |layers| *layers = json!(7)), "metadata `layers`"),
        (
            with_layers(&bytes, |layers| drop(layers["layers"].as_array_mut().unwrap().pop())),
            "expected conv1, relu1",
        ),
        (entry(0, "layer", json!("conv7")), "has the layers conv7"),
        (entry(0, "form", json!("int4")), "int4"),
        (
            entry(2, "form", json!("max-pool")),
            "layer `norm1`: a layer of kind `lrn` cannot be computed in this way",
        ),
        (entry(0, "output", json!({"scale": 0.0, "zero": 0})), "the scale of `conv1` is 0"),
        (entry(0, "output", json!({"scale": 1e300, "zero": 0})), "the scale of `conv1` is inf"),
        (entry(0, "output", json!({"scale": 1e-44, "zero": 0})), "expected a normal number above 0"),
        (entry(0, "output", json!({"scale": -1.0, "zero": 0})), "the scale of `conv1` is -1"),
        (entry(0, "output", json!({"scale": 1.0, "zero": 9})), "layer `relu1`: the zero point is 9"),
        (entry(0, "output", json!({"scale": 1.0, "zero": 256})), "metadata `layers`"),
        (entry(0, "output", Value::Null), "layer `relu1`: a layer of kind `relu` needs bytes"),
        (
            with_layers(&bytes, |layers| layers["input"] = Value::Null),
            "layer `conv1`: a layer of kind `conv` needs bytes",
        ),
        (
            with_header(&bytes, |h| h["conv1.weight"]["dtype"] = json!("U8")),
            "`conv1.weight` has type U8, expected I8",
        ),
        (
            with_header(&bytes, |h| h["conv1.weight"]["shape"] = json!([3, 8, 5, 5])),
            "`conv1.weight` has shape",
        ),
        (
            with_header(&bytes, |h| {
                let scales = h.as_object_mut().unwrap().remove("conv1.weight_scale").unwrap();
                h["conv1.scales"] = scales;
            }),
            "`conv1.weight_scale` is missing",
        ),
        (
            with_header(&bytes, |h| {
                h["extra"] = json!({"dtype": "F32", "shape": [0], "data_offsets": [0, 0]})
            }),
            "`extra` does not belong to any layer",
        ),
    ];
    for (bytes, expected) in cases {
        let error = load(&bytes).unwrap_err();
        assert!(error.message.contains(expected), "expected {expected:?} in\n{error}");
    }
}

#[test]
fn golden_samples_have_the_same_bits() {
    let (mut integers, _) = quantized(&model(recipe()), 12);
    integers.engine(3, 2).unwrap();
    let logit = &mut integers.golden.logits[5];
    *logit = logit.next_up();
    let error = integers.engine(3, 2).unwrap_err();
    assert!(
        error.message.contains("golden sample 2 of 2") && error.message.contains("the same bits"),
        "{error}"
    );
    // The sums of layers in f32 may have another order on another processor.
    let (mut mixed, _) = quantized(&model(every_layer()), 12);
    let logit = &mut mixed.golden.logits[5];
    *logit = logit.next_up();
    mixed.engine(3, 2).unwrap();
    mixed.golden.logits[5] += 3.0;
    assert!(mixed.engine(3, 2).is_err());
}

#[test]
fn weights_out_of_range_are_refused() {
    let (mut quantized, _) = quantized(&model(recipe()), 12);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("q.safetensors");
    let mut changed = |change: &dyn Fn(&mut IntegerWeights)| {
        let before = quantized.network.layers[0].clone();
        if let QuantizedLayer::Direct(weights, _) = &mut quantized.network.layers[0] {
            change(weights);
        }
        let error = quantized.save(&path).unwrap_err();
        assert!(!path.exists());
        quantized.network.layers[0] = before;
        error.message
    };
    assert!(changed(&|weights| weights.weights[3] = -128).contains("a weight is -128"));
    assert!(changed(&|weights| weights.scales[2] = 0.0).contains("scales: 0 at index 2"));
    assert!(changed(&|weights| weights.scales[2] = f32::NAN).contains("NaN at index 2"));
    assert!(changed(&|weights| weights.biases[1] = f32::INFINITY).contains("`conv1.bias` contains inf"));
    assert!(changed(&|weights| weights.biases.truncate(7)).contains("7 biases, expected 8"));
    assert!(changed(&|weights| weights.weights.truncate(599)).contains("599 weights, expected 600"));
}
