//! Strategies for shapes: every combination that the geometry accepts, including degenerate ones.

use alexnet_kernels::geometry::{
    ConvGeometry, Maps, NormGeometry, Normalization, PoolGeometry, Rounding, Window,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// Draws `cases` shapes with a fixed seed; `ALEXNET_SHAPES=<seed>` selects another.
pub fn draw(cases: u32) -> ProptestConfig {
    let seed = std::env::var("ALEXNET_SHAPES").ok().and_then(|seed| seed.parse().ok()).unwrap_or(2012);
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Windows of up to 7 pixels per side, overlapping or with gaps.
pub fn window() -> impl Strategy<Value = Window> {
    let rounding = prop_oneof![Just(Rounding::Down), Just(Rounding::Up)];
    (1..8_usize, 1..6_usize, 0..7_usize, rounding).prop_map(|(kernel, stride, pad, rounding)| Window {
        kernel,
        stride,
        pad: pad % kernel,
        rounding,
    })
}

/// Convolutions of up to five groups. Invalid geometries are drawn again.
pub fn conv() -> impl Strategy<Value = ConvGeometry> {
    let channels = || prop_oneof![1..5_usize, Just(7), Just(19)];
    (1..14_usize, 1..14_usize, channels(), channels(), 1..6_usize, window()).prop_filter_map(
        "the window does not fit",
        |(height, width, inputs, outputs, groups, window)| {
            ConvGeometry::new(Maps::new(height, width, groups * inputs), groups * outputs, window, groups)
                .ok()
        },
    )
}

/// Convolutions of few channels into more maps, of which the last need not fill a vector.
pub fn narrow_conv() -> impl Strategy<Value = ConvGeometry> {
    (1..20_usize, 1..20_usize, 1..5_usize, channels(1, 10), window()).prop_filter_map(
        "the window does not fit",
        |(height, width, inputs, outputs, window)| {
            ConvGeometry::new(Maps::new(height, width, inputs), outputs, window, 1).ok()
        },
    )
}

pub fn pool() -> impl Strategy<Value = PoolGeometry> {
    (1..14_usize, 1..14_usize, prop_oneof![1..9_usize, Just(67)], window()).prop_filter_map(
        "the window does not fit",
        |(height, width, channels, window)| {
            PoolGeometry::new(Maps::new(height, width, channels), window).ok()
        },
    )
}

/// Normalizations, with windows that may be wider than the maps.
pub fn norm() -> impl Strategy<Value = NormGeometry> {
    let constants = (1..12_usize, 0.0..2.0_f64, prop_oneof![Just(0.75), 0.1..1.5_f64], 0.5..3.0_f64)
        .prop_map(|(size, alpha, beta, k)| Normalization { size, alpha, beta, k });
    (1..9_usize, 1..9_usize, 1..12_usize, 1..6_usize, constants).prop_map(
        |(height, width, channels, groups, constants)| {
            NormGeometry::new(Maps::new(height, width, groups * channels), groups, constants).unwrap()
        },
    )
}

/// Channels that fill `least` vectors of eight but not `most`, half of the time to the last value.
pub fn channels(least: usize, most: usize) -> impl Strategy<Value = usize> {
    prop_oneof![(least..most).prop_map(|eighths| 8 * eighths), 8 * least..8 * most]
}

/// Convolutions of stride 1 with enough channels for Winograd's algorithms, and images at every place in a plane.
pub fn winograd_conv() -> impl Strategy<Value = (ConvGeometry, usize)> {
    let kernel = prop_oneof![Just(3_usize), Just(5)];
    (4..18_usize, 4..18_usize, channels(2, 7), channels(2, 7), 1..3_usize, kernel, 0..5_usize, 1..11_usize)
        .prop_filter_map(
            "the window does not fit",
            |(height, width, inputs, outputs, groups, kernel, pad, batch)| {
                let window = Window { kernel, stride: 1, pad: pad % kernel, rounding: Rounding::Down };
                let input = Maps::new(height, width, groups * inputs);
                let g = ConvGeometry::new(input, groups * outputs, window, groups).ok()?;
                Some((g, batch))
            },
        )
}

/// Convolutions with a stride that are folded for Winograd's algorithms: kernels of up to three or five strides.
pub fn folded_conv() -> impl Strategy<Value = (ConvGeometry, usize)> {
    let rounding = prop_oneof![Just(Rounding::Down), Just(Rounding::Up)];
    let kernel = (2..5_usize, prop_oneof![Just(3_usize), Just(5)], 0..4_usize)
        .prop_map(|(stride, squares, less)| (stride, squares * stride - less % stride));
    (9..40_usize, 9..40_usize, channels(2, 6), kernel, 0..20_usize, rounding, 1..4_usize).prop_filter_map(
        "the window does not fit",
        |(height, width, outputs, (stride, kernel), pad, rounding, batch)| {
            let window = Window { kernel, stride, pad: pad % kernel, rounding };
            // Folded, 48, 45 or 32 channels.
            let channels = [0, 0, 8, 5, 3][stride];
            let g = ConvGeometry::new(Maps::new(height, width, channels), outputs, window, 1).ok()?;
            Some((g, batch))
        },
    )
}
