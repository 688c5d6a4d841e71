//! Throughput of the matrix product and of the paper's layers, compared with the machine's peak.
//!
//! `cargo run --release -p alexnet-kernels --example gemm_speed [batch [layer [precision]]]`

use alexnet_kernels::activation::Epilogue;
use alexnet_kernels::gemm::{Matrix, Shape, Summation, gemm_in};
use alexnet_kernels::geometry::{ConvGeometry, FcGeometry, GeometryError, Maps, Rounding, Window};
use alexnet_kernels::precision::Precision;
use alexnet_kernels::sgd::SgdSettings;
use alexnet_kernels::{conv, fc, isa::Isa, peak};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let batch = match std::env::args().nth(1) {
        Some(batch) => batch.parse()?,
        None => 32,
    };
    let only = std::env::args().nth(2).unwrap_or_default();
    let precision = match std::env::args().nth(3) {
        Some(name) => {
            Precision::ALL.into_iter().find(|one| one.name() == name).ok_or("expected f32 or bf16")?
        }
        None => Precision::F32,
    };
    println!("instructions: {}, batch {batch}, layers in {}", Isa::current().name(), precision.name());
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        pool.install(|| measure(threads, batch, &only, precision))?;
    }
    Ok(())
}

fn measure(threads: usize, batch: usize, only: &str, precision: Precision) -> Result<(), GeometryError> {
    let peak = peak::fma_gflops(0.3);
    println!("\n{threads} thread(s), peak {peak:.0} GFLOP/s");
    for n in [512, 1024, 2048].into_iter().filter(|_| "gemm".starts_with(only)) {
        let (a, b, mut c) = (values(n * n), values(n * n), vec![0.0; n * n]);
        let shape = Shape { m: n, n, k: n };
        for precision in Precision::ALL {
            report(&format!("gemm {n} {}", precision.name()), n * n * n, peak, || {
                let (a, b) = (Matrix::along_rows(&a, n), Matrix::across_rows(&b, n));
                gemm_in(precision, shape, &a, &b, Summation::Overwrite, &mut c, n);
            });
        }
    }
    for layer in conv_layers()? {
        if layer.name.starts_with(only) {
            measure_conv(&layer, precision, batch, peak);
        }
    }
    for layer in [fc_layer("fc6", 9216, 4096)?, fc_layer("fc8", 4096, 1000)?] {
        if layer.name.starts_with(only) {
            measure_fc(&layer, precision, batch, peak);
        }
    }
    Ok(())
}

/// A layer of the paper.
struct Layer<G> {
    name: &'static str,
    g: G,
}

fn fc_layer(name: &'static str, inputs: usize, outputs: usize) -> Result<Layer<FcGeometry>, GeometryError> {
    Ok(Layer { name, g: FcGeometry::new(inputs, outputs)? })
}

/// The five convolutions of the paper.
fn conv_layers() -> Result<Vec<Layer<ConvGeometry>>, GeometryError> {
    let window = |kernel, stride, pad| Window { kernel, stride, pad, rounding: Rounding::Up };
    let conv3x3 = window(3, 1, 1);
    let layer = |name, g: Result<_, _>| Ok(Layer { name, g: g? });
    [
        layer("conv1", ConvGeometry::new(Maps::new(224, 224, 3), 96, window(11, 4, 0), 1)),
        layer("conv2", ConvGeometry::new(Maps::new(27, 27, 96), 256, window(5, 1, 2), 2)),
        layer("conv3", ConvGeometry::new(Maps::new(13, 13, 256), 384, conv3x3, 1)),
        layer("conv4", ConvGeometry::new(Maps::new(13, 13, 384), 384, conv3x3, 2)),
        layer("conv5", ConvGeometry::new(Maps::new(13, 13, 384), 256, conv3x3, 2)),
    ]
    .into_iter()
    .collect()
}

fn measure_conv(Layer { name, g }: &Layer<ConvGeometry>, precision: Precision, batch: usize, peak: f64) {
    let (x, dy) = (values(batch * g.input().len()), values(batch * g.output().len()));
    let (w, bias) = (values(g.weights()), values(g.output().channels));
    let (mut y, mut dx) = (vec![0.0; dy.len()], vec![0.0; x.len()]);
    let (mut dw, mut dbias) = (vec![0.0; w.len()], vec![0.0; bias.len()]);
    let macs = batch * g.macs();
    report(&format!("{name} forward"), macs, peak, || {
        conv::forward(g, precision, batch, &x, &w, &bias, Epilogue::Identity, &mut y)
    });
    // Training needs no gradient with respect to the images.
    if g.input().channels > 3 {
        report(&format!("{name} input"), macs, peak, || {
            conv::backward_input(g, precision, batch, &dy, &w, &mut dx)
        });
    }
    report(&format!("{name} weights"), macs, peak, || {
        conv::backward_weights(g, precision, batch, &x, &dy, &mut dw, &mut dbias);
    });
}

fn measure_fc(Layer { name, g }: &Layer<FcGeometry>, precision: Precision, batch: usize, peak: f64) {
    let (x, dy) = (values(batch * g.inputs()), values(batch * g.outputs()));
    let (w, bias) = (values(g.weights()), values(g.outputs()));
    let (mut y, mut dx) = (vec![0.0; dy.len()], vec![0.0; x.len()]);
    let (mut dw, mut dbias) = (vec![0.0; w.len()], vec![0.0; bias.len()]);
    let macs = batch * g.weights();
    report(&format!("{name} forward"), macs, peak, || {
        fc::forward(g, precision, batch, &x, &w, &bias, &mut y)
    });
    report(&format!("{name} input"), macs, peak, || {
        fc::backward_input(g, precision, batch, &dy, &w, &mut dx)
    });
    let (mut stepped, mut v) = (w.clone(), w.clone());
    let settings = SgdSettings { learning_rate: 1e-6, momentum: 0.9, weight_decay: 1e-6 };
    report(&format!("{name} step"), macs, peak, || {
        fc::step(g, precision, batch, &x, &dy, &mut stepped, &mut v, settings);
    });
    report(&format!("{name} weights"), macs, peak, || {
        fc::backward_weights(g, precision, batch, &x, &dy, &mut dw, &mut dbias);
    });
}

/// Prints the throughput of the fastest of several runs: interference only slows a run down.
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

/// Irregular values in -1..1.
fn values(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i as f32 * 0.618_034).fract() * 2.0 - 1.0).collect()
}
