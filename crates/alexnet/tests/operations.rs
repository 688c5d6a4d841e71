//! Single operations against PyTorch: both roundings of pooling and convolution, normalization across and within
//! maps, locally connected layers. The numbers, the script that made them and its versions stand in `tests/golden/`.

use crate::support;

use std::collections::BTreeSet;

use alexnet_kernels::activation::Epilogue;
use alexnet_kernels::geometry::{
    ConvGeometry, Maps, NormGeometry, Normalization, PoolGeometry, Rounding, Window,
};
use alexnet_kernels::precision::Precision;
use alexnet_kernels::{conv, local, lrn, map_norm, pool};
use safetensors::SafeTensors;
use serde_json::Value;
use support::relative_rms;

const FILE: &[u8] = include_bytes!("golden/operations.safetensors");

/// Largest relative RMS difference from PyTorch's double precision.
const TOLERANCE: f64 = 1e-6;

/// One operation of the golden file.
struct Case<'a> {
    file: &'a SafeTensors<'a>,
    name: &'a str,
    settings: &'a Value,
}

impl Case<'_> {
    fn shape(&self, part: &str) -> Vec<usize> {
        self.file.tensor(&format!("{}.{part}", self.name)).expect("a part of the case").shape().to_vec()
    }

    fn values(&self, part: &str) -> Vec<f32> {
        let tensor = self.file.tensor(&format!("{}.{part}", self.name)).expect("a part of the case");
        tensor.data().as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
    }

    /// A batch of maps `[n, channels, height, width]`: their size and their values, channels last.
    fn maps(&self, part: &str) -> (Maps, Vec<f32>) {
        let [_, channels, height, width] = self.shape(part)[..] else {
            panic!("{part} is not a batch of maps")
        };
        let maps = Maps::new(height, width, channels);
        (maps, self.moved(part, &[1, channels, maps.pixels()], [0, 2, 1]))
    }

    /// The values of a part seen as blocks of three axes, with those axes in another order.
    fn moved(&self, part: &str, extents: &[usize; 3], order: [usize; 3]) -> Vec<f32> {
        let block = extents.iter().product();
        let values = self.values(part);
        values.chunks_exact(block).flat_map(|block| moved(block, extents, order)).collect()
    }

    fn number(&self, key: &str) -> f64 {
        self.settings[key].as_f64().unwrap_or_else(|| panic!("{}: no {key}", self.name))
    }

    fn count(&self, key: &str) -> usize {
        self.settings[key].as_u64().unwrap_or_else(|| panic!("{}: no {key}", self.name)) as usize
    }

    /// The case's rounding: from its name, or up, as the 2012 program rounds.
    fn rounding(&self) -> Rounding {
        if self.name.ends_with("down") { Rounding::Down } else { Rounding::Up }
    }

    /// Weights `[sets, out, in, taps]` as the kernels have them, `[sets, taps, in, out]`.
    fn weights(&self, part: &str, g: &ConvGeometry) -> Vec<f32> {
        let taps = g.window().kernel * g.window().kernel;
        self.moved(part, &[g.group_outputs(), g.group_inputs(), taps], [2, 1, 0])
    }

    fn check(&self, what: &str, found: &[f32], expected: &[f32]) {
        let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
        assert_eq!(found.len(), expected.len(), "{}: {what}", self.name);
        let difference = relative_rms(wide(found), wide(expected));
        assert!(difference < TOLERANCE, "{}: {what} differs by {difference:e}", self.name);
    }
}

/// The three axes of a block in another order.
fn moved(block: &[f32], extents: &[usize; 3], order: [usize; 3]) -> Vec<f32> {
    let strides = [extents[1] * extents[2], extents[2], 1];
    let [first, second, third] = order.map(|axis| (0..extents[axis]).map(move |i| i * strides[axis]));
    let offsets = first.flat_map(|a| {
        let third = third.clone();
        second.clone().flat_map(move |b| third.clone().map(move |c| a + b + c))
    });
    offsets.map(|offset| block[offset]).collect()
}

type Forward = fn(&NormGeometry, usize, &[f32], &mut [f32]);
type Backward = fn(&NormGeometry, usize, &[f32], &[f32], Epilogue, &mut [f32]);

