//! Speed of the matrix product and of the paper's convolutions, beside the machine's peak.
//!
//! `cargo run --release -p alexnet-kernels --example gemm_speed [batch [layer]]`

use alexnet_kernels::activation::Epilogue;
use alexnet_kernels::gemm::{Matrix, Shape, Start, gemm};
use alexnet_kernels::geometry::{ConvGeometry, GeometryError, Maps, Rounding, Window};
use alexnet_kernels::{conv, fc, isa::Isa, peak};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let batch = match std::env::args().nth(1) {
        Some(batch) => batch.parse()?,
        None => 32,
    };
    let only = std::env::args().nth(2).unwrap_or_default();
    println!("instructions: {}, batch {batch}", Isa::current().name());
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        pool.install(|| measure(threads, batch, &only))?;
    }
    Ok(())
}

fn measure(threads: usize, batch: usize, only: &str) -> Result<(), GeometryError> {
    let peak = peak::fma_gflops(0.3);
    println!("\n{threads} thread(s), peak {peak:.0} GFLOP/s");
    for n in [512, 1024, 2048].into_iter().filter(|_| "gemm".starts_with(only)) {
        let (a, b, mut c) = (values(n * n), values(n * n), vec![0.0; n * n]);
        let shape = Shape { m: n, n, k: n };
        report(&format!("gemm {n}"), n * n * n, peak, || {
            let (a, b) = (Matrix::along_rows(&a, n), Matrix::across_rows(&b, n));
            gemm(shape, &a, &b, Start::Zero, &mut c, n);
        });
    }
    for (name, input, maps, window, groups) in layers().into_iter().filter(|layer| layer.0.starts_with(only))
    {
        let g = ConvGeometry::new(input, maps, window, groups)?;
        measure_layer(name, &g, batch, peak);
    }
    for (name, inputs, outputs) in
        [("fc6", 9216, 4096), ("fc8", 4096, 1000)].into_iter().filter(|layer| layer.0.starts_with(only))
    {
        let (x, w, bias) = (values(batch * inputs), values(outputs * inputs), values(outputs));
        let (dy, mut y, mut dx) =
            (values(batch * outputs), vec![0.0; batch * outputs], vec![0.0; batch * inputs]);
        let (mut dw, mut dbias) = (vec![0.0; outputs * inputs], vec![0.0; outputs]);
        let macs = batch * inputs * outputs;
        report(&format!("{name} forward"), macs, peak, || {
            fc::forward(batch, inputs, outputs, &x, &w, &bias, &mut y);
        });
        report(&format!("{name} input"), macs, peak, || {
            fc::backward_input(batch, inputs, outputs, &dy, &w, &mut dx);
        });
        let (mut stepped, mut v) = (w.clone(), w.clone());
        report(&format!("{name} step"), macs, peak, || {
            fc::step(batch, inputs, outputs, &x, &dy, &mut stepped, &mut v, [1e-6, 0.9, 1e-6]);
        });
        report(&format!("{name} weights"), macs, peak, || {
            fc::backward_weights(batch, inputs, outputs, &x, &dy, &mut dw, &mut dbias);
        });
    }
    Ok(())
}

/// The convolutions of the paper: name, input, maps, window, groups.
fn layers() -> [(&'static str, Maps, usize, Window, usize); 5] {
    let window = |kernel, stride, pad| Window { kernel, stride, pad, rounding: Rounding::Up };
    [
        ("conv1", Maps::new(224, 224, 3), 96, window(11, 4, 0), 1),
        ("conv2", Maps::new(27, 27, 96), 256, window(5, 1, 2), 2),
        ("conv3", Maps::new(13, 13, 256), 384, window(3, 1, 1), 1),
        ("conv4", Maps::new(13, 13, 384), 384, window(3, 1, 1), 2),
        ("conv5", Maps::new(13, 13, 384), 256, window(3, 1, 1), 2),
    ]
}

fn measure_layer(name: &str, g: &ConvGeometry, batch: usize, peak: f64) {
    let (x, dy) = (values(batch * g.input.len()), values(batch * g.output.len()));
    let (w, bias) = (values(g.weights()), values(g.output.channels));
    let (mut y, mut dx) = (vec![0.0; dy.len()], vec![0.0; x.len()]);
    let (mut dw, mut dbias) = (vec![0.0; w.len()], vec![0.0; bias.len()]);
    let macs = batch * g.macs();
    report(&format!("{name} forward"), macs, peak, || {
        conv::forward(g, batch, &x, &w, &bias, Epilogue::Identity, &mut y)
    });
    // The images' own gradient is of no use.
    if g.input.channels > 3 {
        report(&format!("{name} input"), macs, peak, || conv::backward_input(g, batch, &dy, &w, &mut dx));
    }
    report(&format!("{name} weights"), macs, peak, || {
        conv::backward_weights(g, batch, &x, &dy, &mut dw, &mut dbias);
    });
}

/// Prints the rate of the fastest of some runs: what disturbs a run only slows it.
fn report(name: &str, macs: usize, peak: f64, mut run: impl FnMut()) {
    run();
    let begin = Instant::now();
    let mut fastest = f64::INFINITY;
    for _ in 0..20 {
        let begin_run = Instant::now();
        run();
        fastest = fastest.min(begin_run.elapsed().as_secs_f64());
        if begin.elapsed().as_secs_f64() > 0.5 {
            break;
        }
    }
    let rate = 2.0 * macs as f64 / fastest / 1e9;
    println!("{name:<16} {:9.2} ms {rate:7.1} GFLOP/s {:5.1} %", fastest * 1e3, 100.0 * rate / peak);
}

/// Values between -1 and 1 without a pattern.
fn values(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i as f32 * 0.618_034).fract() * 2.0 - 1.0).collect()
}
