//! Trains a small network on Fashion-MNIST, which is part of the library, until the loss is low enough:
//! `cargo run --release -p alexnet --example train`.

use std::ops::ControlFlow;

use alexnet::data::embedded;
use alexnet::net::Recipe;
use alexnet::train::{Config, Event, Requests, Session};

fn main() -> alexnet::Result<()> {
    let requests = Requests { steps: Some(500), ..Requests::default() };
    let config = Config { requests, ..Config::new(Recipe::load("small")?, embedded::fashion_mnist()?) };
    let report = Session::new(config)
        .observe(|event: &Event<'_>| match event {
            Event::Metrics(line) => {
                println!("step {}: loss {:.3}, {:.0} images/s", line.step, line.loss, line.images_per_second);
                if line.loss < 0.6 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            }
            _ => ControlFlow::Continue(()),
        })
        .run()?;
    println!(
        "{:?} after {} steps; the model is in {}",
        report.stop_reason,
        report.steps,
        report.run.display()
    );
    Ok(())
}
