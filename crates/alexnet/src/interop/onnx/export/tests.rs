//! Exported graphs.

use super::model::{check_size, convert};
use super::{OnnxExport, OnnxInput};
use crate::data::Preprocess;
use crate::engine::Tensor;
use crate::interop::made_squares;
use crate::interop::onnx::proto::{GraphProto, ModelProto, ValueInfoProto};
use crate::interop::{Imported, onnx};
use crate::model::AnyModel;
use crate::net::{Network, Recipe};

/// A small model. Its layers have the names of what graphs have too.
fn model() -> AnyModel {
    let mut recipe = Recipe::load("small").unwrap();
    recipe.set("input.mean.fixed", "[1.0, 2.0, 3.0]").unwrap();
    recipe.layers[0].name = "images".into();
    recipe.layers.last_mut().unwrap().name = "probabilities".into();
    let network = Network::new(&recipe, 3).unwrap();
    let tensor = |name, shape: Vec<usize>| {
        let data = (0..shape.iter().product()).map(|at: usize| (at % 7) as f32 / 100.0 - 0.02).collect();
        Tensor { name, shape, data }
    };
    let layers = network.layers.iter().filter_map(|layer| Some((layer, layer.parameter_shapes()?)));
    let parameters = layers
        .flat_map(|(layer, (weights, biases))| {
            [tensor(layer.weight_name(), weights), tensor(layer.bias_name(), biases)]
        })
        .collect();
    let preprocess = Preprocess::with_mean(&recipe.input, vec![1.0, 2.0, 3.0]);
    let classes = ["a", "b", "c"].map(String::from).into();
    let imported = Imported { recipe, classes, preprocess, parameters, notes: Vec::new() };
    AnyModel::F32(imported.into_model(made_squares(28), "test".into()).unwrap())
}

fn converted(options: OnnxExport) -> (ModelProto, Vec<String>) {
    convert(&model(), &options).unwrap()
}

fn graph(input: OnnxInput, softmax: bool) -> GraphProto {
    converted(OnnxExport { input, softmax, ..OnnxExport::default() }).0.graph.unwrap()
}

/// The name and the sizes of an input or output; 0 for the number of images.
fn described(values: &[ValueInfoProto]) -> (String, Vec<i64>) {
    let [value] = values else { panic!("{} values", values.len()) };
    let shape = value.r#type.as_ref().unwrap().tensor_type.as_ref().unwrap().shape.as_ref().unwrap();
    (value.name.clone(), shape.dim.iter().map(|dim| dim.dim_value.unwrap_or(0)).collect())
}

#[test]
fn inputs_and_outputs_have_names_that_no_layer_has() {
    for (input, softmax, names, sizes) in [
        (OnnxInput::Floats, false, ["images.graph", "probabilities"], vec![0, 3, 26, 26]),
        (OnnxInput::Crop, true, ["pixels", "probabilities.graph"], vec![0, 26, 26, 3]),
        (OnnxInput::Square, false, ["pixels", "probabilities"], vec![0, 28, 28, 3]),
    ] {
        let graph = graph(input, softmax);
        assert_eq!(described(&graph.input), (names[0].into(), sizes));
        assert_eq!(described(&graph.output), (names[1].into(), vec![0, 3]));
        // Every tensor is computed once, before it is read.
        let mut known: Vec<&str> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
        known.push(names[0]);
        for node in &graph.node {
            assert!(node.input.iter().all(|name| known.contains(&name.as_str())), "{node:?}");
            assert!(!node.output.iter().any(|name| known.contains(&name.as_str())), "{node:?}");
            known.extend(node.output.iter().map(String::as_str));
        }
        assert_eq!(known.last(), Some(&names[1]));
    }
}

#[test]
fn the_file_says_its_versions_and_where_it_is_from() {
    for (opset, ir_version) in [(13, 7), (17, 8), (20, 9), (22, 10)] {
        let (file, notes) = converted(OnnxExport { opset, ..OnnxExport::default() });
        assert_eq!((file.ir_version, file.opset_import[0].version), (ir_version, i64::from(opset)));
        assert_eq!(file.producer_name, "alexnet");
        assert!(notes.iter().any(|note| note.contains("minus the color [1, 2, 3]")), "{notes:?}");
    }
    for opset in [12, 23] {
        let error = convert(&model(), &OnnxExport { opset, ..OnnxExport::default() }).unwrap_err();
        assert!(error.message.contains(&format!("operator set {opset}, expected 13 to 22")), "{error}");
        assert!(error.help.is_some());
    }
}

#[test]
fn files_beyond_two_gibibytes_are_explained() {
    check_size((1 << 31) - 1).unwrap();
    let error = check_size(1 << 31).unwrap_err();
    assert!(
        error
            .message
            .contains("2147483648 bytes, but it is a protocol buffer, which has at most 2147483647 (2 GiB)")
    );
    assert!(error.help.unwrap().contains("alexnet quantize"));
}

#[test]
fn every_input_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    let AnyModel::F32(model) = model() else { panic!("in f32") };
    for input in [OnnxInput::Floats, OnnxInput::Crop, OnnxInput::Square] {
        for softmax in [false, true] {
            let options = OnnxExport { input, softmax, ..OnnxExport::default() };
            onnx::write(&AnyModel::F32(model.clone()), &options, &path).unwrap();
            let imported = onnx::read(&path, &onnx::OnnxImport::default()).unwrap();
            assert_eq!((&imported.recipe, &imported.parameters), (&model.recipe, &model.parameters));
            assert_eq!((&imported.preprocess, &imported.classes), (&model.preprocess, &model.classes));
            let options = onnx::OnnxImport {
                input: onnx::GraphInput { divisor: Some(2.0), ..Default::default() },
                classes: None,
            };
            let error = onnx::read(&path, &options).unwrap_err();
            assert!(error.message.contains("cannot be chosen"), "{error}");
        }
    }
}
