//! The fast kernels agree with the references in `f64`, on random shapes.

mod kit;

use alexnet_kernels::geometry::{Maps, NormGeometry, Normalization};
use alexnet_kernels::isa::Isa;
use alexnet_kernels::precision::Precision;
use alexnet_kernels::sgd::SgdSettings;
use alexnet_kernels::{
    activation, activation::Epilogue, conv, dropout, f16, fc, loss, lrn, map_norm, pool, sgd,
};
use kit::{Case, bits, cases::*, check_agreement, check_winograd_agreement, double, shapes, single, spread};
use proptest::prelude::*;

/// The paper's settings (section 5).
const PAPER: SgdSettings = SgdSettings { learning_rate: 0.01, momentum: 0.9, weight_decay: 0.0005 };

proptest! {
    #![proptest_config(shapes::draw(256))]

    #[test]
    fn conv(g in shapes::conv(), batch in 1..4_usize) {
        check_agreement(&Conv { g, batch });
    }

    /// Few channels and more maps, as in a first layer.
    #[test]
    fn narrow_conv(g in shapes::narrow_conv(), batch in 1..12_usize) {
        check_agreement(&Conv { g, batch });
    }

    #[test]
    fn narrow_local(g in shapes::narrow_conv(), batch in 1..30_usize) {
        prop_assume!(g.local_weights() < 200_000);
        check_agreement(&Local { g, batch });
    }

    #[test]
    fn local(g in shapes::conv(), batch in 1..4_usize) {
        prop_assume!(g.local_weights() < 200_000);
        check_agreement(&Local { g, batch });
    }

    #[test]
    fn fc(batch in 1..20_usize, inputs in 1..150_usize, outputs in 1..80_usize) {
        check_agreement(&Fc::new(batch, inputs, outputs));
    }

    /// The fused step has the bits of the gradient followed by the update.
    #[test]
    fn fc_step(batch in 1..20_usize, inputs in 1..1500_usize, outputs in 1..150_usize) {
        let case = Fc::new(batch, inputs, outputs);
        let tensors = single(&case.inputs());
        let ([x, w, _, dy], v) = (&tensors[..], spread(inputs * outputs, 9)) else { unreachable!() };
        let v = single(&[v]).remove(0);
        for precision in Precision::ALL {
            let (mut apart, mut fused) = ([w.clone(), v.clone()], [w.clone(), v.clone()]);
            let (mut dw, mut dbias) = (w.clone(), vec![0.0; outputs]);
            fc::backward_weights(&case.g, precision, batch, x, dy, &mut dw, &mut dbias);
            let [w, v] = &mut apart;
            prop_assert!(sgd::step(w, v, &dw, PAPER));
            let [w, v] = &mut fused;
            prop_assert!(fc::step(&case.g, precision, batch, x, dy, w, v, PAPER));
            prop_assert_eq!(bits(&apart), bits(&fused));
        }
    }

    /// Weights in half precision give the results of the same values in single precision.
    #[test]
    fn fc_f16(batch in 1..20_usize, inputs in 1..150_usize, outputs in 1..80_usize) {
        let case = Fc::new(batch, inputs, outputs);
        let mut tensors = single(&case.inputs());
        let halves: Vec<u16> = tensors[1].iter().map(|&w| f16::from_f32(w)).collect();
        tensors[1] = halves.iter().map(|&w| f16::to_f32(w)).collect();
        let mut y = vec![0.0; batch * outputs];
        fc::forward_f16(&case.g, batch, &tensors[0], &halves, &tensors[2], &mut y);
        prop_assert_eq!(kit::agree(&[y], &case.reference(&double(&tensors))[..1]), Ok(()));
    }

    #[test]
    fn max_pool(g in shapes::pool(), batch in 1..4_usize) {
        check_agreement(&MaxPool { g, batch });
    }

    /// Values on a coarse grid, so that most windows have several maxima.
    #[test]
    fn max_pool_with_ties(g in shapes::pool(), batch in 1..4_usize) {
        let case = MaxPool { g, batch };
        let mut inputs = single(&case.inputs());
        inputs[0].iter_mut().for_each(|x| *x = (*x * 2.0).round());
        prop_assert_eq!(bits(&case.fast(&inputs)), bits(&case.reference(&inputs)));
    }

    #[test]
    fn avg_pool(g in shapes::pool(), batch in 1..4_usize) {
        check_agreement(&AvgPool { g, batch });
    }

    #[test]
    fn lrn(g in shapes::norm(), batch in 1..4_usize) {
        check_agreement(&Lrn { g, batch });
    }

    #[test]
    fn map_norm(g in shapes::norm(), batch in 1..4_usize) {
        check_agreement(&MapNorm { g, batch });
    }

    #[test]
    fn activation(len in 1..300_usize) {
        for curve in [Curve::Relu, Curve::Tanh, Curve::Logistic] {
            check_agreement(&Activation { curve, len });
        }
    }

    /// To the bit: which units are dropped, and the values of the others.
    #[test]
    fn dropout(keys in prop::collection::vec(any::<u64>(), 1..4), units in 1..200_usize, rate in 0.0..=1.0_f32) {
        let case = Dropout { keys, units, rate, scale: 1.0 / (1.0 - rate.min(0.9)) };
        let inputs = single(&case.inputs());
        prop_assert_eq!(bits(&case.fast(&inputs)), bits(&case.reference(&inputs)));
    }

    #[test]
    fn softmax_loss(classes in 1..50_usize, seeds in prop::collection::vec(any::<u32>(), 1..6)) {
        let labels = seeds.iter().map(|seed| seed % classes as u32).collect();
        check_agreement(&SoftmaxLoss { labels, classes });
    }

    #[test]
    fn softmax(batch in 1..5_usize, classes in 1..50_usize) {
        let logits = single(&[spread(batch * classes, 1)]);
        let mut fast = logits.clone();
        loss::softmax(&logits[0], batch, classes, &mut fast[0]);
        let mut reference = double(&logits);
        loss::reference::softmax(&double(&logits)[0], batch, classes, &mut reference[0]);
        prop_assert_eq!(kit::agree(&fast, &reference), Ok(()));
    }

    #[test]
    fn sgd(len in 1..300_usize) {
        let inputs = single(&[spread(len, 1), spread(len, 2), spread(len, 3)]);
        let (mut fast, mut reference) = (inputs.clone(), double(&inputs));
        let ([w, v, _], [w64, v64, _]) = (&mut fast[..], &mut reference[..]) else { unreachable!() };
        sgd::step(w, v, &inputs[2], PAPER);
        let settings = SgdSettings {
            learning_rate: PAPER.learning_rate.into(),
            momentum: PAPER.momentum.into(),
            weight_decay: PAPER.weight_decay.into(),
        };
        sgd::reference::step(w64, v64, &double(&inputs)[2], settings);
        prop_assert_eq!(kit::agree(&fast, &reference), Ok(()));
    }
}

