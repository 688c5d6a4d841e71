//! `alexnet bench`.

use super::Ending;
use super::args::BenchArgs;
use super::output::Output;
use alexnet::net::Recipe;
use alexnet::train::bench::{LayerSpeed, Speed, bench};

pub(super) fn run(args: &BenchArgs, out: &mut Output) -> Ending {
    let recipe = Recipe::load(&args.recipe)?;
    let batch = args.batch.map_or(recipe.optimizer.batch, |batch| batch as usize);
    let speed = bench(&recipe, batch, args.machine.threads(), args.precision.half)?;
    if args.format.json {
        out.json(&serde_json::to_value(&speed).expect("numbers and a name are JSON"))?;
    } else {
        out.text(&text(&speed))?;
        if args.layers {
            out.text(&layers("training", &speed.train_layers, &speed))?;
            out.text(&layers("inference", &speed.infer_layers, &speed))?;
        }
    }
    Ok(0)
}

fn text(speed: &Speed) -> String {
    let Speed { recipe, batch, threads, peak_gflops, .. } = speed;
    let row = |what: &str, rate: f64, gflops: f64| {
        let share = 100.0 * gflops / peak_gflops;
        format!("{what:<15} {rate:>8.1} images/s {gflops:>8.1} GFLOP/s  {share:>5.1} % of the peak\n")
    };
    let threads_word = if *threads == 1 { "thread" } else { "threads" };
    let resident = speed.resident_bytes as f64 / f64::from(1 << 20);
    format!("recipe {recipe}, {batch} images a step, {threads} {threads_word}\n")
        + &row("training", speed.train_images_per_second, speed.train_gflops)
        + &row(
            if speed.half { "inference, half" } else { "inference" },
            speed.infer_images_per_second,
            speed.infer_gflops,
        )
        + &format!("{:<15} {peak_gflops:>8.1} GFLOP/s, multiply-adds without memory, measured now\n", "peak")
        + &format!("{:<15} {:>8.1} GB/s, memory copied, read and written\n", "copy", speed.copy_gbytes)
        + &format!("{:<15} {resident:>8.1} MiB at most\n", "memory")
}

/// A row for every pass; shares are those of the peak and of the copy.
fn layers(title: &str, layers: &[LayerSpeed], speed: &Speed) -> String {
    let head = format!(
        "\n{title}\n{:<10} {:<16} {:>9} {:>10} {:>7} {:>9} {:>7}\n",
        "layer", "pass", "ms", "GFLOP/s", "share", "GB/s", "share"
    );
    // A pass without products has no rate of them.
    let products = |rate: f64| match rate {
        0.0 => format!("{:>18}", ""),
        rate => format!("{rate:>10.1} {:>5.0} %", 100.0 * rate / speed.peak_gflops),
    };
    let rows = layers.iter().map(|row| {
        let (layer, pass, products) = (&row.layer, row.pass.name(), products(row.gflops));
        let (milliseconds, rate) = (row.milliseconds, row.gbytes);
        let share = 100.0 * rate / speed.copy_gbytes;
        format!("{layer:<10} {pass:<16} {milliseconds:>9.2} {products} {rate:>9.1} {share:>5.0} %\n")
    });
    head + &rows.collect::<String>()
}
