//! Arrays of other types, in other fields, and in other files.

use alexnet_kernels::{bf16, f16};
use std::path::Path;

use super::*;
use crate::interop::onnx::proto::StringStringEntryProto;

/// The plain network with another tensor of this name.
fn replaced(tensor: TensorProto) -> Graph {
    let mut graph = plain();
    let at = graph.proto.initializer.iter().position(|other| other.name == tensor.name).unwrap();
    graph.proto.initializer[at] = tensor;
    graph
}

fn weights() -> (Vec<i64>, Vec<f32>) {
    (vec![KERNELS as i64, 3, 3, 3], numbers(1, KERNELS * 27))
}

fn stored(data_type: i32, raw_data: Vec<u8>) -> TensorProto {
    TensorProto { dims: weights().0, data_type, name: "w".into(), raw_data, ..TensorProto::default() }
}

#[test]
fn other_types_of_floats_are_converted() {
    let (_, values) = weights();
    let halves: Vec<u16> = values.iter().map(|&value| f16::from_f32(value)).collect();
    let brains: Vec<u16> = values.iter().map(|&value| bf16::from_f32(value)).collect();
    let raw = |bits: &[u16]| bits.iter().flat_map(|bits| bits.to_le_bytes()).collect::<Vec<_>>();
    let bits = |bits: &[u16]| bits.iter().map(|&bits| i32::from(bits)).collect::<Vec<_>>();
    let doubles: Vec<f64> = values.iter().map(|&value| value.into()).collect();
    for (tensor, name) in [
        (stored(data_type::FLOAT16, raw(&halves)), "float16"),
        (TensorProto { int32_data: bits(&halves), ..stored(data_type::FLOAT16, vec![]) }, "float16"),
        (stored(data_type::BFLOAT16, raw(&brains)), "bfloat16"),
        (TensorProto { int32_data: bits(&brains), ..stored(data_type::BFLOAT16, vec![]) }, "bfloat16"),
        (
            stored(data_type::DOUBLE, doubles.iter().flat_map(|value| value.to_le_bytes()).collect()),
            "float64",
        ),
        (TensorProto { double_data: doubles.clone(), ..stored(data_type::DOUBLE, vec![]) }, "float64"),
    ] {
        let imported = replaced(tensor).import();
        assert_same(&imported, &plain().import());
        assert_notes(&imported, &format!("tensors of type {name}, converted to float32: 1"));
    }
    let typed = TensorProto { float_data: values, ..stored(data_type::FLOAT, vec![]) };
    assert_same(&replaced(typed).import(), &plain().import());
}

#[test]
fn bytes_with_a_scale_are_weights() {
    let (_, values) = weights();
    let bytes: Vec<u8> = values.iter().map(|value| (value * 128.0) as i8 as u8).collect();
    let scales = [1.0 / 128.0; KERNELS];
    let graph = Graph::new()
        .tensor(TensorProto { name: "q".into(), ..stored(data_type::INT8, bytes) })
        .floats("scale", &[KERNELS], &scales)
        .floats("b", &[KERNELS], &numbers(2, KERNELS))
        .node("DequantizeLinear", "q scale", "w", &[int("axis", 0)])
        .node("Conv", "x w b", "conv", &[ints("pads", &[1; 4])])
        .node("Relu", "conv", "relu", &[])
        .rest();
    assert_same(&graph.import(), &plain().import());
}

#[test]
fn scales_belong_to_an_axis() {
    let weights = |shape: &[i64], count: usize| TensorProto {
        name: "q".into(),
        dims: shape.to_vec(),
        ..stored(data_type::INT8, vec![1; count])
    };
    for (shape, count, scales, axis) in [
        (&[4, 3][..], 12, 0, 9),
        (&[4, 3], 12, 0, i64::MIN),
        (&[4, 3], 12, 0, i64::MAX),
        (&[4, 0], 0, 0, 1),
        (&[4, 3], 12, 4, 1),
        (&[4, 3], 12, 4, 2),
        (&[4, 3], 12, 4, -3),
        (&[], 1, 4, 0),
    ] {
        let error = Graph::new()
            .tensor(weights(shape, count))
            .floats("scale", &[scales], &vec![1.0; scales])
            .node("DequantizeLinear", "q scale", "y", &[int("axis", axis)])
            .refusal();
        let expected = format!("scales of shape [{scales}] for axis {axis} of {shape:?}");
        assert!(error.message.contains(&expected), "{expected}: {error}");
    }
}

