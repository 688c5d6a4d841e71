//! The backward passes of the references are the derivatives of their forward passes, by central differences in `f64`.

mod kit;

use kit::{cases::*, check_gradients, shapes};
use proptest::prelude::*;

proptest! {
    #![proptest_config(shapes::draw(32))]

    #[test]
    fn conv(g in shapes::conv(), batch in 1..3_usize) {
        prop_assume!(batch * g.macs() < 20_000);
        check_gradients(&Conv { g, batch });
    }

    #[test]
    fn local(g in shapes::conv(), batch in 1..3_usize) {
        prop_assume!(batch * g.macs() < 20_000);
        check_gradients(&Local { g, batch });
    }

    #[test]
    fn fc(batch in 1..4_usize, inputs in 1..20_usize, outputs in 1..20_usize) {
        check_gradients(&Fc::new(batch, inputs, outputs));
    }

    #[test]
    fn pool(g in shapes::pool(), batch in 1..3_usize) {
        check_gradients(&MaxPool { g, batch });
        check_gradients(&AvgPool { g, batch });
    }

    #[test]
    fn lrn(g in shapes::norm(), batch in 1..3_usize) {
        check_gradients(&Lrn { g, batch });
    }

    #[test]
    fn map_norm(g in shapes::norm(), batch in 1..3_usize) {
        check_gradients(&MapNorm { g, batch });
    }

    #[test]
    fn activation(len in 1..100_usize) {
        for curve in [Curve::Relu, Curve::Tanh, Curve::Logistic] {
            check_gradients(&Activation { curve, len });
        }
    }

    #[test]
    fn dropout(key in any::<u64>(), units in 1..60_usize) {
        check_gradients(&Dropout { keys: vec![key, !key], units, rate: 0.5, scale: 2.0 });
    }

    #[test]
    fn softmax_loss(classes in 2..20_usize, seeds in prop::collection::vec(any::<u32>(), 1..4)) {
        let labels = seeds.iter().map(|seed| seed % classes as u32).collect();
        check_gradients(&SoftmaxLoss { labels, classes });
    }
}
