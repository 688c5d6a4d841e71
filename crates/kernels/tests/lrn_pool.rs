//! Normalization and pooling in one pass have the bits of one after the other.

mod kit;

use alexnet_kernels::activation::{self, Epilogue};
use alexnet_kernels::geometry::{Maps, NormGeometry, Normalization, PoolGeometry, Rounding, Window};
use alexnet_kernels::{lrn, lrn_pool, pool};
use kit::{bits, shapes, single, spread};
use proptest::prelude::*;

fn norm(maps: Maps, groups: usize, size: usize) -> NormGeometry {
    NormGeometry::new(maps, groups, Normalization { size, alpha: 0.2, beta: 0.75, k: 2.0 }).unwrap()
}

/// Compares outputs and input gradients with those of [`lrn`] and [`pool`].
fn check(norm: &NormGeometry, window: &PoolGeometry, batch: usize, mut x: Vec<f32>) {
    activation::relu(&mut x);
    let dy = &single(&[spread(batch * window.output().len(), 2)])[0];
    let (mut normalized, mut expected) = (x.clone(), dy.clone());
    lrn::forward(norm, batch, &x, &mut normalized);
    pool::max_forward(window, batch, &normalized, &mut expected);
    // What the buffers held before does not matter.
    let mut y = vec![f32::NAN; dy.len()];
    lrn_pool::forward(norm, window, batch, &x, &mut y);
    assert_eq!(bits(&[y]), bits(&[expected]), "outputs");

    for before in [Epilogue::Identity, Epilogue::Relu] {
        let (mut gradient, mut expected) = (x.clone(), x.clone());
        pool::max_backward(window, batch, &normalized, dy, Epilogue::Identity, &mut gradient);
        lrn::backward(norm, batch, &x, &gradient, before, &mut expected);
        let mut dx = vec![f32::NAN; x.len()];
        lrn_pool::backward(norm, window, batch, &x, dy, before, &mut dx);
        assert_eq!(bits(&[dx]), bits(&[expected]), "gradients, {before:?}");
    }
}

proptest! {
    #![proptest_config(shapes::draw(96))]

    #[test]
    fn one_pass_has_the_bits_of_two(
        channels in shapes::channels(1, 5),
        groups in 1..3_usize,
        (height, width) in (1..40_usize, 1..12_usize),
        window in shapes::window(),
        size in 1..8_usize,
        batch in 1..4_usize,
    ) {
        let maps = Maps::new(height, width, groups * channels);
        let norm = norm(maps, groups, size);
        if let Ok(window) = PoolGeometry::new(maps, window) {
            check(&norm, &window, batch, single(&[spread(batch * maps.len(), 1)]).remove(0));
        }
    }
}

/// The largest maps of the paper's network: an image is divided among threads.
#[test]
fn the_papers_first_maps() {
    let maps = Maps::new(55, 55, 96);
    let window = Window { kernel: 3, stride: 2, pad: 0, rounding: Rounding::Down };
    let (norm, window) = (norm(maps, 2, 5), PoolGeometry::new(maps, window).unwrap());
    check(&norm, &window, 1, single(&[spread(maps.len(), 1)]).remove(0));
}

#[test]
fn non_finite_values_spread_as_in_two_passes() {
    let maps = Maps::new(7, 5, 16);
    let window = Window { kernel: 3, stride: 2, pad: 0, rounding: Rounding::Up };
    let (norm, window) = (norm(maps, 1, 5), PoolGeometry::new(maps, window).unwrap());
    for value in [f32::NAN, f32::INFINITY] {
        for at in [0, 100, maps.len() - 1] {
            let mut x = single(&[spread(maps.len(), 1)]).remove(0);
            x[at] = value;
            check(&norm, &window, 1, x);
        }
    }
}

#[test]
fn other_exponents_are_not_supported() {
    let constants = Normalization { size: 5, alpha: 0.2, beta: 0.5, k: 2.0 };
    let supports = |channels, constants| {
        lrn_pool::supports(&NormGeometry::new(Maps::new(3, 3, channels), 1, constants).unwrap())
    };
    assert!(!supports(16, constants));
    assert!(supports(16, Normalization { beta: 0.75, ..constants }));
    assert!(supports(9, Normalization { beta: 0.75, ..constants }), "maps that fill more than a register");
    assert!(!supports(7, Normalization { beta: 0.75, ..constants }), "maps that do not fill a register");
}