#[test]
fn arrays_that_do_not_fit_are_refused() {
    let (dims, values) = weights();
    let short = TensorProto { dims: vec![4, 3, 3, 4], ..stored(data_type::FLOAT, vec![0; 432]) };
    let negative = TensorProto { dims: vec![-4, 3, 3, 3], ..stored(data_type::FLOAT, vec![]) };
    let huge = TensorProto { dims: vec![i64::MAX; 4], ..stored(data_type::FLOAT, vec![]) };
    let typed = TensorProto { dims, float_data: values[1..].to_vec(), ..stored(data_type::FLOAT, vec![]) };
    for (tensor, expected) in [
        (short, "tensor `w` of shape [4, 3, 3, 4] has 432 bytes, expected 576"),
        (negative, "tensor `w` has the shape [-4, 3, 3, 3]"),
        (huge, "tensor `w` has the shape [9223372036854775807"),
        (typed, "a tensor has 107 values, expected 108"),
        (
            TensorProto { dims: vec![0, 1 << 40, 1 << 40], ..stored(data_type::FLOAT, vec![]) },
            "tensor `w` has the shape [0, 1099511627776",
        ),
        (stored(data_type::UINT8, vec![0; 108]), "of type uint8"),
        (stored(99, vec![]), "of type of fewer bits, or unknown"),
        (stored(data_type::FLOAT, f32::NAN.to_le_bytes().repeat(108)), "conv1.weight"),
    ] {
        let error = parse(&replaced(tensor).bytes("y"), "test", None, &OnnxImport::default()).unwrap_err();
        assert!(error.message.contains(expected), "{expected}: {error}");
    }
    let shape = TensorProto { dims: vec![3, 4, 3, 3], ..floats("w", &[108], &values) };
    let error = replaced(shape).refusal();
    assert!(
        error
            .message
            .contains("node `conv` (Conv): weights of shape [3, 4, 3, 3] and 1 groups for 3 x 8 x 8"),
        "{error}"
    );
    let bias = replaced(floats("fb", &[4], &[0.0; 4])).refusal();
    assert!(bias.message.contains("node `y` (Gemm): biases of shape [4], expected [5]"), "{bias}");
    let fc = replaced(floats("fw", &[5, 200], &[0.0; 1000])).refusal();
    assert!(fc.message.contains("weights for 200 inputs and 5 outputs, the layer has 256 inputs"), "{fc}");
}

fn external(entries: &[(&str, &str)]) -> TensorProto {
    let entry =
        |&(key, value): &(&str, &str)| StringStringEntryProto { key: key.into(), value: value.into() };
    TensorProto {
        external_data: entries.iter().map(entry).collect(),
        data_location: 1,
        ..stored(data_type::FLOAT, vec![])
    }
}

fn read_in(folder: Option<&Path>, entries: &[(&str, &str)]) -> Result<Imported, Error> {
    parse(&replaced(external(entries)).bytes("y"), "test", folder, &OnnxImport::default())
}

#[test]
fn files_in_the_folder_are_read_and_no_others() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("model");
    std::fs::create_dir_all(folder.join("data")).unwrap();
    let bytes: Vec<u8> = weights().1.iter().flat_map(|value| value.to_le_bytes()).collect();
    let padded = [&[0; 8][..], &bytes].concat();
    std::fs::write(folder.join("data/w.bin"), &padded).unwrap();
    std::fs::write(place.path().join("secret"), &padded).unwrap();
    let at = [("offset", "8"), ("length", "432")];
    for location in ["data/w.bin", "./data/w.bin"] {
        let imported = read_in(Some(&folder), &[&[("location", location)], &at[..]].concat()).unwrap();
        assert_same(&imported, &plain().import());
    }
    let absolute = place.path().join("secret").display().to_string();
    for (location, expected) in [
        ("../secret", "leads out of the folder"),
        ("data/../../secret", "leads out of the folder"),
        (&absolute, "leads out of the folder"),
        ("none.bin", "cannot read"),
        ("data", "is no file with 432 bytes at 8"),
    ] {
        let error = read_in(Some(&folder), &[&[("location", location)], &at[..]].concat()).unwrap_err();
        assert!(
            error.message.contains(expected) && error.message.contains("tensor `w`"),
            "{location}: {error}"
        );
    }
    for (entries, expected) in [
        (
            &[("location", "data/w.bin"), ("offset", "9")][..],
            "is no file with 432 bytes at 9: it has 440 bytes",
        ),
        (&[("location", "data/w.bin"), ("offset", "18446744073709551615")], "is no file with 432 bytes"),
        (&[("location", "data/w.bin"), ("offset", "-1")], "offset is \"-1\""),
        (&[("location", "data/w.bin"), ("length", "9")], "external data of 9 bytes, expected 432"),
        (&[], "external data without a location"),
    ] {
        let error = read_in(Some(&folder), entries).unwrap_err();
        assert!(error.message.contains(expected), "{expected}: {error}");
    }
    let error = read_in(None, &[("location", "data/w.bin")]).unwrap_err();
    assert!(error.message.contains("no folder to read it from"), "{error}");
}

#[cfg(unix)]
#[test]
fn symbolic_links_are_not_followed() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("secret"), [0; 432]).unwrap();
    let folder = place.path().join("model");
    std::fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink(place.path().join("secret"), folder.join("w.bin")).unwrap();
    std::os::unix::fs::symlink(place.path(), folder.join("up")).unwrap();
    for location in ["w.bin", "up/secret"] {
        let error = read_in(Some(&folder), &[("location", location)]).unwrap_err();
        assert!(error.message.contains("symbolic link"), "{location}: {error}");
    }
}
