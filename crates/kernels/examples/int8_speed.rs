//! Throughput of the integer kernels: a product compared with the machine's peak, and each layer of the paper's network.
//!
//! `cargo run --release -p alexnet-kernels --example int8_speed [threads [batch [layer]]]`

use alexnet_kernels::geometry::{
    ConvGeometry, FcGeometry, GeometryError, Maps, NormGeometry, Normalization, PoolGeometry, Rounding,
    Window,
};
use alexnet_kernels::int8::{
    Algorithm, ConvWeights, Int8Isa, QuantizedConv, QuantizedFc, QuantizedLrn, Quantizer, WinogradWeights,
    max_pool, peak,
};
use std::time::Instant;

/// Inputs, outputs and weights are arbitrary bytes.
const QUANTIZER: Quantizer = Quantizer { scale: 0.02, zero: 0 };

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let threads = arguments.next().map_or(Ok(2), |threads| threads.parse())?;
    let batches = match arguments.next() {
        Some(batch) => vec![batch.parse()?],
        None => vec![128, 1],
    };
    let only = arguments.next().unwrap_or_default();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    pool.install(|| measure(threads, &batches, &only))?;
    Ok(())
}

fn measure(threads: usize, batches: &[usize], only: &str) -> Result<(), GeometryError> {
    let peak = peak::dot_product_gops(0.3);
    println!(
        "{threads} thread(s), {}, peak {:.0} GOP/s",
        Int8Isa::current().name(),
        peak.unwrap_or(f64::NAN)
    );
    for n in [1024, 2048].into_iter().filter(|_| "product".starts_with(only)) {
        let milliseconds = measure_fc(&FcGeometry::new(n, n)?, n);
        let rate = 2.0 * (n * n * n) as f64 / milliseconds / 1e6;
        let share = peak.map_or(f64::NAN, |peak| 100.0 * rate / peak);
        println!("product of {n}^3: {milliseconds:.2} ms, {rate:.0} GOP/s, {share:.1} % of peak");
    }
    for &batch in batches {
        println!("\nbatch {batch}");
        let total: f64 = layers()?
            .iter()
            .filter(|(name, _)| name.starts_with(only))
            .map(|(name, layer)| report(name, layer, batch, peak))
            .sum();
        println!("{:<22} {total:8.3} ms", "the fastest of each");
    }
    Ok(())
}

enum Layer {
    Conv(ConvGeometry),
    Lrn(NormGeometry),
    Pool(PoolGeometry),
    Fc(FcGeometry),
}

/// The layers of the paper's network.
fn layers() -> Result<Vec<(&'static str, Layer)>, GeometryError> {
    let window = |kernel, stride, pad| Window { kernel, stride, pad, rounding: Rounding::Up };
    let constants = Normalization { size: 5, alpha: 1e-4, beta: 0.75, k: 2.0 };
    let conv = |side, inputs, outputs, window, groups| {
        ConvGeometry::new(Maps::new(side, side, inputs), outputs, window, groups).map(Layer::Conv)
    };
    let lrn = |side, maps| NormGeometry::new(Maps::new(side, side, maps), 2, constants).map(Layer::Lrn);
    let pool = |side, maps| PoolGeometry::new(Maps::new(side, side, maps), window(3, 2, 0)).map(Layer::Pool);
    let fc = |inputs, outputs| FcGeometry::new(inputs, outputs).map(Layer::Fc);
    Ok(vec![
        ("conv1", conv(224, 3, 96, window(11, 4, 0), 1)?),
        ("lrn1", lrn(55, 96)?),
        ("pool1", pool(55, 96)?),
        ("conv2", conv(27, 96, 256, window(5, 1, 2), 2)?),
        ("lrn2", lrn(27, 256)?),
        ("pool2", pool(27, 256)?),
        ("conv3", conv(13, 256, 384, window(3, 1, 1), 1)?),
        ("conv4", conv(13, 384, 384, window(3, 1, 1), 2)?),
        ("conv5", conv(13, 384, 256, window(3, 1, 1), 2)?),
        ("pool5", pool(13, 256)?),
        ("fc6", fc(9216, 4096)?),
        ("fc7", fc(4096, 4096)?),
        ("fc8", fc(4096, 1000)?),
    ])
}

