//! What is not supported: all of it at once, with the names of the nodes.

use super::*;
use crate::error::Kind;

#[test]
fn all_that_is_unsupported_is_listed_at_once() {
    let error = Graph::new()
        .floats("w", &[KERNELS, 3, 3, 3], &numbers(1, KERNELS * 27))
        .node("Conv", "x w", "conv", &[ints("dilations", &[2, 2])])
        .node("Elu", "x", "elu", &[float("alpha", 1.0)])
        .node("Relu", "elu", "relu", &[float("slope", 0.1)])
        .node("MaxPool", "x", "pool", &[ints("kernel_shape", &[3, 2])])
        .node("Loop", "pool", "loop", &[])
        .node("Concat", "conv relu loop", "units", &[int("axis", 1)])
        .fc(12)
        .refusal();
    assert_eq!(error.kind, Kind::Model);
    for expected in [
        "5 parts of the graph are not supported:",
        "\n  node `conv` (Conv): dilations is [2, 2], expected 1",
        "\n  node `elu` (Elu): the operator is not supported",
        "\n  node `relu` (Relu): attribute `slope` is unknown",
        "\n  node `pool` (MaxPool): kernel_shape is [3, 2]",
        "\n  node `loop` (Loop): loops are not supported",
    ] {
        assert!(error.message.contains(expected), "{expected}: {error}");
    }
    assert!(error.help.unwrap().contains("docs/onnx.md lists the operators"));
    // What follows from it is no problem of its own, nor is what the output does not depend on.
    let unused = plain().node("Elu", "conv", "elu", &[]).import();
    assert_same(&unused, &plain().import());
}

#[test]
fn missing_arrays_are_named() {
    let mut graph = plain();
    graph.proto.initializer.retain(|tensor| !matches!(tensor.name.as_str(), "b" | "fw"));
    let error = graph.refusal();
    for expected in [
        "2 parts of the graph",
        "node `conv` (Conv): its input `b` is computed by no node before it",
        "node `y` (Gemm): its input `fw` is computed by no node before it",
    ] {
        assert!(error.message.contains(expected), "{expected}: {error}");
    }
}

#[test]
fn nodes_are_in_their_order() {
    let mut graph = plain();
    graph.proto.node.swap(0, 1);
    let error = graph.refusal();
    assert!(
        error.message.contains("node `relu` (Relu): its input `conv` is computed by no node before it"),
        "{error}"
    );
}

#[test]
fn inputs_and_outputs_are_one_each() {
    let mut two = plain();
    two.proto.input.push(described("more", data_type::FLOAT, &[None, Some(3)]));
    assert!(two.refusal().message.contains("the graph: 2 inputs (x, more), expected one"));
    // Arrays that are inputs too, as files before 2019 have them.
    let mut older = plain();
    older.proto.input.push(described("w", data_type::FLOAT, &[Some(4), Some(3), Some(3), Some(3)]));
    assert_same(&older.import(), &plain().import());
    for (sizes, kind, expected) in [
        (
            vec![None, Some(1), Some(8), Some(8)],
            data_type::FLOAT,
            "input `x`: float32 [?, 1, 8, 8], expected float32 [N, 3, height, width]",
        ),
        (vec![None, Some(3), Some(8)], data_type::FLOAT, "float32 [?, 3, 8]"),
        (vec![None, Some(3), Some(8), Some(8)], data_type::INT64, "int64 [?, 3, 8, 8]"),
    ] {
        let mut graph = plain();
        graph.proto.input = vec![described("x", kind, &sizes)];
        let error = graph.refusal();
        assert!(error.message.contains(expected), "{error}");
    }
    let bytes = {
        let mut graph = plain();
        graph.proto.input = vec![described("x", data_type::UINT8, &[None, Some(8), Some(8), Some(3)])];
        graph.refusal()
    };
    assert!(bytes.message.contains("not supported"), "{bytes}");
    let wide = {
        let mut graph = plain();
        graph.proto.input = vec![described("x", data_type::FLOAT, &[None, Some(3), Some(8), Some(16)])];
        let at = graph.proto.initializer.iter().position(|tensor| tensor.name == "fw").unwrap();
        graph.proto.initializer[at] = floats("fw", &[OUTPUTS, 512], &numbers(3, OUTPUTS * 512));
        graph.refusal()
    };
    assert!(wide.message.contains("expected 3 x SIDE x SIDE"), "{wide}");
}

#[test]
fn versions_and_domains_are_checked() {
    for opset in [6, 23, -1] {
        let error = plain().opset(opset).refusal();
        assert!(error.message.contains(&format!("operator set {opset}, expected 7 to 22")), "{error}");
    }
    let mut graph = plain();
    graph.proto.node[1].domain = "com.microsoft".into();
    assert!(graph.refusal().message.contains("operators of the domain \"com.microsoft\" are unknown"));
}

#[test]
fn a_network_ends_with_a_layer_for_the_classes() {
    let error = plain().node("Relu", "y", "z", &[]);
    let error = parse(&error.bytes("z"), "test", None, &OnnxImport::default()).unwrap_err();
    assert!(
        error.message.contains("node `z` (Relu): it is the last layer, expected a fully connected layer"),
        "{error}"
    );
    let error = Graph::new().node("Identity", "x", "y", &[]).refusal();
    assert!(error.message.contains("it has no layers"), "{error}");
    let error = Graph::new().floats("y", &[1, 5], &[0.0; 5]).refusal();
    assert!(error.message.contains("it does not depend on the input"), "{error}");
}

#[test]
fn preprocessing_can_be_chosen() {
    use crate::interop::onnx::{ChannelOrder, GraphInput};
    let input = GraphInput {
        square: Some(10),
        crop: None,
        mean: Some([1.0, 2.0, 3.0]),
        divisor: Some(2.0),
        deviations: Some([1.0, 0.5, 0.25]),
        order: Some(ChannelOrder::Bgr),
    };
    let options = OnnxImport { input, classes: Some((0..5).map(|i| i.to_string()).collect()) };
    let imported = parse(&plain().bytes("y"), "test", None, &options).unwrap();
    let preprocess = &imported.preprocess;
    assert_eq!((preprocess.square, preprocess.crop, preprocess.divisor), (10, 8, 2.0));
    assert_eq!((preprocess.mean.as_slice(), preprocess.deviations), (&[1.0, 2.0, 3.0][..], [1.0, 0.5, 0.25]));
    // The kernels for blue are those for red now.
    let expected = numbers(1, KERNELS * 27);
    assert_eq!(imported.parameters[0].data[..9], expected[18..27]);
    assert_eq!(imported.classes[4], "4");
    let options = OnnxImport { classes: Some(vec!["a".into()]), ..OnnxImport::default() };
    let error = parse(&plain().bytes("y"), "test", None, &options).unwrap_err();
    assert!(error.message.contains("1 class names, but the network has 5 outputs"), "{error}");
}
