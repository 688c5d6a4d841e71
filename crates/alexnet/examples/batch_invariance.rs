//! Measures what `Options::batch_invariant` costs: inference with and without it, alternating, in images per second.
//!
//! `cargo run --release -p alexnet --example batch_invariance [THREADS]`

use std::time::Instant;

use alexnet::Result;
use alexnet::engine::{Device, Engine, Options, open};
use alexnet::net::{Network, Recipe};
use alexnet::train::init::initialize;

/// Rounds in which both sides are measured.
const ROUNDS: usize = 9;

/// Minimum seconds that a side is measured for in a round.
const SECONDS: f64 = 0.5;

fn main() -> Result<()> {
    let threads = std::env::args().nth(1).and_then(|threads| threads.parse().ok()).unwrap_or(2);
    println!(
        "| recipe | batch | default, images/s | batch-invariant, images/s | ratio |\n|---|---|---|---|---|"
    );
    for name in ["paper", "cifar-18pct"] {
        let recipe = Recipe::load(name)?;
        let network = Network::new(&recipe, recipe.classes)?;
        let parameters = initialize(&network, 0)?;
        for batch in [1, 16, 128] {
            let mut engines = Vec::new();
            for batch_invariant in [false, true] {
                let options = Options { batch_invariant, ..Options::inference(batch, threads) };
                let mut engine = open(Device::Cpu, network.clone(), &options)?;
                engine.load(&parameters)?;
                engines.push(engine);
            }
            let images: Vec<f32> =
                (0..batch * network.input.len()).map(|i| (i * 7919 % 256) as f32 - 128.0).collect();
            let mut rates = [Vec::new(), Vec::new()];
            for round in 0..ROUNDS {
                for side in [round % 2, 1 - round % 2] {
                    rates[side].push(rate(&mut *engines[side], &images, batch)?);
                }
            }
            let [default, invariant] = rates.map(median);
            println!("| {name} | {batch} | {default:.1} | {invariant:.1} | {:.3} |", invariant / default);
        }
    }
    Ok(())
}

/// Images per second.
fn rate(engine: &mut dyn Engine, images: &[f32], batch: usize) -> Result<f64> {
    let (start, mut calls) = (Instant::now(), 0);
    while calls == 0 || start.elapsed().as_secs_f64() < SECONDS {
        engine.forward(images)?;
        calls += 1;
    }
    Ok((calls * batch) as f64 / start.elapsed().as_secs_f64())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
