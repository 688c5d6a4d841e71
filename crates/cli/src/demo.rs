//! `alexnet demo`: the paper's ingredients in a small network, on images that are part of the program.

use std::io::Write;

use super::args::training::DemoArgs;
use super::command_line::command_line;
use super::exit::{CommandResult, with_code};
use super::output::Output;
use super::report;
use super::ui::{Ink, TrainingView, beside, draw};
use alexnet::data::{Split, embedded};
use alexnet::error::shell;
use alexnet::eval::{Predictor, PredictorOptions, topk::top};
use alexnet::net::Recipe;
use alexnet::train::run::Run;
use alexnet::train::signals::Interrupt;
use alexnet::train::{Config, Report, RunFolder, Session};
use alexnet::{Error, Result};

/// Test images that are shown with their predictions.
const SHOWN: usize = 4;

pub(crate) fn run(args: &DemoArgs, out: &mut Output) -> CommandResult {
    let dataset = embedded::fashion_mnist()?;
    let test = dataset.split("test")?.clone();
    let threads = args.machine.threads();
    let interrupt = Interrupt::on_signals();
    let view = TrainingView::new(out.display(), interrupt.clone());
    let run = match &args.run {
        Some(run) => run.clone(),
        None => Run::claim("demo")?,
    };
    let config = Config {
        run: RunFolder::New(Some(run)),
        command: command_line(),
        cores: threads,
        interrupt,
        ..Config::new(Recipe::load("small")?, dataset)
    };
    let report = Session::new(config).observe(view).run()?;
    let show = |out: &mut dyn Write| match report.signal() {
        Some(_) => Ok(()),
        None => show(&report, &test, threads, out),
    };
    let printed = if out.is_json() {
        // Standard output is for the JSON object.
        show(&mut std::io::stderr())?;
        out.json(&report.json())
    } else {
        show(out)?;
        out.still_open()
    };
    with_code(report::exit_code(&report), printed)
}

/// Writes some test images with their five most probable classes, and what to try next.
fn show(report: &Report, test: &Split, threads: usize, out: &mut dyn Write) -> Result<()> {
    let mut predictor = Predictor::load(
        &report.run,
        &PredictorOptions { batch: 10, threads, ..PredictorOptions::default() },
    )?;
    for shown in 0..SHOWN {
        // Spread over the split, so that several classes appear.
        let index = (2 * shown + 1) * test.len() / (2 * SHOWN);
        let Ok(image) = test.image(index)? else { continue };
        let probabilities = predictor.probabilities(&image, predictor.views)?;
        let label = &predictor.classes[test.label(index) as usize];
        let best: Vec<(String, f64)> = top(&probabilities, 5)
            .into_iter()
            .map(|(class, p)| (predictor.classes[class].clone(), p))
            .collect();
        write(out, &beside(&draw(&image, Ink::detect()), &captions(label, &best)))?;
    }
    write(out, &next_commands(report))
}

fn write(out: &mut dyn Write, text: &str) -> Result<()> {
    writeln!(out, "{text}").map_err(|error| Error::io("standard output", "write", &error))
}

/// The true class, then the five most probable ones with bars, one per line.
fn captions(label: &str, best: &[(String, f64)]) -> Vec<String> {
    let mut lines = vec![String::new(), format!("true class: {label}"), String::new()];
    for (name, probability) in best {
        let bar = "#".repeat((probability * 20.0).round() as usize);
        lines.push(format!("{name:<12} {:>5.1} %  {bar}", 100.0 * probability));
    }
    lines
}

/// What to try next, as commands that work.
fn next_commands(report: &Report) -> String {
    let run = report.run.display();
    let mut text = String::new();
    if let Some(found) = &report.evaluation {
        text += &format!(
            "test accuracy: {:.2} % top-1, {:.2} % top-5 on {} images, after {} epochs and {:.0} seconds\n",
            100.0 * found.top1_share(),
            100.0 * found.top5_share(),
            found.images,
            report.epochs,
            report.seconds
        );
    }
    text + &format!(
        "run folder: {run}\n\n\
         Next, with your own images, one folder per class:\n  \
         alexnet train IMAGES --recipe small\n  \
         alexnet classify {} IMAGE.jpg\n  \
         alexnet recipe show paper\n\
         (from a checkout: cargo run --release -- in place of alexnet)",
        shell(&report.run)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captions_name_the_class_and_the_five_most_probable() {
        let best = vec![("Bag".to_owned(), 0.75), ("Coat".to_owned(), 0.25)];
        let lines = captions("Bag", &best);
        assert!(lines[1].contains("Bag") && lines[3].ends_with(&"#".repeat(15)), "{lines:?}");
    }
}
