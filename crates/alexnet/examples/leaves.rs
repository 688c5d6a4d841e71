//! Measures what leaves cost one process: training with 1, 2 and 4 leaves, alternating, in images per second. Gradients are kept,
//! as ranks of a job keep them; the first column applies them where they are found.
//!
//! `cargo run --release -p alexnet --example leaves [THREADS]`

use std::time::Instant;

use alexnet::Result;
use alexnet::engine::{Batch, Device, Engine, Options, Update, open};
use alexnet::net::{Network, Recipe};
use alexnet::train::init::initialize;

/// Rounds in which all sides are measured.
const ROUNDS: usize = 7;

/// What is compared: leaves, and whether gradients are kept.
const SIDES: [(usize, bool); 5] = [(1, false), (1, true), (2, false), (2, true), (4, true)];

fn main() -> Result<()> {
    let threads = std::env::args().nth(1).and_then(|threads| threads.parse().ok()).unwrap_or(2);
    println!(
        "| recipe | batch | 1 leaf | 1 leaf, kept | 2 leaves | 2 leaves, kept | 4 leaves, kept |\n\
         |---|---|---|---|---|---|---|"
    );
    for name in ["paper", "cifar-18pct"] {
        let recipe = Recipe::load(name)?;
        let network = Network::new(&recipe, recipe.classes)?;
        let (parameters, batch) = (initialize(&network, 0)?, recipe.optimizer.batch);
        let images: Vec<f32> =
            (0..batch * network.input.len()).map(|i| (i * 7919 % 256) as f32 - 128.0).collect();
        let labels: Vec<u32> = (0..batch).map(|i| (i % network.classes) as u32).collect();
        let keys: Vec<u64> = (0..batch as u64).collect();
        let batch = Batch::whole(&images, &labels, &keys);
        let mut rates = vec![Vec::new(); SIDES.len()];
        for round in 0..ROUNDS {
            for offset in 0..SIDES.len() {
                let side = (round + offset) % SIDES.len();
                let (leaves, keep) = SIDES[side];
                // One engine at a time: several do not fit in the memory of a small machine.
                let options = Options { leaves, ..Options::training(labels.len(), threads) };
                let mut engine = open(Device::Cpu, network.clone(), &options)?;
                engine.load(&parameters)?;
                rates[side].push(rate(&mut *engine, &batch, keep)?);
            }
        }
        let rates: Vec<f64> = rates.into_iter().map(median).collect();
        print!("| {name} | {} | {:.1} images/s |", labels.len(), rates[0]);
        rates[1..].iter().for_each(|rate| print!(" {:.3} |", rate / rates[0]));
        println!();
    }
    Ok(())
}

/// Images per second, after a first step that touches all memory.
fn rate(engine: &mut dyn Engine, batch: &Batch<'_>, keep: bool) -> Result<f64> {
    let update = Update::sgd(1e-6, 0.9, 0.0005);
    let mut step = || -> Result<()> {
        if !keep {
            return engine.step(batch, &update).map(drop);
        }
        engine.forward_backward(batch, &mut |_| Ok(()))?;
        engine.apply(&update)
    };
    step()?;
    let (start, mut steps) = (Instant::now(), 0);
    while steps < 2 || start.elapsed().as_secs_f64() < 2.0 {
        step()?;
        steps += 1;
    }
    Ok((steps * batch.labels.len()) as f64 / start.elapsed().as_secs_f64())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