proptest! {
    #![proptest_config(shapes::draw(64))]

    #[test]
    fn winograd_conv((g, batch) in shapes::winograd_conv()) {
        check_winograd_agreement(&Conv { g, batch });
    }

    #[test]
    fn folded_conv((g, batch) in shapes::folded_conv()) {
        check_winograd_agreement(&Conv { g, batch });
    }
}

proptest! {
    #![proptest_config(shapes::draw(64))]

    /// A rectifier fused into its neighbors gives the bits of a separate one.
    #[test]
    fn fused_rectifiers(g in shapes::norm(), (conv, batch) in shapes::winograd_conv(), other in shapes::conv()) {
        let x = &single(&[spread(g.maps().len(), 1)])[0];
        let dy = &single(&[spread(g.maps().len(), 2)])[0];
        let mut rectified = x.clone();
        activation::relu(&mut rectified);
        let (mut apart, mut fused) = (dy.clone(), dy.clone());
        lrn::backward(&g, 1, &rectified, dy, Epilogue::Identity, &mut apart);
        activation::relu_backward(&rectified, &mut apart);
        lrn::backward(&g, 1, &rectified, dy, Epilogue::Relu, &mut fused);
        prop_assert_eq!(&apart, &fused);
        map_norm::backward(&g, 1, &rectified, dy, Epilogue::Identity, &mut apart);
        activation::relu_backward(&rectified, &mut apart);
        map_norm::backward(&g, 1, &rectified, dy, Epilogue::Relu, &mut fused);
        prop_assert_eq!(bits(&[apart]), bits(&[fused]));
        for (g, batch) in [(conv, batch), (other, 2)] {
            let inputs = single(&[
                spread(batch * g.input().len(), 1),
                spread(g.weights(), 2),
                spread(g.output().channels, 3),
            ]);
            let (mut apart, mut fused) =
                (vec![0.0; batch * g.output().len()], vec![0.0; batch * g.output().len()]);
            conv::forward(&g, Precision::F32, batch, &inputs[0], &inputs[1], &inputs[2], Epilogue::Identity, &mut apart);
            activation::relu(&mut apart);
            conv::forward(&g, Precision::F32, batch, &inputs[0], &inputs[1], &inputs[2], Epilogue::Relu, &mut fused);
            prop_assert_eq!(&apart, &fused);
        }
    }

    /// A rectifier below a pooling layer, whose windows have ties at zero.
    #[test]
    fn rectifiers_fused_into_pooling(g in shapes::pool()) {
        let (mut x, dy) = (single(&[spread(g.input().len(), 1)]).remove(0), &single(&[spread(g.output().len(), 2)])[0]);
        activation::relu(&mut x);
        for backward in [pool::max_backward, pool::avg_backward] {
            let (mut apart, mut fused) = (x.clone(), x.clone());
            backward(&g, 1, &x, dy, Epilogue::Identity, &mut apart);
            activation::relu_backward(&x, &mut apart);
            backward(&g, 1, &x, dy, Epilogue::Relu, &mut fused);
            prop_assert_eq!(bits(&[apart]), bits(&[fused]));
        }
    }

    /// Maps that fill registers, which random shapes seldom do.
    #[test]
    fn wide_lrn(width in shapes::channels(1, 9), groups in 1..3_usize, side in 1..8_usize, size in 1..10_usize) {
        let constants = Normalization { size, alpha: 0.2, beta: 0.75, k: 2.0 };
        let g = NormGeometry::new(Maps::new(side, 7, groups * width), groups, constants).unwrap();
        check_agreement(&Lrn { g, batch: 2 });
    }
}

