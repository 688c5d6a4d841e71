//! Results have the same bits at any number of threads, on shapes large enough to be split between them.

mod kit;

use alexnet_kernels::geometry::{
    ConvGeometry, FcGeometry, Maps, NormGeometry, Normalization, PoolGeometry, Rounding, Window,
};
use alexnet_kernels::precision::Precision;
use alexnet_kernels::sgd::SgdSettings;
use alexnet_kernels::{fc, sgd};
use kit::{bits, cases::*, check_threads, single, spread};

const BATCH: usize = 5;

fn window(kernel: usize, stride: usize, pad: usize) -> Window {
    Window { kernel, stride, pad, rounding: Rounding::Up }
}

#[test]
fn convolutions() {
    for (maps, window, groups) in
        [(32, window(5, 1, 2), 2), (30, window(7, 3, 0), 5), (48, window(3, 2, 1), 1)]
    {
        let g = ConvGeometry::new(Maps::new(23, 21, 30), maps, window, groups).unwrap();
        check_threads(&Conv { g, batch: BATCH });
        check_threads(&Bf16Conv { g, batch: BATCH });
        check_threads(&Local { g, batch: BATCH });
    }
    let narrow = ConvGeometry::new(Maps::new(32, 30, 3), 48, window(5, 1, 2), 1).unwrap();
    check_threads(&Conv { g: narrow, batch: 2 * BATCH });
}

#[test]
fn fully_connected() {
    check_threads(&Fc::new(1, 1000, 300));
    check_threads(&Fc::new(40, 1000, 300));
    check_threads(&Bf16Fc::new(40, 1000, 300));
}

#[test]
fn pools() {
    let g = PoolGeometry::new(Maps::new(27, 27, 96), window(3, 2, 0)).unwrap();
    check_threads(&MaxPool { g, batch: BATCH });
    check_threads(&AvgPool { g, batch: BATCH });
}

#[test]
fn normalizations() {
    let constants = Normalization { size: 5, alpha: 1e-2, beta: 0.75, k: 2.0 };
    let g = NormGeometry::new(Maps::new(27, 27, 96), 2, constants).unwrap();
    check_threads(&Lrn { g, batch: BATCH });
    check_threads(&MapNorm { g, batch: BATCH });
}

#[test]
fn elementwise() {
    for curve in [Curve::Relu, Curve::Tanh, Curve::Logistic] {
        check_threads(&Activation { curve, len: 100_003 });
    }
    check_threads(&Dropout { keys: vec![1, 2, 3], units: 50_001, rate: 0.5, scale: 2.0 });
    check_threads(&SoftmaxLoss { labels: (0..200).collect(), classes: 1000 });
}

/// A single non-finite weight is reported, wherever it is and whatever caused it.
#[test]
fn steps_report_non_finite_weights() {
    let len = 40_000;
    for (value, gradient) in [(f32::NAN, 0.0), (0.0, f32::INFINITY), (f32::MAX, -f32::MAX)] {
        for at in [0, 7, 16_383, 16_384, len - 1] {
            let [mut w, mut v, mut g] = [vec![0.5; len], vec![0.0; len], vec![0.1; len]];
            let settings = SgdSettings { learning_rate: 1.0, momentum: 0.9, weight_decay: 0.0 };
            assert!(sgd::step(&mut w, &mut v, &g, settings));
            (w[at], g[at]) = (value, gradient);
            assert!(!sgd::step(&mut w, &mut v, &g, settings), "{value}, {gradient} at {at}");
        }
    }
    let (g, batch) = (FcGeometry::new(700, 90).unwrap(), 3);
    let settings = SgdSettings { learning_rate: 0.1, momentum: 0.9, weight_decay: 0.0 };
    let [x, mut dy] = [vec![0.5; batch * g.inputs()], vec![0.1; batch * g.outputs()]];
    let [mut w, mut v] = [vec![0.0; g.weights()], vec![0.0; g.weights()]];
    assert!(fc::step(&g, Precision::F32, batch, &x, &dy, &mut w, &mut v, settings));
    dy[g.outputs() - 1] = f32::NAN;
    assert!(!fc::step(&g, Precision::F32, batch, &x, &dy, &mut w, &mut v, settings));
}

#[test]
fn sgd_step() {
    let len = 100_003;
    let inputs = single(&[spread(len, 1), spread(len, 2), spread(len, 3)]);
    let [one, two, four] = [1, 2, 4].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let [mut w, mut v] = [inputs[0].clone(), inputs[1].clone()];
        let settings = SgdSettings { learning_rate: 0.01, momentum: 0.9, weight_decay: 0.0005 };
        pool.install(|| sgd::step(&mut w, &mut v, &inputs[2], settings));
        bits(&[w, v])
    });
    assert!(one == two && one == four);
}
