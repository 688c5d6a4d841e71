//! `alexnet bench`.

use super::Ending;
use super::args::BenchArgs;
use super::output::Output;
use crate::net::Recipe;
use crate::train::bench::{Speed, bench};

pub(super) fn run(args: &BenchArgs, out: &mut Output) -> Ending {
    let recipe = Recipe::load(&args.recipe)?;
    let batch = args.batch.map_or(recipe.optimiser.batch, |batch| batch as usize);
    let speed = bench(&recipe, batch, args.machine.threads(), args.precision.half)?;
    if args.format.json {
        out.json(&serde_json::to_value(&speed).expect("numbers and a name are JSON"))?;
    } else {
        out.text(&text(&speed))?;
        if args.layers {
            out.text(&layers(&speed))?;
        }
    }
    Ok(0)
}

fn text(speed: &Speed) -> String {
    let Speed { recipe, batch, threads, peak_gflops, .. } = speed;
    let row = |what: &str, rate: f64, gflops: f64| {
        let share = 100.0 * gflops / peak_gflops;
        format!("{what:<15} {rate:>8.1} pictures/s {gflops:>8.1} GFLOP/s  {share:>5.1} % of the peak\n")
    };
    let threads_word = if *threads == 1 { "thread" } else { "threads" };
    let resident = speed.resident_bytes as f64 / f64::from(1 << 20);
    format!("recipe {recipe}, {batch} pictures a step, {threads} {threads_word}\n")
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
fn layers(speed: &Speed) -> String {
    let head = format!(
        "\n{:<10} {:<16} {:>9} {:>10} {:>7} {:>9} {:>7}\n",
        "layer", "pass", "ms", "GFLOP/s", "share", "GB/s", "share"
    );
    let rows = speed.layers.iter().map(|row| {
        format!(
            "{:<10} {:<16} {:>9.2} {:>10.1} {:>5.0} % {:>9.1} {:>5.0} %\n",
            row.layer,
            row.pass.name(),
            row.milliseconds,
            row.gflops,
            100.0 * row.gflops / speed.peak_gflops,
            row.gbytes,
            100.0 * row.gbytes / speed.copy_gbytes
        )
    });
    head + &rows.collect::<String>()
}