#[test]
fn dropout_keeps_the_right_fraction() {
    let mut values = vec![1.0; 400_000];
    for rate in [0.0, 0.2, 0.5, 1.0] {
        values.fill(1.0);
        dropout::apply(&mut values, 4, &[1, 2, 3, 4], rate, 1.0);
        for image in values.chunks(100_000) {
            let kept = image.iter().sum::<f32>() / 100_000.0;
            // Four standard deviations of a binomial distribution.
            assert!(
                (kept - (1.0 - rate)).abs() <= 4.0 * (rate * (1.0 - rate) / 100_000.0).sqrt(),
                "rate {rate}: {kept}"
            );
        }
        assert!(rate == 0.0 || rate == 1.0 || values[..100_000] != values[100_000..200_000]);
    }
    values.fill(2.0);
    dropout::scale(&mut values, 0.25);
    assert!(values.iter().all(|&value| value == 0.5));
}

/// Runs all tests of this file again with each of the other instruction sets.
#[test]
fn every_instruction_set_passes() {
    const GUARD: &str = "ALEXNET_KERNELS_TESTED_AGAIN";
    if std::env::var_os(GUARD).is_some() {
        return;
    }
    for isa in Isa::available().filter(|&isa| isa != Isa::current()) {
        let mut tests = std::process::Command::new(std::env::current_exe().unwrap());
        let output = tests.env(GUARD, "1").env("ALEXNET_KERNELS", isa.name()).output().unwrap();
        assert!(output.status.success(), "{}:\n{}", isa.name(), String::from_utf8_lossy(&output.stdout));
    }
}
