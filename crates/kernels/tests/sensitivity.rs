//! Tests of the tests: the tolerance in use detects an operation that is slightly wrong.

mod kit;

use alexnet_kernels::geometry::{
    ConvGeometry, Maps, NormGeometry, Normalization, PoolGeometry, Rounding, Window,
};
use kit::{Case, agree, bits, cases::*, double, single};

/// The paper's constants.
const PAPER: Normalization = Normalization { size: 5, alpha: 1e-4, beta: 0.75, k: 2.0 };

fn lrn(constants: Normalization) -> Lrn {
    Lrn { g: NormGeometry::new(Maps::new(5, 5, 24), 2, constants).unwrap(), batch: 2 }
}

/// Panics unless each output of the first case differs from that of the second by more than the tolerance.
fn assert_distinguishable(one: &impl Case, other: &impl Case) {
    let inputs = single(&one.inputs());
    let (fast, reference) = (one.fast(&inputs), other.reference(&double(&inputs)));
    for (i, (fast, reference)) in fast.into_iter().zip(reference).enumerate() {
        let differ = fast.len() != reference.len() || agree(&[fast], &[reference]).is_err();
        assert!(differ, "output {i} of {one:?} agrees with {other:?}");
    }
}

#[test]
fn lrn_is_not_the_identity() {
    // With k = 1 only the normalization itself remains, an effect of about 1e-4.
    for k in [1.0, 2.0] {
        let case = lrn(Normalization { k, ..PAPER });
        let inputs = single(&case.inputs());
        let outputs = case.fast(&inputs);
        for (output, input) in outputs.iter().zip(double(&inputs)) {
            assert!(agree(std::slice::from_ref(output), &[input]).is_err(), "k = {k}");
        }
    }
}

#[test]
fn lrn_constants_matter() {
    assert_distinguishable(&lrn(Normalization { alpha: PAPER.alpha / 5.0, ..PAPER }), &lrn(PAPER));
    assert_distinguishable(&lrn(Normalization { size: 4, ..PAPER }), &lrn(PAPER));
    assert_distinguishable(&lrn(Normalization { size: 3, ..PAPER }), &lrn(PAPER));
    assert_distinguishable(&lrn(Normalization { beta: 0.7501, ..PAPER }), &lrn(PAPER));
    assert_distinguishable(&lrn(Normalization { k: 2.0001, ..PAPER }), &lrn(PAPER));
}

#[test]
fn lrn_stays_in_its_group() {
    let Lrn { g, batch } = lrn(PAPER);
    let ungrouped = Lrn { g: NormGeometry::new(g.maps(), 1, g.constants()).unwrap(), batch };
    assert_distinguishable(&lrn(PAPER), &ungrouped);
}

#[test]
fn within_a_map_is_not_across_maps() {
    let Lrn { g, batch } = lrn(PAPER);
    assert_distinguishable(&MapNorm { g, batch }, &lrn(PAPER));
    let smaller = NormGeometry::new(g.maps(), g.groups(), Normalization { size: 4, ..PAPER }).unwrap();
    assert_distinguishable(&MapNorm { g, batch }, &MapNorm { g: smaller, batch });
}

#[test]
fn groups_of_a_convolution_matter() {
    let window = Window { kernel: 3, stride: 1, pad: 1, rounding: Rounding::Down };
    let [one, two] = [1, 2].map(|groups| Conv {
        g: ConvGeometry::new(Maps::new(6, 6, 4), 6, window, groups).unwrap(),
        batch: 2,
    });
    // Two groups are equivalent to one group with zero weights between them; with other weights the results differ.
    let [x, w, bias, dy] = &double(&single(&two.inputs()))[..] else { unreachable!() };
    let spread_out = |cross: f64| -> Vec<f64> {
        let g = &one.g;
        let weight = |at: usize| {
            let (tap, i, o) = (at / 24, at / 6 % 4, at % 6);
            if i / 2 == o / 3 { w[((o / 3 * 9 + tap) * 2 + i % 2) * 3 + o % 3] } else { cross }
        };
        (0..g.weights()).map(weight).collect()
    };
    let inputs = |w: Vec<f64>| vec![x.clone(), w, bias.clone(), dy.clone()];
    let fast = two.fast(&single(&inputs(w.clone())));
    let zeros = one.reference(&inputs(spread_out(0.0)));
    let cross = one.reference(&inputs(spread_out(1e-4)));
    for output in [0, 1] {
        assert_eq!(agree(&fast[output..=output], &zeros[output..=output]), Ok(()));
        assert!(agree(&fast[output..=output], &cross[output..=output]).is_err());
    }
}

#[test]
fn rounding_matters() {
    let window = |rounding| Window { kernel: 3, stride: 2, pad: 0, rounding };
    let [down, up] = [Rounding::Down, Rounding::Up].map(window);
    let maps = Maps::new(8, 8, 3);
    let [conv_down, conv_up] =
        [down, up].map(|window| Conv { g: ConvGeometry::new(maps, 4, window, 1).unwrap(), batch: 1 });
    assert_ne!(conv_down.g.output(), conv_up.g.output());
    let [pool_down, pool_up] =
        [down, up].map(|window| AvgPool { g: PoolGeometry::new(maps, window).unwrap(), batch: 1 });
    assert_ne!(pool_down.g.output(), pool_up.g.output());
    // Where the window extends past the edge, an average over nine pixels differs from one over those inside.
    let inputs = single(&pool_up.inputs());
    let mut wrong = pool_up.reference(&double(&inputs));
    let last = wrong[0].len() - 1;
    wrong[0][last] *= 4.0 / 9.0;
    assert!(agree(&pool_up.fast(&inputs), &wrong).is_err());
}

#[test]
fn a_gradient_at_the_wrong_pixel_of_a_tie_is_detected() {
    let window = Window { kernel: 3, stride: 2, pad: 0, rounding: Rounding::Down };
    let case = MaxPool { g: PoolGeometry::new(Maps::new(13, 13, 8), window).unwrap(), batch: 2 };
    let mut inputs = single(&case.inputs());
    inputs[0].iter_mut().for_each(|x| *x = x.round());
    let mut wrong = case.reference(&double(&inputs));
    let at = wrong[1].iter().position(|&dx| dx != 0.0).unwrap();
    wrong[1].swap(at, at + case.g.input().channels);
    assert!(agree(&case.fast(&inputs), &wrong).is_err());
}

#[test]
fn dropout_scale_is_exact() {
    let case = |scale| Dropout { keys: vec![7], units: 64, rate: 0.5, scale };
    let inputs = single(&case(2.0).inputs());
    assert_ne!(bits(&case(2.0).fast(&inputs)), bits(&case(2.0_f32.next_up()).reference(&inputs)));
    assert_distinguishable(&case(1.0), &case(2.0));
    assert_distinguishable(&Dropout { keys: vec![8], ..case(2.0) }, &case(2.0));
}

#[test]
fn a_slightly_wrong_bias_is_detected() {
    let window = Window { kernel: 3, stride: 1, pad: 1, rounding: Rounding::Down };
    let case = Conv { g: ConvGeometry::new(Maps::new(6, 6, 4), 6, window, 1).unwrap(), batch: 2 };
    let inputs = single(&case.inputs());
    let mut wrong = double(&inputs);
    wrong[2].iter_mut().for_each(|bias| *bias *= 1.0001);
    assert!(agree(&case.fast(&inputs)[..1], &case.reference(&wrong)[..1]).is_err());
}
