//! `alexnet bench`.

use std::path::Path;

use super::args::model::BenchArgs;
use super::exit::CommandResult;
use super::output::{Output, printable};
use super::recipe;
use alexnet::format::counted;
use alexnet::model::WeightPrecision;
use alexnet::train::bench::{LayerSpeed, Speed, bench};
use alexnet::train::model_bench::{ModelSpeed, bench_model};

pub(crate) fn run(args: &BenchArgs, out: &mut Output) -> CommandResult {
    match &args.model {
        Some(model) => run_model(model, args, out),
        None => run_recipe(args, out),
    }
}

/// Measures a model.
fn run_model(model: &Path, args: &BenchArgs, out: &mut Output) -> CommandResult {
    let batch = args.batch.map(|batch| batch as usize);
    let speed = bench_model(model, batch, &args.precision.options(1, args.machine.threads()))?;
    let peaks = Peaks { gflops: speed.peak_gflops, gbytes: speed.copy_gbytes };
    let layers = || if args.layers { layers("inference", &speed.infer_layers, peaks) } else { String::new() };
    out.result(
        || model_summary(&speed) + &layers(),
        || serde_json::to_value(&speed).expect("numbers and names are JSON"),
    )?;
    Ok(0)
}

fn model_summary(speed: &ModelSpeed) -> String {
    let ModelSpeed { model, precision, batch, threads, half, infer_images_per_second, .. } = speed;
    let precision = match (precision, half) {
        (WeightPrecision::F32, false) => "f32",
        (WeightPrecision::F32, true) => "f32, fully connected layers in half precision",
        (WeightPrecision::Int8, _) => "int8",
    };
    let threads = counted(*threads, "thread");
    let share = 100.0 * speed.infer_gflops / speed.peak_gflops;
    let resident = speed.resident_bytes as f64 / f64::from(1 << 20);
    format!("model {}, {precision}\n", printable(&model.display().to_string()))
        + &format!("{batch} images per call, {threads}\n")
        + &format!(
            "{:<15} {infer_images_per_second:>8.1} images/s {:>8.1} GFLOP/s  {share:>5.1} % of the f32 peak\n",
            "inference", speed.infer_gflops
        )
        + &format!("{:<15} {:>8.2} ms per call\n", "latency", speed.infer_milliseconds)
        + &format!("{:<15} {resident:>8.1} MiB peak\n", "memory")
}

/// What the throughput of layers is compared with.
#[derive(Clone, Copy)]
struct Peaks {
    gflops: f64,
    gbytes: f64,
}

/// Measures a recipe.
fn run_recipe(args: &BenchArgs, out: &mut Output) -> CommandResult {
    let mut recipe = recipe::load(&args.recipe)?;
    recipe.precision = args.precision.precision.unwrap_or(recipe.precision);
    let batch = args.batch.map_or(recipe.optimizer.batch, |batch| batch as usize);
    let speed = bench(&recipe, batch, args.machine.threads(), args.precision.half)?;
    let peaks = Peaks { gflops: speed.peak_gflops, gbytes: speed.copy_gbytes };
    let layers = || match args.layers {
        true => {
            layers("training", &speed.train_layers, peaks) + &layers("inference", &speed.infer_layers, peaks)
        }
        false => String::new(),
    };
    out.result(
        || summary(&speed) + &layers(),
        || serde_json::to_value(&speed).expect("numbers and a name are JSON"),
    )?;
    Ok(0)
}

fn summary(speed: &Speed) -> String {
    let Speed { recipe, precision, batch, threads, peak_gflops, .. } = speed;
    let row = |what: &str, rate: f64, gflops: f64| {
        let share = 100.0 * gflops / peak_gflops;
        format!("{what:<15} {rate:>8.1} images/s {gflops:>8.1} GFLOP/s  {share:>5.1} % of peak\n")
    };
    let threads = counted(*threads, "thread");
    let resident = speed.resident_bytes as f64 / f64::from(1 << 20);
    format!("recipe {recipe}, {precision}, {batch} images per step, {threads}\n")
        + &row("training", speed.train_images_per_second, speed.train_gflops)
        + &row(
            if speed.half { "inference, half" } else { "inference" },
            speed.infer_images_per_second,
            speed.infer_gflops,
        )
        + &format!(
            "{:<15} {peak_gflops:>8.1} GFLOP/s, fused multiply-adds in registers, measured in this run\n",
            "peak"
        )
        + &format!("{:<15} {:>8.1} GB/s, memory copy, read plus write\n", "copy", speed.copy_gbytes)
        + &format!("{:<15} {resident:>8.1} MiB peak\n", "memory")
}

/// A row for each pass; shares are of the peak and of the memory copy.
fn layers(title: &str, layers: &[LayerSpeed], peaks: Peaks) -> String {
    let head = format!(
        "\n{title}\n{:<10} {:<16} {:>9} {:>10} {:>7} {:>9} {:>7}\n",
        "layer", "pass", "ms", "GFLOP/s", "share", "GB/s", "share"
    );
    // Passes without multiply-adds leave the column empty.
    let products = |rate: f64| match rate {
        0.0 => format!("{:>18}", ""),
        rate => format!("{rate:>10.1} {:>5.0} %", 100.0 * rate / peaks.gflops),
    };
    let rows = layers.iter().map(|row| {
        let (layer, pass, products) = (&row.layer, row.pass.name(), products(row.gflops));
        let (milliseconds, rate) = (row.milliseconds, row.gbytes);
        let share = 100.0 * rate / peaks.gbytes;
        format!("{layer:<10} {pass:<16} {milliseconds:>9.2} {products} {rate:>9.1} {share:>5.0} %\n")
    });
    head + &rows.collect::<String>()
}