/// Prints the time of a layer by each method, and returns the shortest in milliseconds.
fn report(name: &str, layer: &Layer, batch: usize, peak: Option<f64>) -> f64 {
    match layer {
        Layer::Conv(g) => {
            let direct = print_rate(name, measure_direct(g, batch), batch * g.macs(), peak);
            let fitting = Algorithm::ALL.into_iter().filter(|algorithm| algorithm.fits(g));
            let transformed = fitting.map(|algorithm| {
                let name = format!("{name} {}", algorithm.name());
                print_rate(&name, measure_winograd(g, algorithm, batch), batch * g.macs(), peak)
            });
            transformed.fold(direct, f64::min)
        }
        Layer::Lrn(g) => {
            let lrn = QuantizedLrn::new(g, QUANTIZER, QUANTIZER);
            let (x, mut y) = (bytes(batch * g.maps().len()), vec![0; batch * g.maps().len()]);
            print_time(name, fastest(|| lrn.forward(batch, &x, &mut y)))
        }
        Layer::Pool(g) => {
            let (x, mut y) = (bytes(batch * g.input().len()), vec![0; batch * g.output().len()]);
            print_time(name, fastest(|| max_pool(g, batch, &x, &mut y)))
        }
        Layer::Fc(g) => print_rate(name, measure_fc(g, batch), batch * g.weights(), peak),
    }
}

fn measure_direct(g: &ConvGeometry, batch: usize) -> f64 {
    let (values, scales) = (weights(g.weights()), vec![0.001; g.output().channels]);
    measure_conv(g, ConvWeights::Direct { values: &values, scales: &scales }, batch)
}

fn measure_winograd(g: &ConvGeometry, algorithm: Algorithm, batch: usize) -> f64 {
    let weights = WinogradWeights {
        algorithm,
        values: &weights(algorithm.transformed_len(g)),
        scales: &vec![0.001; algorithm.elements() * g.output().channels],
        input_scales: &vec![0.05; algorithm.elements()],
    };
    measure_conv(g, ConvWeights::Winograd(weights), batch)
}

fn measure_conv(g: &ConvGeometry, weights: ConvWeights, batch: usize) -> f64 {
    let conv = QuantizedConv::new(g, weights, &vec![0.5; g.output().channels], QUANTIZER);
    let (x, mut y) = (bytes(batch * g.input().len()), vec![0; batch * g.output().len()]);
    fastest(|| conv.forward(batch, &x, QUANTIZER, &mut y))
}

fn measure_fc(g: &FcGeometry, batch: usize) -> f64 {
    let (scales, bias) = (vec![0.001; g.outputs()], vec![0.5; g.outputs()]);
    let fc = QuantizedFc::new(g, &weights(g.weights()), &scales, &bias, QUANTIZER);
    let (x, mut y) = (bytes(batch * g.inputs()), vec![0; batch * g.outputs()]);
    fastest(|| fc.forward(batch, &x, QUANTIZER, &mut y))
}

/// Milliseconds of the fastest of several runs: interference only slows a run down.
fn fastest(mut run: impl FnMut()) -> f64 {
    run();
    let begin = Instant::now();
    let mut fastest = f64::INFINITY;
    for _ in 0..200 {
        let begin_run = Instant::now();
        run();
        fastest = fastest.min(begin_run.elapsed().as_secs_f64());
        if begin.elapsed().as_secs_f64() > 0.5 {
            break;
        }
    }
    fastest * 1e3
}

fn print_rate(name: &str, milliseconds: f64, macs: usize, peak: Option<f64>) -> f64 {
    let rate = 2.0 * macs as f64 / milliseconds / 1e6;
    let share = peak.map_or(f64::NAN, |peak| 100.0 * rate / peak);
    println!("{name:<22} {milliseconds:8.3} ms {rate:7.0} GOP/s {share:6.1} %");
    milliseconds
}

fn print_time(name: &str, milliseconds: f64) -> f64 {
    println!("{name:<22} {milliseconds:8.3} ms");
    milliseconds
}

/// Irregular bytes.
fn bytes(len: usize) -> Vec<u8> {
    (0..len as u32).map(|i| (i.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect()
}

/// Irregular weights.
fn weights(len: usize) -> Vec<i8> {
    bytes(len).into_iter().map(|byte| byte.wrapping_sub(128) as i8).collect()
}
