//! Other shapes, constants that are computed, padding, and columns.

use super::*;

fn reshaped(graph: Graph) -> Imported {
    graph.fc(KERNELS * SIDE * SIDE).import()
}

#[test]
fn units_are_arranged_in_several_ways() {
    let start = || Graph::new().conv().node("Relu", "conv", "relu", &[]);
    let units = (KERNELS * SIDE * SIDE) as i64;
    let forms = [
        start().node("Flatten", "relu", "units", &[int("axis", -3)]),
        start().integers("to", &[0, -1]).node("Reshape", "relu to", "units", &[]),
        start().integers("to", &[-1, units]).node("Reshape", "relu to", "units", &[]),
        start().integers("to", &[0, units, 1]).node("Reshape", "relu to", "wide", &[]).node(
            "Squeeze",
            "wide",
            "units",
            &[],
        ),
        // As PyTorch writes `x.view(x.size(0), -1)`.
        start()
            .integers("zero", &[0])
            .integers("rest", &[-1])
            .node("Shape", "relu", "shape", &[])
            .node("Gather", "shape zero", "images", &[])
            .node("Concat", "images rest", "to", &[int("axis", 0)])
            .node("Reshape", "relu to", "units", &[]),
        start().node("Identity", "relu", "same", &[]).node("Cast", "same", "cast", &[int("to", 1)]).node(
            "Flatten",
            "cast",
            "units",
            &[],
        ),
    ];
    for form in forms {
        assert_same(&reshaped(form), &plain().import());
    }
}

#[test]
fn padding_before_a_layer_becomes_its_own() {
    let padded = |graph: Graph| {
        graph.conv_arrays().node("Conv", "p w b", "conv", &[]).node("Relu", "conv", "relu", &[]).rest()
    };
    let pads = [0, 0, 1, 1, 0, 0, 1, 1];
    let forms = [
        Graph::new().opset(10).node("Pad", "x", "p", &[ints("pads", &pads), text("mode", "constant")]),
        Graph::new().integers("pads", &pads).node("Pad", "x pads", "p", &[]),
        Graph::new().integers("pads", &[1; 4]).integers("axes", &[-2, 3]).opset(18).node(
            "Pad",
            "x pads - axes",
            "p",
            &[],
        ),
    ];
    for form in forms {
        assert_same(&padded(form).import(), &plain().import());
    }
    let error =
        padded(Graph::new().node("Pad", "x", "p", &[ints("pads", &pads), text("mode", "reflect")])).refusal();
    assert!(error.message.contains("node `p` (Pad): mode is \"reflect\", expected constant"), "{error}");
    let value =
        padded(Graph::new().opset(10).node("Pad", "x", "p", &[ints("pads", &pads), float("value", 1.0)]));
    assert!(value.refusal().message.contains("padded with 1, expected 0"));
}

#[test]
fn columns_become_groups() {
    let kernels = numbers(1, KERNELS * 2 * 9);
    let (first, second) = kernels.split_at(kernels.len() / 2);
    let biases = numbers(2, KERNELS);
    // From three channels to four, so that there are two for each column.
    let start = || Graph::new().floats("w", &[4, 3, 1, 1], &numbers(9, 12)).node("Conv", "x w", "a", &[]);
    let arrays = |graph: Graph| {
        graph
            .floats("w1", &[2, 2, 3, 3], first)
            .floats("w2", &[2, 2, 3, 3], second)
            .floats("b1", &[2], &biases[..2])
            .floats("b2", &[2], &biases[2..])
    };
    let branches = |graph: Graph| {
        let pads = [ints("pads", &[1; 4])];
        arrays(graph)
            .node("Conv", "a1 w1 b1", "c1", &pads)
            .node("Conv", "a2 w2 b2", "c2", &pads)
            .node("Relu", "c1", "r1", &[])
            .node("Relu", "c2", "r2", &[])
            .node("Concat", "r1 r2", "relu", &[int("axis", 1)])
            .rest()
            .import()
    };
    let grouped = start()
        .floats("w2", &[4, 2, 3, 3], &kernels)
        .floats("b2", &[4], &biases)
        .node("Conv", "a w2 b2", "c", &[ints("pads", &[1; 4]), int("group", 2)])
        .node("Relu", "c", "relu", &[])
        .rest()
        .import();
    let forms = [
        start().integers("sizes", &[2, 2]).node("Split", "a sizes", "a1 a2", &[int("axis", 1)]),
        start().opset(11).node("Split", "a", "a1 a2", &[int("axis", 1), ints("split", &[2, 2])]),
        start().opset(18).node("Split", "a", "a1 a2", &[int("axis", 1), int("num_outputs", 2)]),
        start()
            .integers("zero", &[0])
            .integers("two", &[2])
            .integers("end", &[i64::MAX])
            .integers("axis", &[1])
            .node("Slice", "a zero two axis", "a1", &[])
            .node("Slice", "a two end axis", "a2", &[]),
    ];
    for form in forms {
        assert_same(&branches(form), &grouped);
    }
}

#[test]
fn branches_that_are_no_columns_are_refused() {
    let start = || {
        Graph::new().conv().integers("sizes", &[2, 2]).node("Split", "conv sizes", "a1 a2", &[int("axis", 1)])
    };
    let join =
        |graph: Graph, names: &str| graph.node("Concat", names, "relu", &[int("axis", 1)]).rest().refusal();
    for (error, expected) in [
        (join(start(), "a2 a1"), "not in their order"),
        (join(start().node("Relu", "a1", "r1", &[]), "r1 a2"), "do not have the same layers"),
        (
            join(start().node("Relu", "a1", "r1", &[]).node("Tanh", "a2", "r2", &[]), "r1 r2"),
            "joins branches whose layers differ",
        ),
        (
            Graph::new().conv().node("Add", "conv conv", "relu", &[]).rest().refusal(),
            "branches are not supported",
        ),
    ] {
        assert!(
            error.message.contains(expected) && error.message.contains("node `relu`"),
            "{expected}: {error}"
        );
    }
}

#[test]
fn the_size_of_the_input_is_that_of_the_file_or_assumed() {
    let open = |crop: Option<usize>| {
        let mut graph = Graph::new()
            .conv()
            .node("Relu", "conv", "relu", &[])
            .node("GlobalAveragePool", "relu", "mean", &[])
            .node("Flatten", "mean", "units", &[])
            .fc(KERNELS);
        graph.proto.input = vec![described("x", data_type::FLOAT, &[None, Some(3), None, None])];
        let input = crate::interop::onnx::GraphInput { crop, ..Default::default() };
        parse(&graph.bytes("y"), "test", None, &OnnxImport { input, classes: None }).unwrap()
    };
    assert_eq!(open(Some(32)).preprocess.crop, 32);
    let assumed = open(None);
    assert_eq!(assumed.preprocess.crop, 224);
    assert_notes(&assumed, "leaves the size of the input open: 224 x 224 pixels are assumed");
    let input = crate::interop::onnx::GraphInput { crop: Some(9), ..Default::default() };
    let error = parse(&plain().bytes("y"), "test", None, &OnnxImport { input, classes: None }).unwrap_err();
    assert!(error.message.contains("a crop of 9 pixels, but the input of the graph has 8"), "{error}");
}
