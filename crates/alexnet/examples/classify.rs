//! Classifies images with a trained model, given as a model file or a run folder:
//! `cargo run --release -p alexnet --example classify -- runs/demo-1 IMAGE...`.

use std::path::Path;

use alexnet::Error;
use alexnet::eval::{Predictor, PredictorOptions, classify};

fn main() -> alexnet::Result<()> {
    let mut args = std::env::args().skip(1);
    let model = args.next().ok_or_else(|| Error::usage("usage: classify MODEL IMAGE..."))?;
    let mut predictor =
        Predictor::load(Path::new(&model), &PredictorOptions { batch: 10, ..PredictorOptions::default() })?;
    for image in args {
        let views = predictor.views;
        let classified = classify::classify(&mut predictor, Path::new(&image), views, 5);
        println!("{image}: {:?}", classified.outcome);
    }
    Ok(())
}