fn check_norm(case: &Case<'_>, groups: usize, forward: Forward, backward: Backward) {
    let (maps, x) = case.maps("input");
    let (_, dy) = case.maps("d_output");
    let [alpha, beta, k] = ["alpha", "beta", "k"].map(|key| case.number(key));
    let constants = Normalization { size: case.count("size"), alpha, beta, k };
    let g = NormGeometry::new(maps, groups, constants).unwrap();
    let (mut y, mut dx) = (dy.clone(), x.clone());
    forward(&g, x.len() / maps.len(), &x, &mut y);
    backward(&g, x.len() / maps.len(), &x, &dy, Epilogue::Identity, &mut dx);
    case.check("output", &y, &case.maps("output").1);
    case.check("input gradient", &dx, &case.maps("d_input").1);
}

fn check_pool(case: &Case<'_>) {
    let (maps, x) = case.maps("input");
    let (output, dy) = case.maps("d_output");
    let (kernel, stride) = (case.count("kernel"), case.count("stride"));
    let g = PoolGeometry::new(maps, Window { kernel, stride, pad: 0, rounding: case.rounding() }).unwrap();
    assert_eq!(g.output(), output, "{}", case.name);
    let (n, mut y, mut dx) = (x.len() / maps.len(), dy.clone(), x.clone());
    if case.name.starts_with("max") {
        pool::max_forward(&g, n, &x, &mut y);
        pool::max_backward(&g, n, &x, &dy, Epilogue::Identity, &mut dx);
    } else {
        pool::avg_forward(&g, n, &x, &mut y);
        pool::avg_backward(&g, n, &x, &dy, Epilogue::Identity, &mut dx);
    }
    case.check("output", &y, &case.maps("output").1);
    case.check("input gradient", &dx, &case.maps("d_input").1);
}

fn check_conv(case: &Case<'_>, is_local: bool) {
    let (maps, x) = case.maps("input");
    let (output, dy) = case.maps("d_output");
    let kernel = *case.shape("weight").last().expect("weights have axes");
    let (stride, pad, groups) = (case.count("stride"), case.count("pad"), case.count("groups"));
    let window = Window { kernel, stride, pad, rounding: case.rounding() };
    let g = ConvGeometry::new(maps, output.channels, window, groups).unwrap();
    assert_eq!(g.output(), output, "{}", case.name);
    let (n, w, bias) = (x.len() / maps.len(), case.weights("weight", &g), case.values("bias"));
    let (mut y, mut dx, mut dw, mut dbias) = (dy.clone(), x.clone(), w.clone(), bias.clone());
    if is_local {
        local::forward(&g, n, &x, &w, &bias, &mut y);
        local::backward_input(&g, n, &dy, &w, &mut dx);
        local::backward_weights(&g, n, &x, &dy, &mut dw, &mut dbias);
    } else {
        conv::forward(&g, Precision::F32, n, &x, &w, &bias, Epilogue::Identity, &mut y);
        conv::backward_input(&g, Precision::F32, n, &dy, &w, &mut dx);
        conv::backward_weights(&g, Precision::F32, n, &x, &dy, &mut dw, &mut dbias);
    }
    case.check("output", &y, &case.maps("output").1);
    case.check("input gradient", &dx, &case.maps("d_input").1);
    case.check("weight gradient", &dw, &case.weights("d_weight", &g));
    case.check("bias gradient", &dbias, &case.values("d_bias"));
}

#[test]
fn every_operation_agrees_with_pytorch() {
    let file = SafeTensors::deserialize(FILE).expect("the golden file is a safetensors file");
    let (_, header) = SafeTensors::read_metadata(FILE).expect("the golden file has a header");
    let metadata = header.metadata().as_ref().expect("the golden file says how it was made");
    let golden: Value = serde_json::from_str(&metadata["golden"]).expect("the entry is JSON");
    let names: BTreeSet<String> =
        file.names().iter().map(|name| name.split('.').next().unwrap_or_default().to_owned()).collect();
    assert_eq!(names.len(), 12, "a case was added or lost: {names:?}");
    for name in &names {
        let case = Case { file: &file, name, settings: &golden["settings"][name] };
        match &name[..3] {
            "map" => check_norm(&case, 1, map_norm::forward, map_norm::backward),
            "lrn" => check_norm(&case, case.count("groups"), lrn::forward, lrn::backward),
            "max" | "avg" => check_pool(&case),
            "con" => check_conv(&case, false),
            "loc" => check_conv(&case, true),
            _ => panic!("what operation is {name}?"),
        }
    }
}
