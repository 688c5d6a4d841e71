//! The accuracy of the paper's convolutions at full size: `cargo test -p alexnet-kernels --release --test
//! precision -- --nocapture` prints the errors.

mod kit;

use alexnet_kernels::geometry::{ConvGeometry, Maps, Rounding, Window};
use kit::{Case, cases::Conv, double, relative_error, spread};

/// The largest relative RMS errors: forward, input gradient, weight gradient.
const BOUNDS: [f64; 3] = [5e-6, 5e-6, 1e-5];

fn check(
    name: &str,
    input: Maps,
    maps: usize,
    [kernel, stride, pad]: [usize; 3],
    groups: usize,
    batch: usize,
) {
    let window = Window { kernel, stride, pad, rounding: Rounding::Up };
    let g = ConvGeometry::new(input, maps, window, groups).unwrap();
    let case = Conv { g, batch };
    // Values of both signs, so that sums partly cancel and errors become visible.
    let lens = [batch * g.input().len(), g.weights(), g.output().channels, batch * g.output().len()];
    let inputs: Vec<Vec<f64>> = lens.into_iter().zip(1..).map(|(len, seed)| spread(len, seed)).collect();
    let inputs = kit::single(&inputs);
    let (fast, reference) = (case.fast(&inputs), case.reference(&double(&inputs)));
    let errors: Vec<f64> = fast
        .iter()
        .zip(&reference)
        .map(|(fast, reference)| relative_error(fast.iter().map(|&value| f64::from(value)), reference))
        .collect();
    println!(
        "{name}: forward {:.1e}, input gradient {:.1e}, weight gradient {:.1e}",
        errors[0], errors[1], errors[2]
    );
    for (error, bound) in errors.iter().zip(BOUNDS) {
        assert!(error < &bound, "{name}: {errors:?}");
    }
}

#[test]
fn conv1() {
    check("conv1", Maps::new(224, 224, 3), 96, [11, 4, 0], 1, 1);
}

#[test]
fn conv2() {
    check("conv2", Maps::new(27, 27, 96), 256, [5, 1, 2], 2, 1);
}

/// The four images of conv5 share a Winograd plane.
#[test]
fn conv3_to_conv5() {
    check("conv3", Maps::new(13, 13, 256), 384, [3, 1, 1], 1, 1);
    check("conv4", Maps::new(13, 13, 384), 384, [3, 1, 1], 2, 1);
    check("conv5", Maps::new(13, 13, 384), 256, [3, 1, 1], 2, 4);
}
