//! Layers, and nodes that become a part of one.

use super::*;
use crate::net::{Activation, DropoutScale, PoolSpec, RoundingSpec};

/// The maps of the plain network, pooled by a node with these attributes to `side` pixels.
fn pooled(operator: &str, attributes: &[AttributeProto], side: usize) -> Graph {
    Graph::new()
        .conv()
        .node(operator, "conv", "pool", attributes)
        .node("Flatten", "pool", "units", &[])
        .fc(KERNELS * side * side)
}

fn pool_spec(imported: &Imported) -> PoolSpec {
    match specs(imported)[1] {
        Spec::MaxPool(pool) | Spec::AvgPool(pool) => pool.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn padding_of_pooling_is_kept() {
    let window =
        |more: &[AttributeProto]| [&[ints("kernel_shape", &[3, 3]), ints("strides", &[2, 2])], more].concat();
    let down = RoundingSpec::Down;
    for (more, side, pad, rounding) in [
        (vec![], 3, 0, down),
        (vec![ints("pads", &[1; 4])], 4, 1, down),
        (vec![ints("pads", &[0, 0, 1, 1])], 4, 0, RoundingSpec::Up),
        (vec![int("ceil_mode", 1)], 4, 0, RoundingSpec::Up),
        (vec![text("auto_pad", "SAME_UPPER")], 4, 0, RoundingSpec::Up),
        (vec![text("auto_pad", "SAME_LOWER")], 4, 1, down),
        (vec![text("auto_pad", "VALID"), ints("dilations", &[1, 1])], 3, 0, down),
    ] {
        let imported = pooled("MaxPool", &window(&more), side).import();
        assert_eq!(pool_spec(&imported), PoolSpec { kernel: 3, stride: 2, pad, rounding }, "{more:?}");
    }
    // Averages that leave out the padding, which is the default.
    let average = pooled("AveragePool", &window(&[ints("pads", &[1; 4])]), 4).import();
    assert!(matches!(specs(&average)[1], Spec::AvgPool(PoolSpec { pad: 1, .. })));
    let counted = window(&[ints("pads", &[1; 4]), int("count_include_pad", 1)]);
    let error = pooled("AveragePool", &counted, 4).refusal();
    assert!(error.message.contains("node `pool` (AveragePool): padding counts in the averages"), "{error}");
}

#[test]
fn a_mean_of_each_map_is_pooling() {
    let mean = |node: fn(Graph) -> Graph| {
        node(Graph::new().conv()).node("Flatten", "mean", "units", &[]).fc(KERNELS).import()
    };
    let expected = PoolSpec { kernel: SIDE, stride: 1, pad: 0, rounding: RoundingSpec::Down };
    for imported in [
        mean(|graph| graph.node("GlobalAveragePool", "conv", "mean", &[])),
        mean(|graph| graph.node("ReduceMean", "conv", "mean", &[ints("axes", &[-1, -2])])),
        mean(|graph| graph.node("ReduceMean", "conv", "mean", &[ints("axes", &[2, 3]), int("keepdims", 0)])),
        mean(|graph| graph.integers("axes", &[2, 3]).opset(18).node("ReduceMean", "conv axes", "mean", &[])),
    ] {
        assert_eq!(pool_spec(&imported), expected);
    }
}

#[test]
fn activations_are_layers() {
    for (operator, activation) in
        [("Relu", Activation::Relu), ("Tanh", Activation::Tanh), ("Sigmoid", Activation::Logistic)]
    {
        let imported = Graph::new().conv().node(operator, "conv", "relu", &[]).rest().import();
        let found = match specs(&imported)[1] {
            Spec::Relu {} => Activation::Relu,
            Spec::Tanh {} => Activation::Tanh,
            Spec::Logistic {} => Activation::Logistic,
            other => panic!("{other:?}"),
        };
        assert_eq!(found, activation);
    }
}

#[test]
fn batch_normalization_is_folded() {
    let (scale, bias) = (numbers(5, KERNELS), numbers(6, KERNELS));
    let mean = numbers(7, KERNELS);
    let variance: Vec<f32> = numbers(8, KERNELS).iter().map(|value| 1.5 + value).collect();
    let normalized = Graph::new()
        .conv()
        .floats("s", &[KERNELS], &scale)
        .floats("o", &[KERNELS], &bias)
        .floats("m", &[KERNELS], &mean)
        .floats("v", &[KERNELS], &variance)
        .node("BatchNormalization", "conv s o m v", "norm", &[float("epsilon", 1e-3)])
        .node("Relu", "norm", "relu", &[])
        .rest()
        .import();
    assert_notes(&normalized, "batch normalization became a part of the weights");
    let factors: Vec<f32> =
        scale.iter().zip(&variance).map(|(scale, variance)| scale / (variance + 1e-3).sqrt()).collect();
    let weights: Vec<f32> =
        numbers(1, KERNELS * 27).iter().enumerate().map(|(at, value)| value * factors[at / 27]).collect();
    let biases: Vec<f32> =
        (0..KERNELS).map(|at| (numbers(2, KERNELS)[at] - mean[at]) * factors[at] + bias[at]).collect();
    let expected = Graph::new()
        .floats("w", &[KERNELS, 3, 3, 3], &weights)
        .floats("b", &[KERNELS], &biases)
        .node("Conv", "x w b", "conv", &[ints("pads", &[1; 4])])
        .node("Relu", "conv", "relu", &[])
        .rest()
        .import();
    assert_same(&normalized, &expected);
}

#[test]
fn factors_and_offsets_of_channels_are_folded() {
    let shape = [KERNELS, 1, 1];
    let added = Graph::new()
        .conv_arrays()
        .floats("o", &shape, &numbers(2, KERNELS))
        .node("Conv", "x w", "product", &[ints("pads", &[1; 4])])
        .node("Add", "o product", "conv", &[])
        .node("Relu", "conv", "relu", &[])
        .rest();
    assert_same(&added.import(), &plain().import());
    let twice = Graph::new()
        .floats(
            "half",
            &[KERNELS, 3, 3, 3],
            &numbers(1, KERNELS * 27).iter().map(|w| w / 2.0).collect::<Vec<_>>(),
        )
        .floats("b", &[KERNELS], &numbers(2, KERNELS).iter().map(|b| b / 2.0).collect::<Vec<_>>())
        .floats("two", &[1, KERNELS, 1, 1], &[2.0; KERNELS])
        .node("Conv", "x half b", "product", &[ints("pads", &[1; 4])])
        .node("Mul", "product two", "conv", &[])
        .node("Relu", "conv", "relu", &[])
        .rest();
    assert_same(&twice.import(), &plain().import());
}

#[test]
fn fully_connected_layers_have_several_forms() {
    let inputs = KERNELS * SIDE * SIDE;
    let start =
        || Graph::new().conv().node("Relu", "conv", "relu", &[]).node("Flatten", "relu", "units", &[]);
    let weights = numbers(3, OUTPUTS * inputs);
    let transposed: Vec<f32> =
        (0..inputs * OUTPUTS).map(|at| weights[at % OUTPUTS * inputs + at / OUTPUTS]).collect();
    let columns = || {
        start().floats("wt", &[inputs, OUTPUTS], &transposed).floats("fb", &[OUTPUTS], &numbers(4, OUTPUTS))
    };
    let half: Vec<f32> = numbers(4, OUTPUTS).iter().map(|bias| bias / 2.0).collect();
    let doubled: Vec<f32> = weights.iter().map(|weight| weight * 2.0).collect();
    let forms = [
        columns().node("MatMul", "units wt", "product", &[]).node("Add", "product fb", "y", &[]),
        columns().node("Gemm", "units wt fb", "y", &[]),
        start().fc_arrays(inputs).node("Transpose", "fw", "ft", &[ints("perm", &[1, 0])]).node(
            "Gemm",
            "units ft fb",
            "y",
            &[],
        ),
        start().floats("fw", &[OUTPUTS, inputs], &doubled).floats("fb", &[1, OUTPUTS], &half).node(
            "Gemm",
            "units fw fb",
            "y",
            &[int("transB", 1), float("alpha", 0.5), float("beta", 2.0)],
        ),
        // A convolution over the whole map.
        Graph::new()
            .conv()
            .node("Relu", "conv", "relu", &[])
            .floats("fw", &[OUTPUTS, KERNELS, SIDE, SIDE], &weights)
            .floats("fb", &[OUTPUTS], &numbers(4, OUTPUTS))
            .node("Conv", "relu fw fb", "maps", &[])
            .node("Flatten", "maps", "y", &[]),
    ];
    for form in forms {
        assert_same(&form.import(), &plain().import());
    }
}

#[test]
fn dropout_computes_nothing_and_is_kept_for_training() {
    let start = || Graph::new().conv().node("Relu", "conv", "before", &[]);
    let forms = [
        start().opset(11).node("Dropout", "before", "relu mask", &[float("ratio", 0.25)]),
        start().floats("ratio", &[], &[0.25]).node("Dropout", "before ratio", "relu", &[int("seed", 7)]),
    ];
    for form in forms {
        let imported = form.rest().import();
        assert_eq!(specs(&imported)[2], &Spec::Dropout { rate: 0.25, scale: DropoutScale::Train });
    }
    // Without a ratio, a half.
    let imported = start().node("Dropout", "before", "relu", &[]).rest().import();
    assert_eq!(specs(&imported)[2], &Spec::Dropout { rate: 0.5, scale: DropoutScale::Train });
    let training = start()
        .floats("ratio", &[], &[0.25])
        .tensor(TensorProto {
            data_type: data_type::BOOL,
            name: "t".into(),
            raw_data: vec![1],
            ..TensorProto::default()
        })
        .node("Dropout", "before ratio t", "relu", &[])
        .rest()
        .refusal();
    assert!(training.message.contains("training_mode is true"), "{training}");
}

#[test]
fn a_softmax_at_the_end_is_left_out() {
    for (operator, opset) in [("Softmax", 17), ("Softmax", 11), ("LogSoftmax", 13)] {
        let imported = plain().opset(opset).node(operator, "y", "p", &[int("axis", 1)]).import_from("p");
        assert_same(&imported, &plain().import());
        assert_notes(&imported, "softmax at the end is left out: outputs are logits here");
    }
    let error = Graph::new()
        .conv()
        .node("Relu", "conv", "before", &[])
        .node("Flatten", "before", "flat", &[])
        .node("Softmax", "flat", "units", &[int("axis", 1)])
        .fc(KERNELS * SIDE * SIDE)
        .refusal();
    assert!(error.message.contains("node `units` (Softmax)"), "{error}");
}

#[test]
fn response_normalization_is_read_with_its_constants() {
    let attributes = [int("size", 5), float("alpha", 5e-4), float("beta", 0.75), float("bias", 2.0)];
    let imported = Graph::new().conv().node("LRN", "conv", "relu", &attributes).rest().import();
    let expected = Spec::Lrn { size: 5, alpha: 5e-4, beta: 0.75, k: 2.0, alpha_over_size: true, groups: 1 };
    assert_eq!(specs(&imported)[1], &expected);
    assert_notes(&imported, "Caffe's is assumed, since the network has the operator LRN");
    let error = Graph::new().conv().node("LRN", "conv", "relu", &[int("size", 4)]).rest().refusal();
    assert!(error.message.contains("size is 4, expected an odd number"), "{error}");
}
